"""Writing accounts, so that a person's comments and order survive, and two writers do not lose each other's work.

Each change is made under a lock to what the file says at that moment, written beside it, checked, and put in its
place at once. The result is read back in memory first and must differ by the change and nothing else.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from xmppctl.config import accounts, paths
from xmppctl.config.accounts import AccountFile, Value
from xmppctl.config.secrets import Secret
from xmppctl.errors import ConfigError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

#: Seconds to wait for another writer.
LOCK_PATIENCE: Final = 10.0

Change = Callable[[dict[str, Any]], None]


def add_account(
    name: str,
    values: Mapping[str, Value],
    *,
    file: Path | None = None,
    default: bool | None = None,
) -> bool:
    """Write a new account; True if it is the default now: with `default`, or (None) where it is the first one.

    `values` are those of an account file, a `password` as Secret. `file` is `paths.config_file()` where None; it
    and its directory are made where they are missing. Raises ConfigError, also where the name is taken.
    """
    path = file or paths.config_file()
    accounts.check_name(name)
    accounts.check_account(name, values, str(path))
    with _locked(path) as target:
        before = accounts.load(target)
        if name in before.accounts:
            raise ConfigError(
                f"there is an account {name} already in {path}",
                hint=f"choose another name, or remove it first: xmppctl account remove {name}",
            )
        becomes_default = default if default is not None else not before.accounts

        def change(data: dict[str, Any]) -> None:
            if becomes_default:
                data["default"] = name
            data.setdefault("accounts", _table(super_table=True))[name] = _table(_plain(values))

        _rewrite(target, change)
        return becomes_default


def remove_account(name: str, *, file: Path | None = None) -> bool:
    """Take an account out; True if it was the default (there is none then). Raises ConfigError."""
    path = file or paths.config_file()
    with _locked(path) as target:
        was_default = _existing(accounts.load(target), name).default == name

        def change(data: dict[str, Any]) -> None:
            _remove(data, name)
            if was_default:
                del data["default"]

        _rewrite(target, change)
        return was_default


def update_account(name: str, changes: Mapping[str, Value | None], *, file: Path | None = None) -> None:
    """Set values of an account; None takes one out. Raises ConfigError."""
    path = file or paths.config_file()
    with _locked(path) as target:
        old = _existing(accounts.load(target), name).accounts[name].values
        merged = {key: value for key, value in {**old, **changes}.items() if value is not None}
        accounts.check_account(name, merged, str(path))

        def change(data: dict[str, Any]) -> None:
            for key, value in changes.items():
                if value is not None:
                    data["accounts"][name][key] = _bare(value)
                else:
                    data["accounts"][name].pop(key, None)

        _rewrite(target, change)


def _existing(content: AccountFile, name: str) -> AccountFile:
    if name not in content.accounts:
        raise ConfigError(
            f"there is no account {name!r} in {content.path}", hint=accounts.near(name, content.accounts)
        )
    return content


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Hold the lock of a file; gives the path to write, behind symbolic links (a directory of dotfiles)."""
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(
            target.with_name(f".{target.name}.lock"),
            os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
        )
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None
    try:
        _lock(descriptor, path)
        yield target
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    end = monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if monotonic() >= end:
                raise ConfigError(
                    f"another process has been writing {path} for {LOCK_PATIENCE:g} s", hint="try again"
                ) from None
            sleep(0.02)
        except OSError as error:
            raise ConfigError(f"cannot lock {path}: {error.strerror or error}") from None


def _rewrite(target: Path, change: Change) -> None:
    text, problem = _edited(target, change)
    if problem:
        raise ConfigError(f"cannot edit {target}: {problem}", hint="nothing was changed; edit it by hand")
    # The text is revealed inside the call: no variable of this frame holds it.
    paths.write_private(target, text.reveal().encode())


def _edited(target: Path, change: Change) -> tuple[Secret, str]:
    """The file's text after a change, or what is wrong. Raises nothing: plain secrets are in its variables."""
    import tomllib

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        before = target.read_bytes().decode() if target.exists() else ""
        document: TOMLDocument = tomlkit.parse(before)
        change(document)
        after = tomlkit.dumps(document)
        if after.endswith("\n\n") and not before.endswith("\n\n"):
            after = after.rstrip("\n") + "\n"
        expected = tomllib.loads(before)
        change(expected)
        if tomllib.loads(after) != expected:
            return Secret(""), "its layout is beyond what can be edited safely"
    except (OSError, ValueError, TOMLKitError, TypeError, KeyError) as error:
        return Secret(""), f"its layout is beyond what can be edited safely ({type(error).__name__})"
    return Secret(after), ""


def _remove(data: dict[str, Any], name: str) -> None:
    """Take a table out, but leave what stands behind a blank line at its end: it is about the next one."""
    tables = data["accounts"]
    following = list(tables)[list(tables).index(name) + 1 :]
    if following and hasattr(tables[name], "as_string") and hasattr(tables[following[0]], "trivia"):
        tables[following[0]].trivia.indent = (
            _epilogue(tables[name].as_string()) + tables[following[0]].trivia.indent
        )
    del tables[name]
    if not tables:
        del data["accounts"]


def _epilogue(table: str) -> str:
    """The comments at the end of a table's text, from the first blank line on; empty where there are none."""
    lines = table.split("\n")
    tail: list[str] = []
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        tail.insert(0, lines.pop())
    while tail and tail[0].strip():
        del tail[0]
    return "\n".join(tail).lstrip("\r\n") if any(line.strip() for line in tail) else ""


def _table(values: Mapping[str, Any] | None = None, *, super_table: bool = False) -> Any:
    import tomlkit

    made = tomlkit.table(is_super_table=super_table)
    for key, value in (values or {}).items():
        made[key] = value
    return made


def _plain(values: Mapping[str, Value]) -> dict[str, Any]:
    return {key: _bare(value) for key, value in values.items()}


def _bare(value: Value) -> str | int | float | bool:
    return value.reveal() if isinstance(value, Secret) else value
