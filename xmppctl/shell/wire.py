"""The stream that a shell types on: the session under it, over reconnects, and what happens to it told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from xmppctl.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    DeadlineExceeded,
    Interrupted,
    StreamError,
    Terminated,
    UsageError,
    XmppctlError,
)
from xmppctl.session.acks import REQUEST
from xmppctl.stanza.event import Event

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.session.deadline import Deadline
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

#: Pauses between attempts to connect again, in seconds; the last one again and again.
_PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
#: Where a wait ends without anything having happened (a scripted session), how long until the next.
_LOOK_SECONDS: Final = 0.01
_HOPELESS: Final = (AuthError, ConfigError)


class Line(Protocol):
    """What a shell types on. `by_hand`: it is no session, and everything on it is for the one who types."""

    by_hand: bool

    @property
    def jid(self) -> Jid | None:
        """Who we are there, where that is known."""

    @property
    def session(self) -> Session | None:
        """The session on it, if there is one now."""

    @property
    def state(self) -> str:
        """How it is, in a word or two, for a prompt: empty where all is well."""

    def open(self) -> object:
        """Raise what keeps anything from being sent."""

    def session_for_commands(self) -> Session:
        """The session for commands that run beside what is typed. Raises where there is none."""

    def write(self, frame: Frame) -> None:
        """Send a stanza or nonza as it was typed. Raises ConnectionLost and what else has ended the stream."""

    def write_raw(self, data: bytes) -> bool:
        """Send bytes as they are; whether acknowledgements have ended with it."""

    async def flush(self, seconds: float) -> None:
        """Return when what was written is on its way. Raises DeadlineExceeded after `seconds`, what ends the stream."""

    def ask_for_ack(self) -> None:
        """Have the server say what it has of what was typed, where it does that."""

    def connect_now(self) -> None:
        """Make the connection again, now. Raises UsageError where there is one."""

    async def authenticate(self, name: str) -> None:
        """Do SASL with this mechanism. Raises UsageError where that was done."""

    async def start_tls(self) -> None:
        """Begin TLS. Raises UsageError where it is too late for that."""

    async def keep(self) -> None:
        """See to the connection until what ends the shell is raised: a signal, --timeout. Never returns."""


class Wire:
    """A Line that holds a session. `reopen` makes another one when it is lost (None: nothing does).

    `event` hears when the connection is lost and back, `lost(error)` before that, to say what is unsure now. `acks`:
    have the server acknowledge what is typed (XEP-0198).
    """

    by_hand = False

    def __init__(
        self,
        session: Session,
        reopen: Callable[[], Awaitable[Session]] | None,
        *,
        event: Callable[[Event], None],
        lost: Callable[[XmppctlError], None],
        acks: bool,
    ) -> None:
        self._reopen = reopen
        self._event = event
        self._lost = lost
        self._acks = acks
        self.session: Session | None = session
        self.failure: XmppctlError | None = None
        #: When the next attempt to connect is made, in seconds since the epoch; 0 where none is.
        self.retry_at = 0.0
        self._deadline = session.deadline
        self._again = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begin(session)

    def _begin(self, session: Session) -> None:
        self.failure = None
        session.deadline = self._deadline
        if self._acks:
            session.enable_acks()

    @property
    def jid(self) -> Jid | None:
        """Our full JID."""
        return None if self.session is None else self.session.jid

    @property
    def state(self) -> str:
        """For a prompt."""
        if self.session is not None:
            return ""
        left = max(self.retry_at - time(), 0.0)
        if not self.retry_at:
            return "offline"
        return f"offline, next try in {left:.0f} s" if left >= 1 else "offline, connecting"

    def open(self) -> Session:
        """The session. Raises what ended it."""
        if self.session is None and self._reopen is None and self.failure is not None:
            raise self.failure
        if self.session is None:
            raise ConnectionLost(
                "there is no connection: nothing was sent",
                hint="it is made again by itself; /connect does it now"
                if self.retry_at
                else "/connect makes it again",
            )
        self.session.check()
        return self.session

    def session_for_commands(self) -> Session:
        """The session. A component's is none for them: what they send does not say whom it is from."""
        session = self.open()
        if session.component:
            raise UsageError(
                "the commands of xmppctl are for accounts, and this is a component's stream",
                hint="type the stanza; it needs a from",
            )
        return session

    def write(self, frame: Frame) -> None:
        """Send a stanza or nonza as it was typed. Raises ConnectionLost and what else ended the session."""
        session = self.open()
        if frame.kind == "nonza":
            session.write_nonza(frame.raw)
        else:
            session.write(frame.raw)

    def write_raw(self, data: bytes) -> bool:
        """Send bytes as they are; whether acknowledgements have ended with it: who counts what may be no stanza?"""
        session = self.open()
        if session.attached:
            raise UsageError(
                "a daemon passes on only what is well-formed",
                hint="begin the shell with --daemon off, or --no-validate",
            )
        counted = not session.acks.off
        session.acks.distrust()
        session.write_nonza(data)
        return counted

    async def flush(self, seconds: float) -> None:
        """Return when what was written is on its way."""
        await self.open().flush(seconds)

    def ask_for_ack(self) -> None:
        """Have the server say what it has, if it does that."""
        if self.session is not None and not self.session.acks.off:
            self.session.write_nonza(REQUEST)

    def fail(self, error: Exception) -> None:
        """End the shell with `error`: a signal came."""
        if self.session is not None:
            self.session.fail(error)
        elif not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # else asyncio complains where nobody waits for it any more

    async def authenticate(self, name: str) -> None:  # noqa: ARG002
        """It was done when the session was opened."""
        raise UsageError(
            "this stream is authenticated already", hint="begin before that: xmppctl shell --stop-at features"
        )

    async def start_tls(self) -> None:
        """What TLS there is was begun before the session was opened."""
        raise UsageError(
            "a session has begun on this stream", hint="begin before that: xmppctl shell --stop-at connect"
        )

    def connect_now(self) -> None:
        """Do not wait for the next attempt. Raises UsageError where there is a connection."""
        if self.session is not None:
            raise UsageError("the stream is open")
        self._again.set()

    # -- over reconnects --

    async def keep(self) -> None:
        """See to the connection until what ends the shell is raised: a signal, --timeout.

        Where it is lost and nothing makes it again, whoever types hears of it from `open`.
        """
        while True:
            session = self.session
            assert session is not None
            error = await self._end_of(session)
            if _is_final(error):
                raise error
            assert isinstance(error, XmppctlError)
            self.session, self.failure = None, error
            self._again.clear()
            session.heir = self.fail
            self._lost(error)
            self._event(Event("offline", time(), error.message))
            if self._reopen is None:
                await until_told(self._ended, self._deadline)
                return
            await session.close()
            self.session = await self._back(self._reopen, error)
            self._begin(self.session)
            self._event(Event("online", time(), str(self.session.jid)))

    async def _back(self, reopen: Callable[[], Awaitable[Session]], error: XmppctlError) -> Session:
        connecting = asyncio.ensure_future(self._connect(reopen, error))
        try:
            await until_told(self._ended, self._deadline, connecting)
            return connecting.result()
        finally:
            connecting.cancel()

    async def _end_of(self, session: Session) -> Exception:
        while True:
            try:
                await session.wait(lambda: False)
            except DeadlineExceeded as error:
                if session.deadline.passed:
                    return error
                await asyncio.sleep(_LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001 (`keep` tells one from the other)
                return error

    async def _connect(self, reopen: Callable[[], Awaitable[Session]], error: XmppctlError) -> Session:
        """Connect until it works; after what will not pass by itself only when asked to."""
        attempt = 0
        wait = not _is_hopeless(error)
        while True:
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
            self.retry_at = time() + pause if wait else 0.0
            try:
                async with asyncio.timeout(pause if wait else None):
                    await self._again.wait()
                self._again.clear()
                attempt = 0
            except TimeoutError:
                attempt += 1
            try:
                session = await reopen()
            except XmppctlError as failed:
                if str(failed) != str(self.failure):
                    self._event(Event("offline", time(), failed.message))
                self.failure = failed
                wait = not _is_hopeless(failed)
                continue
            self.retry_at = 0.0
            return session


def _is_final(error: Exception) -> bool:
    """Whether it ends the shell and not only a connection: a signal, --timeout, a mistake of ours."""
    if isinstance(error, Interrupted | Terminated | DeadlineExceeded):
        return True
    return not isinstance(error, XmppctlError)


async def until_told(ended: asyncio.Future[None], deadline: Deadline, *others: asyncio.Future[Any]) -> None:
    """Wait without a stream, which would hear of them, for a signal (`ended`), `deadline` and `others`.

    Returns where one of the others is done. Raises the signal's error, DeadlineExceeded.
    """
    await asyncio.wait((ended, *others), timeout=deadline.left(), return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        ended.result()
    if not any(other.done() for other in others):
        raise deadline.error("waiting for the connection to come back")


def _is_hopeless(error: XmppctlError) -> bool:
    """Whether trying again changes nothing, or hurts: the password is wrong, or somebody has taken the resource."""
    return isinstance(error, _HOPELESS) or (isinstance(error, StreamError) and error.condition == "conflict")
