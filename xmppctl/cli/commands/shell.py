"""`xmppctl shell`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from xmppctl.cli.tree import Command
from xmppctl.cli.viewing import format_option, full_option
from xmppctl.errors import UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App

_STAGES = ("connect", "tls", "features", "auth")


@click.command(cls=Command)
@format_option
@full_option
@click.option(
    "--loud", is_flag=True, help="Show everything that crosses the wire, both ways, from the start."
)
@click.option(
    "--keys",
    type=click.Choice(["emacs", "vi"]),
    help="The keys of the line editor.  [default: as ~/.inputrc says, else emacs]",
)
@click.option(
    "--no-validate", is_flag=True, help="Send each line exactly as it is typed, malformed ones too."
)
@click.option(
    "--no-acks", is_flag=True, help="Do not ask for acknowledgements (XEP-0198): send nothing unasked."
)
@click.option(
    "--no-lookups", is_flag=True, help="Ask the server nothing for what Tab offers: only what was seen is."
)
@click.option(
    "--stop-at",
    type=click.Choice(_STAGES),
    help="Log in only so far, and go on by hand: connected; inside TLS; with the features; before binding.",
)
@click.option(
    "--component",
    is_flag=True,
    help="Be the component that --jid names (XEP-0114); its secret is the password.",
)
@click.pass_obj
def command(
    app: App,
    /,
    form: Literal["pretty", "line", "raw"],
    full: bool,
    loud: bool,
    keys: Literal["emacs", "vi"] | None,
    no_validate: bool,
    no_acks: bool,
    no_lookups: bool,
    stop_at: Literal["connect", "tls", "features", "auth"] | None,
    component: bool,
) -> int:
    """Type stanzas and see what comes back: the raw XML shell.

    A stanza goes on until it is well-formed, and is sent then; its answer appears under it with the time it took. What
    else comes appears above the line. Lines with a / are commands (/help): every one of xmppctl, on this stream, and
    the shell's own. No presence is shown until you send one (<presence/>).

    Standard input that is no terminal is a script of the same lines: /wait and /expect make it a test, whose exit code
    tells how it ended. Each request has its answer before the script goes on. A file is checked before anything is
    sent. See xmppctl help shell.

    --no-validate, --stop-at and --component never go through a daemon.
    """
    from xmppctl.cli.shelling import Wishes, start

    if stop_at is not None and component:
        raise UsageError(
            "--stop-at and --component exclude each other", hint="a component has no login to stop at"
        )
    return start(
        app,
        Wishes(
            form=form,
            full=full,
            loud=loud,
            keys=keys,
            checks=not no_validate,
            acks=not (no_acks or no_validate),
            lookups=not no_lookups,
            stop_at=stop_at,
            component=component,
        ),
    )
