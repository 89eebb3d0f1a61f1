"""`xmppctl ping`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli.tree import Command

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.base import Session


@click.command(cls=Command)
@click.argument("to", required=False, metavar="[JID]")
@click.option(
    "--count", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Ping so often."
)
@click.pass_obj
def command(app: App, to: str | None, count: int) -> None:
    """Measure the way to JID (default: the own server) and back (XEP-0199)."""
    from xmppctl.stanza.jid import Jid

    target = None if to is None else str(Jid.parse(to))

    async def main(session: Session) -> None:
        from xmppctl.protocols.ping import ping

        whom = target or session.jid.domain
        for number in range(1, count + 1):
            seconds, known = await ping(session, whom)
            milliseconds = round(seconds * 1000, 3)
            told = f"{whom}: {milliseconds:.1f} ms" + (
                "" if known else " (it does not know pings, but answers)"
            )
            app.renderer().record(
                {"to": whom, "sequence": number, "ms": milliseconds, "supported": known}, told
            )

    app.run(main)
