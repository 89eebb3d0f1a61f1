"""Frames out of what another program has written to standard input."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, time
from typing import TYPE_CHECKING

from xmppctl.cli.stdin import chunks
from xmppctl.errors import MalformedInput

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.protocols.view import View
    from xmppctl.session.deadline import Deadline
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.frame import Frame


def frames(app: App, view: View, limit: Deadline, idle: float | None) -> Iterator[Frame | Event]:
    """What `view` is to show, as it comes, to the end of standard input, or until it was idle for so many seconds.

    Raises MalformedInput where a stream breaks the rules of XMPP, behind all that came before, and where nothing in
    the input is XMPP at all; UsageError, DeadlineExceeded.
    """
    from xmppctl.stanza.logs import LogReader
    from xmppctl.stanza.splitter import StreamViolation

    if app.stdin_is_terminal:
        app.note("reading from the terminal; Ctrl-D ends it")
    reader = LogReader()
    began = monotonic()
    found = False

    def idle_left() -> float | None:
        return None if idle is None else max(max(began, view.shown_at) + idle - monotonic(), 0.0)

    for data in chunks(app, limit, idle_left):
        if not data:
            if idle_left() == 0:
                return
            continue
        try:
            items = reader.feed(data, time())
        except StreamViolation as error:
            yield from reader.finish()
            raise _malformed(error.message, error.offset) from None
        found = found or bool(items)
        yield from items
    items = reader.finish()
    yield from items
    if reader.skipped and not found and not items:
        raise MalformedInput(
            f"standard input: there is no XMPP in its {reader.skipped:,} lines",
            hint="--stdin reads streams, stanzas, and the debug logs that `xmppctl watch --help` names",
        )


def _malformed(message: str, offset: int) -> MalformedInput:
    return MalformedInput(f"standard input, byte {offset:,}: {message}", hint="what came before it was shown")
