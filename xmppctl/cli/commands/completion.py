"""`xmppctl completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli.scripts import SCRIPTS
from xmppctl.cli.tree import Command

if TYPE_CHECKING:
    from xmppctl.cli.app import App


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
@click.pass_obj
def command(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, account names, JIDs that are known on this machine, and filter terms, and never
    asks a server.

    \b
    bash: eval "$(xmppctl completion bash)"      in ~/.bashrc
    zsh:  eval "$(xmppctl completion zsh)"       in ~/.zshrc, after compinit
    fish: xmppctl completion fish | source       in ~/.config/fish/config.fish
    """
    app.stdout.write(SCRIPTS[shell])
