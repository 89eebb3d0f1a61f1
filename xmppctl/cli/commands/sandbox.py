"""`xmppctl sandbox`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from xmppctl.cli.tree import Group

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.sandbox.lifecycle import Sandbox


@click.group(cls=Group)
def command() -> None:
    """Run a local server (Prosody, rootless, on loopback) with the accounts alice and bob.

    It has PubSub, rooms, archives and uploads, and trusts nobody outside; its files are gone after the stop.
    """


@command.command()
@click.pass_obj
def start(app: App) -> None:
    """Start the sandbox, unless it runs already. It stays until `sandbox stop`."""
    from xmppctl.sandbox import lifecycle

    with showing_log(app):
        sandbox, fresh = lifecycle.start()
    app.renderer().record(sandbox.record() | {"started": fresh}, _running(sandbox))
    note_hidden_accounts(app)


@command.command()
@click.pass_obj
def stop(app: App) -> None:
    """Stop the sandbox and remove all that it has written."""
    from xmppctl.sandbox import lifecycle

    with showing_log(app):
        stopped = lifecycle.stop()
    app.renderer().record(
        {"state": "stopped", "stopped": stopped},
        "the sandbox is stopped" if stopped else "there was no sandbox to stop",
    )


@command.command()
@click.pass_obj
def status(app: App) -> None:
    """Tell whether the sandbox runs, and where everything is; exit 3 where it does not run."""
    from xmppctl.errors import SandboxError
    from xmppctl.sandbox import lifecycle

    sandbox = lifecycle.find()
    if sandbox is not None:
        app.renderer().record(sandbox.record(), _running(sandbox))
        return
    state = lifecycle.state()
    app.renderer().record({"state": state}, state)
    why = ", but left files: the next start removes them" if state == "crashed" else ""
    raise SandboxError(f"the sandbox does not run{why}", hint="xmppctl sandbox start")


@command.command(context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] CMD [ARG...]")
@click.pass_obj
def run(app: App, words: tuple[str, ...]) -> int:
    """Run CMD on the sandbox and return its exit code; stop the sandbox then, if it was started for this.

    In CMD, alice is the default account (-a bob makes it bob) and your own accounts do not exist; XMPPCTL_SANDBOX_HOST,
    _PORT, _TLS_PORT, _COMPONENT_PORT, _CA and _DIR tell other programs where the server is.
    """
    from xmppctl.errors import UsageError
    from xmppctl.sandbox import lifecycle
    from xmppctl.sandbox.run import check_program, environment, run_program

    account = str(app.options.get("account") or lifecycle.ACCOUNTS[0])
    if account not in lifecycle.ACCOUNTS:
        raise UsageError(f"the sandbox has no account {account!r}", hint="it has alice and bob")
    check_program(words, app.environ)
    with showing_log(app), lifecycle.in_use() as sandbox:
        return run_program(words, environment(sandbox, app.environ, account=account))


@contextmanager
def showing_log(app: App) -> Iterator[None]:
    """Where the server fails, show the end of its log before the error itself: the files are gone then."""
    from xmppctl.errors import SandboxError

    try:
        yield
    except SandboxError as error:
        for line in error.log.splitlines():
            app.note(f"its log: {line}")
        raise


def note_hidden_accounts(app: App) -> None:
    """Tell of accounts of the user's own that come before the sandbox's because they are named the same."""
    from xmppctl.config.accounts import load
    from xmppctl.config.paths import config_file
    from xmppctl.sandbox.lifecycle import ACCOUNTS

    own = load(config_file(app.environ)).accounts
    for name in ACCOUNTS:
        if name in own:
            app.note(
                f"your own account {name} comes before the sandbox's: reach that one with "
                f"xmppctl sandbox run -- xmppctl -a {name} ..."
            )


def _running(sandbox: Sandbox) -> str:
    ports = sandbox.ports
    lines = [
        f"the sandbox runs: {sandbox.directory}",
        f"  server    127.0.0.1, port {ports.direct} (direct TLS) and {ports.starttls} (STARTTLS), domain localhost",
        "  accounts  alice@localhost, bob@localhost",
        "  services  pubsub.localhost, conference.localhost, upload.localhost",
        f"  component component.localhost on port {ports.component}, secret in {sandbox.component_secret_file}",
        "try: xmppctl -a bob watch, and elsewhere: xmppctl -a alice send bob@localhost hello",
        "end: xmppctl sandbox stop",
    ]
    return "\n".join(lines)
