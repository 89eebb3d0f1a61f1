"""Exactly one daemon of an account: the lock that it holds for its life, and finding its process for sure.

The lock comes first, then the socket: whoever holds the lock may remove the socket of a daemon that was killed. The
lock file is never removed, so that all lock the same one. Three lines are in it: the process id, the daemon's name and
its account's bare JID; they mean something only while it is locked.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from xmppctl.config import locks
from xmppctl.errors import ConfigError, DaemonError

#: How long a daemon that is about to end, or has just been started, may hold the lock without serving.
LOCK_SECONDS: Final = 15.0
#: What is read of the lock: more is in none of ours.
_MAX_CHARACTERS: Final = 16 * 1024


@contextmanager
def only_one(
    path: Path, serves: Callable[[], bool], seconds: float = LOCK_SECONDS, *, name: str = "", jid: str = ""
) -> Iterator[bool]:
    """Hold the daemon's lock while inside, this process's id, `name` and `jid` in it; gives False where another runs.

    `serves` says whether the other one answers at its socket. One that does not is starting or ending: it is waited
    for, at most `seconds`. Raises ConfigError, DaemonError.
    """
    descriptor = locks.open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        locked = locks.try_for(seconds, lambda: "held" if locks.take(descriptor) else serves() and "served")
        if not locked:
            raise DaemonError(
                f"another daemon holds {path} and does not answer", hint="end it: xmppctl daemon stop"
            )
        if locked == "held":
            _write(descriptor, path, f"{os.getpid()}\n{name}\n{jid}\n")
        yield locked == "held"
    finally:
        os.close(descriptor)


def _write(descriptor: int, path: Path, text: str) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}", hint="make room") from None


def is_running(path: Path) -> bool:
    """Whether a daemon holds the lock. Raises ConfigError."""
    return locks.is_locked(path, fcntl.LOCK_SH)


def pid(path: Path) -> int | None:
    """The process id of the daemon that holds the lock; None where there is none, or it is not known for sure."""
    try:
        number = int(_lines(path)[0])
    except ValueError:
        return None
    known = 0 < number < 1 << 31 and is_running(path) and _holds(number, path) is not False
    return number if known else None


def whose(path: Path) -> tuple[str, str]:
    """The name and the bare JID of the daemon that holds the lock; empty where they are not known."""
    _, name, jid, *_ = *_lines(path), "", ""
    return name, jid


def _lines(path: Path) -> list[str]:
    """What is in the lock, at least one line."""
    try:
        descriptor = locks.open_file(path, os.O_RDONLY)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            return file.read(_MAX_CHARACTERS).split("\n")
    except (OSError, ValueError, ConfigError):
        return [""]


def send_signal(path: Path, whom: int, number: signal.Signals) -> bool:
    """Send a signal to the process `whom`, if it is the daemon that holds the lock; whether it was sent."""
    if pid(path) != whom:
        return False
    with suppress(ProcessLookupError):
        if not hasattr(os, "pidfd_open"):
            os.kill(whom, number)
            return True
        descriptor = os.pidfd_open(whom)
        try:
            # Asked again now that the descriptor pins the process: the number can no longer become another's.
            if pid(path) == whom:
                signal.pidfd_send_signal(descriptor, number)
                return True
        finally:
            os.close(descriptor)
    return False


def _holds(number: int, path: Path) -> bool | None:
    """Whether the kernel says that this process holds the lock; None where it does not tell (other systems)."""
    try:
        # Without the device: overlay file systems show another one here.
        place = f":{path.stat().st_ino} "
        told = False
        for entry in Path(f"/proc/{number}/fdinfo").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                text = entry.read_text(encoding="ascii", errors="replace")
                told = told or any(
                    line.startswith("lock:") and "FLOCK" in line and place in line
                    for line in text.splitlines()
                )
    except OSError:
        return None
    return told
