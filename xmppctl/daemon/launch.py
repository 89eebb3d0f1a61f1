"""Starting the daemon of an account in the background: exactly one, however many commands want it at once.

Whoever starts one holds a lock meanwhile, and looks again when it has the lock. The daemon itself holds another for
its life (see `instance`), so that one started by hand or by a service manager counts as well. The child tells through
a pipe when it serves, or why it does not (see `readiness`). It gets its settings as environment variables and never a
secret among them: a password that only this process can know goes through its standard input.
"""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xmppctl
from xmppctl.config import locks, paths
from xmppctl.config.keys import KEYS
from xmppctl.config.secrets import FilePassword
from xmppctl.daemon.readiness import FD_VARIABLE, READY
from xmppctl.errors import DaemonError, XmppctlError, by_name
from xmppctl.session.attach import chosen

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.deadline import Deadline

#: What starting one may take where the command itself has no limit.
START_SECONDS: Final = 60.0
#: Longest line that is taken from a daemon that starts.
_MAX_LINE: Final = 64 * 1024

_PASSWORD_FILE: Final = KEYS["password_file"].variable
#: Variables that the child gets as they are. All others of ours are made anew, or were only meant for this command.
_KEPT: Final = ("XMPPCTL_NAMESERVER",)


def start(
    settings: Settings,
    environ: Mapping[str, str],
    deadline: Deadline,
    *,
    serves: Callable[[], bool],
    password: Secret | None = None,
    until_idle: float | None = None,
) -> bool:
    """Return when a daemon of the account serves; whether it was started here.

    `serves` says whether one does: it is asked while another command starts one, and before this one does so.
    `password`: see `hand_over`.
    `until_idle`: it is to end after so many seconds of idling. Raises what keeps it from serving, DaemonError,
    ConfigError, DeadlineExceeded.
    """
    limit = deadline.within(START_SECONDS)
    descriptor = locks.open_file(paths.daemon_start_lock(settings.name, environ), os.O_RDWR | os.O_CREAT)
    try:
        outcome = locks.try_for(
            limit.left() or 0.0, lambda: "ours" if locks.take(descriptor) else serves() and "serves"
        )
        if not outcome:
            raise limit.error(f"waiting for another command that starts the daemon of {settings.name}")
        if outcome == "serves" or serves():
            return False
        _spawn(settings, environ, limit, password, until_idle)
        return True
    finally:
        os.close(descriptor)


def hand_over(settings: Settings, seconds: float | None) -> Secret | None:
    """The password, where the child could not get it as this process does: from a person, a pipe, the environment, or
    a program that an option names. None where the account says how, or none is needed.

    A person or a program gets `seconds` for it. Raises SecretError.
    """
    source = settings.password
    if not source.available or source.origin.startswith("account "):
        return None
    if isinstance(source, FilePassword) and not _is_pipe(source.path):
        return None
    return source.get(seconds)


def environment(settings: Settings, environ: Mapping[str, str], *, password: bool) -> dict[str, str]:
    """The child's variables: those of `environ` that are not ours, and what options and variables here have set.

    Paths are made absolute, since it runs elsewhere. `password`: it finds one on its standard input.
    """
    made = {
        name: value for name, value in environ.items() if not name.startswith("XMPPCTL_") or name in _KEPT
    }
    made["XMPPCTL_CONFIG"] = str(paths.config_file(environ))
    made["XMPPCTL_NO_INPUT"] = "true"
    if settings.account is not None:
        made["XMPPCTL_ACCOUNT"] = settings.account
    for name, value in _given(settings).items():
        made[KEYS[name].variable] = value
    if password:
        made[_PASSWORD_FILE] = "-"
    elif isinstance(settings.password, FilePassword) and not settings.password.origin.startswith("account "):
        made[_PASSWORD_FILE] = str(settings.password.path)
    root = Path(xmppctl.__file__).parent.parent
    if root.name not in ("site-packages", "dist-packages"):  # a work tree: its child must find it as well
        made["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), made.get("PYTHONPATH", ""))))
    return made


def _given(settings: Settings) -> dict[str, str]:
    """What the account does not say itself, as values of variables."""
    values: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (
            *("jid", "host", "port", "tls", "ca", "pin", "insecure"),
            *("certificate", "key", "plain", "resource"),
        )
        if settings.origins.get(name, "").startswith(("option", "environment"))
    }
    if settings.account is None:
        values["jid"] = settings.jid
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _is_pipe(path: Path) -> bool:
    """Whether it can be read but once, and perhaps only here (process substitution)."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # the child's error is the one to tell


def _spawn(
    settings: Settings,
    environ: Mapping[str, str],
    limit: Deadline,
    password: Secret | None,
    until_idle: float | None,
) -> None:
    """Start the child and return when it serves."""
    words = [sys.executable, "-m", "xmppctl", "daemon", "start", "--foreground"]
    if until_idle is not None:
        words += ["--until-idle", f"{until_idle:.3f}"]
    ready, told = os.pipe()
    try:
        try:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL if password is None else subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # it has a log
                cwd="/",
                env=environment(settings, environ, password=password is not None) | {FD_VARIABLE: str(told)},
                pass_fds=(told,),
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            raise DaemonError(f"cannot start {sys.executable}: {error.strerror or error}") from None
        finally:
            os.close(told)
        if password is not None:
            _give(child, password)
        line = _line(ready, limit, f"waiting for the daemon of {settings.name} to start")
    finally:
        os.close(ready)
    if line.strip() != READY.encode():
        raise _failure(line, settings)


def _give(child: subprocess.Popen[bytes], password: Secret) -> None:
    """Write the password to the child. It fits into the pipe, so this does not wait."""
    assert child.stdin is not None
    try:
        with child.stdin as pipe:
            pipe.write(password.reveal().encode() + b"\n")
    except OSError:
        pass  # it has ended; the other pipe tells why


def _line(descriptor: int, limit: Deadline, doing: str) -> bytes:
    """What comes from a pipe until its end. Raises DeadlineExceeded."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    line = b""
    while b"\n" not in line and len(line) < _MAX_LINE:
        left = limit.left()
        if not poll.poll(None if left is None else left * 1000):
            raise limit.error(doing)
        data = os.read(descriptor, 4096)
        if not data:
            break
        line += data
    return line


def _failure(line: bytes, settings: Settings) -> XmppctlError:
    """The error that a child told of; it has told nothing where it was killed, or could not even begin."""
    import json

    try:
        told = json.loads(line)
        kind = by_name(told["error"]) or DaemonError
        return kind(str(told["message"]), hint=str(told.get("hint", "")))
    except (ValueError, KeyError, TypeError):
        return DaemonError(
            f"the daemon of {settings.name} did not come up",
            hint=f"see why: xmppctl daemon start --foreground {chosen(settings)}",
        )
