"""`xmppctl watch`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from xmppctl.cli import complete
from xmppctl.cli.options import positive_duration
from xmppctl.cli.tree import Command

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from xmppctl.cli.app import App
    from xmppctl.session.base import Session

_NEGATED = re.compile(r"-[a-z]+:.")
#: Stands before a negated term while click looks for options.
_SHIELD = "\0"


class _Watch(Command):
    """Takes `-type:error` for the term that it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hide negated terms from the option parser."""
        return super().parse_args(ctx, [_SHIELD + word if _NEGATED.match(word) else word for word in args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What begins with a minus can be an option or a negated term."""
        terms = [] if incomplete.startswith("--") else complete.filter_terms(ctx, self.params[0], incomplete)
        return super().shell_complete(ctx, incomplete) + terms


def _unshield(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.removeprefix(_SHIELD) for word in words)


@click.command(cls=_Watch)
@click.argument(
    "terms", nargs=-1, metavar="[TERM...]", callback=_unshield, shell_complete=complete.filter_terms
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many.")
@click.option(
    "--until-idle", "idle", metavar="DURATION", help="End when nothing was shown for so long (30s, 5m)."
)
@click.option(
    "--presence",
    type=click.Choice(["available", "chat", "away", "xa", "dnd", "none"]),
    default="available",
    show_default=True,
    help="What to come online as; none stays invisible, and gets few messages.",
)
@click.option("--line", is_flag=True, help="One line for each, instead of its XML laid out.")
@click.option("--full", is_flag=True, help="Show long texts whole.")
@click.pass_obj
def command(
    app: App,
    terms: tuple[str, ...],
    count: int | None,
    idle: str | None,
    presence: str,
    line: bool,
    full: bool,
) -> None:
    """Watch the live stream in both directions, from its first byte to its last.

    TERMs select: kind:iq, type:error, dir:in, from:juliet@*, with:JID, ns:urn:xmpp:ping, xpath:EXPR, and -TERM for
    what is not wanted; all must hold (xmppctl help filters). It goes on until --count, --timeout or Ctrl-C ends it.

    Through a daemon it shows the account's stream, with what other commands send, from now on and over reconnects.
    Output that is read too slowly holds up nobody there: the oldest stanzas are lost. Standard error tells how many,
    whatever -q says, and the exit code stays 0.
    """
    from xmppctl.protocols.presence import appear
    from xmppctl.protocols.watch import Losses, Watcher
    from xmppctl.session.run import Observer
    from xmppctl.stanza.filters import compile_filter

    wanted = compile_filter(terms)
    pause = None if idle is None else positive_duration("--until-idle", idle)
    renderer = app.renderer(has_xml=True, form="line" if line else "pretty", full=full)
    renderer.begin_list()
    watcher, losses = Watcher(renderer.frame, wanted, count), Losses(app.warn)

    async def main(session: Session) -> None:
        if presence != "none":
            await appear(session, None if presence == "available" else presence, priority=0)
        app.detail(f"watching as {session.jid}")
        await watcher.follow(session, idle=pause, output=app.output_pipe)

    try:
        app.run(main, follow=True, observe=Observer(terms, watcher.take, losses.take, only=True))
    finally:
        losses.end()
