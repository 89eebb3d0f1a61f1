"""The options that every command has, before or after the subcommand; each has a variable `XMPPCTL_…` as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from xmppctl.cli import complete

if TYPE_CHECKING:
    from xmppctl.cli.app import App


class Shared(NamedTuple):
    """One shared option. `name` is its key in `App.options`; `choices` its words; a flag takes no value."""

    name: str
    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    choices: Sequence[str] = ()
    flag: bool = False
    repeats: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it, too."""
        return f"XMPPCTL_{self.name.upper()}"


SHARED: Final = (
    Shared("account", ("-a", "--account"), "Use this account.", "NAME"),
    Shared("jid", ("--jid",), "Log in as this JID.", "JID"),
    Shared("password_file", ("--password-file",), "The password is a file's first line; - is standard input.", "PATH"),
    Shared("password_command", ("--password-command",), "The password is a command's first line of output.", "CMD"),
    Shared("host", ("--host",), "Connect to this host instead of asking DNS.", "HOST"),
    Shared("port", ("--port",), "Connect to this port.", "PORT"),
    Shared("tls", ("--tls",), "How TLS begins.", choices=("starttls", "direct", "none")),
    Shared("ca", ("--ca",), "Trust only the certificates in this PEM file.", "FILE"),
    Shared("pin", ("--pin",), "Demand this key: SHA-256 of the certificate's SPKI.", "SHA256"),
    Shared("insecure", ("--insecure",), "Accept any certificate. Loud, every time.", flag=True),
    Shared("resource", ("--resource",), "Bind this resource.", "NAME"),
    Shared("timeout", ("--timeout",), "Limit the whole command (30; for those that follow: 0, none).", "SECONDS"),
    Shared("daemon", ("--daemon",), "Go through the account's daemon if it runs, only so, or never.",
           choices=("auto", "only", "off")),
    Shared("output", ("-o", "--output"), "How results are printed.", choices=("text", "json", "jsonl", "xml")),
    Shared("color", ("--color",), "When to colour.", choices=("auto", "always", "never")),
    Shared("quiet", ("-q", "--quiet"), "No notes on standard error, only errors.", flag=True),
    Shared("verbose", ("-v", "--verbose"), "Tell more on standard error; twice for all.", repeats=True),
    Shared("trace", ("--trace",), "Write what crosses the wire to a file (0600, secrets taken out).", "FILE"),
    Shared("no_input", ("--no-input",), "Never ask anything.", flag=True),
)  # fmt: skip


def positive_duration(option: str, text: str, hint: str = "") -> float:
    """The seconds that `option` says (90s, 10m, 1h30m), more than none. Raises UsageError."""
    from xmppctl.config.values import BadValue, duration
    from xmppctl.errors import UsageError

    try:
        seconds = duration(text)
    except BadValue as error:
        raise UsageError(f"{option} {error.message}", hint=hint or error.hint) from None
    if seconds <= 0:
        raise UsageError(f"{option} must be longer than that", hint=hint)
    return seconds


def positive_size(option: str, text: str) -> int:
    """The bytes that `option` says (500K, 64M, 1G), more than none. Raises UsageError."""
    from xmppctl.config.values import BadValue, size
    from xmppctl.errors import UsageError

    try:
        found = size(text)
    except BadValue as error:
        raise UsageError(f"{option} {error.message}", hint=error.hint) from None
    if found <= 0:
        raise UsageError(f"{option} must be larger than that")
    return found


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    source = context.get_parameter_source(parameter.name or "")
    if source is click.core.ParameterSource.COMMANDLINE:
        app: App = context.obj
        app.options[parameter.name or ""] = value
    return value


def shared_options() -> list[click.Option]:
    """New click options, for one command."""
    made = []
    for shared in SHARED:
        arguments: dict[str, Any] = {"help": shared.help, "expose_value": False, "callback": _keep}
        if shared.flag:
            arguments |= {"is_flag": True, "default": None}
        elif shared.repeats:
            arguments |= {"count": True}
        elif shared.choices:
            arguments |= {"type": click.Choice(list(shared.choices))}
        else:
            arguments |= {"metavar": shared.metavar}
        if shared.name == "account":
            arguments |= {"shell_complete": complete.accounts}
        elif shared.metavar in ("FILE", "PATH"):
            arguments |= {"shell_complete": complete.files}
        made.append(click.Option([*shared.flags, shared.name], **arguments))
    return made
