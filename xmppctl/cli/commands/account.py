"""`xmppctl account`: the accounts of the configuration file. Subcommands that connect are in `cli.accounts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.accounts import password, register, trial
from xmppctl.cli.accounts.shared import STORE, chosen, given_password, new_account
from xmppctl.cli.tree import Group
from xmppctl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xmppctl.cli.app import App
    from xmppctl.config.accounts import Account, Value
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings


@click.group(cls=Group)
def command() -> None:
    """Configure, test and register accounts.

    They are in ~/.config/xmppctl/config.toml, which may be edited by hand. NAME is what -a takes.
    """


@command.command(short_help="Write a new account into the configuration")
@click.argument("name")
@click.option("--keyring", is_flag=True, help="The password is in the desktop's keyring, or goes there.")
@click.option(
    "--certificate",
    shell_complete=complete.files,
    metavar="FILE",
    help="Log in with this client certificate (PEM).",
)
@click.option(
    "--key",
    shell_complete=complete.files,
    metavar="FILE",
    help="Its private key, where it is in another file.",
)
@click.option(
    "--plain", is_flag=True, help="The server may be sent the password itself (SASL PLAIN), inside TLS."
)
@click.option(
    "--persist",
    metavar="DURATION",
    help="Have a daemon started when it is first needed, which ends after idling so long: 10m.",
)
@click.option("--default", "default", is_flag=True, help="Make it the default; the first account is anyhow.")
@click.option("--test", "test", is_flag=True, help="Log in first; write nothing if that fails.")
@STORE
@click.pass_obj
def add(
    app: App,
    name: str,
    keyring: bool,
    certificate: str | None,
    key: str | None,
    plain: bool,
    persist: str | None,
    default: bool,
    test: bool,
    store: str | None,
) -> None:
    """Write a new account into the configuration.

    Options that every command has (--jid, --host, --ca, --password-command ...) are what is written. On a terminal
    it asks for what is missing. --password-file - takes a password from standard input and keeps it (see --store).
    """
    from xmppctl.config import keep, paths
    from xmppctl.config.store import add_account

    file = paths.config_file(app.environ)
    more = {"certificate": certificate, "key": key, "persist": persist, "plain": "true" if plain else None}
    values, settings = new_account(app, name, more)
    place: keep.Place = "keyring" if keyring or store == "keyring" else "file"
    if keyring and {"password_command", "password_file"} & values.keys():
        raise UsageError("--keyring, --password-command and --password-file exclude each other")
    secret = _password_to_keep(app, settings, keyring=keyring)
    if test:
        trial.log_in_step_by_step(app, _with(settings, secret))
    if secret is not None:
        values |= keep.save(name, settings.jid.bare, secret, place, file=file)
    elif keyring:
        values["keyring"] = True
    is_default = add_account(name, values, file=file, default=True if default else None)
    where = (
        f"the password is kept in {'the keyring' if place == 'keyring' else file.parent / str(values['password_file'])}"
        if secret is not None
        else _said_about_password(settings, values)
    )
    app.renderer().record(
        {"account": name, "jid": settings.jid.bare, "default": is_default, "added": True},
        f"added {name}: {settings.jid.bare}" + (" (the default)" if is_default else ""),
    )
    app.note(where)


def _with(settings: Settings, secret: Secret | None) -> Settings:
    from xmppctl.config.secrets import GivenPassword

    return settings if secret is None else settings._replace(password=GivenPassword(secret, "given now"))


def _password_to_keep(app: App, settings: Settings, *, keyring: bool) -> Secret | None:
    """A password that is given now: by standard input, XMPPCTL_PASSWORD, or at the terminal. None to keep none."""
    from xmppctl.cli import asking
    from xmppctl.config import prompt, secrets

    given = given_password(settings)
    if given is not None or settings.password.kind != "prompt" or not asking.possible(app):
        return given
    otherwise = "empty: the keyring has it" if keyring else "empty: ask each time"
    typed = prompt.ask(f"Password for {settings.jid.bare} ({otherwise}): ", asking.PATIENCE)
    return secrets.check(typed, "password") if typed.reveal().strip("\r\n") else None


def _said_about_password(settings: Settings, values: Mapping[str, Value]) -> str:
    from xmppctl.config.keys import PASSWORD_KEYS
    from xmppctl.config.secrets import KEYRING_SERVICE, WAYS

    if "keyring" in values:
        return f"its password is expected in the keyring: keyring set {KEYRING_SERVICE} {settings.jid.bare}"
    if not settings.password.available or any(key in values for key in PASSWORD_KEYS):
        return f"its password: {settings.password.describe()}"
    return f"it has no password yet: {WAYS}"


@command.command("list", short_help="List the accounts")
@click.pass_obj
def list_(app: App) -> None:
    """List the accounts, those of a running sandbox too."""
    from xmppctl.config import accounts, paths

    own = accounts.load(paths.config_file(app.environ))
    found = accounts.everything(app.environ)
    records = [
        {
            "account": account.name,
            "jid": str(account.values["jid"]),
            "default": account.name == own.default and account.file == own.path,
            "password": password_kind(account),
            "file": str(account.file),
        }
        for account in found
    ]
    rows = [
        (r["account"], r["jid"], r["password"], "yes" if r["default"] else "", r["file"]) for r in records
    ]
    app.renderer().table(("Account", "JID", "Password", "Default", "File"), rows, records)
    if not found:
        app.note("there are no accounts; make one: xmppctl account add NAME --jid JID")


def password_kind(account: Account) -> str:
    """Where an account keeps its password, in a word."""
    words = {
        "password_command": "command",
        "password_file": "file",
        "keyring": "keyring",
        "password": "stored",
    }
    for key, word in words.items():
        if account.values.get(key):
            return word
    return "certificate" if "certificate" in account.values else "asked"


@command.command(short_help="Show an account's settings, and where each comes from")
@click.argument("name", required=False, shell_complete=complete.accounts)
@click.option(
    "--origin", is_flag=True, help="Tell where each value comes from: option, environment, account, default."
)
@click.pass_obj
def show(app: App, name: str | None, origin: bool) -> None:
    """Show what an account comes to with the options and variables of this moment. Never shows a password."""
    settings = chosen(app, name)
    fields = [
        "account",
        *(field for field in settings._fields if field not in ("account", "password", "origins")),
    ]
    shown = {field: _shown(getattr(settings, field)) for field in fields}
    shown["password"] = settings.password.describe()
    record: dict[str, Any] = {key: value for key, value in shown.items() if value is not None}
    if origin:
        record["origins"] = dict(settings.origins)
    rows = [
        (key, "-" if value is None else _text(value), *((settings.origins.get(key, ""),) if origin else ()))
        for key, value in shown.items()
        if origin or value not in (None, False)
    ]
    columns = ("Setting", "Value", "Origin") if origin else ("Setting", "Value")
    if app.output == "text":
        app.renderer().table(columns, rows)
    else:
        app.renderer().record(record)


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} s" if isinstance(value, float) else str(value)


@command.command(short_help="Take an account out of the configuration")
@click.argument("name", shell_complete=complete.accounts)
@click.pass_obj
def remove(app: App, name: str) -> None:
    """Take an account out of the configuration, and the password that was kept for it. The server is not told."""
    from xmppctl.config import accounts, keep, paths
    from xmppctl.config.store import remove_account

    own = accounts.load(paths.config_file(app.environ)).accounts
    if name not in own:
        account = accounts.find(name, app.environ)  # raises where there is none at all
        raise ConfigError(
            f"{name} belongs to the sandbox ({account.file})", hint="it goes with xmppctl sandbox stop"
        )
    was_default = remove_account(name, file=own[name].file)
    keep.forget(own[name])
    app.renderer().record({"account": name, "removed": True}, f"removed {name}")
    if was_default and len(own) > 2:
        app.note('it was the default; choose another by writing default = "NAME" at the top of the file')
    if own[name].values.get("keyring"):
        app.note("its password is still in the keyring")


for _each in (trial.command, register.command, password.command):
    command.add_command(_each)
