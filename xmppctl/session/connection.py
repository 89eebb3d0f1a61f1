"""One connection with one XML stream in it, TLS inside where there is any: bytes and frames, no protocol.

TLS runs in memory (see `cipher`), so that the same object is driven by blocking waits (login, hot commands) or by an
event loop, and STARTTLS is a step like any other. A local stream has none, and loads none. RFC 6120 sections 4 and 5.
"""

from __future__ import annotations

import _socket  # what `socket` makes of it for people costs a fast start two milliseconds
import select
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from xmppctl.errors import ConnectionLost, StreamError, TlsError, XmppctlError
from xmppctl.interrupts import of_this_thread
from xmppctl.session.failures import TRY_AGAIN
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import MAX_STANZA_BYTES, NESTED_STREAM, Splitter, StreamViolation

if TYPE_CHECKING:
    import ssl

    from xmppctl.session.cipher import Cipher
    from xmppctl.session.deadline import Deadline

OnFrame = Callable[[Frame], None]

_READ_BYTES: Final = 256 * 1024
_DRAIN_READS: Final = 8
#: How much of a stream's beginning is kept, to tell what speaks there if it is not XMPP.
_FIRST_BYTES: Final = 64


class Connection:
    """`sock` is a connected TCP or Unix socket; `on_frame` sees every frame both ways (see `tap`).
    `max_bytes` caps a stanza that comes in.

    `push` and `pull` are the sans-IO half and never raise: when nothing more can come, `ended` is set, and
    `failure` tells why where it was not the peer's orderly end. `flush`, `read` and `start_tls` wait.
    """

    def __init__(
        self, sock: _socket.socket, on_frame: OnFrame | None = None, *, max_bytes: int = MAX_STANZA_BYTES
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.ended = False
        #: Nothing more can be sent. What the peer had said before may still be read.
        self.broken = False
        self.failure: XmppctlError | None = None
        self.out = bytearray()  # what the socket has yet to take
        self.first = b""  # the stream's first bytes
        #: About how many bytes have come of a stanza that is not whole yet.
        self.unfinished = 0
        #: New streams of ours that the peer has yet to answer with its own.
        self._renewals = 0
        self._cipher: Cipher | None = None
        self._splitter = Splitter("in", max_bytes=max_bytes)
        self._tap = None
        if on_frame is not None:
            from xmppctl.session.tap import Tap

            self._tap = Tap(on_frame)
        self._poll = select.poll()
        self._poll_mask = 0
        self._interrupts = of_this_thread()
        self._interrupts.streams += 1
        self._closed = False
        self._tcp = sock.family != _socket.AF_UNIX
        if self._tcp:
            with suppress(OSError):
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)

    # -- the sans-IO half --

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, from the beginning of its handshake on."""
        return self._cipher.tls if self._cipher is not None else None

    @property
    def tap_failure(self) -> Exception | None:
        """What `on_frame` raised."""
        return self._tap.failure if self._tap is not None else None

    def pause_tap(self, paused: bool) -> None:
        """Show stream headers only, while nobody watches; every push must be whole elements. See `Tap.paused`."""
        if self._tap is not None:
            self._tap.paused = paused

    def restart(self) -> None:
        """A new stream begins in both directions (RFC 6120 section 4.3.3)."""
        self.first = b""
        self._renewals = 0
        self._splitter.reset()
        if self._tap is not None:
            self._tap.restart()

    def renew(self) -> None:
        """The next push begins a new stream; the peer's old one ends where its new header comes, not before."""
        self._renewals += 1
        if self._tap is not None:
            self._tap.restart()

    def push(self, data: bytes) -> None:
        """Queue plaintext for the peer, in order, and show it to the tap."""
        if self.broken:
            return
        if self._tap is not None:
            self._tap.sent(data)
        if self._cipher is None:
            self.out += data
            return
        broken = self._cipher.encrypt(data)
        if broken is not None:
            self._lose(f"the connection broke while sending: {broken}")
        self.out += self._cipher.output()

    def pull(self, data: bytes) -> list[Frame]:
        """Take bytes of the socket; return the frames that they complete. Empty `data` is the end of the stream.

        A violation of RFC 6120 section 11 or of our caps is told to the peer as a stream error; the frames before it
        are returned.
        """
        if self.ended:
            return []
        plain = self._plain(data)
        if len(self.first) < _FIRST_BYTES:
            self.first += plain[:_FIRST_BYTES]
        frames, violation = self._split(plain)
        if violation is not None:
            self._show(frames)
            self._show_rest()
            self._refuse(violation)
            return frames
        self.unfinished = 0 if frames else self.unfinished + len(plain)
        self._show(frames)
        if self.ended:
            self._show_rest()
        return frames

    def _split(self, plain: bytes) -> tuple[list[Frame], StreamViolation | None]:
        frames: list[Frame] = []
        while plain:
            try:
                return frames + self._splitter.feed(plain), None
            except StreamViolation as violation:
                frames += self._splitter.take_frames()
                plain = self._renewed(violation, frames)
                if not plain:
                    return frames, violation
        return frames, None

    def _renewed(self, violation: StreamViolation, frames: list[Frame]) -> bytes:
        """What begins the new stream, where that is what ended the old one; `frames` gets the rest of that."""
        rest = self._splitter.rest() if self._renewals else None
        header = rest.raw.lstrip(b" \t\r\n") if rest else b""
        if rest is None or not (violation.message == NESTED_STREAM or header.startswith(b"<?xml")):
            return b""
        self._renewals -= 1
        if len(header) < len(rest.raw):
            frames.append(rest.with_raw(rest.raw[: -len(header)]))
        self._splitter.reset()
        self.first = header[:_FIRST_BYTES]
        return header

    def _plain(self, data: bytes) -> bytes:
        if self._cipher is None:
            self.ended = not data
            return data
        plain = self._cipher.decrypt(data)
        self.ended = plain.ended
        self.failure = self.failure or plain.failure
        self.out += self._cipher.output()
        return plain.data

    def _refuse(self, violation: StreamViolation) -> None:
        self.failure = self.failure or StreamError(
            f"the server sent what no XMPP stream may hold ({violation.condition}): {violation.message}",
            condition=violation.condition,
            hint="this is a fault of the server or of something in between; the stream was closed",
        )
        self.push(
            b"<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
            % violation.condition.encode()
        )
        self.try_flush()
        self.ended = True

    def _lose(self, why: str) -> None:
        self.failure = self.failure or ConnectionLost(why, hint=TRY_AGAIN)
        self.broken = True
        self.out.clear()

    def _show(self, frames: list[Frame]) -> None:
        if self._tap is not None and frames:
            self._tap.show(frames)

    def _show_rest(self) -> None:
        rest = self._splitter.rest()
        self._splitter.reset()
        if rest is not None:
            self._show([rest])

    # -- the socket, without waiting --

    def try_flush(self) -> bool:
        """Give the socket what it takes; True if nothing is left. Where it takes no more for good, `broken` is set."""
        while self.out:
            try:
                sent = self.sock.send(self.out)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                self._lose(f"the connection broke while sending: {error.strerror or error}")
                break
            del self.out[:sent]
        return True

    def receive(self) -> bytes | None:
        """Bytes that the socket has. b"" at the end of the stream, None where there are none."""
        try:
            return self.sock.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self.failure = self.failure or ConnectionLost(
                f"the connection broke: {error.strerror or error}", hint=TRY_AGAIN
            )
            return b""

    def take(self) -> list[Frame]:
        """The frames that are completed by what the socket has."""
        data = self.receive()
        return [] if data is None else self.pull(data)

    # -- the blocking half --

    def flush(self, deadline: Deadline, doing: str) -> None:
        """Wait until the socket has taken everything that was pushed, or is broken. Raises DeadlineExceeded."""
        while not self.try_flush():
            self.await_io(deadline, doing, writing=True)

    def read(self, deadline: Deadline, doing: str, *, extra_fd: int | None = None) -> list[Frame]:
        """Wait for bytes and return the frames they complete (perhaps none).

        Pending output is flushed meanwhile. Returns as soon as the socket has taken all of it: who waits only for that
        may have nothing to read. With `extra_fd` it also returns when that can be read. Raises DeadlineExceeded.
        """
        if self.out and self.try_flush():
            return []
        ready = self.await_io(deadline, doing, reading=True, writing=bool(self.out), extra_fd=extra_fd)
        if self.out:
            self.try_flush()
        return self.take() if ready else []

    def await_io(
        self,
        deadline: Deadline,
        doing: str,
        *,
        reading: bool = False,
        writing: bool = False,
        extra_fd: int | None = None,
    ) -> bool:
        """Wait until the socket can be read or written, or `extra_fd` read; True if the socket can be read.

        Raises DeadlineExceeded, also where a peer that never pauses leaves nothing to wait for.
        """
        if deadline.passed:
            raise deadline.error(doing)
        mask = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
        if mask != self._poll_mask:
            self._poll.register(self.sock, mask)
            self._poll_mask = mask
        if extra_fd is not None:
            self._poll.register(extra_fd, select.POLLIN)
        try:
            events = self._wait(deadline.left())
        finally:
            if extra_fd is not None:
                self._poll.unregister(extra_fd)
        if not events:
            raise deadline.error(doing)
        own = self.sock.fileno()
        return any(fd == own and event & ~select.POLLOUT for fd, event in events)

    def _wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Poll. Only here a signal ends what is under way (see `interrupts`)."""
        with self._interrupts:
            self._interrupts.check()
            return self._poll.poll(None if seconds is None else seconds * 1000)

    def check_signals(self) -> None:
        """Raise what a signal has left for the next wait, for who has much to do and nothing to wait for."""
        self._interrupts.check()

    def acknowledge_now(self) -> None:
        """Have the kernel acknowledge what comes at once.

        A server with Nagle's algorithm on holds the features back until its stream header is acknowledged: a
        delayed ACK costs 40 ms a stream header. Linux only, and it does not last, so it is set before each wait.
        """
        quickack = getattr(_socket, "TCP_QUICKACK", None)
        if quickack is not None and self._tcp:
            with suppress(OSError):
                self.sock.setsockopt(_socket.IPPROTO_TCP, quickack, 1)

    def start_tls(self, context: ssl.SSLContext, server_name: str, deadline: Deadline) -> list[Frame]:
        """Do the TLS handshake as client for `server_name` (RFC 6120 section 5, RFC 7590).

        Returns the frames that came right behind the handshake, if any. Raises TlsError where cleartext came in
        between, DeadlineExceeded, and the ssl module's errors.
        """
        self.begin_tls(context, server_name)
        while (frames := self.shake_hands()) is None:
            self.flush(deadline, "waiting in the TLS handshake")
            self.await_io(deadline, "waiting in the TLS handshake", reading=True)
            data = self.receive()
            if data is not None:
                self.give(data)
        return frames

    # -- the TLS handshake, without waiting --

    def begin_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Begin a handshake; `shake_hands` goes on with it, and nothing else may until it is done.

        Raises TlsError where cleartext has come behind the agreement.
        """
        if self._splitter.rest() is not None:
            # Whatever came in clear behind <proceed/> was not sent by whom the certificate names.
            raise TlsError(
                "cleartext bytes came after the server agreed to TLS: someone is injecting data",
                hint="do not trust this network; try direct TLS with --tls direct",
            )
        from xmppctl.session.cipher import Cipher

        self._cipher = Cipher(context, server_name)

    def give(self, data: bytes) -> None:
        """Bytes of the socket for the handshake; none are its end."""
        assert self._cipher is not None
        self._cipher.give(data)

    def shake_hands(self) -> list[Frame] | None:
        """Go as far as the bytes that were given allow; queue what the server gets.

        None while it is not done; then the frames that came right behind it. Raises the ssl module's errors.
        """
        cipher = self._cipher
        assert cipher is not None
        try:
            done = cipher.shake_hands()
        except Exception:
            self.out += cipher.output()  # the alert that tells the server why
            self.try_flush()
            raise
        self.out += cipher.output()
        if not done:
            return None
        self.restart()
        # The bytes that ended the handshake may hold more, and no wait would wake for those.
        more = cipher.rest()
        return self.pull(more) if more else []

    def close(self) -> None:
        """Close the socket, with a TLS close_notify where it can be had without waiting."""
        if self._closed:
            return
        self._closed = True
        self._interrupts.streams -= 1
        if self._cipher is not None and not self.broken:
            self._cipher.close()
            self.out += self._cipher.output()
        self.try_flush()
        for _ in range(_DRAIN_READS):
            # What lies unread when a socket is closed turns the orderly end into a reset.
            if not self.receive():
                break
        self.sock.close()
