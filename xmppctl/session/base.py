"""The session: one interface for every kind of open account.

A session has a JID, `send`, `request`, `stanzas`, `wait`, `barrier`, `close` and, where it runs on an event loop, a
slixmpp client for plugins. What a kind adds is how bytes leave (`_write`) and how it waits (`_pump`); everything that
interprets stanzas is here, once. Its coroutines suspend only in `_pump`, so that a session that blocks there runs
them without an event loop (see `drive`). RFC 6120 section 8, RFC 6121, XEP-0198, XEP-0199.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from xmppctl.errors import (
    ConnectionLost,
    DeadlineExceeded,
    Interrupted,
    StreamError,
    Terminated,
    XmppctlError,
)
from xmppctl.interrupts import of_this_thread
from xmppctl.session.acks import NS_SM, REQUEST, Acks
from xmppctl.session.answers import MAX_UNREAD_ANSWERS, answer
from xmppctl.session.answers import NS_ROSTER as NS_ROSTER
from xmppctl.session.deadline import Deadline
from xmppctl.session.failures import TRY_AGAIN, stream_error
from xmppctl.session.failures import refusal as refusal
from xmppctl.session.failures import refuse_errors as refuse_errors
from xmppctl.session.replies import Replies
from xmppctl.session.replies import prepared as prepared
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STREAM, Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.outline import outline

if TYPE_CHECKING:
    from xmppctl.session.bridge import Bridge

NS_PING: Final = "urn:xmpp:ping"

Select = Callable[[Frame], bool]

#: How long the server may take to close its stream after we have closed ours.
CLOSE_SECONDS: Final = 2.0


class Subscription(AsyncIterator[Frame]):
    """The stanzas that come in and match, from the moment it was made. An async iterator; `close()` ends it."""

    def __init__(self, session: Session, select: Select | None) -> None:
        self._session = session
        self._select = select
        self.queue: deque[Frame] = deque()
        self.open = True

    def offer(self, frame: Frame) -> None:
        """Take a frame if it is wanted."""
        if self._select is None or self._select(frame):
            self.queue.append(frame)

    async def next(self, timeout: float | None = None) -> Frame:
        """The next one. Raises DeadlineExceeded after `timeout` seconds, ConnectionLost and StreamError."""
        await self._session.wait(lambda: bool(self.queue), timeout, doing="waiting for a stanza")
        return self.queue.popleft()

    async def __anext__(self) -> Frame:
        if not self.open:
            raise StopAsyncIteration
        return await self.next()

    def close(self) -> None:
        """Stop. What was queued is dropped."""
        if self.open:
            self.open = False
            self._session.subscriptions.remove(self)


class Session:
    """An open session. Kinds: direct (blocking or on an event loop), attached to a daemon, and memory."""

    #: Whoever owns the stream shows a presence on it already.
    shown = False
    #: It is a component's (XEP-0114), whose stanzas must say whom they are from.
    component = False
    #: It runs through a daemon, which answers incoming requests and knows the ones in `session.local`.
    attached = False

    def __init__(
        self, jid: Jid, features: frozenset[str] = frozenset(), deadline: Deadline | None = None
    ) -> None:
        self.jid = jid
        self.features = features
        self.deadline = deadline or Deadline(None)
        self.subscriptions: list[Subscription] = []
        self.closed = False
        #: Hears of every stanza but requests: slixmpp, where its plugins run on the session.
        self.listener: Callable[[Frame], None] | None = None
        #: Hears of every request; where it says True, it sees to the answer, or calls `answer` later.
        self.on_request: Callable[[Frame], bool] | None = None
        #: Hears of every nonza that is not the stream's own: of `<frame/>` and `<dropped/>` where a daemon tells them.
        #: What it raises ends every wait, and stays in `nonza_failure`; it hears no more then.
        self.on_nonza: Callable[[Frame], None] | None = None
        self.nonza_failure: Exception | None = None
        #: Hears of signals in place of this session, once another has taken over.
        self.heir: Callable[[Exception], object] | None = None
        self._failure: Exception | None = None
        #: Nothing more will come: the server has closed its stream, or the connection is gone.
        self._over = False
        #: Nothing more can be sent either.
        self._gone = False
        self._unread_answers = 0
        #: The iq replies that are waited for.
        self.replies = Replies(jid)
        self.acks = Acks()

    # -- what a kind of session provides --

    def _write(self, data: bytes) -> None:
        """Queue bytes for the server, in order."""
        raise NotImplementedError

    async def _pump(self, deadline: Deadline, doing: str) -> None:
        """Wait until something has come in, been sent or changed; hand it to `_received`. Raises DeadlineExceeded."""
        raise NotImplementedError

    async def _flush(self, deadline: Deadline) -> None:
        """Wait until what was written is on its way."""
        raise NotImplementedError

    def _hang_up(self) -> None:
        """Close the transport."""
        raise NotImplementedError

    def _queued(self) -> int:
        """How many bytes the server has yet to take."""
        return 0

    @property
    def tap_failure(self) -> Exception | None:
        """What `on_frame` raised."""
        return None

    @property
    def unfinished(self) -> int:
        """About how many bytes have come of a stanza that is not whole yet."""
        return 0

    def wake(self) -> None:
        """Have `wait` ask its predicate again, though no stanza has come."""

    async def wait_readable(
        self,
        descriptor: int,
        *,
        unless: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
        doing: str = "waiting for input",
    ) -> bool:
        """Wait until `descriptor` can be read (or has hung up); what the server sends meanwhile is handled.

        False as soon as `unless` holds, which is asked after each stanza. Raises as `wait` does.
        """
        raise NotImplementedError

    async def client(self) -> Bridge:
        """A slixmpp client on this session, for its plugins. Only on sessions that run on an event loop."""
        raise RuntimeError("this session was opened without plugins=True")

    # -- sending --

    async def send(self, stanza: str | bytes, timeout: float | None = None) -> None:
        """Send one stanza, written as XML. It is on its way when this returns; `barrier` says when it has arrived."""
        self.write(stanza)
        await self.flush(timeout)

    async def flush(self, timeout: float | None = None) -> None:
        """Return when what was written is on its way. Raises as `wait` does."""
        await self._flush(self.deadline.within(timeout))
        self.check()

    def write(self, stanza: str | bytes) -> None:
        """Queue one stanza without waiting; order is kept."""
        self.check()
        self._write(stanza.encode() if isinstance(stanza, str) else stanza)
        self.acks.note_sent()

    def write_nonza(self, nonza: str | bytes) -> None:
        """Queue an element that is no stanza: acknowledgements (XEP-0198) do not count it."""
        self.check()
        self._write(nonza.encode() if isinstance(nonza, str) else nonza)

    async def request(
        self, iq: str, timeout: float | None = None, *, meanwhile: Callable[[], None] = lambda: None
    ) -> Frame:
        """Send an iq of type get or set and return its result (RFC 6120 section 8.2.3).

        A reply counts only with the same id, from whom was asked, as an iq result or error. `meanwhile` is called
        whenever something has come in. Raises StanzaRefused for an error, DeadlineExceeded after `timeout` seconds or
        the session's deadline.
        """
        reply = await self.ask(iq, timeout, meanwhile=meanwhile)
        refuse_errors(reply)
        return reply

    async def ask(
        self, iq: str, timeout: float | None = None, *, meanwhile: Callable[[], None] = lambda: None
    ) -> Frame:
        """As `request`, but an error reply is returned, too."""
        attributes = outline(iq)[0].attributes
        id_, to = attributes.get("id", ""), attributes.get("to")
        pending = self.replies.expect(id_, to)

        def answered() -> bool:
            meanwhile()
            return pending.reply is not None

        try:
            await self.send(iq, timeout)
            await self.wait(answered, timeout, doing=f"waiting for a reply from {to or self.jid.domain}")
            assert pending.reply is not None
            return pending.reply
        finally:
            self.replies.forget(pending)

    # -- receiving --

    def stanzas(self, select: Select | None = None) -> Subscription:
        """The stanzas that come in from now on and that `select` wants: open before what provokes them is sent."""
        subscription = Subscription(self, select)
        self.subscriptions.append(subscription)
        return subscription

    async def wait(
        self, predicate: Callable[[], bool], timeout: float | None = None, *, doing: str = "waiting"
    ) -> None:
        """Wait until `predicate` holds; it is asked after each stanza.

        Raises DeadlineExceeded after `timeout` seconds or the session's deadline; StreamError and ConnectionLost when
        the stream ends first.
        """
        limit = self.deadline.within(timeout)
        while not predicate():
            self.check()
            await self._pump(limit, doing)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; what comes meanwhile is handled. Raises as `wait` does."""
        try:
            await self.wait(lambda: False, seconds)
        except DeadlineExceeded:
            if self.deadline.passed:
                raise

    def grace(self, seconds: float) -> None:
        """Make the session usable for `seconds` more, for what must be undone on the way out.

        After a signal or a deadline every wait ends at once; a broken stream stays broken.
        """
        if isinstance(self._failure, Interrupted | Terminated):
            self._failure = None
        self.deadline = Deadline(seconds)

    def check(self) -> None:
        """Raise what has ended the session, if anything has."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Exception) -> None:
        """End every wait with `error`; the first one stays. Where the session has an heir it hears of signals."""
        if self.heir is not None and isinstance(error, Interrupted | Terminated):
            self.heir(error)
        elif self._failure is None:
            self._failure = error
        self.wake()

    def lose(self, error: XmppctlError) -> None:
        """The connection is gone: end every wait with `error`."""
        self._over = self._gone = True
        self.fail(error)

    def _received(self, frame: Frame) -> None:
        """Take one frame from the server."""
        if self._over:
            return
        kind = frame.kind
        if kind == "stream":
            if frame.names and frame.raw.startswith(b"</"):
                self._over = True
                self.fail(self._ended("closed the stream"))
            return
        if kind == "nonza":
            self._nonza(frame)
            return
        self.acks.note_received()
        self.replies.offer(frame)
        for subscription in tuple(self.subscriptions):
            subscription.offer(frame)
        if kind == "iq" and frame.type in ("get", "set"):
            if self.on_request is None or not self.on_request(frame):
                self.answer(frame)
        elif self.listener is not None:
            self.listener(frame)

    def _ended(self, how: str) -> ConnectionLost:
        """The error for an end that came from the other side."""
        return ConnectionLost(f"the server {how}", hint=TRY_AGAIN)

    def answer(self, request: Frame) -> None:
        """Answer a request (see `answers`). Nothing else is ever answered."""
        self._reply(answer(request, self.jid), stanza=True)

    def _reply(self, answer: bytes, *, stanza: bool) -> None:
        """Send what the protocol demands of us unasked; nothing may follow our footer."""
        if self.closed or self._failure is not None:
            return
        waiting = self._unread_answers if self._queued() else 0
        self._unread_answers = waiting + len(answer)
        if self._unread_answers > MAX_UNREAD_ANSWERS:
            self.fail(
                StreamError(
                    "the server sends requests and does not read the answers",
                    condition="policy-violation",
                    hint="this is a fault of the server, or an attack; the stream was closed",
                )
            )
        elif stanza:
            self.write(answer)
        else:
            self._write(answer)

    def _nonza(self, frame: Frame) -> None:
        if frame.names[0] == f"{NS_STREAM} error":
            self.fail(stream_error(frame, self.jid.domain))
        elif frame.namespace == NS_SM:
            answer = self.acks.take(frame)
            if answer is not None:
                self._reply(answer, stanza=False)
        elif self.on_nonza is not None:
            try:
                self.on_nonza(frame)
            except Exception as error:  # noqa: BLE001 (kept, and raised by whoever waits: it must not tear the stream)
                self.on_nonza, self.nonza_failure = None, error
                self.fail(error)

    # -- stream management and the barrier --

    def enable_acks(self) -> None:
        """Ask for acknowledgements (XEP-0198 section 3), if the server has them. Rides along with the next stanza."""
        if f"{NS_SM} sm" in self.features and self.acks.off:
            self.write_nonza(self.acks.enable())

    async def barrier(self, timeout: float | None = None) -> None:
        """Return when the server has surely processed everything that was sent, and its answers to it have come in.

        A XEP-0198 acknowledgement where there is one, and a ping to the own server (an error answers it just as well):
        the acknowledgement says that the server has the stanzas; what it says of them (a bounce) travels the way of
        the ping's reply, and ejabberd acknowledges before it bounces. Raises DeadlineExceeded.
        """
        sent = self.acks.sent
        if not self.acks.off:
            self.write_nonza(REQUEST)
        await self.ask(self._ping(), timeout)
        await self.wait(
            lambda: self.acks.cover(sent),
            timeout,
            doing="waiting for the server's acknowledgement",
        )

    def _ping(self) -> str:
        """What the server answers when it has processed everything before it."""
        return build.iq("get", f"<ping xmlns='{NS_PING}'/>", to=self.jid.domain)

    # -- closing --

    async def close(self) -> None:
        """Close the stream properly (RFC 6120 section 4.4), waiting a little for the server to do the same.

        Never raises: what went wrong in `on_frame` meanwhile is in `tap_failure`.
        """
        if self.closed:
            return
        self.closed = True
        of_this_thread().take()  # it came too late to end anything, and must not cut the farewell short
        self.listener = None
        for subscription in tuple(self.subscriptions):
            subscription.close()
        limit = Deadline(CLOSE_SECONDS)
        try:
            if not self._gone:
                self._write(b"</stream:stream>")
                await self._flush(limit)
            while not self._over:
                await self._pump(limit, "closing the stream")
        except (XmppctlError, OSError):
            pass  # it is over either way
        finally:
            self._hang_up()
            self.lose(ConnectionLost("the session is closed"))
