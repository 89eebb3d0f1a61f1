"""Sessions in which time does not pass, though they run on sockets.

A wait of the session ends as soon as nothing more can come of what was sent, as if its deadline had passed: as on a
`MemorySession`. The other side of the sockets lives in an event loop of its own, which is asked whether it is done.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import termios
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from xmppctl.errors import DeadlineExceeded
from xmppctl.session.base import Session
from xmppctl.session.deadline import Deadline
from xmppctl.session.direct import BlockingSession
from xmppctl.session.loop import LoopSession
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

if TYPE_CHECKING:
    from tests.servers.scripted import ScriptedServer

T = TypeVar("T")

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

#: What anything here may take that takes no time.
PATIENCE = 10.0
#: Turns of an event loop in which whatever follows from something has followed.
_TURNS = 50
_QUIET_TURNS = 10
#: A timer that is due so soon is waited for.
_SOON = 0.5


class Side:
    """An event loop in a thread: the other side of the session under test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        #: Sockets whose peers are on this side: what is written to them is read, and answered, soon.
        self.sockets: list[socket.socket] = []
        self._failures: list[BaseException] = []
        self._loop.set_exception_handler(self._failed)

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failures.append(context.get("exception") or RuntimeError(context["message"]))

    @property
    def here(self) -> bool:
        """Whether the caller runs on this side."""
        return threading.current_thread() is self._thread

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine over there; return its result."""
        done: Future[T] = asyncio.run_coroutine_threadsafe(main, self._loop)
        return done.result(PATIENCE)

    def call(self, what: Callable[[], object]) -> None:
        """Call over there: now, if we are there, else in order with everything else."""
        if self.here:
            what()
        else:
            self._loop.call_soon_threadsafe(what)

    def settle(self, waiting: socket.socket) -> None:
        """Return when `waiting` can be read, or when nothing more will come without doing of ours."""
        self.run(self._settle(waiting))

    async def _settle(self, waiting: socket.socket) -> None:
        quiet = 0
        while quiet < _QUIET_TURNS:
            if waiting.fileno() < 0 or _pending(waiting, termios.FIONREAD):
                return
            busy = any(_pending(each, termios.TIOCOUTQ) for each in self.sockets)
            timed = self._timers()
            quiet = 0 if busy or timed else quiet + 1
            await asyncio.sleep(0.001 if timed else 0)

    def _timers(self) -> bool:
        soon = self._loop.time() + _SOON
        timers: Iterable[asyncio.TimerHandle] = self._loop._scheduled  # type: ignore[attr-defined]
        return any(not timer.cancelled() and timer.when() < soon for timer in timers)

    def close(self) -> None:
        """End the thread. Raises what went wrong over there."""
        self.run(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        if self._failures:
            raise self._failures[0]

    async def _cancel(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _pending(sock: socket.socket, request: int) -> int:
    """Bytes that `sock` has to read (FIONREAD), or that its peer has (TIOCOUTQ)."""
    if sock.fileno() < 0:
        return 0
    return int.from_bytes(fcntl.ioctl(sock.fileno(), request, bytes(4)), "little")


class Script:
    """What a test's script gets beside the session: as on a `MemorySession`."""

    def __init__(self, session: Session, side: Side, sock: socket.socket, server: ScriptedServer) -> None:
        self.sent: list[Frame] = []
        self.written = 0
        self.woken = 0
        self._side = side
        self._socket = sock
        self._server = server
        self._splitter = Splitter("out")
        self._splitter.feed(HEADER)
        self._session_write = session._write
        self._session_wake = session.wake
        if sock not in side.sockets:
            side.sockets.append(sock)
        told: Any = session
        told._write = self._write
        told.wake = self._wake
        told.script = self
        told.sent = self.sent
        told.deliver = server.deliver
        told.hang_up = self.hang_up

    def _write(self, data: bytes) -> None:
        for frame in self._splitter.feed(data):
            if frame.kind != "stream":
                self.sent.append(frame)
                self._server.note(frame)
        self.written += 1
        self._session_write(data)

    def _wake(self) -> None:
        self.woken += 1
        self._session_wake()

    def hang_up(self) -> None:
        """Break the connection: what is at its other end, server or daemon, is gone."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def settle(self) -> None:
        """Return when there is something to read, or nothing will come."""
        self._side.settle(self._socket)


class _Glance(Deadline):
    """Look once, do not wait."""

    def __init__(self) -> None:
        super().__init__(None)

    def left(self) -> float:
        return 0.0


def _without_time(pump: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    """A blocking session's `_pump` that does not wait where nothing can come."""

    async def _pump(session: Any, deadline: Deadline, doing: str) -> None:
        script: Script | None = getattr(session, "script", None)
        if script is None or session.closed:
            return await pump(session, deadline, doing)
        settled = False
        while True:
            with suppress(DeadlineExceeded):
                return await pump(session, _Glance(), doing)
            if session._failure is not None:
                return None
            if settled and not session._queued():  # else there was more to send than the socket could hold
                raise deadline.error(doing)
            script.settle()
            settled = True

    return _pump


def _without_time_on_a_loop(
    pump: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """The same, of a session on an event loop: whoever else is in the loop gets turns to write."""

    async def _pump(session: Any, deadline: Deadline, doing: str) -> None:
        script: Script | None = getattr(session, "script", None)
        if script is None or session.closed:
            return await pump(session, deadline, doing)
        # What wakes the session may come before the task below waits for it.
        woken, written = script.woken, -1
        waiting = asyncio.ensure_future(pump(session, deadline, doing))
        try:
            while not await _turn(waiting) and (written != script.written or session._queued()):
                written = script.written
                script.settle()
        finally:
            waiting.cancel()
        if waiting.done():
            return waiting.result()
        if woken == script.woken and session._failure is None:
            raise deadline.error(doing)
        return None

    return _pump


async def _turn(waiting: asyncio.Future[Any]) -> bool:
    for _ in range(_TURNS):
        if waiting.done():
            return True
        await asyncio.sleep(0)
    return False


@contextmanager
def no_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While this lasts, waits of scripted sessions end as soon as nothing more can come."""
    with monkeypatch.context() as patches:
        patches.setattr(BlockingSession, "_pump", _without_time(BlockingSession._pump))
        patches.setattr(LoopSession, "_pump", _without_time_on_a_loop(LoopSession._pump))
        yield
