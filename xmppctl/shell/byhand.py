"""A line without a session: the stream by hand, before the login (`xmppctl shell --stop-at`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import time
from typing import TYPE_CHECKING

from xmppctl.errors import AuthError, ConnectionLost, UsageError, XmppctlError
from xmppctl.session.deadline import Deadline
from xmppctl.session.exchange import ABORT, Exchange
from xmppctl.session.failures import NS_SASL
from xmppctl.session.handson import HandsOn
from xmppctl.shell.wire import until_told
from xmppctl.stanza.event import Event

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.session.sasl import Mechanism
    from xmppctl.session.stages import Opened
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid


class ByHand:
    """A Line (see `wire`) on a stream that has come to some stage.

    `reopen` makes another, when told to (None: never). `mechanism` gives the SASL mechanism of a name, which has the
    account's password; it may block. `deadline` ends it all.
    """

    session: Session | None = None
    by_hand = True

    def __init__(
        self,
        opened: Opened,
        reopen: Callable[[], Awaitable[Opened]] | None,
        *,
        event: Callable[[Event], None],
        lost: Callable[[XmppctlError], None],
        note: Callable[[str], None],
        mechanism: Callable[[str], Mechanism] | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self._mechanism = mechanism
        self.jid: Jid | None = None
        self._reopen = reopen
        self._event = event
        self._lost = lost
        self._note = note
        self._failure: Exception | None = None
        self._deadline = deadline or Deadline(None)
        self._again = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begin(opened)

    def _begin(self, opened: Opened) -> None:
        self._where = opened.where
        self._failure = None
        #: SASL that is ours to go on with; it ends with its stream.
        self._exchange: Exchange | None = None
        self._over: asyncio.Future[XmppctlError] = asyncio.get_running_loop().create_future()
        self._hands = HandsOn(opened, frame=self._on_frame, ended=self._on_end, note=self._note)

    def _on_end(self, error: XmppctlError | None) -> None:
        if not self._over.done():
            self._over.set_result(error or ConnectionLost(f"{self._where} hung up"))

    @property
    def state(self) -> str:
        """For a prompt."""
        if self._failure is not None:
            return "the stream has ended; /connect opens another"
        return "by hand, TLS" if self._hands.secure else "by hand, no TLS"

    def open(self) -> None:
        """Raise what has ended the stream."""
        if self._failure is not None:
            raise self._failure

    def session_for_commands(self) -> Session:
        """There is none."""
        raise UsageError(
            "there is no session on a stream by hand",
            hint="only what you type is sent; start the shell without --stop-at",
        )

    def write(self, frame: Frame) -> None:
        """Send it as it was typed."""
        self._hands.send(frame.raw)

    def write_raw(self, data: bytes) -> bool:
        """Send it as it is."""
        self._hands.send(data)
        return False

    async def flush(self, seconds: float) -> None:
        """Return when what was written is on its way."""
        await self._hands.flush(seconds)

    def ask_for_ack(self) -> None:
        """Nobody does but the one who types."""

    async def authenticate(self, name: str) -> None:
        """Do SASL with the account's password, which nobody has to type then. Raises AuthError, TlsError."""
        from xmppctl.session.run import in_thread

        assert self._mechanism is not None
        self.open()
        mechanism = await in_thread(partial(self._mechanism, name), lambda _: None)
        exchange = Exchange(mechanism, "")
        self._hands.send(exchange.begin().encode())
        self._exchange = exchange

    async def start_tls(self) -> None:
        """Begin TLS, whatever was agreed. Raises TlsError, CertificateError, DeadlineExceeded, ConnectionLost."""
        self.open()
        await self._hands.start_tls()

    def _on_frame(self, frame: Frame) -> None:
        """Go on with SASL, where that is ours to do."""
        if self._exchange is None or frame.namespace != NS_SASL:
            return
        exchange, self._exchange = self._exchange, None
        try:
            answer = exchange.take(frame)
        except AuthError as error:
            if error.stanza:
                return  # the failure is shown as everything is
            self._note(error.message)
            answer = ABORT
        if answer:
            self._hands.send(answer.encode())
        if not exchange.done and answer != ABORT:
            self._exchange = exchange

    def fail(self, error: Exception) -> None:
        """End the shell with `error`: a signal came."""
        if not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # else asyncio complains where nobody waits for it any more

    def connect_now(self) -> None:
        """Open another stream. Raises UsageError where this one is open."""
        if self._failure is None:
            raise UsageError("the stream is open")
        self._again.set()

    async def keep(self) -> None:
        """See to the stream until what ends the shell is raised: a signal, --timeout."""
        while True:
            await until_told(self._ended, self._deadline, self._over)
            self._failure = error = self._over.result()
            self._lost(error)
            self._event(Event("offline", time(), error.message))
            if self._reopen is None:
                await until_told(self._ended, self._deadline)
                return
            opening = asyncio.ensure_future(self._open_again(self._reopen))
            try:
                await until_told(self._ended, self._deadline, opening)
                self._begin(opening.result())
            finally:
                opening.cancel()
            self._event(Event("online", time(), ""))

    async def _open_again(self, reopen: Callable[[], Awaitable[Opened]]) -> Opened:
        """Another stream, when told to make one."""
        while True:
            self._again.clear()
            await self._again.wait()
            try:
                return await reopen()
            except XmppctlError as failed:
                self._event(Event("offline", time(), failed.message))

    async def close(self) -> None:
        """Close the stream."""
        await self._hands.close()
