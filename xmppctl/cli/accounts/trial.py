"""`xmppctl account test`: a login, step by step."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.accounts.shared import chosen
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
    from collections.abc import Mapping, Sequence

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
        record = {"step": step.name, "ok": True, "ms": _ms(step.seconds), **step.detail}
        app.renderer().record(record, _line(step.name, step.seconds, _told(step)))

    async def main(session: Session) -> None:
        seconds = monotonic() - began
        record = {"step": "done", "ok": True, "ms": _ms(seconds), "jid": str(session.jid)}
        app.renderer().record(record, _line("done", seconds, [f"{session.jid.bare} can log in"]))

    try:
        app.run(main, progress=progress, settings=settings)
    except (OutputClosed, OutputFailed, Interrupted, Terminated):
        raise  # no step of the login broke
    except XmppctlError as error:
        step, seconds = _broken(error, done), monotonic() - last
        record = {
            "step": step,
            "ok": False,
            "ms": _ms(seconds),
            "error": error.name,
            "message": error.message,
        }
        app.renderer().record(record, _line(step, seconds, ["FAILED"]))
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


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _line(name: str, seconds: float, told: list[str]) -> str:
    from xmppctl.output.safe import safe

    head = f"{name:<9}{_ms(seconds):>8.1f} ms  "
    return head + ("\n" + " " * len(head)).join(safe(part) for part in told)


def _told(step: Step) -> list[str]:
    """What a step's record says, in words; network text as it came."""
    detail = step.detail
    if step.name == "dns":
        return [
            f"{detail['host']}:{detail['port']} (by {detail['source']}): {', '.join(detail['addresses'])}"
        ]
    if step.name == "tls":
        return _told_tls(detail)
    if step.name == "features":
        from xmppctl.stanza.namespaces import xep_of

        names = [name.rpartition(" ")[0] for name in detail["features"]]
        return [", ".join(f"{name} ({xep})" if (xep := xep_of(name)) else name for name in names)]
    return [", ".join(str(value) for key, value in detail.items() if key != "tls")]


def _told_tls(detail: Mapping[str, Any]) -> list[str]:
    told = [f"{detail.get('version')} {detail.get('cipher')}"]
    if detail.get("alpn"):
        told[0] += f", ALPN {detail['alpn']}"
    if detail.get("subject") is not None:
        told.append(
            f"certificate {detail['subject'] or '(no subject)'}, for {', '.join(detail.get('names') or ['no name'])}"
        )
        told.append(
            f"issued by {detail['issuer']}, expires {detail['not_after']}{_days_left(detail['not_after'])}"
        )
    else:
        told.append("the certificate was not checked")
    if detail.get("pin"):
        told.append(f"pin sha256/{detail['pin']}")
    return told


def _days_left(not_after: str) -> str:
    from ssl import cert_time_to_seconds
    from time import time

    try:
        return f" (in {int((cert_time_to_seconds(not_after) - time()) // 86400)} days)"
    except ValueError:
        return ""
