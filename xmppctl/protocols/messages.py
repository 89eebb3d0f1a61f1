"""Sending messages (RFC 6121 section 5) and knowing what became of each: arrived, bounced, or nobody knows.

Messages are pipelined: many are written before the server is asked whether it has them, and a bounded number is
remembered until it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from xmppctl.errors import StanzaRefused
from xmppctl.session.base import prepared, refusal

if TYPE_CHECKING:
    from xmppctl.session.base import Session

State = Literal["server", "sent", "bounced", "unknown"]

#: Messages, and bytes of them, after which the server is asked, at most: of a server that takes long, sooner.
#: ejabberd lets a client send 3 kB/s where it is configured as it comes.
WINDOW: Final = 500
WINDOW_BYTES: Final = 128 * 1024
#: What a window should take, in seconds, and the smallest part of one.
_QUICK: Final = 2.0
_SLOW: Final = 10.0
_LEAST: Final = 1 / 128
#: What the server gets to acknowledge a window, where the command itself has no limit.
ACK_SECONDS: Final = 60.0
#: Messages that the server has, whose bounces (from another server, seconds later) are still recognised.
_REMEMBERED: Final = 4096
#: Bytes that are written before the socket is asked to take them.
_CHUNK: Final = 32 * 1024


class Outgoing(NamedTuple):
    """One message: its recipient (prepared), its id, its XML; `line` of the input that it comes from."""

    to: str
    id: str
    xml: str
    line: int | None = None


Report = Callable[[Outgoing, State, "StanzaRefused | None"], None]


class Delivery:
    """Sends messages on a session and reports what became of each.

    `report(message, state, why)`: `server` when the server has it, `sent` when nobody was asked (`acknowledged` False),
    `bounced` with the refusal, `unknown` from `abandon()`. A bounce from afar may follow on `server`.
    """

    def __init__(self, session: Session, report: Report, *, acknowledged: bool = True) -> None:
        self._session = session
        self._report = report
        self._acknowledged = acknowledged
        self._pending: dict[str, Outgoing] = {}
        self._settled: dict[str, Outgoing] = {}
        self._bytes = 0
        self._unflushed = 0
        self._part = 1.0  # of a window
        self._errors = session.stanzas(lambda frame: frame.kind == "message" and frame.type == "error")
        if acknowledged:
            session.enable_acks()

    @property
    def pending(self) -> bool:
        """Whether something was sent of which nothing is known yet."""
        return bool(self._pending)

    def has_news(self) -> bool:
        """Whether an error message has come in that was not looked at."""
        return bool(self._errors.queue)

    async def send(self, message: Outgoing, *, more: bool = False) -> None:
        """Send one. With `more` it may stay in our buffers until the next one. Waits where too many are unsettled."""
        data = message.xml.encode()
        self._pending[message.id] = message
        self._bytes += len(data)
        self._unflushed += len(data)
        if more and self._unflushed < _CHUNK:
            self._session.write(data)
        else:
            await self._session.send(data, ACK_SECONDS)
            self._unflushed = 0
        if not self._acknowledged and not self._unflushed:
            self._settle("sent")
        elif len(self._pending) >= WINDOW * self._part or self._bytes >= WINDOW_BYTES * self._part:
            await self.settle()

    async def settle(self) -> None:
        """Wait until it is known what became of each message. Raises DeadlineExceeded, ConnectionLost, StreamError."""
        if not self._pending:
            return
        if not self._acknowledged:
            await self._session.flush(ACK_SECONDS)
            self._unflushed = 0
            self._settle("sent")
            return
        began = monotonic()
        await self._session.barrier(ACK_SECONDS)
        self._fit(monotonic() - began)
        self._unflushed = 0
        self.hear()
        self._settle("server")

    def _fit(self, seconds: float) -> None:
        """Make windows smaller where one took so long that the next could take too long, and larger again."""
        if seconds > _SLOW:
            self._part = max(_LEAST, self._part * _SLOW / seconds / 2)
        elif seconds < _QUICK:
            self._part = min(1.0, self._part * 2)

    def hear(self) -> None:
        """Look at the error messages that have come in."""
        while self._errors.queue:
            frame = self._errors.queue.popleft()
            message = self._pending.get(frame.id or "") or self._settled.get(frame.id or "")
            if message is None:
                continue
            if prepared(frame.sender) not in self._session.replies.refusers(message.to):
                continue
            self._pending.pop(message.id, None)
            self._settled.pop(message.id, None)
            self._report(message, "bounced", refusal(frame))

    def abandon(self) -> None:
        """The session has failed: report what was heard of, and the rest as unknown."""
        self.hear()
        self._settle("unknown")

    def _settle(self, state: State) -> None:
        done, self._pending = self._pending, {}
        self._bytes = 0
        for message in done.values():
            self._settled[message.id] = message._replace(xml="")
            if len(self._settled) > _REMEMBERED:
                del self._settled[next(iter(self._settled))]
            self._report(message, state, None)
