"""A stream while it is negotiated: headers, features, elements one after the other, until there is a session.

RFC 6120 sections 4.2, 4.3 and 5.4. Blocking.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from xmppctl.errors import ConnectionLost, StreamError, TlsError, XmppctlError
from xmppctl.session.failures import login_refusal, no_xmpp, stream_error
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STREAM, Frame
from xmppctl.stanza.outline import outline

if TYPE_CHECKING:
    import ssl

    from xmppctl.session.connection import Connection
    from xmppctl.session.deadline import Deadline

NS_TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
NS_BIND: Final = "urn:ietf:params:xml:ns:xmpp-bind"


class Negotiation:
    """What is said on `connection` before there is a session.

    `where` names the server in errors, `domain` is what the stream is opened to, `limit` until when to wait; it may
    be changed. `secure` says whether TLS protects the stream.
    """

    def __init__(self, connection: Connection, where: str, domain: str, limit: Deadline) -> None:
        self.connection = connection
        self.where = where
        self.limit = limit
        self.secure = False
        self._domain = domain
        self._frames: deque[Frame] = deque()

    def push(self, xml: str) -> None:
        """Send an element."""
        self.connection.push(xml.encode())

    def open(self) -> Frame:
        """Send a stream header; return the features that answer it.

        Raises StreamError, ConnectionLost, DeadlineExceeded.
        """
        header = build.attributes({"to": self._domain, "version": "1.0", "xml:lang": "en"})
        self.push(
            f"<?xml version='1.0'?><stream:stream{header} xmlns='jabber:client' xmlns:stream='{NS_STREAM}'>"
        )
        frame = self.next("waiting for the stream header")
        if frame.names[0] != f"{NS_STREAM} stream":
            raise no_xmpp(self.where, self.connection.first)
        # Without a version it speaks what was before RFC 6120, where there are no features (section 4.7.5).
        old = "" if frame.attributes.get("version") else " (its stream has no version, so it may have none)"
        frame = self.next(f"waiting for the stream features{old}")
        if frame.names[0] != f"{NS_STREAM} features":
            raise StreamError(
                f"{self.where} sent <{frame.name}> where its stream features must be",
                condition="invalid-xml",
                hint="this is a fault of the server, or of something in between",
            )
        return frame

    def restart(self) -> Frame:
        """Begin the stream anew, after SASL (section 6.4.6); return the features."""
        self._frames.clear()
        self.connection.restart()
        return self.open()

    def request_tls(self, features: Frame) -> None:
        """Have the server agree to TLS (section 5.4.2). Raises TlsError where it does not."""
        if f"{NS_TLS} starttls" not in features.payloads:
            raise TlsError(
                f"{self.where} does not offer STARTTLS (or someone in between has removed it)",
                hint="nothing was sent; try --tls direct",
            )
        self.push(f"<starttls xmlns='{NS_TLS}'/>")
        answer = self.next("waiting for the answer to STARTTLS")
        if answer.names[0] != f"{NS_TLS} proceed":
            raise TlsError(
                f"{self.where} refused STARTTLS", hint="try --tls direct; look at the server's log"
            )
        if any(frame.names or frame.raw.strip() for frame in self._frames):
            raise TlsError(
                "cleartext data came behind the server's agreement to TLS: someone is injecting it",
                hint="do not trust this network; try --tls direct",
            )
        self._frames.clear()

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Do the handshake; `name` is what the certificate must be for. Raises the ssl module's errors, TlsError."""
        self._frames.extend(self.connection.start_tls(context, name, self.limit))
        self.secure = True

    def request(self, stanza: str, doing: str) -> Frame:
        """Send an iq; return its result. `doing` reads as in "while <doing>".

        Raises StanzaRefused, StreamError, ConnectionLost, DeadlineExceeded.
        """
        reply = self.ask(stanza, doing)
        if reply.type == "error":
            raise login_refusal(reply, self.where, doing)
        return reply

    def ask(self, stanza: str, doing: str) -> Frame:
        """As `request`, but an error reply is returned, too."""
        wanted = outline(stanza)[0].attributes.get("id")
        self.push(stanza)
        while True:
            frame = self.next(doing, stanzas=True)
            if frame.kind == "iq" and frame.id == wanted and frame.type in ("result", "error"):
                return frame

    def next(self, doing: str, *, stanzas: bool = False) -> Frame:
        """The next element. White space is passed over; a stream error or the end of the stream is raised.

        Stanzas are passed over, too, unless asked for: before authentication they are nobody's (section 6.1),
        whoever sent them.
        """
        connection = self.connection
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if not frame.names or (not stanzas and frame.kind in ("message", "presence", "iq")):
                    continue
                if frame.names[0] == f"{NS_STREAM} error":
                    raise stream_error(frame, self.where)
                if frame.kind == "stream" and frame.raw.startswith(b"</"):
                    raise ConnectionLost(
                        f"{self.where} closed the stream while we were {doing}",
                        hint="look at the server's log",
                    )
                return frame
            if connection.tap_failure is not None:
                raise connection.tap_failure
            if connection.ended:
                raise self._ended(doing)
            connection.acknowledge_now()
            self._frames.extend(connection.read(self.limit, f"{doing} of {self.where}"))

    def _ended(self, doing: str) -> XmppctlError:
        connection = self.connection
        if isinstance(connection.failure, StreamError) and not _began_well(connection.first):
            return no_xmpp(self.where, connection.first)
        lost = connection.failure
        if lost is not None and not isinstance(lost, ConnectionLost):
            return lost
        return ConnectionLost(
            f"{self.where} hung up while we were {doing}" + (f" ({lost.message})" if lost else ""),
            hint="look at the server's log"
            if self.secure
            else "is this port for direct TLS (--tls direct)? look at the server's log",
        )

    def rest(self) -> tuple[Frame, ...]:
        """What has come and was not asked for: it belongs to the session."""
        frames = tuple(self._frames)
        self._frames.clear()
        return frames

    def close(self) -> None:
        """End the stream and the connection at once. Never raises."""
        if not self.connection.ended:
            self.connection.push(b"</stream:stream>")
        self.connection.close()


def _began_well(first: bytes) -> bool:
    """Whether a stream began as one of XMPP does."""
    return first.lstrip().startswith((b"<?xml", b"<stream:stream"))
