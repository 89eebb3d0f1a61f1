"""A server that plays a `responder` over a socket, for a session or for a daemon.

`MemorySession` plays the same responders without a socket: so one test runs on sessions of each kind.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.timeless import HEADER, Side
from xmppctl.config.paths import daemon_socket
from xmppctl.errors import TcpError
from xmppctl.session.acks import NS_SM
from xmppctl.session.base import NS_PING, NS_ROSTER
from xmppctl.session.connection import Connection
from xmppctl.session.established import Established
from xmppctl.session.memory import Responder
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.rewrite import with_attribute
from xmppctl.stanza.splitter import Splitter

if TYPE_CHECKING:
    from xmppctl.config.settings import Settings

FOOTER = b"</stream:stream>"
_ROSTER = f"{NS_ROSTER} query"


class ScriptedServer:
    """One stream that is bound already. `responder` as in `MemorySession`; `sent` is what came of the client."""

    def __init__(self, side: Side, responder: Responder | None, jid: Jid) -> None:
        self.client, self._socket = socket.socketpair()
        self._socket.setblocking(False)
        self.sent: list[Frame] = []
        self._side = side
        self._jid = jid
        self._responder = responder or (lambda _: None)
        self._splitter = Splitter("out")
        self._splitter.feed(HEADER)
        self._out = bytearray()
        side.sockets += (self.client, self._socket)
        side.call(self._begin)

    def _begin(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def note(self, frame: Frame) -> None:
        """The client sends this."""

    def deliver(self, *stanzas: str) -> None:
        """Send these, in order, behind what was sent."""
        data = "".join(stanzas).encode()
        self._side.call(lambda: self._write(data))

    def _readable(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._close()
            return
        for frame in self._splitter.feed(data):
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.kind == "stream":
            if frame.names and frame.raw.startswith(b"</"):
                self._write(FOOTER)
            return
        self.sent.append(frame)
        self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        answers = self._responder(frame)
        if answers is None:
            answers = self._default(frame)
        self.deliver(*answers)

    def _default(self, frame: Frame) -> Iterable[str]:
        ping = frame.kind == "iq" and frame.type == "get" and f"{NS_PING} ping" in frame.payloads
        if ping and frame.to == self._jid.domain:
            return [f"<iq type='result' id='{frame.id}' from='{self._jid.domain}' to='{self._jid}'/>"]
        return []

    def _write(self, data: bytes) -> None:
        self._out += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        if self._socket.fileno() < 0:
            self._out.clear()
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            loop.add_writer(self._socket, self._flush)
            return
        except OSError:
            self._out.clear()  # whoever hung up wants nothing more
        if self._socket.fileno() >= 0:
            loop.remove_writer(self._socket)

    def _close(self) -> None:
        if self._socket.fileno() >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            loop.remove_writer(self._socket)
            self._socket.close()

    def established(self, features: Iterable[str], on_frame: Callable[[Frame], None] | None) -> Established:
        """The client's end, as a login leaves it."""
        connection = Connection(self.client, on_frame)
        connection._splitter.feed(HEADER)
        if connection._tap is not None:
            connection._tap._sent.feed(HEADER)
        return Established(connection, self._jid, frozenset(features), "SCRIPTED")


class Upstream(ScriptedServer):
    """The server of a daemon. It has acknowledgements, and answers what the daemon asks for itself; the roster only
    where the responder says that it `has_roster`.

    The responder sees what the client sent, with the ids that the client gave, as it would without a daemon.
    """

    def __init__(self, side: Side, responder: Responder | None, jid: Jid) -> None:
        super().__init__(side, responder, jid)
        self._count = 0
        self._ids = Ids()

    def note(self, frame: Frame) -> None:
        """The client sends this."""
        self._ids.note(frame)

    def deliver(self, *stanzas: str) -> None:
        super().deliver(*map(self._ids.outward, stanzas))

    def _answer(self, frame: Frame) -> None:
        if frame.namespace == NS_SM:
            told = {"enable": f"<enabled xmlns='{NS_SM}'/>", "r": f"<a xmlns='{NS_SM}' h='{self._count}'/>"}
            self._write(told.get(frame.name, "").encode())
            return
        self._count += frame.kind != "nonza"
        request = frame.kind == "iq" and frame.type in ("get", "set")
        known = self._ids.arrived(frame) if request else frame
        if known is not None:
            super()._answer(known)
        elif _ROSTER in frame.payloads and getattr(self._responder, "has_roster", False):
            super()._answer(frame)
        elif _ROSTER in frame.payloads:
            self._write(
                f"<iq type='error' id='{frame.id}' to='{self._jid}'><error type='cancel'/></iq>".encode()
            )
        else:
            self._write(f"<iq type='result' id='{frame.id}' to='{self._jid}'/>".encode())


@contextmanager
def running_daemon(
    side: Side,
    server: ScriptedServer,
    settings: Settings,
    environ: Mapping[str, str],
    directory: Path,
    patches: pytest.MonkeyPatch,
) -> Iterator[None]:
    """A daemon on `side` that is logged in to `server`. Its files but for the socket are in `directory`."""
    from xmppctl.daemon.attempt import Attempt, LoggedIn
    from xmppctl.daemon.core import Daemon
    from xmppctl.daemon.log import Log

    path = daemon_socket(settings.name, environ)
    streams = [server]

    async def log_in(attempt: Any) -> LoggedIn:
        if not streams:
            raise TcpError("there is no second stream in this script")
        done = streams.pop().established([f"{NS_SM} sm"], attempt._on_frame)
        return LoggedIn(done.connection, done.jid, done.features, None, (), {})

    async def start() -> tuple[Daemon, asyncio.Task[None]]:
        log = Log(directory / "daemon.log")
        daemon = Daemon(settings, lambda: None, socket=path, spool=directory / "spool.db", log=log)
        running = asyncio.create_task(daemon.run())
        while not path.exists():
            await asyncio.sleep(0)
        return daemon, running

    async def end(daemon: Daemon, running: asyncio.Task[None]) -> None:
        daemon.stop("the test is over")
        await running

    patches.setattr(Attempt, "run", log_in)
    daemon, running = side.run(start())
    yield
    side.run(end(daemon, running))


class _Asked:
    """A request of the client. `upstream` is the id that the daemon gave it."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.upstream: str | None = None
        self.answered = False


class Ids:
    """Which request of the client's is which on the daemon's stream, by their bytes."""

    def __init__(self) -> None:
        self._asked: list[_Asked] = []

    def note(self, frame: Frame) -> None:
        """The client sends this."""
        if frame.kind == "iq" and frame.type in ("get", "set"):
            self._asked.append(_Asked(frame))

    def arrived(self, frame: Frame) -> Frame | None:
        """What the client sent that has arrived as `frame`; None for a request of the daemon's own."""
        bare = with_attribute(frame.raw, "id", None)
        for asked in self._asked:
            if asked.upstream is None and with_attribute(asked.frame.raw, "id", None) == bare:
                asked.upstream = frame.id
                return asked.frame
        return None

    def outward(self, stanza: str) -> str:
        """A reply with the id that the daemon gave the request; anything else as it is."""
        if not stanza.startswith("<iq"):
            return stanza
        (reply,) = Splitter("in").feed(HEADER + stanza.encode())[1:]
        if reply.type not in ("result", "error"):
            return stanza
        named = [each for each in self._asked if each.frame.id == reply.id and each.upstream is not None]
        fits = [each for each in named if not each.answered and each.frame.to == reply.sender]
        for asked in fits:
            asked.answered = True
            break
        for asked in fits or named:
            return with_attribute(reply.raw, "id", asked.upstream).decode()
        return stanza
