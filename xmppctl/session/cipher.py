"""TLS in memory: what the socket brings in, plaintext out, and the other way round. Loaded only when TLS begins.

RFC 6120 section 5, RFC 8446. Over memory BIOs, so that whoever waits for the socket need not know of TLS. Sans-IO.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final, NamedTuple

from xmppctl.errors import XmppctlError

_READ_BYTES: Final = 256 * 1024


class Plain(NamedTuple):
    """What came out of the peer's bytes; `ended`: nothing more will, `failure` tells why where that is none."""

    data: bytes
    ended: bool
    failure: XmppctlError | None


class Cipher:
    """The client's end of TLS with `server_name`. What `output()` gives must go to the peer after every call."""

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    def shake_hands(self) -> bool:
        """Go on with the handshake; True when it is done. Raises the ssl module's errors."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def give(self, data: bytes) -> None:
        """Bytes of the peer; none are its end."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def output(self) -> bytes:
        """Bytes for the peer."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> str | None:
        """Plaintext for the peer. Says why where TLS takes no more."""
        left = memoryview(data)
        try:
            while left:
                left = left[self.tls.write(left) :]
        except ssl.SSLError as error:
            return str(error.reason or error)
        return None

    def rest(self) -> bytes:
        """Bytes that were given and that the handshake did not need."""
        return self._incoming.read()

    def decrypt(self, data: bytes) -> Plain:
        """Bytes of the peer; none are its end."""
        self.give(data)
        ended, failure = not data, None
        parts = []
        try:
            while part := self.tls.read(_READ_BYTES):
                parts.append(part)
            ended = True  # close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            # An end without close_notify is no attack here: XMPP ends with </stream:stream>.
            ended = True
            if data and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                from xmppctl.session.tls import broken

                failure = broken(error)
        return Plain(b"".join(parts), ended, failure)

    def close(self) -> None:
        """Say close_notify, without waiting for the peer's. Never raises."""
        with suppress(ssl.SSLError, OSError):
            self.tls.unwrap()
