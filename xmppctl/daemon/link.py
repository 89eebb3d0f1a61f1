"""The connection to the account's server, kept: logs in, resumes, sends again what was lost on the way, tries again.

What it promises: a stanza that it was given reaches the server, on this stream or a later one, with the same bytes;
or it is told what became of it. Order is kept. On the event loop; the login runs in a thread (see `attempt`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from time import time
from typing import TYPE_CHECKING, Any, Final

from xmppctl.daemon.attempt import Attempt, LoggedIn
from xmppctl.daemon.liveness import NetworkWatch
from xmppctl.daemon.management import FEATURE, Management, too_many
from xmppctl.daemon.outbox import MAX_HELD_BYTES, Outbox, TooManyHandled
from xmppctl.daemon.pause import Pause
from xmppctl.daemon.refused import bounce, named
from xmppctl.daemon.retry import Backoff, blames, passes
from xmppctl.daemon.stream import Stream, Timing
from xmppctl.errors import Bug, StreamError, XmppctlError
from xmppctl.session.acks import count

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.daemon.parts import Listener, Outgoing, Owner, State
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

#: How many changes of state are remembered.
_HISTORY: Final = 50
#: How much of what a server says is kept as the reason of one, in characters.
_REASON: Final = 500


class Link:
    """See `parts.Sender`. Set `listener`, then `run()`.

    `password` is called for each login, in its thread. `note` hears what a log should hold.
    """

    listener: Listener

    def __init__(
        self,
        settings: Settings,
        password: Callable[[], Secret | None],
        *,
        note: Callable[[str], None] = lambda _: None,
        nameserver: str | None = None,
        timing: Timing | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.state: State = "starting"
        self.jid: Jid | None = None
        self.failure: XmppctlError | None = None
        self.congested = False
        self._settings = settings
        self._password = password
        self._note = note
        self._nameserver = nameserver
        self._timing = timing or Timing()
        self._backoff = backoff or Backoff()
        self._outbox = Outbox()
        self._management = Management()
        self._stream: Stream | None = None
        self._attempt: Attempt | None = None
        self._watched = False
        self._closing = False
        self._since = time()
        self._history: deque[tuple[float, str, str]] = deque(maxlen=_HISTORY)
        self._facts: dict[str, Any] = {}
        self._before = {"stanzas_in": 0, "bytes_in": 0, "bytes_out": 0}  # on streams that are gone
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._pause = Pause(self._timing.tick)
        self._drained = asyncio.Event()
        self._stopped = asyncio.Event()

    # -- parts.Sender --

    def send(self, stanza: Outgoing) -> None:
        """Send in order; while there is no stream it is held."""
        outbox = self._outbox
        outbox.add(stanza)
        if self._stream is not None:
            self._stream.schedule()
        if outbox.held_bytes > MAX_HELD_BYTES:
            self.congested = True

    def withdraw(self, owner: Owner) -> list[Outgoing]:
        """Take back what `owner` sent and no stream has seen."""
        taken = self._outbox.withdraw(owner)
        if self._loop is not None and self.congested:
            self._loop.call_soon(self.moved)
        return taken

    def want_acknowledgement(self) -> None:
        """Have the server say soon what it has of what was sent until now."""
        self._outbox.want()
        if self._stream is not None:
            self._stream.schedule()

    def hurry(self) -> None:
        """Try again soon: somebody waits for the connection."""
        self._pause.hurry()

    # -- for the daemon --

    @property
    def watched(self) -> bool:
        """Whether `Listener.wire` is wanted; stream headers always come."""
        return self._watched

    @watched.setter
    def watched(self, wanted: bool) -> None:
        self._watched = wanted
        if self._stream is not None:
            self._stream.pause_tap(not wanted)

    @property
    def owed(self) -> list[Outgoing]:
        """See `Outbox`: what would be lost, or may be, if nobody connected again."""
        return self._outbox.owed

    def facts(self) -> dict[str, Any]:
        """What there is to tell of the connection, as JSON can hold it. Times are in seconds since the epoch."""
        outbox = self._outbox
        return {
            "state": self.state,
            "jid": str(self.jid) if self.jid else None,
            "since": self._since,
            "history": [list(entry) for entry in self._history],
            "failure": self.failure.message[:_REASON] if self.failure else None,
            **{key: self._facts.get(key) for key in ("server", "address", "tls", "mechanism")},
            "stream_management": self._management.facts(),
            "counts": self._counts() | {"stanzas_out": outbox.written},
            "unacknowledged": len(outbox.unacknowledged),
            "held": len(outbox.held),
        }

    def _counts(self) -> dict[str, int]:
        return {name: value + getattr(self._stream, name, 0) for name, value in self._before.items()}

    async def run(self) -> None:
        """Be connected until `close`. Raises what will not pass, after telling the listener."""
        loop = self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        network = NetworkWatch()
        if network.sock is not None:
            loop.add_reader(network.sock, self._on_network, network)
        try:
            await self._keep()
        except Exception as error:
            told = error if isinstance(error, XmppctlError) else Bug(f"{type(error).__name__} in the link")
            self.failure = told
            self._enter("failed", told.message)
            self.listener.failed(told)
            raise
        finally:
            if network.sock is not None:
                loop.remove_reader(network.sock)
            network.close()
            if self._stream is not None:
                self._stream.drop()
            self._stopped.set()

    async def close(self, grace: float) -> None:
        """Close the stream properly, and `run` with it.

        What was sent gets `grace` seconds to be acknowledged. A login under way is given up.
        """
        if self._loop is None:
            self._closing = True
            return
        stream = self._stream
        if not self._closing:
            self._closing = True
            self._pause.end()
            if self._attempt is not None:
                self._attempt.give_up()
            if stream is not None:
                await self._drain(stream, grace)
                await stream.leave()
        await self._stopped.wait()

    async def _drain(self, stream: Stream, grace: float) -> None:
        self.want_acknowledgement()
        if not len(self._outbox) or grace <= 0:
            return
        stream.done.add_done_callback(lambda _: self._drained.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._drained.wait()

    # -- the life of the connection --

    async def _keep(self) -> None:
        while not self._closing:
            error = await self._once()
            if error is None or self._closing:
                break
            self.failure = error
            if not passes(error):
                raise error
            seconds = self._backoff.next()
            self._enter("waiting", error.message)
            self._note(f"{error.message}; trying again in {seconds:.1f} s")
            self.listener.offline(error)
            await self._pause.wait(seconds)
        self._enter("stopped", "")

    async def _once(self) -> XmppctlError | None:
        """One stream from login to end; returns why it ended, None where we have closed it."""
        if self.state != "connecting":
            self._enter("connecting", "")
        attempt = self._attempt = Attempt(
            self._settings,
            self._password,
            self._management.ticket,
            self._timing.login,
            on_frame=self._show,
            note=self._note_from_thread,
            nameserver=self._nameserver,
        )
        try:
            done = await attempt.run()
        except XmppctlError as error:
            return error
        except asyncio.CancelledError:
            if self._closing:
                return None
            raise
        finally:
            self._attempt = None
        if self._closing:  # it came too late
            done.connection.push(b"</stream:stream>")
            done.connection.close()
            return None
        began, had = asyncio.get_running_loop().time(), self._outbox.acknowledged
        try:
            stream = self._begin(done)
        except StreamError as error:
            return error
        why = await asyncio.shield(stream.done)
        served = self._outbox.acknowledged > had and not isinstance(why, StreamError)
        self._backoff.lasted(asyncio.get_running_loop().time() - began, served=served)
        self._finish(stream, why)
        return why

    def _begin(self, done: LoggedIn) -> Stream:
        """Put a new stream into service. Raises StreamError where it cannot be used."""
        connection, management, outbox = done.connection, self._management, self._outbox
        connection.pause_tap(not self._watched)
        begin = b""
        try:
            if done.jid is None:
                self._take_up(done)
            else:
                self._take_failure(done)
                self.jid = done.jid
                # What others know us by should stay the same.
                self._settings = self._settings._replace(resource=done.jid.resource or None)
                begin = management.begin(FEATURE in done.features)
                outbox.start_counting()
            assert self.jid is not None
            self._facts = done.facts
            stream = Stream(connection, self.jid.domain, outbox, management, self, self._timing)
            self.failure = None
            resumed = done.jid is None
            self._enter("online", "resumed" if resumed else "")
            self._note(f"online as {self.jid}" + (", the stream was resumed" if resumed else ""))
            first = self.listener.online(self.jid, resumed=resumed)
            if not resumed:
                outbox.restarted(first)
        except BaseException:
            connection.close()
            raise
        self._stream = stream
        stream.start(begin, done.frames, resumed=resumed)
        return stream

    def _take_up(self, done: LoggedIn) -> None:
        """Go on with the stream that was resumed."""
        assert done.answer is not None
        told = done.answer.attributes
        handled = count(told.get("h"))
        try:
            if handled is None or told.get("previd", self._management.id) != self._management.id:
                raise TooManyHandled(0, 0)
            self._management.resume()
            self._guarded(self._outbox.resumed, handled)
        except TooManyHandled as error:
            self._management.forget()
            done.connection.push(too_many(error.handled, error.sent) + b"</stream:stream>")
            raise StreamError(
                f"the server resumed another stream than ours: it has {told.get('h')!r} of {error.sent} stanzas",
                condition="undefined-condition",
                hint="this is a fault of the server",
            ) from None

    def _take_failure(self, done: LoggedIn) -> None:
        """The stream could not be resumed; the server may still know what it had of it (XEP-0198 section 5)."""
        handled = None if done.answer is None else count(done.answer.attributes.get("h"))
        if handled is None:
            return
        try:
            self._guarded(self._outbox.handled, handled)
        except TooManyHandled:
            self._note("the server told a wrong count of the old stream; what it may have is sent again")

    def _guarded(self, take: Callable[[int], object], handled: int) -> None:
        """Tell the outbox what the server has; a mistake of one who hears of it must not end the connection."""
        try:
            take(handled)
        except TooManyHandled:
            raise
        except Exception as error:  # noqa: BLE001 (it is reported)
            self.report(error)

    def _finish(self, stream: Stream, why: XmppctlError | None) -> None:
        self._stream = None
        for name in self._before:
            self._before[name] += getattr(stream, name)
        if blames(why) and stream.proven:
            assert why is not None
            culprit = self._outbox.blame()
            if culprit is not None:
                self._refuse(culprit, why)

    def _refuse(self, culprit: Outgoing, why: XmppctlError) -> None:
        """The server ends every stream on which it gets this: its sender is told as by an error stanza."""
        self._note(f"the server does not bear a stanza, which is not sent again: {named(culprit.data)}")
        assert self.jid is not None
        answer = bounce(culprit.data, self.jid, why)
        try:
            if answer is not None:
                self.listener.received(answer)
            if culprit.owner is not None:
                culprit.owner.acknowledged(culprit)
        except Exception as error:  # noqa: BLE001 (it is reported)
            self.report(error)

    # -- what the stream, the network and the login tell --

    def received(self, frame: Frame) -> None:
        """A stanza has come."""
        self.listener.received(frame)

    def moved(self) -> None:
        """Something was written, acknowledged or taken back."""
        outbox = self._outbox
        if self.congested:
            if outbox.relieved:
                self.congested = False
                self.listener.relieved()
        elif outbox.congested:
            self.congested = True
        if self._closing and not len(outbox):
            self._drained.set()

    def report(self, error: Exception) -> None:
        """One of ours has failed in a callback: the loop's exception handler hears of it."""
        asyncio.get_running_loop().call_exception_handler({"message": "listener failed", "exception": error})

    def _on_network(self, network: NetworkWatch) -> None:
        if not network.drain():
            return
        if self._stream is not None:
            self._stream.probe()
        self._pause.hurry()

    def _show(self, frame: Frame) -> None:
        """What the tap sees; during a login in its thread."""
        if not self._watched and (frame.kind != "stream" or not frame.names or frame.raw.startswith(b"</")):
            return
        if get_ident() == self._thread:
            self._tell_wire(frame)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell_wire, frame)

    def _tell_wire(self, frame: Frame) -> None:
        try:
            self.listener.wire(frame)
        except Exception as error:  # noqa: BLE001 (who watches must not end the connection)
            self.report(error)

    def _note_from_thread(self, text: str) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._note, text)

    def _enter(self, state: State, reason: str) -> None:
        self.state = state
        self._since = time()
        self._history.append((self._since, state, reason[:_REASON]))
