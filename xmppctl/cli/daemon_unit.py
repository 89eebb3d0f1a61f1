"""`xmppctl daemon unit`: a unit with the paths of this installation and the options of this command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xmppctl.errors import SecretError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.config.settings import Settings

#: Options that say who logs in and how; the others are of the command that prints the unit.
_LASTING: Final = (
    *("jid", "password_file", "password_command", "host", "port", "tls", "ca", "pin"),
    *("insecure", "resource"),
)
#: Options whose value is a path, which the unit needs in full.
_PATHS: Final = frozenset({"password_file", "ca"})
#: Where files are, if it is not where everybody has them. XDG_RUNTIME_DIR is the service manager's to set.
_PLACES: Final = ("XMPPCTL_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME")


def make(app: App, manager: str) -> tuple[dict[str, Any], str]:
    """A unit as a record and as its text. Raises SecretError where the daemon could not log in by itself."""
    from xmppctl.daemon import units

    settings = app.settings()
    _check_password(settings)
    unit = units.Unit(
        settings.name,
        settings.jid.bare,
        (*program(), "daemon", "start", "--foreground", *_words(app, settings)),
        _environment(app),
    )
    text = units.systemd(unit) if manager == "systemd" else units.launchd(unit)
    return {"manager": manager, "unit": text}, text.rstrip("\n")


def program() -> tuple[str, ...]:
    """The words that run this xmppctl from anywhere."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "xmppctl" and started.is_file():
        return (str(started),)
    return (sys.executable, "-m", "xmppctl")


def _words(app: App, settings: Settings) -> list[str]:
    from xmppctl.cli.options import SHARED
    from xmppctl.config.paths import expand

    # By its name also where it is the default one: that can change.
    words = ["--account", settings.account] if settings.account else []
    for shared in SHARED:
        value = app.option(shared.name)
        if shared.name not in _LASTING or value is None or (shared.flag and not app.flag(shared.name)):
            continue
        words.append(shared.flags[-1])
        if not shared.flag:
            words.append(str(expand(value, Path(), app.environ)) if shared.name in _PATHS else value)
    return words


def _environment(app: App) -> dict[str, str]:
    return {name: app.environ[name] for name in _PLACES if app.environ.get(name)}


def _check_password(settings: Settings) -> None:
    source = settings.password
    if source.kind == "prompt" or (
        source.kind == "value" and not settings.origins["password"].startswith("account")
    ):
        raise SecretError(
            f"the daemon of {settings.name} could not log in by itself: its password comes from {source.origin}",
            hint="give the account a password_command, a password_file or the keyring: xmppctl account add --help",
        )
