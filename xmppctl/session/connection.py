"""One TCP connection with one XML stream in it, TLS inside: bytes, frames and the tap, no protocol.

TLS runs over memory BIOs, so that the same object is driven by blocking waits (login, hot commands) or by an event
loop, STARTTLS is a step like any other, and the tap sits in one place: on the plaintext, both ways, beneath
everything that interprets it. RFC 6120 sections 4 and 5.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import time as now
from typing import TYPE_CHECKING

from xmppctl.errors import ConnectionLost, StreamError, TlsError
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter, StreamViolation

if TYPE_CHECKING:
    from xmppctl.session.deadline import Deadline

OnFrame = Callable[[Frame], None]

_READ_BYTES = 256 * 1024


class Connection:
    """`sock` is a connected TCP socket; `on_frame` sees every frame both ways, secrets taken out.

    `push` and `pull` are the sans-IO half; `flush`, `read` and `start_tls` block until `Deadline`s.
    """

    def __init__(self, sock: socket.socket, on_frame: OnFrame | None = None) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.tls: ssl.SSLObject | None = None
        self.ended = False
        self.out = bytearray()  # what the socket has yet to take
        self._bio_in = ssl.MemoryBIO()
        self._bio_out = ssl.MemoryBIO()
        self._splitter = Splitter("in")
        self._on_frame = on_frame
        self._tap_out = Splitter("out") if on_frame else None
        self._poll = select.poll()
        self._poll_mask = 0
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # -- the sans-IO half --

    def restart(self) -> None:
        """A new stream begins in both directions (RFC 6120 section 4.3.3)."""
        self._splitter.reset()
        if self._tap_out is not None:
            self._tap_out.reset()

    def push(self, data: bytes) -> None:
        """Queue plaintext for the peer, in order, and show it to the tap."""
        if self._tap_out is not None:
            self._show_sent(data)
        if self.tls is None:
            self.out += data
        else:
            self.tls.write(data)
            self.out += self._bio_out.read()

    def pull(self, data: bytes) -> list[Frame]:
        """Take bytes of the socket; return the frames that they complete. Empty `data` is the end of the stream.

        A violation of RFC 6120 section 11 or of our caps is told to the peer as a stream error, then raised.
        """
        if self.tls is None:
            plain = data
            self.ended = self.ended or not data
        else:
            plain = self._decrypt(data)
        try:
            frames = self._splitter.feed(plain) if plain else []
        except StreamViolation as violation:
            self._show(self._splitter.take_frames())
            self._show_rest()
            raise self._refuse(violation) from None
        self._show(frames)
        if self.ended:
            self._show_rest()
        return frames

    def _decrypt(self, data: bytes) -> bytes:
        assert self.tls is not None
        if data:
            self._bio_in.write(data)
        else:
            self._bio_in.write_eof()
            self.ended = True
        parts = []
        try:
            while part := self.tls.read(_READ_BYTES):
                parts.append(part)
            self.ended = True  # close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            # An end without close_notify is no attack here: XMPP ends with </stream:stream>.
            self.ended = True
            if data and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                raise ConnectionLost(f"TLS failed in mid-stream: {error.reason or error}") from None
        self.out += self._bio_out.read()
        return b"".join(parts)

    def _refuse(self, violation: StreamViolation) -> StreamError:
        with suppress(OSError, ssl.SSLError):
            self.push(
                b"<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
                % violation.condition.encode()
            )
            self.try_flush()
        self.ended = True
        return StreamError(
            f"the server sent what no XMPP stream may hold ({violation.condition}): {violation.message}",
            condition=violation.condition,
            hint="this is a fault of the server or of something in between; the stream was closed",
        )

    def _show(self, frames: list[Frame]) -> None:
        if self._on_frame is not None and frames:
            from xmppctl.stanza.redact import redact

            for frame in frames:
                self._on_frame(redact(frame))

    def _show_rest(self) -> None:
        rest = self._splitter.rest()
        self._splitter.reset()
        if rest is not None:
            self._show([rest])

    def _show_sent(self, data: bytes) -> None:
        assert self._tap_out is not None
        try:
            frames = self._tap_out.feed(data)
        except StreamViolation:  # sent on purpose, to test a server: shown as it is
            frames = [*self._tap_out.take_frames(), Frame(data, direction="out", time=now())]
            self._tap_out.reset()
        self._show(frames)

    # -- the blocking half --

    def try_flush(self) -> bool:
        """Give the socket what it takes without waiting; True if nothing is left. Raises ConnectionLost."""
        while self.out:
            try:
                sent = self.sock.send(self.out)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                raise ConnectionLost(
                    f"the connection broke while sending: {error.strerror or error}"
                ) from None
            del self.out[:sent]
        return True

    def flush(self, deadline: Deadline, doing: str) -> None:
        """Wait until the socket has taken everything that was pushed. Raises DeadlineExceeded, ConnectionLost."""
        while not self.try_flush():
            self.await_io(deadline, doing, writing=True)

    def read(self, deadline: Deadline, doing: str, *, extra_fd: int | None = None) -> list[Frame]:
        """Wait for bytes and return the frames they complete (perhaps none).

        Pending output is flushed meanwhile. With `extra_fd` it also returns when that can be read.
        """
        self.try_flush()
        ready = self.await_io(deadline, doing, reading=True, writing=bool(self.out), extra_fd=extra_fd)
        if self.out:
            self.try_flush()
        return self.pull(self.receive()) if ready else []

    def receive(self) -> bytes:
        """Bytes that the socket has, without waiting. b"" at the end of the stream. Raises ConnectionLost."""
        try:
            return self.sock.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return self.receive_nothing()
        except OSError as error:
            self._show_rest()
            self.ended = True
            raise ConnectionLost(f"the connection broke: {error.strerror or error}") from None

    def receive_nothing(self) -> bytes:
        """Called where poll promised bytes and there are none: wait a moment, in the kernel."""
        self.sock.setblocking(True)
        try:
            self.sock.settimeout(0.05)
            return self.sock.recv(_READ_BYTES)
        except TimeoutError:
            raise ConnectionLost("the connection promised data and gave none") from None
        finally:
            self.sock.setblocking(False)

    def await_io(
        self,
        deadline: Deadline,
        doing: str,
        *,
        reading: bool = False,
        writing: bool = False,
        extra_fd: int | None = None,
    ) -> bool:
        """Wait until the socket can be read or written, or `extra_fd` read; True if the socket can be read."""
        mask = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
        if mask != self._poll_mask:
            self._poll.register(self.sock, mask)
            self._poll_mask = mask
        if extra_fd is not None:
            self._poll.register(extra_fd, select.POLLIN)
        try:
            left = deadline.left()
            events = self._poll.poll(None if left is None else left * 1000)
        finally:
            if extra_fd is not None:
                self._poll.unregister(extra_fd)
        if not events:
            raise deadline.error(doing)
        own = self.sock.fileno()
        return any(fd == own and event & ~select.POLLOUT for fd, event in events)

    def acknowledge_now(self) -> None:
        """Have the kernel acknowledge what comes at once.

        A server with Nagle's algorithm on holds the features back until its stream header is acknowledged: a
        delayed ACK costs 40 ms a stream header. Linux only, and it does not last, so it is set before each wait.
        """
        quickack = getattr(socket, "TCP_QUICKACK", None)
        if quickack is not None:
            with suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, quickack, 1)

    def start_tls(self, context: ssl.SSLContext, server_name: str, deadline: Deadline) -> None:
        """Do the TLS handshake as client for `server_name` (RFC 6120 section 5, RFC 7590). Raises the ssl module's errors."""
        if self._splitter.rest() is not None:
            # Whatever came in clear behind <proceed/> was not sent by whom the certificate names.
            raise TlsError(
                "cleartext bytes came after the server agreed to TLS: someone is injecting data",
                hint="do not trust this network; try direct TLS with --tls direct",
            )
        self.tls = context.wrap_bio(self._bio_in, self._bio_out, server_hostname=server_name)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.out += self._bio_out.read()
                self.flush(deadline, "waiting in the TLS handshake")
                self.await_io(deadline, "waiting in the TLS handshake", reading=True)
                data = self.receive()
                if data:
                    self._bio_in.write(data)
                else:
                    self._bio_in.write_eof()
            except ssl.SSLError:
                self.out += self._bio_out.read()  # the alert that tells the server why
                with suppress(ConnectionLost):
                    self.try_flush()
                raise
        self.out += self._bio_out.read()
        self.restart()

    def close(self) -> None:
        """Close the socket, with a TLS close_notify where it can be had without waiting."""
        if self.tls is not None and not self.ended:
            with suppress(ssl.SSLError, OSError, ConnectionLost):
                self.tls.unwrap()
        with suppress(ssl.SSLError, OSError, ConnectionLost):
            self.out += self._bio_out.read()
            self.try_flush()
        self.sock.close()
