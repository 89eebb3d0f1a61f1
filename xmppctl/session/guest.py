"""A session on another session's stream, for one command of several that run at the same time.

It has its own replies, subscriptions, deadline and end; the stream, and the duties of RFC 6120 (answering requests,
acknowledging), stay with the host. What ends the host ends its guests; a guest that ends leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmppctl.errors import ConnectionLost, Interrupted, Terminated
from xmppctl.session.acks import NS_SM
from xmppctl.session.base import Session, Subscription
from xmppctl.session.replies import Replies

if TYPE_CHECKING:
    from xmppctl.session.bridge import Bridge
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.replies import Pending
    from xmppctl.stanza.frame import Frame


class _Relay(Subscription):
    """Hands what comes in to the guest at once."""

    def __init__(self, host: Session, take: Callable[[Frame], None]) -> None:
        super().__init__(host, None)
        self._take = take

    def offer(self, frame: Frame) -> None:
        self._take(frame)


class Guest(Session):
    """`host` runs on an event loop, or in memory. `barrier` is a ping alone: the host's acknowledgements are not ours
    to count, and a server answers in order.
    """

    def __init__(self, host: Session, deadline: Deadline) -> None:
        super().__init__(host.jid, host.features - {f"{NS_SM} sm"}, deadline)
        self.attached = host.attached
        self._host = host
        # One queue for all that ask on this stream: with one id twice, each gets the reply to its own request.
        self.replies = host.replies
        self._bridge: Bridge | None = None
        #: It has been ended by a signal, and undoes what must be undone: no other signal ends that.
        self._leaving = False
        self._relay = _Relay(host, self._received)
        host.subscriptions.append(self._relay)
        #: Requests of ours that nobody has answered yet: while there are any, more will surely happen.
        self._asked: list[Pending] = []
        self._answers = Replies(host.jid)

    @property
    def settled(self) -> bool:
        """Whether every request that was sent so far has its reply."""
        return not self._asked

    @property
    def shown(self) -> bool:  # type: ignore[override]
        """Whether the host's owner shows a presence."""
        return self._host.shown

    @property
    def unfinished(self) -> int:
        """About how many bytes have come of a stanza that is not whole yet."""
        return self._host.unfinished

    def check(self) -> None:
        """Raise what has ended this session, or its host: on the way out only what has broken the stream."""
        super().check()
        host = self._host
        if not (self._leaving and isinstance(host._failure, Interrupted | Terminated) and not host._gone):
            host.check()

    def grace(self, seconds: float) -> None:
        """As of every session; also where the signal was the host's."""
        super().grace(seconds)
        self._leaving = True

    def fail(self, error: Exception) -> None:
        """End every wait with `error`, unless it is a second signal while this session leaves."""
        if not (self._leaving and isinstance(error, Interrupted | Terminated)):
            super().fail(error)

    def write(self, stanza: str | bytes) -> None:
        """Queue one stanza without waiting; order is kept, also with what the host and other guests send."""
        self.check()
        data = stanza.encode() if isinstance(stanza, str) else stanza
        self._note_request(data)
        self._host._write(data)
        self._host.acks.note_sent()

    def write_nonza(self, nonza: str | bytes) -> None:
        """Queue an element that is no stanza."""
        self.check()
        self._host._write(nonza.encode() if isinstance(nonza, str) else nonza)

    def _note_request(self, data: bytes) -> None:
        if not data.startswith(b"<iq"):
            return
        from xmppctl.stanza.outline import outline

        attributes = outline(data.decode())[0].attributes
        if attributes.get("type") in ("get", "set"):
            self._asked.append(self._answers.expect(attributes.get("id", ""), attributes.get("to")))

    def _received(self, frame: Frame) -> None:
        """A stanza, of which the host has seen already whose reply it is."""
        request = frame.kind == "iq" and frame.type in ("get", "set")
        if frame.kind == "iq" and not request:
            self._answers.offer(frame)
            self._asked = [asked for asked in self._asked if asked.reply is None]
        for subscription in tuple(self.subscriptions):
            subscription.offer(frame)
        if not request and self.listener is not None:
            self.listener(frame)

    def answer(self, request: Frame) -> None:
        """The host does."""

    async def _pump(self, deadline: Deadline, doing: str) -> None:
        await self._host._pump(deadline, doing)

    async def _flush(self, deadline: Deadline) -> None:
        await self._host._flush(deadline)

    def wake(self) -> None:
        """Have `wait` ask again."""
        self._host.wake()

    async def wait_readable(
        self,
        descriptor: int,
        *,
        unless: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
        doing: str = "waiting for input",
    ) -> bool:
        """As of every session, but what can be read later is not noticed: guests share their loop with a terminal."""
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if poll.poll(0):
            return not unless()
        await self.wait(unless, timeout, doing=doing)
        return False

    async def client(self) -> Bridge:
        """A slixmpp client on this session, made at the first call."""
        if self._bridge is None:
            from xmppctl.session.bridge import Bridge

            self._bridge = Bridge(self)
        return self._bridge

    async def close(self) -> None:
        """Leave. The stream stays open."""
        if self.closed:
            return
        self.closed = True
        self.listener = None
        for subscription in tuple(self.subscriptions):
            subscription.close()
        self._relay.close()
        if self._bridge is not None:
            self._bridge.shut_down()
        self.lose(ConnectionLost("the session is closed"))
