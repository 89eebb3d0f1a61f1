"""`xmppctl account test`: a login, step by step."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import click

from xmppctl.cli import complete
from xmppctl.cli.accounts.shared import chosen
from xmppctl.cli.steps import lines, milliseconds, told
from xmppctl.cli.tree import Command
from xmppctl.errors import (
    AuthError,
    DnsError,
    Interrupted,
    OutputClosed,
    OutputFailed,
    SecretError,
    TcpError,
    Terminated,
    TlsError,
    XmppctlError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xmppctl.cli.app import App
    from xmppctl.config.settings import Settings
    from xmppctl.session.base import Session
    from xmppctl.session.login import Step

#: What comes behind each step of a login, for naming the one that broke.
_NEXT = {"": "dns", "dns": "tcp", "tcp": "tls", "tls": "sasl", "sasl": "bind", "bind": "features"}


@click.command("test", cls=Command, short_help="Log in, and see each step with its time")
@click.argument("name", required=False, shell_complete=complete.accounts)
@click.pass_obj
def command(app: App, name: str | None) -> None:
    """Log in and print each step with its time: DNS, TCP, TLS, SASL, bind, features; and where it broke."""
    log_in_step_by_step(app, chosen(app, name))


def log_in_step_by_step(app: App, settings: Settings) -> None:
    """Log in, show each step as it is done, log out. Raises what broke it, after showing where."""
    began = last = monotonic()
    done = ""

    def progress(step: Step) -> None:
        nonlocal last, done
        last, done = monotonic(), step.name
        record = {"step": step.name, "ok": True, "ms": milliseconds(step.seconds), **step.detail}
        app.renderer().record(record, _text(step.name, step.seconds, told(step)))

    async def main(session: Session) -> None:
        seconds = monotonic() - began
        record = {"step": "done", "ok": True, "ms": milliseconds(seconds), "jid": str(session.jid)}
        app.renderer().record(record, _text("done", seconds, [f"{session.jid.bare} can log in"]))

    try:
        app.run(main, progress=progress, settings=settings)
    except (OutputClosed, OutputFailed, Interrupted, Terminated):
        raise  # no step of the login broke
    except XmppctlError as error:
        step, seconds = _broken(error, done), monotonic() - last
        record = {
            "step": step,
            "ok": False,
            "ms": milliseconds(seconds),
            "error": error.name,
            "message": error.message,
        }
        app.renderer().record(record, _text(step, seconds, ["FAILED"]))
        raise


def _broken(error: XmppctlError, done: str) -> str:
    kinds: Sequence[tuple[type[XmppctlError], str]] = (
        (SecretError, "password"),
        (DnsError, "dns"),
        (TcpError, "tcp"),
        (TlsError, "tls"),
        (AuthError, "sasl"),
    )
    for kind, step in kinds:
        if isinstance(error, kind):
            return step
    return _NEXT.get(done, "logout")


def _text(name: str, seconds: float, told: list[str]) -> str:
    return "\n".join(lines(name, seconds, told))
