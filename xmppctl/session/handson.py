"""A stream by hand: opened up to a stage of the login, and from there on a person says what is sent.

RFC 6120 sections 4 to 7. Nothing is answered here and nothing added to what is sent, with one exception: when the
server agrees to the <starttls/> that was sent, the TLS handshake is done, which nobody can type. What comes before that
or before authentication may be anybody's: it is shown, and never acted on. Runs on an event loop.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from xmppctl.errors import ConnectionLost, TlsError, XmppctlError
from xmppctl.session.base import CLOSE_SECONDS
from xmppctl.session.deadline import Deadline
from xmppctl.session.failures import TRY_AGAIN
from xmppctl.session.negotiation import NS_TLS

if TYPE_CHECKING:
    from xmppctl.session.stages import Opened
    from xmppctl.stanza.frame import Frame

#: What the server gets for a TLS handshake.
HANDSHAKE_SECONDS: Final = 20.0

_PROCEED: Final = f"{NS_TLS} proceed"
_REFUSED: Final = f"{NS_TLS} failure"
_HEADER: Final = re.compile(rb"(?:<\?xml[^<>]*\?>[ \t\r\n]*)?<stream:stream(?=[\s/>])")
_FOOTER: Final = re.compile(rb"</stream:stream\s*>")
_PREFIX: Final = rb"<(?:[^\s<>/:=]{1,64}:)?"
_STARTTLS: Final = re.compile(_PREFIX + rb"starttls(?=[\s/>])")
#: RFC 6120 section 6, XEP-0388.
_SASL: Final = re.compile(_PREFIX + rb"(?:auth|response|authenticate)(?=[\s/>])")
#: So much of what was sent is looked at again with what is sent next: a tag may come in two pieces.
_TAIL_BYTES: Final = 80


class HandsOn:
    """The stream of `opened`, by hand. Must be made while the loop runs.

    `frame` hears of everything that comes in, secrets and all (what `on_frame` is shown has none); `note` of a TLS
    handshake; `ended`, once, of the end that is not our own: why, or None where the server just hung up. After that the
    connection is closed, and everything here raises that error, or ConnectionLost.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        frame: Callable[[Frame], None],
        ended: Callable[[XmppctlError | None], None],
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.secure = opened.secure
        self._connection = opened.connection
        self._settings = opened.settings
        self._where = opened.where
        self._frame = frame
        self._ended = ended
        self._note = note
        self._may_send_secrets = opened.loopback or opened.settings.insecure
        self._early = opened.frames
        #: Whether our stream is open: its header has been sent, its footer not.
        self._open = self._headed = opened.stage in ("features", "auth")
        self._asked_for_tls = False
        self._tail = b""
        self._direct = False  # of the handshake under way
        self._late: asyncio.TimerHandle | None = None  # set while a handshake is under way
        self._held: list[bytes] = []  # what is to be sent after it
        self._closing = self._over = False
        self._failure: XmppctlError | None = None
        self._loop = asyncio.get_running_loop()
        self._waiters: list[asyncio.Future[None]] = []
        self._writing = False
        self._descriptor = self._connection.sock.fileno()
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._loop.call_soon(self._on_start)

    # -- sending --

    def send(self, data: bytes) -> None:
        """Send exactly these bytes, in order; during a TLS handshake they wait for its end.

        Where they begin a new stream, so do the server's next header and what is shown (RFC 6120 section 4.3.3).
        Raises TlsError, and sends nothing, where SASL would be readable on its way; what has ended the stream.
        """
        self.check()
        if self._late is not None:
            self._held.append(data)
            return
        seen = self._tail + data
        if not (self.secure or self._may_send_secrets) and _SASL.search(seen):
            raise TlsError(
                f"{self._where} is not this machine, and without TLS everybody on the way could read this",
                hint="begin with <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>, or say --insecure",
            )
        self._asked_for_tls = self._asked_for_tls or bool(_STARTTLS.search(seen))
        self._tail = seen[-_TAIL_BYTES:]
        self._push(data)
        self._kick()

    def _push(self, data: bytes) -> None:
        """Hand the bytes on in pieces, each of which belongs to one stream."""
        begin = 0
        for header in _HEADER.finditer(data):
            if self._headed:
                self._push_part(data[begin : header.start()])
                self._connection.renew()
                begin = header.start()
            self._headed = self._open = True
        self._push_part(data[begin:])

    def _push_part(self, data: bytes) -> None:
        if data:
            self._connection.push(data)
            self._open = self._open and not _FOOTER.search(data)

    async def flush(self, timeout: float | None = None) -> None:
        """Return when everything is on its way, a TLS handshake that is under way included. Raises DeadlineExceeded."""
        await asyncio.sleep(0)  # who sends and sends must let others have their turn
        connection = self._connection
        # Where nothing more can be sent, the end that comes tells why.
        await self._until(
            lambda: not (connection.out or connection.broken or self._late is not None), timeout, "sending"
        )

    def _kick(self) -> None:
        """Give the socket what it takes; have the loop call again for the rest."""
        if self._over:
            return
        done = self._connection.try_flush()
        if done == self._writing:
            if done:
                self._loop.remove_writer(self._descriptor)
            else:
                self._loop.add_writer(self._descriptor, self._kick)
            self._writing = not done
        if done:
            self._wake()

    # -- receiving --

    def _on_start(self) -> None:
        if not self._over:
            early, self._early = self._early, ()
            self._take(list(early))

    def _on_readable(self) -> None:
        data = None if self._over else self._connection.receive()
        if data is None:
            return
        if self._late is not None:
            self._connection.give(data)
            self._shake_hands()
        else:
            self._take(self._connection.pull(data))

    def _take(self, frames: list[Frame]) -> None:
        try:
            for frame in frames:
                self._frame(frame)
        except Exception as error:  # noqa: BLE001 (the loop would only log it)
            self._end(_told(error))
            return
        self._see(frames)
        connection = self._connection
        if connection.tap_failure is not None:
            self._end(_told(connection.tap_failure))
        elif connection.ended:
            self._end(connection.failure)
        else:
            self._kick()

    def _see(self, frames: list[Frame]) -> None:
        """Act on the server's answer to <starttls/>."""
        for index, frame in enumerate(frames):
            if not self._asked_for_tls or self.secure or self._closing or self._connection.ended:
                return
            name = frame.names[0] if frame.names else ""
            if name == _REFUSED:
                self._asked_for_tls, self._tail = False, b""
            elif name == _PROCEED:
                if any(other.names or other.raw.strip() for other in frames[index + 1 :]):
                    self._end(_injected())
                else:
                    self._begin_tls(direct=False)

    # -- TLS --

    async def start_tls(self) -> None:
        """Do the TLS handshake on the open stream, whatever was agreed; the certificate is checked as always.

        Raises TlsError, CertificateError, DeadlineExceeded, ConnectionLost; but for TLS that is there already, `ended`
        hears of that, too.
        """
        self.check()
        if self.secure:
            raise TlsError("TLS protects this stream already", hint="there is nothing to do")
        if self._late is None:
            self._begin_tls(direct=not self._headed)
        await self._until(lambda: self._late is None, None, "waiting in the TLS handshake")

    def _begin_tls(self, *, direct: bool) -> None:
        from xmppctl.session import tls

        self._asked_for_tls = False
        self._direct = direct
        try:
            self._connection.begin_tls(tls.context(self._settings, direct=direct), self._name)
        except XmppctlError as error:
            self._end(error)
            return
        limit = Deadline(HANDSHAKE_SECONDS)
        self._late = self._loop.call_later(
            HANDSHAKE_SECONDS,
            lambda: self._end(limit.error(f"waiting in the TLS handshake of {self._where}")),
        )
        self._shake_hands()

    @property
    def _name(self) -> str:
        """Whom the certificate must be for, whatever the server or --host say (RFC 6125 section 6.2.1)."""
        return self._settings.jid.domain.strip("[]")

    def _shake_hands(self) -> None:
        from xmppctl.session import tls

        connection = self._connection
        try:
            frames = connection.shake_hands()
            if frames is not None:
                assert connection.tls is not None
                tls.check_pin(connection.tls, self._settings.pin)
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._end(tls.failure(error, name=self._name, where=self._where, direct=self._direct))
        except XmppctlError as error:
            self._end(error)
        else:
            if frames is not None:
                self._protected(frames)
            self._kick()

    def _protected(self, frames: list[Frame]) -> None:
        """The handshake is done: a new stream begins inside of it."""
        assert self._late is not None and self._connection.tls is not None
        self._late.cancel()
        self._late = None
        self.secure = True
        self._headed = self._open = False
        self._tail = b""
        self._tell_tls(self._connection.tls)
        held, self._held = self._held, []
        for data in held:
            self.send(data)
        self._take(frames)

    def _tell_tls(self, session: ssl.SSLObject) -> None:
        from xmppctl.session import tls

        facts = tls.facts(session)
        unchecked = "; the certificate was not checked" if self._settings.insecure else ""
        self._note(f"TLS protects the stream: {facts['version']}, {facts['cipher']}{unchecked}")

    # -- the end --

    def check(self) -> None:
        """Raise what has ended the stream, if anything has."""
        if self._over:
            raise self._failure or ConnectionLost(f"{self._where} hung up", hint=TRY_AGAIN)

    def _end(self, error: XmppctlError | None) -> None:
        """Hang up and tell why; the first reason counts."""
        if self._over:
            return
        self._failure = error
        self._hang_up()
        if not self._closing:
            self._ended(error)

    def _hang_up(self) -> None:
        self._over = True
        self._loop.remove_reader(self._descriptor)
        if self._writing:
            self._loop.remove_writer(self._descriptor)
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._held.clear()
        self._connection.close()
        self._wake()

    async def close(self) -> None:
        """Close our stream where it is open (RFC 6120 section 4.4), wait a little for the server's, hang up.

        Never raises. `ended` does not hear of it.
        """
        if self._over or self._closing:
            return
        self._closing = True
        if self._late is None:
            talked = self._headed
            if self._open:
                self._open = False
                self._connection.push(b"</stream:stream>")
                self._kick()
            with suppress(XmppctlError):
                await self._until(
                    lambda: not (talked or self._connection.out), CLOSE_SECONDS, "closing the stream"
                )
        if not self._over:
            self._failure = ConnectionLost("the stream is closed")
            self._hang_up()

    # -- waiting --

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until(self, predicate: Callable[[], bool], timeout: float | None, doing: str) -> None:
        """Wait until `predicate` holds. Raises what ends the stream before that, DeadlineExceeded."""
        limit = Deadline(timeout)
        while True:
            self.check()
            if predicate():
                return
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout(limit.left()):
                    await waiter
            except TimeoutError:
                raise limit.error(doing) from None


def _injected() -> TlsError:
    return TlsError(
        "cleartext data came behind the server's agreement to TLS: someone is injecting it",
        hint="do not trust this network; try --tls direct",
    )


def _told(error: Exception) -> XmppctlError:
    """What a callback raised, as an error to end with."""
    if isinstance(error, XmppctlError):
        return error
    from xmppctl.config.crash import bug

    return bug(error)
