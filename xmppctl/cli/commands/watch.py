"""`xmppctl watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli.viewing import TermsCommand, Viewing, Wishes, view_options
from xmppctl.errors import DeadlineExceeded, UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.base import Session

_PRESENCES = ("available", "chat", "away", "xa", "dnd", "none")


@click.command(cls=TermsCommand)
@view_options
@click.option(
    "--presence",
    type=click.Choice(_PRESENCES),
    default="available",
    show_default=True,
    help="What to come online as; none stays invisible, and gets few messages.",
)
@click.option(
    "--priority",
    type=click.IntRange(-128, 127),
    metavar="N",
    help="The priority of that presence (0); with a negative one the server keeps messages for others.",
)
@click.option(
    "--carbons", is_flag=True, help="Have copies of what the account's other clients send and get (XEP-0280)."
)
@click.option(
    "--stdin", "piped", is_flag=True, help="Read a stream, stanzas or a program's log from standard input."
)
@click.pass_obj
def command(
    app: App, /, presence: str, priority: int | None, carbons: bool, piped: bool, **wishes: Any
) -> None:
    """Watch the live stream in both directions, from its first byte to its last.

    TERMs select: kind:iq, type:error, dir:in, from:juliet@*, with:JID, ns:urn:xmpp:ping, xpath:EXPR, and -TERM for
    what is not wanted; all must hold (xmppctl help filters). It goes on until --count, --timeout or Ctrl-C ends it.

    With --expect it is an assertion for scripts: it ends with 0 when what is expected was seen, with 6 when --timeout
    (30 seconds, unless it says otherwise) is over before, with 7 when --count or --until-idle ends it before. TERMs of
    its own decide what is shown; without them that is what was expected.

    Through a daemon it shows the account's stream, with what other commands send, from now on and over reconnects.
    Output that is read too slowly holds up nobody: the oldest stanzas are lost. It is told how many, in the output and
    on standard error, whatever -q says, and the exit code stays 0. A recording loses none.

    --stdin reads what other programs have written: a stream, stanzas one after another, debug logs of slixmpp, Prosody
    and ejabberd, and what xmppctl itself prints with -o jsonl and -o xml and writes with --trace.
    """
    view = Wishes(**wishes)
    if presence == "none" and priority is not None:
        raise UsageError("--priority is of a presence, and --presence none shows none")
    if piped:
        _refuse_session_options(presence, priority, carbons)
        _watch_input(app, view)
    else:
        _watch_session(app, view, None if presence == "none" else presence, priority or 0, carbons)


def _watch_session(app: App, wishes: Wishes, presence: str | None, priority: int, carbons: bool) -> None:
    from xmppctl.protocols.presence import appear
    from xmppctl.protocols.watch import follow, judge_end
    from xmppctl.session.run import Observer

    app.settings()  # what is wrong with the account is told before a file is made
    follows = not wishes.expected or app.option("timeout") is not None
    with Viewing(app, wishes, live=True) as viewing:

        async def main(session: Session) -> None:
            if carbons:
                from xmppctl.protocols.carbons import enable

                await enable(session)
            if presence is not None:
                await appear(session, None if presence == "available" else presence, priority=priority)
            app.detail(f"watching as {session.jid}")
            await follow(
                session,
                viewing.view,
                idle=wishes.idle,
                output=app.output_pipe,
                redraw=viewing.redraw,
            )

        observer = Observer(wishes.observed, viewing.take, viewing.lost, only=True, event=viewing.event)
        app.run(main, follow=follows, observe=observer)
    judge_end(viewing.view, "enough was shown, or nothing came any more")


def _watch_input(app: App, wishes: Wishes) -> None:
    """What is piped in, to its end."""
    from xmppctl.cli.piped import frames
    from xmppctl.protocols.watch import judge_deadline, judge_end, read_through
    from xmppctl.session.deadline import Deadline

    limit = Deadline(app.timeout(follow=True))
    why = ""
    with Viewing(app, wishes, live=False) as viewing:
        view = viewing.view
        try:
            why = read_through(frames(app, view, limit, wishes.idle), view, redraw=viewing.redraw)
        except DeadlineExceeded:
            judge_deadline(view)
            why = "time ran out"
    judge_end(view, why)


def _refuse_session_options(presence: str, priority: int | None, carbons: bool) -> None:
    given = {"--presence": presence != "available", "--priority": priority is not None, "--carbons": carbons}
    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"{option} is for a session, and --stdin opens none")
