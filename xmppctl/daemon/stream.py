"""One stream to the server, from the end of its login to its own: reads, writes, acknowledges, and notices its death.

What is sent comes from the outbox, which outlives it. On the event loop; RFC 6120 section 4, XEP-0198, XEP-0199.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from xmppctl.daemon import liveness
from xmppctl.daemon.management import too_many
from xmppctl.daemon.outbox import TooManyHandled
from xmppctl.daemon.pace import Pace, allowance
from xmppctl.errors import ConnectionLost, StreamError, XmppctlError
from xmppctl.session.acks import NS_SM, REQUEST, count
from xmppctl.session.base import NS_PING
from xmppctl.session.failures import TRY_AGAIN, stream_error
from xmppctl.session.replies import prepared
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STREAM

if TYPE_CHECKING:
    import _socket

    from xmppctl.daemon.management import Management
    from xmppctl.daemon.outbox import Outbox
    from xmppctl.session.connection import Connection
    from xmppctl.stanza.frame import Frame

#: Bytes that are given to the connection ahead of what the socket takes.
_AHEAD: Final = 256 * 1024
#: Stanzas after which the server is asked what it has, though nobody wants to know.
_ASK_EVERY: Final = 256


class Timing(NamedTuple):
    """Seconds. See `liveness`; `login` limits a login, `farewell` the server's part in closing the stream.

    `proof` is how long a server that has resumed a stream may take for its first answer on it.
    """

    idle: float = liveness.IDLE
    patience: float = liveness.PATIENCE
    answer: float = liveness.ANSWER
    tick: float = liveness.TICK
    login: float = 30.0
    farewell: float = 2.0
    proof: float = 3.0


class Host(Protocol):
    """Whom the stream tells."""

    def received(self, frame: Frame) -> None:
        """A stanza has come."""

    def moved(self) -> None:
        """Something was written or acknowledged."""

    def report(self, error: Exception) -> None:
        """One of ours has failed in a callback; the stream goes on."""


class Stream:
    """`done` holds why it has ended when it has: None after `leave`. Nothing happens before `start`."""

    def __init__(
        self,
        connection: Connection,
        domain: str,
        outbox: Outbox,
        management: Management,
        host: Host,
        timing: Timing,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[XmppctlError | None] = self._loop.create_future()
        self.stanzas_in = self.bytes_in = self.bytes_out = 0
        #: Whether the server is known to hear us.
        self.proven = True
        self._connection = connection
        self._descriptor = connection.sock.fileno()
        self._domain = domain
        self._outbox = outbox
        self._management = management
        self._host = host
        self._timing = timing
        self._liveness = liveness.Liveness(
            self._loop.time(),
            idle=timing.idle,
            patience=timing.patience,
            answer=timing.answer,
            tick=timing.tick,
        )
        self._pace = Pace()
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._writing = False
        self._leaving = False
        self._urgent = bytearray()  # goes before what the outbox holds
        self._owes_answer = False
        self._asked = False  # a question is open
        self._covers = 0  # how many unacknowledged stanzas were sent before our ping
        self._ping: str | None = None
        self._stalled = False  # the last answer told nothing new: asking again at once would be a loop

    # -- from outside --

    def start(self, begin: bytes, frames: tuple[Frame, ...], *, resumed: bool) -> None:
        """Send `begin` before anything else; take `frames`, which came with the login; read and write from now on.

        Nothing else is sent until the first answer. On a new stream that is the agreement to stream management: what
        is sent before cannot be resumed. On a `resumed` one a question goes first: Prosody 0.12 goes on reading where
        the old connection was cut, and takes what comes for the rest of a stanza that was torn.
        """
        self._urgent += begin
        if resumed:
            self.proven = False
            self._urgent += self._question()
            self._loop.call_later(self._timing.proof, self._doubt)
        elif self._management.state == "asked":
            self.proven = False
            self._note_question()
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._timer = self._loop.call_later(self._liveness.wait(self._loop.time()), self._check)
        self._digest(frames)

    def schedule(self) -> None:
        """The outbox has something: write it at the end of this turn of the loop, with whatever else comes."""
        if not self._scheduled and not self._writing:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def probe(self) -> None:
        """See at once whether the connection is still there."""
        if not self._asked and not self.done.done():
            self._urgent += self._question()
            self._flush()

    def pause_tap(self, paused: bool) -> None:
        """See `Connection.pause_tap`."""
        self._connection.pause_tap(paused)

    async def leave(self) -> None:
        """Close the stream properly (RFC 6120 section 4.4), waiting a little for the server to do the same."""
        self._leaving = True
        if self._management.state == "on":
            self._urgent += self._management.answer()
        self._urgent += b"</stream:stream>"
        self._flush()
        await asyncio.wait([self.done], timeout=self._timing.farewell)
        self._end(None)

    def drop(self) -> None:
        """Close the connection and leave the stream as it is: it may be resumed."""
        self._end(ConnectionLost("the connection was dropped"))

    # -- in --

    def _on_readable(self) -> None:
        frames = self._connection.take()
        if not self._connection.ended:
            self._liveness.heard(self._loop.time())
        self._digest(frames)

    def _digest(self, frames: list[Frame] | tuple[Frame, ...]) -> None:
        self._take_all(frames)
        self._flush()
        if self._connection.ended:
            self._end(self._connection.failure or ConnectionLost("the server hung up", hint=TRY_AGAIN))

    def _take_all(self, frames: list[Frame] | tuple[Frame, ...]) -> None:
        for frame in frames:
            if self.done.done():
                return
            try:
                self._take(frame)
            except Exception as error:  # noqa: BLE001 (a mistake in handling one stanza must not lose the others)
                self._host.report(error)

    def _take(self, frame: Frame) -> None:
        self.bytes_in += len(frame.raw)
        kind = frame.kind
        if kind == "nonza":
            self._take_nonza(frame)
        elif kind == "stream":
            if frame.names and frame.raw.startswith(b"</"):
                self._end(ConnectionLost("the server closed the stream", hint=TRY_AGAIN))
        else:
            self.stanzas_in += 1
            if self._management.state == "on":
                self._management.note_received()
            if self._ping is None or kind != "iq" or not self._is_pong(frame):
                self._host.received(frame)

    def _take_nonza(self, frame: Frame) -> None:
        if frame.names[0] == f"{NS_STREAM} error":
            self._end(stream_error(frame, self._domain))
        elif frame.namespace == NS_SM:
            self._take_management(frame)

    def _take_management(self, frame: Frame) -> None:
        management, name = self._management, frame.name
        if name == "r" and management.state == "on":
            self._owes_answer = True
        elif name == "a" and management.state == "on":
            self._take_answer(frame)
        elif name == "enabled":
            management.enabled(frame)
            self._note_answer(True)
        elif name == "failed" and management.state == "asked":
            management.forget()
            self._note_answer(True)

    def _take_answer(self, frame: Frame) -> None:
        handled = count(frame.attributes.get("h"))
        told = True
        try:
            if handled is None:
                raise TooManyHandled(0, 0)
            told = self._outbox.handled(handled)
        except TooManyHandled as error:
            self._refuse(error, frame)
        finally:
            self._note_answer(told)

    def _refuse(self, error: TooManyHandled, frame: Frame) -> None:
        """The counts have come apart: the stream is of no use any more, nor is a resumption of it."""
        self._management.forget()
        self._connection.push(too_many(error.handled, error.sent) + b"</stream:stream>")
        self._end(
            StreamError(
                f"the server's acknowledgement is wrong: it has {frame.attributes.get('h')!r} of {error.sent} stanzas",
                condition="undefined-condition",
                hint="this is a fault of the server",
                stanza=frame.text,
            )
        )

    def _is_pong(self, frame: Frame) -> bool:
        """Whether it answers our ping: any answer does, from whom it was for."""
        if frame.id != self._ping or frame.type not in ("result", "error"):
            return False
        if prepared(frame.sender) not in (None, self._domain):
            return False
        self._ping = None
        covered, self._covers = self._covers, 0
        self._note_answer(covered > 0)
        self._outbox.acknowledge(covered)
        return True

    # -- out --

    def _flush(self) -> None:
        """Give the connection what there is, and the socket what it takes; have the loop call again for the rest."""
        self._scheduled = False
        if self.done.done():
            return
        connection = self._connection
        while len(connection.out) < _AHEAD:
            data = self._next(_AHEAD - len(connection.out))
            if not data:
                break
            self.bytes_out += len(data)
            connection.push(data)
            if not connection.try_flush():
                break
        self._await_room(not connection.try_flush())
        self._host.moved()
        if connection.broken:
            self._drain()

    def _next(self, room: int) -> bytes:
        data = bytes(self._urgent)
        self._urgent.clear()
        if self._owes_answer:
            self._owes_answer = False
            data += self._management.answer()
        if self._leaving or not self.proven:
            return data
        outbox = self._outbox
        pace = self._pace
        data += outbox.take(min(room, pace.bytes - outbox.unacknowledged_bytes), pace.window)
        due = outbox.wanting or (outbox.held and outbox.unacknowledged) or outbox.unasked >= _ASK_EVERY
        if due and not self._asked and (outbox.unasked or not self._stalled):
            data += self._question()
        return data

    def _question(self) -> bytes:
        """What has the server say that it is there, and what it has."""
        self._note_question()
        if self._management.state == "on":
            return REQUEST
        self._covers = len(self._outbox.unacknowledged)
        self._ping = build.new_id()
        return build.iq("get", f"<ping xmlns='{NS_PING}'/>", to=self._domain, id=self._ping).encode()

    def _note_question(self) -> None:
        self._asked = True
        self._stalled = False
        now, outbox = self._loop.time(), self._outbox
        self._liveness.asked(now, allowance(outbox.largest))
        self._pace.asked(now, len(outbox.unacknowledged), outbox.unacknowledged_bytes)
        outbox.note_asked()

    def _note_answer(self, told: bool) -> None:
        now = self._loop.time()
        if self._asked:
            self._pace.answered(now)
        self._liveness.answered(now)
        self._asked = False
        self.proven = True
        self._stalled = not told

    def _await_room(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._descriptor, self._flush)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._descriptor)
        self._writing = wanted

    # -- the end --

    def _check(self) -> None:
        """Look at the clock."""
        now = self._loop.time()
        verdict = self._liveness.check(now, len(self._connection.out) + _unsent(self._connection.sock))
        if verdict == "dead":
            self._end(ConnectionLost("the server does not answer: the connection is gone", hint=TRY_AGAIN))
            return
        if verdict == "ask" or (self._outbox.unacknowledged and not self._leaving):
            self.probe()
        if not self.done.done():
            self._timer = self._loop.call_later(self._liveness.wait(now), self._check)

    def _doubt(self) -> None:
        """Give up a resumed stream on which the server does not hear us; the next one begins anew."""
        if self.proven or self._leaving or self.done.done():
            return
        self._management.forget()
        self._connection.push(b"</stream:stream>")
        self._end(ConnectionLost("the server resumed the stream and does not hear us on it", hint=TRY_AGAIN))

    def _drain(self) -> None:
        """Nothing more can be sent: take what the server had still said, which may be why."""
        connection = self._connection
        while not connection.ended and not self.done.done():
            data = connection.receive()
            if data is None:
                break
            self._take_all(connection.pull(data))
        self._end(connection.failure or ConnectionLost("the connection broke", hint=TRY_AGAIN))

    def _end(self, why: XmppctlError | None) -> None:
        """Close the connection; `why` counts the first time."""
        if self.done.done():
            return
        self.done.set_result(None if self._leaving else why)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._descriptor)
        self._await_room(False)
        self._connection.close()


def _unsent(sock: _socket.socket) -> int:
    """Bytes that the other end's machine has yet to take (Linux: SIOCOUTQ, tcp(7)); 0 where nobody can tell."""
    try:
        told = fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int(struct.unpack("i", told)[0])
