"""`xmppctl version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Command

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.base import Session


@click.command(cls=Command)
@click.argument("to", required=False, metavar="[JID]", shell_complete=complete.jids)
@click.pass_obj
def command(app: App, to: str | None) -> None:
    """Ask JID (default: the own server) for its software's name, version and operating system (XEP-0092)."""
    from xmppctl.stanza.jid import Jid

    target = None if to is None else str(Jid.parse(to))
    renderer = app.renderer()

    async def main(session: Session) -> tuple[str, dict[str, str]]:
        from xmppctl.protocols.version import version

        whom = target or session.jid.domain
        return whom, await version(session, whom)

    from xmppctl.output.safe import safe

    whom, found = app.run(main, plugins=True)
    complete.remember(app, [target] if target else [])
    told = " ".join(found[name] for name in ("name", "version") if name in found) or "it does not say"
    system = f" on {found['os']}" if "os" in found else ""
    renderer.record({"jid": whom, **found}, f"{safe(whom)}: {safe(told + system)}")
