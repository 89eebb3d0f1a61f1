"""Reading accounts: `config.toml`, and the sandbox's own file, which the user's accounts outrank.

A file is checked whole and strictly: a misspelt key is an error that names the right one, not a setting that
silently does nothing. Values are checked for their TOML type here and for their meaning in `settings`. Writing
is `store`'s business.
"""

from __future__ import annotations

import os
import re
import select
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from xmppctl.config import paths
from xmppctl.config.keys import KEYS, PASSWORD_KEYS, Kind
from xmppctl.config.secrets import PATIENCE, Secret
from xmppctl.errors import ConfigError

Value = str | int | float | bool | Secret

MAX_FILE_BYTES: Final = 1024 * 1024

# Kept here too: this module imports nothing of the sandbox.
_SANDBOX: Final = ("alice", "bob")
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_TYPES: Final[Mapping[Kind, tuple[tuple[type, ...], str]]] = {
    "text": ((str,), "a string"),
    "path": ((str,), "a string"),
    "secret": ((Secret,), "a string"),
    "integer": ((int,), "a whole number"),
    "flag": ((bool,), "true or false"),
    "duration": ((str, int, float), 'a duration such as "10m"'),
}


class Account(NamedTuple):
    """One account as its file has it: values have the types of their keys, a `password` is a Secret."""

    name: str
    values: Mapping[str, Value]
    file: Path


class AccountFile(NamedTuple):
    """What a file says. `default` names one of `accounts`, if anything."""

    path: Path
    default: str | None
    accounts: Mapping[str, Account]


def load(path: Path) -> AccountFile:
    """Read a file of accounts; one that is missing has none. Raises ConfigError, also where it is unsafe."""
    opened = _read(path)
    if opened is None:
        return AccountFile(path, None, {})
    text, found = opened
    content, problem = _parse(text)
    if content is None:
        raise ConfigError(f"{path} is not valid TOML: {problem}", hint="nothing of it was used")
    return _checked(path, content, found)


def find(name: str, environ: Mapping[str, str] = os.environ) -> Account:
    """The account of that name, the user's own before the sandbox's. Raises ConfigError, which names near ones."""
    own = load(paths.config_file(environ))
    if name in own.accounts:
        return own.accounts[name]
    sandbox = load(paths.sandbox_accounts_file(environ))
    if name in sandbox.accounts:
        return sandbox.accounts[name]
    known = [*own.accounts, *sandbox.accounts]
    raise ConfigError(
        f"there is no account {name!r}",
        hint=near(name, known)
        or (f"there are: {', '.join(known)}" if known else "")
        or f"make it: xmppctl account add {name} --jid JID"
        + ("; the sandbox's is there after: xmppctl sandbox start" if name in _SANDBOX else ""),
    )


def everything(environ: Mapping[str, str] = os.environ) -> list[Account]:
    """All accounts that can be used, the user's own first. Raises ConfigError."""
    own = load(paths.config_file(environ)).accounts
    sandbox = load(paths.sandbox_accounts_file(environ)).accounts
    return [*own.values(), *(account for name, account in sandbox.items() if name not in own)]


def check_name(name: str, place: str = "") -> str:
    """Give back a name that an account can have. Raises ConfigError, whose message begins with `place`."""
    if not re.fullmatch(_NAME, name):
        raise ConfigError(
            f"{place}{name!r} cannot name an account",
            hint="names have letters, digits, dot, dash and underscore, at most 64, and begin with a letter or digit",
        )
    return name


def check_account(name: str, values: Mapping[str, Any], place: str) -> Mapping[str, Value]:
    """Give back the values of one account after checking keys and types; a `password` is a Secret already.

    `place` is the file, for the errors. Raises ConfigError.
    """
    for key, value in values.items():
        _check_value(f"{place}: accounts.{name}.{key}", key, value)
    if "jid" not in values:
        raise ConfigError(
            f"{place}: accounts.{name} has no jid", hint='it needs a line jid = "you@server.example"'
        )
    sources = [key for key in PASSWORD_KEYS if values.get(key, False) is not False]
    if len(sources) > 1:
        raise ConfigError(
            f"{place}: accounts.{name} says twice where its password is: {' and '.join(sources)}",
            hint="keep one of them",
        )
    return values


class _Content(NamedTuple):
    """What a file says, unchecked, with everything that may be a secret hidden."""

    default: Any
    accounts: Mapping[str, Mapping[str, Any] | None] | None  # None: not a table
    unknown: list[str]

    @property
    def holds_password(self) -> bool:
        return any(table and "password" in table for table in (self.accounts or {}).values())


def _parse(text: Secret) -> tuple[_Content | None, str]:
    """The content of TOML text, or None and what is wrong with it, with line and column. Never raises.

    Everything that sees the plain text is in here: an error that leaves a frame takes its variables along.
    """
    import tomllib

    try:
        data = tomllib.loads(text.reveal())
    except RecursionError:
        return None, "it is nested too deeply"
    except ValueError as error:
        return None, str(error)
    tables = data.get("accounts", {})
    hidden: dict[str, Mapping[str, Any] | None] | None = None
    if isinstance(tables, dict):
        hidden = {name: _hide(table) if isinstance(table, dict) else None for name, table in tables.items()}
    return _Content(
        data.get("default"), hidden, [key for key in data if key not in ("default", "accounts")]
    ), ""


def _hide(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy in which strings are Secrets unless their key is known to hold none ("pasword" is a likely key)."""

    def hide(key: str, value: Any) -> Any:
        if isinstance(value, str):
            return value if key in KEYS and key != "password" else Secret(value)
        return type(value)() if isinstance(value, dict | list) else value

    return {key: hide(key, value) for key, value in table.items()}


def _read(path: Path) -> tuple[Secret, os.stat_result] | None:
    try:
        # Not blocking: a FIFO that nobody writes to must not hold us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            found = os.fstat(descriptor)
            data = _read_all(descriptor, path)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    if len(data.reveal()) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_FILE_BYTES} bytes: that is no file of accounts")
    line = _line_not_utf8(data)
    if line:
        raise ConfigError(f"{path} is not valid TOML: line {line} is not UTF-8")
    if found.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise ConfigError(f"{path} belongs to another user (uid {found.st_uid})", hint="it must be your own")
    if found.st_mode & stat.S_IWOTH:
        raise ConfigError(f"{path} can be written by everybody", hint=f"chmod 600 {path}")
    return data, found


def _read_all(descriptor: int, path: Path) -> Secret:
    """What a file or a pipe (process substitution) holds, a little more than MAX_FILE_BYTES at most."""
    from time import monotonic

    end = monotonic() + PATIENCE
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    data = bytearray()
    while len(data) <= MAX_FILE_BYTES:
        if not poll.poll(max(0.0, end - monotonic()) * 1000):
            raise ConfigError(f"{path} is a pipe, and its end did not come in {PATIENCE:.0f} s")
        chunk = os.read(descriptor, MAX_FILE_BYTES + 1 - len(data))
        if not chunk:
            break
        data += chunk
    return Secret(data.decode("utf-8", "surrogateescape"))


def _line_not_utf8(text: Secret) -> int:
    for number, line in enumerate(text.reveal().split("\n"), 1):
        if not line.isascii() and any("\udc80" <= char <= "\udcff" for char in line):
            return number
    return 0


def _checked(path: Path, content: _Content, found: os.stat_result) -> AccountFile:
    if content.holds_password and found.st_mode & 0o077:
        raise ConfigError(
            f"{path} holds a password and others can read it (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 600 {path}",
        )
    for key in content.unknown:
        raise ConfigError(f"{path}: unknown key {key}", hint=near(key, ("default", "accounts")))
    if content.accounts is None:
        raise ConfigError(
            f"{path}: accounts must be a table", hint="an account begins with a line [accounts.NAME]"
        )
    accounts = {}
    for name, table in content.accounts.items():
        if table is None:
            raise ConfigError(
                f"{path}: accounts.{name} must be a table", hint=f"write it as [accounts.{name}]"
            )
        check_name(name, f"{path}: ")
        accounts[name] = Account(name, check_account(name, table, str(path)), path)
    default = content.default
    if default is not None and not isinstance(default, str):
        raise ConfigError(f"{path}: default must be a string, the name of an account")
    if default is not None and default not in accounts:
        raise ConfigError(
            f"{path}: default names an account that does not exist: {default!r}",
            hint=near(default, accounts),
        )
    return AccountFile(path, default, accounts)


def _check_value(place: str, key: str, value: object) -> None:
    known = KEYS.get(key)
    if known is None:
        hint = near(key, KEYS)
        if isinstance(value, dict):
            hint = hint or 'a name with a dot is written in quotes: [accounts."my.work"]'
        raise ConfigError(f"{place}: unknown key", hint=hint or f"the keys are: {', '.join(KEYS)}")
    types, words = _TYPES[known.kind]
    if not isinstance(value, types) or (isinstance(value, bool) and known.kind != "flag"):
        raise ConfigError(f"{place} must be {words}")


def near(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to a misspelt one; empty where none is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""
