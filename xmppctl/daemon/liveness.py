"""Whether the connection is still there: when to ask the server, and when its silence means that it is gone.

A TCP connection that was cut says nothing for a quarter of an hour. So the server is asked after some silence, and at
once after a suspend or a change of the network; who does not answer in some seconds is gone. Sans-IO but for
`NetworkWatch`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

#: Seconds of silence after which the server is asked.
IDLE: Final = 60.0
#: Seconds in which it must say something when it was asked, and in which it must have answered.
PATIENCE: Final = 10.0
ANSWER: Final = 60.0
#: At least so often the clocks are compared, in seconds.
TICK: Final = 5.0
#: Seconds by which the clocks must differ to mean a suspend.
_JUMP: Final = 2.0

#: rtnetlink(7): links, addresses and routes of both families.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400


def _awake_and_asleep() -> float:
    """Seconds on a clock that goes on during a suspend."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if clock is None else time.clock_gettime(clock)


class Suspends:
    """Notices that the machine slept: one clock stood still meanwhile, and `elapsed` did not."""

    def __init__(self, now: float, elapsed: Callable[[], float] = _awake_and_asleep) -> None:
        self._elapsed = elapsed
        self._offset = elapsed() - now

    def noticed(self, now: float) -> bool:
        """Whether it slept since the last call."""
        before, self._offset = self._offset, self._elapsed() - now
        return abs(self._offset - before) > _JUMP


class Liveness:
    """Of one stream. Times are in seconds, of a clock that stands still during a suspend."""

    def __init__(
        self,
        now: float,
        *,
        idle: float = IDLE,
        patience: float = PATIENCE,
        answer: float = ANSWER,
        tick: float = TICK,
        elapsed: Callable[[], float] = _awake_and_asleep,
    ) -> None:
        self._idle = idle
        self._patience = patience
        self._answer = answer
        self._tick = tick
        self._suspends = Suspends(now, elapsed)
        self._heard = now
        self._asked: float | None = None  # when the question that is open was asked
        self._longer = 0.0
        self._since = now  # since when there was neither a sound nor any progress with what we send
        self._backlog = 0

    def heard(self, now: float) -> None:
        """Something came from the server."""
        self._heard = self._since = now

    def asked(self, now: float, longer: float = 0.0) -> None:
        """The server was asked for an answer; what it has to do before that may take it so many seconds longer."""
        if self._asked is None:
            self._asked = self._since = now
            self._longer = longer

    def answered(self, now: float) -> None:
        """It has answered."""
        self._asked = None
        self.heard(now)

    def check(self, now: float, backlog: int = 0) -> Literal["ask", "dead", "ok"]:
        """What to do now. `backlog` is how many bytes the other end has yet to take.

        While those get fewer the connection is slow, and not dead: the question may be behind them.
        """
        if backlog < self._backlog:
            self._since = now
        self._backlog = backlog
        slept = self._suspends.noticed(now)
        if self._asked is not None:
            silent = now - self._since >= self._patience + self._longer
            late = now - self._asked >= self._answer + self._longer and not backlog
            return "dead" if silent or late else "ok"
        return "ask" if slept or now - self._heard >= self._idle else "ok"

    def wait(self, now: float) -> float:
        """Seconds until the next check makes sense."""
        waits = self._asked is not None
        due = self._since + self._patience + self._longer if waits else self._heard + self._idle
        return min(self._tick, max(due - now, 0.0) + 0.001)


class NetworkWatch:
    """Hears of changes of links, addresses and routes, on Linux (rtnetlink). Elsewhere of none: `sock` is None."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        family = getattr(socket, "AF_NETLINK", None)
        if family is None:
            return
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
            sock.bind((0, _GROUPS))
        except OSError:  # a container may forbid it; then silence is noticed as everywhere else
            if sock is not None:
                sock.close()
            return
        self.sock = sock

    def drain(self) -> bool:
        """Take all that was told; whether it was anything."""
        told = False
        try:
            while self.sock is not None and self.sock.recv(65536):
                told = True
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # ENOBUFS: more was told than we could hear
            told = True
        return told

    def close(self) -> None:
        """Listen no more."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.close()
            self.sock = None
