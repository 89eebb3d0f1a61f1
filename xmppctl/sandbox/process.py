"""A detached server process that later commands can find again, and end, without ever hitting a stranger.

A process id alone proves nothing: the process may be gone and its number reused. So the server holds an exclusive
flock(2) on a file in its directory, inherited over exec: the lock is held exactly as long as the server lives, a crash
or kill -9 drops it, and only while it is held does the number in `pid` mean anything.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from xmppctl.errors import SandboxError

T = TypeVar("T")

ALIVE: Final = "alive.lock"
PID: Final = "pid"
POLL_SECONDS: Final = 0.02
STOP_SECONDS: Final = 5.0
_KILL_SECONDS: Final = 5.0
_LOCK_SECONDS: Final = 2.0

# What a server may see of our environment: nothing that could be a secret.
_KEPT: Final = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LUA_PATH", "LUA_CPATH", "ERL_LIBS")
# The shell writes the id and then becomes the server, so no crash of ours can lose the number.
_WRITE_PID_THEN_EXEC: Final = 'echo $$ > "$0" && exec "$@"'

# Children of this very process have to be reaped; those of earlier commands belong to init.
_children: dict[int, subprocess.Popen[bytes]] = {}


def spawn(
    argv: Sequence[str], directory: Path, log: Path, *, environment: Mapping[str, str] | None = None
) -> None:
    """Start `argv` in a session of its own, its output appended to `log`, its life visible in `directory`.

    The server gets no terminal, no standard input and only a few harmless variables, with `environment` on top.
    Raises SandboxError.
    """
    descriptor = _open(directory / ALIVE, os.O_RDWR | os.O_CREAT)
    try:
        if not _try_for(_LOCK_SECONDS, lambda: _lock(descriptor, fcntl.LOCK_EX)):
            raise SandboxError(f"a server already runs in {directory}")
        (directory / PID).unlink(missing_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _WRITE_PID_THEN_EXEC, str(directory / PID), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT if name in os.environ}
                | dict(environment or {}),
                pass_fds=[descriptor],
                start_new_session=True,
                umask=0o077,
            )
        _children[child.pid] = child
    except OSError as error:
        raise SandboxError(f"cannot start {argv[0]}: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def alive(directory: Path) -> bool:
    """Whether a server that `spawn` started in `directory` lives."""
    # Shared, so that two who look at the same time do not take each other for the server.
    return is_locked(directory / ALIVE, fcntl.LOCK_SH)


def is_locked(path: Path, operation: int = fcntl.LOCK_EX) -> bool:
    """Whether somebody holds a flock on the file that does not allow this one; a file that is not there has none."""
    try:
        descriptor = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, operation)
    finally:
        os.close(descriptor)


def server_pid(directory: Path) -> int | None:
    """The process id of the living server, None where there is none or it has not written its id yet."""
    try:
        pid = int((directory / PID).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 1 and alive(directory) else None


def terminate(directory: Path, grace: float = STOP_SECONDS) -> None:
    """End the server of `directory`, if one lives: SIGTERM, after `grace` seconds SIGKILL. Raises SandboxError."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        pid = _try_for(_LOCK_SECONDS, lambda: server_pid(directory) or (None if alive(directory) else -1))
        if pid is not None and pid > 0:
            _signal(directory, pid, number)
        gone = _try_for(seconds, lambda: not alive(directory))
        _reap(pid)
        if gone:
            return
    raise SandboxError(f"the server with the process id {pid} does not end", hint=f"try: kill -9 {pid}")


@contextmanager
def locked(path: Path, seconds: float, *, shared: bool = False) -> Iterator[int]:
    """Hold a flock on `path`, a directory or a file, while inside; gives its descriptor.

    Waits at most `seconds`, then raises SandboxError. The lock is not inherited by children.
    """
    descriptor = _open(path, os.O_RDONLY)
    try:
        if not _try_for(seconds, lambda: _lock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)):
            raise SandboxError(
                f"another xmppctl has been starting or stopping the sandbox for more than {seconds:g} s",
                hint="try again, or end it",
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """Follows no symbolic link. Raises FileNotFoundError, else SandboxError."""
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SandboxError(
            f"cannot open {path}: {error.strerror or error}", hint="remove it, or what stands there"
        ) from None


def _lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_for(seconds: float, attempt: Callable[[], T]) -> T:
    """Try until the answer is true or `seconds` are over; the last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = attempt()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(POLL_SECONDS)


def _signal(directory: Path, pid: int, number: signal.Signals) -> None:
    if not hasattr(os, "pidfd_open"):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            # Looked at again now that the descriptor pins the process: the number can no longer be reused.
            if alive(directory):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _reap(pid: int | None) -> None:
    child = _children.get(pid) if pid else None
    if child is not None and child.poll() is not None:
        del _children[child.pid]
