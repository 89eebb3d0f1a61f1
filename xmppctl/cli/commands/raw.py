"""`xmppctl raw`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli.tree import Command
from xmppctl.errors import PartialFailure, StanzaRefused, UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.base import Session
    from xmppctl.stanza.frame import Frame


@click.command(cls=Command)
@click.argument("xml", required=False, metavar="[XML|-]")
@click.pass_obj
def command(app: App, xml: str | None) -> None:
    """Send stanzas exactly as typed; print the reply to each iq.

    With - they are read from standard input. Only an iq request without an id gets one. Everything is checked before
    anything is sent. Exit 0: the server has all of it, and each iq has its result; an error makes it 1, and 10 where
    it is only some of several.

    What is no stanza (such as <active xmlns='urn:xmpp:csi:0'/>) is about the stream itself: then the command has a
    stream of its own and does not go through a daemon.
    """
    from xmppctl.cli import stdin

    if xml is None:
        raise stdin.refuse_missing(app, "XML")
    renderer = app.renderer(has_xml=True)
    app.settings()  # a password on standard input is its first line
    frames = _checked(app, xml)
    refusals: list[StanzaRefused] = []

    def refused(error: StanzaRefused) -> None:
        refusals.append(error)
        if len(frames) > 1:
            app.tell(error)

    async def main(session: Session) -> None:
        from xmppctl.protocols.raw import Conversation

        await Conversation(session, renderer.frame, refused).run(frames)

    own = any(frame.kind == "nonza" for frame in frames)
    app.run(main, settings=app.settings() if own else None)
    if not refusals:
        app.detail(f"the server has {len(frames)} stanza{'s' if len(frames) != 1 else ''}")
    elif len(frames) == 1:
        raise refusals[0]
    elif len(refusals) >= len(frames):
        raise StanzaRefused(f"all {len(frames)} stanzas were refused", reason=refusals[0].reason)
    else:
        raise PartialFailure(f"{len(refusals)} of {len(frames)} stanzas were refused")


def _checked(app: App, xml: str) -> list[Frame]:
    """What was typed, as frames. Raises MalformedInput, UsageError."""
    from xmppctl.cli import stdin
    from xmppctl.stanza.check import ensure_id, split_input

    if xml == "-":
        data = stdin.read_all(app)
        if not data.strip():
            raise UsageError("standard input is empty: nothing was sent")
        return [ensure_id(frame) for frame in split_input(data, source="standard input")]
    return [ensure_id(frame) for frame in split_input(xml)]
