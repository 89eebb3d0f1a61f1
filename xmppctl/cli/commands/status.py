"""`xmppctl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli.options import positive_duration
from xmppctl.cli.tree import Command
from xmppctl.errors import DaemonError, DeadlineExceeded, UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.base import Session

_STATES = ("online", "chat", "away", "xa", "dnd", "offline")
_HOLD_HINT = "such as --hold 10m; TEXT stands before --hold"
#: --hold without a duration.
_FOREVER = "until ended"


@click.command(cls=Command)
@click.argument("words", nargs=-1, metavar=f"[{'|'.join(_STATES)}] [TEXT]")
@click.option(
    "--hold",
    is_flag=False,
    flag_value=_FOREVER,
    metavar="[DURATION]",
    help="Stay connected so long (90s, 10m, 1h30m), or until ended with Ctrl-C.",
)
@click.option(
    "--priority",
    type=click.IntRange(-128, 127),
    default=-1,
    show_default=True,
    metavar="N",
    help="The resource's priority; with a negative one it gets no messages.",
)
@click.pass_obj
def command(app: App, words: tuple[str, ...], hold: str | None, priority: int) -> None:
    """Set your presence (default: online), with TEXT as its status message.

    Presence lasts as long as a connection. A daemon keeps one open (xmppctl daemon): through it this returns at once,
    and the presence is shown until another is set or the daemon ends, over reconnects; offline takes it back. --hold
    shows it for DURATION, or until Ctrl-C, with a daemon or without.

    Nobody reads messages there, so the priority is -1: the server gives them to your other clients, or keeps them.
    """
    from xmppctl.stanza.build import escape

    if hold in _STATES:  # `status --hold away`: the duration was left out
        words, hold = (hold, *words), _FOREVER
    state, text = _state(words)
    seconds = None if hold is None or hold == _FOREVER else positive_duration("--hold", hold, _HOLD_HINT)
    if hold is not None and state == "offline":
        raise UsageError("offline cannot be held: it is what remains when nothing holds a presence")
    escape(text or "")
    renderer = app.renderer()

    async def main(session: Session) -> None:
        from xmppctl.protocols.presence import announce, keep

        await announce(session, state, text, priority, hold=hold is not None)
        record = {
            "jid": str(session.jid),
            "state": state,
            "status": text,
            "priority": None if state == "offline" else priority,
        }
        if app.output != "text":
            renderer.record({name: value for name, value in record.items() if value is not None})
        if hold is None:
            app.note(f"{session.jid} is {state}")
            return
        app.note(f"{session.jid} is {state}; Ctrl-C ends it")
        try:
            await keep(session, seconds)
        except DeadlineExceeded:
            if seconds is not None:
                raise

    app.run(main, follow=hold is not None, needs_daemon=_no_daemon(app, state) if hold is None else None)


def _no_daemon(app: App, state: str) -> DaemonError:
    from xmppctl.session.attach import chosen

    which = chosen(app.settings())
    return DaemonError(
        "no daemon holds a connection, and a presence lasts only as long as its connection",
        hint="without a daemon you are offline already"
        if state == "offline"
        else f"start one: xmppctl daemon start {which}; "
        f"or keep a connection open here: xmppctl {which} status {state} --hold",
    )


def _state(words: tuple[str, ...]) -> tuple[str, str | None]:
    """State and text. Raises UsageError."""
    state = words[0] if words else "online"
    if state not in _STATES:
        raise UsageError(
            f"{state!r} is no presence", hint="it can be " + ", ".join(_STATES) + "; TEXT stands behind it"
        )
    if len(words) > 2:
        raise UsageError(f"what is {words[2]!r}?", hint="TEXT is one word of the command line: quote it")
    return state, words[1] if len(words) == 2 and words[1] else None
