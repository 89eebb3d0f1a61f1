"""A daemon from outside: finding it, asking what it does, and ending it for sure."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from xmppctl.config import locks, paths
from xmppctl.config.secrets import NoPassword
from xmppctl.config.settings import Settings
from xmppctl.daemon import instance
from xmppctl.errors import BadJid, ConnectionLost, DaemonError, DeadlineExceeded
from xmppctl.session import local
from xmppctl.session.attach import misfit, reach
from xmppctl.session.deadline import Deadline
from xmppctl.stanza.jid import Jid

#: What a daemon may take to answer a request to itself, in seconds.
ANSWER_SECONDS: Final = 5.0
#: What it may take to end: it waits for acknowledgements and for its clients.
END_SECONDS: Final = 12.0
_KILL_SECONDS: Final = 5.0


class Place(NamedTuple):
    """Where the daemon of an account is to be found."""

    settings: Settings
    socket: Path
    lock: Path

    @property
    def name(self) -> str:
        """What it is called."""
        return self.settings.name

    @property
    def is_running(self) -> bool:
        """Whether it runs; it may be starting or ending. Raises ConfigError."""
        return instance.is_running(self.lock)

    def serves(self, deadline: Deadline) -> bool:
        """Whether one is there that commands with these settings can use. Raises DaemonError where it is another."""
        stream = reach(self.socket, self.settings, deadline.within(ANSWER_SECONDS))
        if stream is None:
            return False
        stream.close()
        problem = misfit(stream.hello, self.settings)
        if problem is not None:
            raise problem
        return True

    def ask(self, type: str, request: str, deadline: Deadline) -> str | None:
        """What it answers, the text of the payload; None where nobody listens. Raises DaemonError, DeadlineExceeded."""
        limit = deadline.within(ANSWER_SECONDS)
        stream = reach(self.socket, self.settings, limit)
        if stream is None:
            return None
        try:
            reply = stream.ask(type, local.payload(request), limit).element()
            return "".join(reply.itertext())
        except ConnectionLost:
            return None
        finally:
            stream.close()

    def info(self, deadline: Deadline) -> dict[str, Any] | None:
        """What it tells of itself; None where none runs. Raises DaemonError, DeadlineExceeded."""
        import json

        text = self.ask("get", "info", deadline)
        if text is None:
            return None
        try:
            told = json.loads(text)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise DaemonError(
                f"the daemon of {self.name} does not say what it does", hint="it may be another release"
            )
        return told


def place(settings: Settings, environ: Mapping[str, str] = os.environ) -> Place:
    """Where the daemon of an account is. Makes the directory. Raises ConfigError."""
    return Place(
        settings, paths.daemon_socket(settings.name, environ), paths.daemon_lock(settings.name, environ)
    )


def everywhere(environ: Mapping[str, str] = os.environ) -> list[Place]:
    """Every daemon of this user that runs, by what its files are called. Raises ConfigError."""
    directory = paths.find_runtime_dir(environ)
    if directory is None:
        return []
    found = [
        Place(about, path.with_suffix(".sock"), path)
        for path in sorted(directory.glob("*.lock"))
        if not path.is_symlink() and (about := _settings(path)) is not None
    ]
    return [each for each in found if each.is_running]


def _settings(lock: Path) -> Settings | None:
    """As much of the settings of the daemon that holds `lock` as it takes to ask it."""
    name, jid = instance.whose(lock)
    try:
        return Settings(Jid.parse(jid), NoPassword("only asked"), account=name) if name else None
    except BadJid:
        return None


def stop(where: Place, deadline: Deadline, note: Callable[[str], None]) -> bool:
    """Have a daemon end, and return when it has; False where none runs.

    It is asked at its socket. One that does not answer, or does not end, gets SIGTERM, then SIGKILL; `note` tells.
    Raises DaemonError where it is still there, DeadlineExceeded.
    """
    if not where.is_running:
        _tidy(where)
        return False
    pid = instance.pid(where.lock)

    def gone() -> bool:
        # Another one may have taken its place at once: that is not the one to end.
        return not where.is_running or (pid is not None and instance.pid(where.lock) not in (pid, None))

    if _asked(where, deadline, note) and _wait(gone, END_SECONDS, deadline):
        return True
    for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        if gone():
            return True
        if deadline.passed:
            raise DeadlineExceeded(
                f"the daemon of {where.name} has not ended in time", hint="give it a longer --timeout"
            )
        if pid is None:
            break
        if instance.send_signal(where.lock, pid, number):
            note(f"the daemon of {where.name} does not end: sent {number.name} to the process {pid}")
        if _wait(gone, seconds, deadline):
            return True
    who = f"the process {pid}" if pid else f"whoever holds {where.lock}"
    raise DaemonError(f"the daemon of {where.name} does not end", hint=f"end {who} by hand")


def _tidy(where: Place) -> None:
    """Remove the socket of a daemon that was killed, so that no command is told of it again."""
    if not where.socket.is_socket() or where.socket.is_symlink():
        return
    descriptor = locks.open_file(where.lock, os.O_RDWR | os.O_CREAT)
    try:
        # Under the daemon's own lock: one that starts at this moment keeps its socket.
        if locks.take(descriptor):
            with suppress(OSError):  # the next command tells what is the matter with it
                where.socket.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _asked(where: Place, deadline: Deadline, note: Callable[[str], None]) -> bool:
    """Ask it to end; whether it has heard, or has closed its socket already."""
    try:
        where.ask("set", "stop", deadline)
    except (DaemonError, DeadlineExceeded) as error:
        note(error.message)
        return False
    return True


def _wait(gone: Callable[[], bool], seconds: float, deadline: Deadline) -> bool:
    left = deadline.left()
    return locks.try_for(seconds if left is None else min(seconds, max(left, 0.0)), gone)
