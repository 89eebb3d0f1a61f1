"""Delivery of the spool inside the daemon: rows become stanzas on the link, and what becomes of those is noted.

A bounded number is in flight: given to the link and not acknowledged. While they are, the link is who sends them again
where a stream breaks; only what no stream has seen is taken back, to wait in the spool. So a message is sent at least
once, always with the same id, and in order for each recipient. A daemon that is killed leaves its rows `sending`: the
next one starts from those.

All work on the file is done in one thread, one turn after the other, so that a slow disk delays nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from xmppctl.daemon.parts import Outgoing
from xmppctl.daemon.spool_rows import Counts, News, Refusal, Turn, Waiting
from xmppctl.errors import ConfigError, StanzaCondition, XmppctlError
from xmppctl.session.failures import refusal
from xmppctl.session.replies import Replies, prepared

if TYPE_CHECKING:
    from xmppctl.daemon.parts import Request, Sender, Service
    from xmppctl.daemon.spool import Spool
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

T = TypeVar("T")

#: Messages, and bytes of them, in flight at once.
WINDOW: Final = 500
WINDOW_BYTES: Final = 1024 * 1024
#: How often the file is looked at though nobody has said that there is something new, in seconds.
POLL_SECONDS: Final = 15.0
#: The same, where the link has more to write than it should: it does not tell us when that is over.
CONGESTED_SECONDS: Final = 0.5
#: How often what was delivered is cleared away, in seconds.
PURGE_SECONDS: Final = 60.0
#: How often it is counted what there is while there is more to send, in seconds.
COUNT_SECONDS: Final = 1.0
#: How long the file is left alone after an error, in seconds, at first and at most.
TROUBLE_SECONDS: Final = (2.0, 60.0)
#: Error messages that may wait to be looked up.
MAX_BOUNCES: Final = 4096
#: Characters of why one came back that are kept, and of an id or a sender that can be of one of ours.
MAX_REASON: Final = 2000
MAX_ID: Final = 4096


class Hub(Protocol):
    """What is needed of the hub."""

    @property
    def link(self) -> Sender: ...

    @property
    def jid(self) -> Jid: ...

    def service(self, name: str, service: Service) -> None: ...
    def on_stanza(self, call: Callable[[Frame], None]) -> None: ...
    def on_state(self, call: Callable[[], None]) -> None: ...
    def on_online(self, call: Callable[[bool], Iterable[Outgoing]]) -> None: ...
    def send(self, stanza: Outgoing) -> None: ...


class _Sent(Outgoing):
    """A row in flight. `lapsed`: its time is over, and it was told so."""

    __slots__ = ("lapsed", "row")

    def __init__(self, row: Waiting, owner: Spooler) -> None:
        super().__init__(row.stanza, owner)
        self.row = row._replace(stanza=b"")
        self.lapsed = False


class _Worked(NamedTuple):
    """What a turn has come to. `fresh`: the file is another one than before, or is gone, and nothing else was done."""

    fresh: bool
    turn: Turn
    counts: Counts | None


class Spooler:
    """Sends what is in the store, for the account of the hub; serves the request `spool`.

    `start` it in the event loop. To end: `stop`, close the link, then `close`. `note` gets lines for the log; `now` is
    the wall clock.
    """

    def __init__(
        self,
        hub: Hub,
        store: Spool,
        *,
        note: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time,
    ) -> None:
        self._hub = hub
        self._store = store
        self._note = note
        self._now = now
        self._flight: dict[_Sent, None] = {}
        self._bytes = 0
        self._delivered: list[int] = []
        self._refused: list[Refusal] = []
        self._back: list[int] = []
        self._lapsed: list[int] = []
        self._counts: Counts | None = None
        self._trouble: XmppctlError | None = None
        self._patience = TROUBLE_SECONDS[0]
        self._generation: tuple[int, int] | None = None
        self._purge_at = self._count_at = 0.0
        self._streams = 0  # how many have gone
        self._stopped = self._closed = False
        self._wake = asyncio.Event()
        self._looking = False  # because there may be something new
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "spool")
        hub.service("spool", self._poked)
        hub.on_stanza(self._stanza)
        hub.on_state(self._state_changed)
        hub.on_online(self._online)

    # -- life --

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Give the link nothing more. What is in flight may still be acknowledged until `close`."""
        self._stopped = True

    async def close(self) -> None:
        """Note what has become of everything; what was not acknowledged waits for the next daemon."""
        self._stopped = self._closed = True
        self._wake.set()
        if self._task is not None:
            await self._task
        try:
            await self._turn()
            await self._in_thread(self._leave)
        except XmppctlError as error:
            self._note(f"spool: {error.message}")
        self._thread.shutdown(wait=False)

    def _leave(self) -> None:
        if self._generation is not None and self._store.open():
            self._store.recover(self._hub.jid.bare)
            self._store.purge()
        self._store.close()

    # -- what it knows --

    @property
    def busy(self) -> bool:
        """Whether something waits to be delivered, as far as is known."""
        if self._flight or self._wake.is_set() or self._looking:
            return True
        if self._trouble is not None:
            return not isinstance(self._trouble, ConfigError)  # a damaged file does not mend itself
        return self._counts is None or self._counts.spooled > 0

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it."""
        told: dict[str, Any] = dict((self._counts or Counts())._asdict())
        if self._trouble is not None:
            told["trouble"] = self._trouble.message
        return told

    # -- what is heard --

    def acknowledged(self, stanza: Outgoing) -> None:
        """The server has it."""
        if isinstance(stanza, _Sent) and stanza in self._flight:
            self._land(stanza)
            self._delivered.append(stanza.row.n)
            self._wake.set()

    def _poked(self, request: Request) -> None:
        request.reply()
        self._wake.set()

    def _stanza(self, frame: Frame) -> None:
        """An error message may be one of ours that comes back, also long after it was delivered."""
        if frame.type != "error" or frame.kind != "message" or self._generation is None:
            return
        if not frame.id or len(frame.id) > MAX_ID or len(frame.sender or "") > MAX_ID:
            return
        if len(self._refused) >= MAX_BOUNCES:
            self._note("spool: more messages come back than can be looked up")
            return
        why = refusal(frame)
        sender = prepared(frame.sender)
        replies = Replies(self._hub.link.jid or self._hub.jid)
        condition = StanzaCondition(*(part[:MAX_REASON] for part in why.reason))
        self._refused.append(
            Refusal(frame.id, lambda to: sender in replies.refusers(to), why.message[:MAX_REASON], condition)
        )
        self._wake.set()

    def _state_changed(self) -> None:
        if self._hub.link.state != "online":
            self._streams += 1
            for stanza in self._hub.link.withdraw(self):
                if isinstance(stanza, _Sent) and stanza in self._flight:
                    self._land(stanza)
                    self._back.append(stanza.row.n)
        self._wake.set()

    def _online(self, resumed: bool) -> Iterable[Outgoing]:
        """What has lapsed is not sent again; a resumed stream goes on where it was."""
        if not resumed:
            self._lapse()
            for stanza in [stanza for stanza in self._flight if stanza.lapsed]:
                stanza.again = False
                self._land(stanza)
        self._wake.set()
        return ()

    def _lapse(self) -> None:
        now = self._now()
        for stanza in self._flight:
            if not stanza.lapsed and stanza.row.expires is not None and stanza.row.expires <= now:
                stanza.lapsed = True
                self._lapsed.append(stanza.row.n)

    def _land(self, stanza: _Sent) -> None:
        del self._flight[stanza]
        self._bytes -= len(stanza.data)

    # -- turns --

    async def _run(self) -> None:
        while not self._closed:
            self._looking = self._wake.is_set()
            self._wake.clear()
            try:
                await self._turn()
            except XmppctlError as error:
                self._looking = False
                await self._rest(error)
                continue
            self._looking = False
            if self._trouble is not None:
                self._note("spool: it can be used again")
                self._trouble, self._patience = None, TROUBLE_SECONDS[0]
            await self._nap(CONGESTED_SECONDS if self._hub.link.congested else POLL_SECONDS)

    async def _rest(self, error: XmppctlError) -> None:
        """Leave the file alone for a while: nothing that comes meanwhile can be noted."""
        if self._trouble is None or self._trouble.message != error.message:
            self._note(f"spool: {error.message}")
        self._trouble = error
        end = monotonic() + self._patience
        self._patience = min(2 * self._patience, TROUBLE_SECONDS[1])
        while not self._closed and monotonic() < end:
            self._wake.clear()
            await self._nap(end - monotonic())

    async def _nap(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _turn(self) -> None:
        """Note what was heard, and send what comes next."""
        link = self._hub.link
        if link.state != "online":
            self._lapse()
        streams = self._streams
        room = 0
        if self._may_send() and not link.congested and self._bytes < WINDOW_BYTES:
            room = WINDOW - len(self._flight)
        news = News(self._delivered, self._refused, self._back, self._lapsed)
        self._delivered, self._refused, self._back, self._lapsed = [], [], [], []
        try:
            worked = await self._in_thread(lambda: self._work(news, room, WINDOW_BYTES - self._bytes))
        except BaseException:
            self._delivered[:0], self._refused[:0] = news.delivered, news.refused
            self._back[:0], self._lapsed[:0] = news.back, news.lapsed
            raise
        if worked.counts is not None:
            self._counts = worked.counts
        if worked.fresh:  # what is in flight is of another file, and nobody's any more
            self._flight.clear()
            self._bytes = 0
            if self._generation is not None:
                self._wake.set()
        self._forget(worked.turn.refused)
        self._send(worked.turn.taken, streams)

    def _work(self, news: News, room: int, room_bytes: int) -> _Worked:
        """In the thread of the file."""
        store, account = self._store, self._hub.jid.bare
        if not store.open():
            fresh, self._generation = self._generation is not None, None
            return _Worked(fresh, Turn(), Counts())
        fresh = store.generation != self._generation
        if fresh:
            store.recover(account)
            found = store.counts(account)
            self._generation = store.generation
            return _Worked(fresh, Turn(), found)
        turn = store.turn(account, news, room=room, room_bytes=room_bytes)
        if monotonic() >= self._purge_at:
            store.purge()
            self._purge_at = monotonic() + PURGE_SECONDS
        counts: Counts | None = None
        if not turn.taken or monotonic() >= self._count_at:  # counting much takes long
            counts = store.counts(account)
            self._count_at = monotonic() + COUNT_SECONDS
        return _Worked(fresh, turn, counts)

    def _forget(self, refused: Iterable[int]) -> None:
        """Whether the server acknowledges what has come back does not matter."""
        rows = set(refused)
        if rows:
            for stanza in [stanza for stanza in self._flight if stanza.row.n in rows]:
                self._land(stanza)
            self._note(f"spool: {len(rows)} came back; see xmppctl daemon spool list")

    def _may_send(self) -> bool:
        return not self._stopped and self._hub.link.state == "online"

    def _send(self, taken: Iterable[Waiting], streams: int) -> None:
        rows = list(taken)
        if not self._may_send() or self._streams != streams:
            # The stream went while the file was read. If there is a new one, what was taken back comes first.
            self._back += [row.n for row in rows]
            if rows:
                self._wake.set()
            return
        for row in rows:
            stanza = _Sent(row, self)
            self._flight[stanza] = None
            self._bytes += len(stanza.data)
            self._hub.send(stanza)
        if rows:
            self._hub.link.want_acknowledgement()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
