"""The daemon's socket: listens, asks the kernel who has come, carries bytes between sockets and clients.

Nobody else can reach it: it is 0600 from its first moment on, in a directory of 0700 that is ours; and who comes must
run as the same user.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xmppctl.config.paths import private_directory
from xmppctl.daemon.client import Client, header, stream_error
from xmppctl.errors import DaemonError
from xmppctl.session import unix

if TYPE_CHECKING:
    from xmppctl.daemon.hub import Hub

MAX_CLIENTS: Final = 512
#: Connections that may wait to be accepted.
_BACKLOG: Final = 1024
#: Those beyond them who may stay until they have read why; to all others it is said, and the socket closed.
_MAX_REFUSED: Final = 128
#: Seconds in which a client must open its stream.
OPEN_SECONDS: Final = 30.0
#: Seconds that a client whose stream has ended gets to read the rest.
LINGER_SECONDS: Final = 5.0
#: How often, in seconds, it is looked whether a client that is not read from is still there.
_LOOK_SECONDS: Final = 1.0
#: Bytes that are given to a socket at once, and that may wait in it before we wait for the reader.
_CHUNK: Final = 64 * 1024


class Server:
    """Serves `hub` at `path`."""

    def __init__(self, hub: Hub, path: Path) -> None:
        self._hub = hub
        self._path = path
        self._server: asyncio.Server | None = None
        self._identity: tuple[int, int] | None = None
        self._closing = False
        #: How many clients: the upstream, the spool and the log need open files as well.
        self._room = min(MAX_CLIENTS, _descriptors() // 2)
        #: Those that are connected.
        self.connections: set[_Connection] = set()

    async def start(self) -> None:
        """Listen. Whoever calls holds the daemon's lock: a socket of ours that is there is a dead one's.

        Raises ConfigError where the directory is not safe, DaemonError where something else stands there.
        """
        private_directory(self._path.parent)
        _remove_stale(self._path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind(sock)
            self._identity = _identity(self._path)
            if self._identity is None:
                raise DaemonError(
                    f"{self._path} was replaced while the daemon made it", hint="who else writes there?"
                )
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._connected, sock=sock, backlog=_BACKLOG)
        except BaseException:
            sock.close()
            raise

    def _bind(self, sock: socket.socket) -> None:
        umask = os.umask(0o177)
        try:
            with unix.address(self._path) as address:
                sock.bind(address)
        except OSError as error:
            raise DaemonError(f"cannot make the socket {self._path}: {error.strerror or error}") from None
        finally:
            os.umask(umask)

    def _connected(self) -> _Connection:
        return _Connection(self._hub, self)

    def stop_listening(self) -> None:
        """Let nobody else in: who comes now finds no daemon. Those who are in stay."""
        self._closing = True
        if self._server is None:
            return
        server, self._server = self._server, None
        if self._identity is not None and _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)
        server.close()

    async def close(self, grace: float) -> None:
        """End every client's stream (`system-shutdown`); they get `grace` seconds to read the rest."""
        self.stop_listening()
        for connection in tuple(self.connections):
            connection.end("system-shutdown", "the daemon ends")
        waiting = [connection.gone for connection in self.connections]
        if waiting:
            await asyncio.wait(waiting, timeout=grace)
        for connection in tuple(self.connections):
            connection.abort()

    @property
    def full(self) -> bool:
        """Whether no more clients are let in."""
        return len(self._hub.clients) >= self._room

    @property
    def overrun(self) -> bool:
        """Whether even those who are not let in are too many."""
        return len(self.connections) > self._room + min(_MAX_REFUSED, max(8, self._room // 4))

    @property
    def closing(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closing


class _Connection(asyncio.Protocol):
    """One connected socket, and the client behind it."""

    def __init__(self, hub: Hub, server: Server) -> None:
        self._hub = hub
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._client: Client | None = None
        #: Until when it must have opened its stream; later, be gone.
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._reading = True
        self._looking = False
        self._writable = True
        self._lingering = False
        self._finished = False
        #: It has closed its socket: what it said before is read to the end.
        self._hung_up = False
        #: Done when the socket is closed.
        self.gone: asyncio.Future[None] = self._loop.create_future()

    # -- what asyncio calls --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or not."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_CHUNK)
        self._server.connections.add(self)
        try:
            peer = unix.peer(transport.get_extra_info("socket"))
        except OSError as error:
            self._refuse("policy-violation", f"the kernel does not tell who came: {error.strerror or error}")
            return
        if peer.uid != os.geteuid():
            self._refuse(
                "policy-violation", f"a process of another user came (uid {peer.uid}, pid {peer.pid})"
            )
        elif self._server.closing:
            self._refuse("system-shutdown", "the daemon ends")
        elif self._server.full:
            self._refuse("resource-constraint", f"there are {len(self._hub.clients)} clients already")
        else:
            self._client = self._hub.join(peer.pid, self._wake)
            self._timer = self._loop.call_later(OPEN_SECONDS, self._check_opened)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self._client is not None:
            self._client.receive(data)
            self._wake()

    def eof_received(self) -> None:
        """The client is gone. asyncio closes the socket when what was written is read."""
        if self._client is not None:
            self._client.receive(b"")
        self._finished = True
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        if self._client is not None:
            self._client.drop()
        self._server.connections.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        """It does not read as fast as we write."""
        self._writable = False

    def resume_writing(self) -> None:
        """It reads on."""
        self._writable = True
        self._wake()

    # -- our side --

    def end(self, condition: str, text: str) -> None:
        """End the stream with a stream error."""
        if self._client is not None:
            self._client.end(condition, text)
        self._flush()

    def abort(self) -> None:
        """Close the socket now."""
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, condition: str, why: str) -> None:
        assert self._transport is not None
        self._hub.note(f"somebody was not let in: {why}")
        self._transport.write(header(self._hub.jid.domain) + stream_error(condition, why))
        if self._server.overrun:
            self._finished = True
            self._transport.close()  # it can mostly be read all the same
        else:
            self._finish()

    def _check_opened(self) -> None:
        if self._client is not None and not self._client.opened:
            self._client.end("connection-timeout", "no stream was opened")

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what there is to write; read on, pause or close as it must be."""
        self._scheduled = False
        client, transport = self._client, self._transport
        if client is None or transport is None or self._finished:
            return
        while self._writable and (data := client.take(_CHUNK)):
            transport.write(data)
        if client.ended:
            self._linger()
            if not client.pending:
                self._finish()
        readable = client.readable or client.ended or self._hung_up
        if readable and not self._reading:
            transport.resume_reading()
        elif self._reading and not readable:
            transport.pause_reading()
            self._look_later()
        self._reading = readable

    def _look_later(self) -> None:
        """One look at a time, however often reading is paused meanwhile."""
        if not self._looking:
            self._looking = True
            self._loop.call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Whether the client is still there, while it is not read from: nothing else would tell."""
        self._looking = False
        transport = self._transport
        if transport is None or self._finished or self._reading:
            return
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), 0)
        if poll.poll(0):
            self._hung_up = True
            self._flush()
        else:
            self._look_later()

    def _finish(self) -> None:
        """Nothing more is written. It is the client that closes.

        Closed by us, a socket in which something of the client's lies unread would cost it what it has not read.
        """
        assert self._transport is not None
        self._finished = True
        if not self._transport.is_closing():
            self._transport.write_eof()
        self._linger()

    def _linger(self) -> None:
        """What is left to read may not be waited for for ever."""
        if self._lingering:
            return
        self._lingering = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_SECONDS, self.abort)


def _descriptors() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that has died. Raises DaemonError where something else stands there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no socket of ours"
        raise DaemonError(
            f"{path} is {what}: it is left alone",
            hint=f"if you have not put it there, somebody else has; remove it: rm {path}",
        )
    path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is there; None where it is no socket that only we can open."""
    try:
        found = path.lstat()
    except OSError:
        return None
    private = stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return (found.st_dev, found.st_ino) if private else None
