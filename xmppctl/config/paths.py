"""Where files are (XDG Base Directory Specification), and the two ways to make private ones.

Directories that hold sockets, secrets or state are ours, 0700 and no symbolic links; files are written whole or
not at all. Every function takes the environment to look in, this process's where none is given.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from xmppctl.errors import ConfigError

_NAME = "xmppctl"

#: What stands for itself in the name of a file. Not `%` and `~`, which `slug` uses.
_HARMLESS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-")
_SLUG_LENGTH = 64


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's accounts: `$XMPPCTL_CONFIG`, else `$XDG_CONFIG_HOME/xmppctl/config.toml`.

    Creates nothing; it need not exist.
    """
    given = environ.get("XMPPCTL_CONFIG", "")
    if given:
        return expand(given, Path(), environ)
    return _base(environ, "XDG_CONFIG_HOME", ".config") / _NAME / "config.toml"


def sandbox_accounts_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The accounts of the local sandbox, in the format of `config_file`. Creates nothing; it need not exist."""
    return _state_path(environ) / "sandbox" / "accounts.toml"


def known_jids_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The JIDs that shells complete. Creates nothing; it need not exist."""
    return _state_path(environ) / "known-jids"


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """History, spool, recordings, sandbox: `$XDG_STATE_HOME/xmppctl`, made where it is missing. Raises ConfigError."""
    return private_directory(_state_path(environ))


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Sockets and locks: `$XDG_RUNTIME_DIR/xmppctl`, made where it is missing. Raises ConfigError.

    Without the variable, or where it names somebody else's directory (as after sudo) or one that everybody can write
    to (as /tmp, also for root, whose it is), a directory inside `state_dir`.
    """
    base = _absolute(environ, "XDG_RUNTIME_DIR")
    if base is not None:
        with suppress(OSError):
            base.mkdir(mode=0o700, exist_ok=True)
    if base is not None and _is_ours(base):
        return private_directory(base / _NAME)
    return private_directory(state_dir(environ) / "run")


def find_runtime_dir(environ: Mapping[str, str] = os.environ) -> Path | None:
    """As `runtime_dir`, but makes nothing: None where it is not there. Raises ConfigError where it is not safe."""
    base = _absolute(environ, "XDG_RUNTIME_DIR")
    path = base / _NAME if base is not None and _is_ours(base) else _state_path(environ) / "run"
    try:
        _refuse_unsafe(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot look at {path}: {error.strerror or error}") from None
    return path


def _is_ours(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & stat.S_IWOTH


def slug(name: str) -> str:
    """An account's name, or its bare JID, as part of a file's name. Two names never give the same one.

    It has at most 64 characters, all of them harmless: a socket's path must be short.
    """
    safe = "".join(
        character if character in _HARMLESS else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in name
    )
    if safe.startswith("."):
        safe = f"%2E{safe[1:]}"
    if len(safe) <= _SLUG_LENGTH:
        return safe
    from hashlib import sha256

    return f"{safe[:40]}~{sha256(name.encode()).hexdigest()[:16]}"


def daemon_socket(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The socket of the daemon of an account (`name`: see `Settings.name`). Raises ConfigError, as all of these."""
    return runtime_dir(environ) / f"{slug(name)}.sock"


def find_daemon_socket(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """As `daemon_socket`, but makes no directory: None where there is none, and so no daemon."""
    directory = find_runtime_dir(environ)
    return None if directory is None else directory / f"{slug(name)}.sock"


def daemon_lock(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The file that the daemon of an account holds a lock on for its life; its pid is in it."""
    return runtime_dir(environ) / f"{slug(name)}.lock"


def daemon_start_lock(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The file that whoever starts the daemon of an account holds a lock on meanwhile."""
    return runtime_dir(environ) / f"{slug(name)}.start"


def daemon_log(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The log of the daemon of an account; its directory is made."""
    return private_directory(state_dir(environ) / "daemon") / f"{slug(name)}.log"


def spool_file(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The messages of an account that wait to be sent; its directory is made."""
    return private_directory(state_dir(environ) / "spool") / f"{slug(name)}.db"


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """The home directory. Raises ConfigError where nothing tells it."""
    given = _absolute(environ, "HOME")
    if given is not None:
        return given
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigError("the home directory is not known", hint="set HOME") from None


def expand(text: str, base: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """A path as a user writes it, made absolute: `~` is home, a relative one starts at `base`. Raises ConfigError."""
    if text == "~" or text.startswith("~/"):
        return home(environ) / text[2:]
    try:
        return (base / Path(text).expanduser()).absolute()
    except RuntimeError:
        raise ConfigError(f"{text}: there is no such user") from None
    except OSError as error:
        raise ConfigError(f"{text}: the current directory is gone: {error.strerror or error}") from None


def private_directory(path: Path) -> Path:
    """Make sure that `path` is a directory of ours that nobody else can enter; give it back.

    It is made, with its parents, where it is missing. Raises ConfigError where it cannot be made, is a symbolic
    link or somebody else's, or is open to others.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        _refuse_unsafe(path)
    except OSError as error:
        hint = "point HOME, or XDG_STATE_HOME and XDG_CONFIG_HOME, to a directory that you can write to"
        raise ConfigError(f"cannot make the directory {path}: {error}", hint=hint) from None
    return path


def _refuse_unsafe(path: Path) -> None:
    """Raise ConfigError where others could enter the directory, or put another in its place; OSError if it is not
    there.
    """
    found, parent = path.lstat(), path.parent.stat()
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError(f"{path} is a symbolic link: it is not followed", hint=f"remove it: rm {path}")
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{path} is not a directory", hint="move it away")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{path} belongs to another user (uid {found.st_uid})", hint="move it away")
    if found.st_mode & 0o077:
        raise ConfigError(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 700 {path}",
        )
    if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"{path.parent} can be written by everybody: {path.name} could be replaced",
            hint=f"chmod o-w {path.parent}",
        )


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, and on the disk when this returns.

    What stands at `path` is replaced, also a symbolic link (its target stays as it is). The directory must
    exist. Raises ConfigError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_directory(path.parent)
    except OSError as error:
        # Outside this block, so that no traceback of the error holds the data.
        problem = error.strerror or str(error)
    else:
        return
    del data
    raise ConfigError(f"cannot write {path}: {problem}")


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk when this returns. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _state_path(environ: Mapping[str, str]) -> Path:
    return _base(environ, "XDG_STATE_HOME", ".local/state") / _NAME


def _base(environ: Mapping[str, str], variable: str, default: str) -> Path:
    return _absolute(environ, variable) or home(environ) / default


def _absolute(environ: Mapping[str, str], variable: str) -> Path | None:
    """The value of a variable that names a directory; the specification ignores relative ones."""
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else None
