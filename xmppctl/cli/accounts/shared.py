"""What the account commands share: which account is meant, what a new one is to be, where its password goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xmppctl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xmppctl.cli.app import App
    from xmppctl.config.accounts import Value
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings

#: Have a password made up.
GENERATE = click.option("--generate", is_flag=True, help="Make up a strong password, and keep it.")

#: Where a password that xmppctl is given is kept.
STORE = click.option(
    "--store",
    type=click.Choice(["file", "keyring"]),
    help="Keep the password in a private file of its own, or in the desktop's keyring.",
)


def chosen(app: App, name: str | None) -> Settings:
    """The settings of the account that an argument or -a names, else of the default. Raises ConfigError, UsageError."""
    given = app.options.get("account")
    if name is not None and given is not None and name != given:
        raise UsageError(f"which account: {name} or {given}?", hint="leave out -a, or the argument")
    if name is not None:
        app.options["account"] = name
    return app.settings()


def new_account(app: App, name: str, more: Mapping[str, str | None]) -> tuple[dict[str, Value], Settings]:
    """Check a new account's name and the options that describe it, asking for a JID where there is none.

    `more` are options of the command that are keys of an account. Gives the values for the file and the settings
    they mean. Only what was said on this command line goes in; of the environment nothing does.
    """
    from xmppctl.config import accounts, paths

    if "account" in app.options:
        raise UsageError("-a is not for new accounts", hint="the name is the argument")
    try:
        accounts.check_name(name)
    except ConfigError as error:  # it stands on the command line, not in the file
        raise UsageError(error.message, hint=error.hint) from None
    if name in accounts.load(paths.config_file(app.environ)).accounts:
        raise ConfigError(f"there is an account {name} already", hint=f"see it: xmppctl account show {name}")
    options = {**app.given_options(), **more}
    if not options.get("jid"):
        from xmppctl.cli.asking import ask

        options["jid"] = app.options["jid"] = ask(app, f"JID of {name} (romeo@montague.example)", "--jid")
    environ = {key: value for key, value in app.environ.items() if not key.startswith("XMPPCTL_")}
    if "XMPPCTL_PASSWORD" in app.environ:
        environ["XMPPCTL_PASSWORD"] = app.environ["XMPPCTL_PASSWORD"]
    return _values(options, settings := app.resolve(options, environ)), settings


def _values(options: Mapping[str, str | None], settings: Settings) -> dict[str, Value]:
    """What the file says for the options that were given; paths absolute, since a file's start elsewhere."""
    from pathlib import Path

    from xmppctl.config.keys import KEYS
    from xmppctl.config.secrets import stands_for_stdin

    values: dict[str, Value] = {}
    for name, key in KEYS.items():
        text = options.get(name)
        if text is None or (name == "password_file" and stands_for_stdin(text)):
            continue
        meant: Any = getattr(settings, name, text)
        if key.kind == "path":
            values[name] = str(Path(text).expanduser().absolute())
        elif key.kind in ("integer", "flag"):
            values[name] = meant
        else:
            values[name] = text
    return values


def given_password(settings: Settings) -> Secret | None:
    """The password that standard input or XMPPCTL_PASSWORD gives, to be kept. Raises SecretError."""
    return settings.password.get() if settings.password.kind == "value" else None
