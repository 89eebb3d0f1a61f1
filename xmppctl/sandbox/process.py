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
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from xmppctl.config import locks
from xmppctl.config.locks import is_locked as is_locked
from xmppctl.config.locks import take, try_for
from xmppctl.errors import ConfigError, SandboxError

ALIVE: Final = "alive.lock"
PID: Final = "pid"
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
    descriptor = _open(directory / ALIVE)
    try:
        if not try_for(_LOCK_SECONDS, lambda: take(descriptor)):
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
        pid = try_for(_LOCK_SECONDS, lambda: server_pid(directory) or (None if alive(directory) else -1))
        if pid is not None and pid > 0:
            _signal(directory, pid, number)
        gone = try_for(seconds, lambda: not alive(directory))
        _reap(pid)
        if gone:
            return
    raise SandboxError(f"the server with the process id {pid} does not end", hint=f"try: kill -9 {pid}")


def locked(path: Path, seconds: float, *, shared: bool = False) -> AbstractContextManager[int]:
    """Hold a lock on `path` while inside: see `locks.locked`. Raises SandboxError where it is not had in `seconds`."""
    busy = SandboxError(
        f"another xmppctl has been starting or stopping the sandbox for more than {seconds:g} s",
        hint="try again, or end it",
    )
    return locks.locked(path, seconds, busy, shared=shared)


def _open(path: Path) -> int:
    try:
        return locks.open_file(path, os.O_RDWR | os.O_CREAT)
    except ConfigError as error:
        raise SandboxError(error.message, hint=error.hint) from None


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
