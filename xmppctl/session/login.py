"""From an account to a bound stream: DNS, TCP, TLS, SASL, resource binding. Blocking, within one deadline.

RFC 6120 sections 3 to 7. This is ours, not slixmpp's, for two reasons. Safety: slixmpp follows redirects before TLS,
falls back to clear text and to PLAIN, dispatches stanzas before authentication and waits for ever; here each step
happens only if the one before it did. Speed: importing slixmpp takes longer than the whole run of a small native
client; this takes a dozen milliseconds. slixmpp gets the stream when it is bound (see `bridge`).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from xmppctl.errors import (
    AuthError,
    BadJid,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    StreamError,
    TlsError,
    XmppctlError,
)
from xmppctl.session import resolve, sasl, tcp
from xmppctl.session.acks import NS_SM
from xmppctl.session.connection import Connection, OnFrame
from xmppctl.session.established import Established as Established
from xmppctl.session.exchange import ABORT, Exchange
from xmppctl.session.failures import BINDING, NS_SASL, most_telling
from xmppctl.session.negotiation import NS_BIND, Negotiation
from xmppctl.stanza import build
from xmppctl.stanza.jid import Jid

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.deadline import Deadline
    from xmppctl.stanza.frame import Frame

T = TypeVar("T")

NS_SESSION: Final = "urn:ietf:params:xml:ns:xmpp-session"

#: What one of several servers gets to come up to its features: at least this, or half of what is left if that is less.
CANDIDATE_SECONDS: Final = 3.0
#: The same where there is no deadline at all.
PATIENT_SECONDS: Final = 15.0


class Step(NamedTuple):
    """One step of a login that succeeded: its name, how long it took in seconds, and what there is to say of it."""

    name: str
    seconds: float
    detail: Mapping[str, Any]


class Login:
    """One login. `progress` hears of each step that is done; `note` of what went wrong without ending it.

    `open()` connects and goes as far as the features inside TLS; `authenticate()` and `bind()` go on from there.
    `reach()` goes less far, with `connect` or `protect`. After an error call `abandon()`.
    """

    def __init__(
        self,
        settings: Settings,
        deadline: Deadline,
        *,
        on_frame: OnFrame | None = None,
        progress: Callable[[Step], None] | None = None,
        note: Callable[[str], None] = lambda _: None,
        nameserver: str | None = None,
    ) -> None:
        self._settings = settings
        self._deadline = deadline
        self._on_frame = on_frame
        self._progress = progress
        self._note = note
        self._nameserver = nameserver
        self._limit = deadline  # of the step under way
        #: Whether the server is on this machine.
        self.loopback = False
        self._began = monotonic()
        #: What the server is called in errors.
        self.where = settings.jid.domain
        self._stream: Negotiation | None = None
        self.features: Frame | None = None

    # -- connecting --

    def open(self) -> Frame:
        """Connect to the first server that works; return its features inside TLS.

        Raises DnsError, TcpError, TlsError, CertificateError, StreamError, ConnectionLost, DeadlineExceeded.
        """
        self.features = self.reach(self._greet)
        return self.features

    def reach(self, attempt: Callable[[resolve.Target], T]) -> T:
        """What `attempt` (`connect`, `protect`) gives with the first server that it works with. Raises as `open`."""
        self._mark()
        targets = resolve.targets(
            self._settings.jid.domain,
            host=self._settings.host,
            port=self._settings.port,
            tls=self._settings.tls,
            deadline=self._deadline,
            nameserver=self._nameserver,
            note=self._note,
        )
        failures: list[XmppctlError] = []
        for index, target in enumerate(targets):
            others = len(targets) - index - 1
            self._limit = self._share(others)
            try:
                done = attempt(target)
                self.stream.limit = self._deadline
                return done
            except (ConnectError, DeadlineExceeded) as error:
                self.abandon()
                failures.append(error)
                if self._deadline.passed:
                    break
                if others:
                    self._note(
                        f"{target.host}:{target.port} does not work ({error.message}); trying the next server"
                    )
        raise most_telling(failures)

    def _share(self, others: int) -> Deadline:
        """What a server may take that `others` wait behind: a dead one must not eat the whole deadline."""
        left = self._deadline.left()
        if not others:
            return self._deadline
        if left is None:
            return self._deadline.within(PATIENT_SECONDS)
        return self._deadline.within(max(left / (others + 1), min(CANDIDATE_SECONDS, left / 2)))

    def connect(self, target: resolve.Target) -> None:
        """TCP, and TLS where that is the first thing on the port. Nothing of XMPP is sent. Raises as `open`."""
        self.where = f"{target.host}:{target.port}"
        found = resolve.addresses(target, self._limit, self._nameserver)
        self.done(
            "dns", host=target.host, port=target.port, source=target.source, addresses=[str(a) for a in found]
        )
        sock, address = tcp.connect(found, self._limit.within(tcp.CONNECT_SECONDS))
        stream = Negotiation(
            Connection(sock, self._on_frame), self.where, self._settings.jid.domain, self._limit
        )
        self._stream = stream
        self.loopback = ip_address(address.sockaddr[0]).is_loopback
        self.done("tcp", address=str(address))
        if target.tls == "direct":
            self._handshake(stream, direct=True)
        elif target.tls == "none" and not (self._settings.insecure or self.loopback):
            way = "leave out --tls none" if self._settings.tls == "none" else "say --tls direct"
            raise TlsError(
                f"{self.where} is not this machine, and TLS is off", hint=f"{way}, or say --insecure as well"
            )

    def protect(self, target: resolve.Target) -> None:
        """As `connect`, and STARTTLS where that is its way; the header that follows is not sent. Raises as `open`."""
        self.connect(target)
        if target.tls == "starttls":
            stream = self.stream
            stream.request_tls(stream.open())
            self._handshake(stream, direct=False)

    def _greet(self, target: resolve.Target) -> Frame:
        self.protect(target)
        return self.stream.open()

    def _handshake(self, stream: Negotiation, *, direct: bool) -> None:
        from xmppctl.session import tls

        # The name is the JID's domain, whatever SRV, --host or the server say (RFC 6125 section 6.2.1).
        name = self._settings.jid.domain.strip("[]")
        context = tls.context(self._settings, direct=direct)
        try:
            stream.start_tls(context, name)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise tls.failure(error, name=name, where=self.where, direct=direct) from None
        session = stream.connection.tls
        assert session is not None
        tls.check_pin(session, self._settings.pin)
        self.done("tls", **(tls.facts(session) if self._progress else {}))

    # -- authenticating --

    def authenticate(self, password: Secret | None) -> str:
        """SASL (RFC 6120 section 6), then a new stream; return the mechanism's name. Raises AuthError."""
        stream = self.stream
        assert self.features is not None
        if not stream.secure and self._settings.tls != "none":
            raise TlsError("refusing to authenticate without TLS")
        mechanism = sasl.choose(
            _mechanisms(self.features),
            username=self._settings.jid.local,
            password=password,
            certificate=self._settings.certificate is not None,
            plain=self._settings.plain and (stream.secure or self.loopback),
        )
        exchange = Exchange(mechanism, str(self._settings.jid))
        stream.push(exchange.begin())
        try:
            while not exchange.done:
                answer = exchange.take(stream.next("waiting for the answer to SASL"))
                if answer:
                    stream.push(answer)
        except AuthError as error:
            if not error.stanza:
                stream.push(ABORT)
            raise
        self.done("sasl", mechanism=mechanism.name, tls=stream.secure)
        self.features = stream.restart()
        return mechanism.name

    def resume(self, id_: str, received: int) -> Frame:
        """Ask for an earlier stream, of which `received` stanzas came in, to go on (XEP-0198 section 5).

        Returns <resumed/>; or <failed/>, and then `bind` goes on. Raises StreamError, ConnectionLost.
        """
        wanted = build.attributes({"h": str(received), "previd": id_})
        self.stream.push(f"<resume xmlns='{NS_SM}'{wanted}/>")
        while True:
            answer = self.stream.next("resuming the stream")
            if answer.namespace == NS_SM and answer.name in ("resumed", "failed"):
                self.done("resume", resumed=answer.name == "resumed")
                return answer

    def bind(self) -> Jid:
        """Bind a resource (RFC 6120 section 7); return the full JID. Raises StanzaRefused, StreamError."""
        assert self.features is not None
        if f"{NS_BIND} bind" not in self.features.payloads:
            raise StreamError(
                f"{self.where} does not offer to bind a resource",
                condition="unsupported-feature",
                hint="this is a fault of the server; see its log",
            )
        resource = self._settings.resource
        wish = f"<resource>{build.escape(resource)}</resource>" if resource else ""
        reply = self.request(build.iq("set", f"<bind xmlns='{NS_BIND}'>{wish}</bind>"), BINDING)
        jid = self._bound(reply)
        if _session_required(self.features):
            self.request(build.iq("set", f"<session xmlns='{NS_SESSION}'/>"), "starting the session")
        self.done("bind", jid=str(jid))
        self.done("features", features=sorted(self.features.payloads))
        return jid

    def _bound(self, reply: Frame) -> Jid:
        try:
            jid = Jid.parse(reply.element().findtext(f"{{{NS_BIND}}}bind/{{{NS_BIND}}}jid") or "")
        except BadJid as error:
            raise StreamError(
                f"{self.where} bound us to something that is no address: {error.message}",
                condition="invalid-xml",
                hint="this is a fault of the server",
                stanza=reply.text,
            ) from None
        if self._settings.jid.local and jid.bare != self._settings.jid.bare:
            self._note(f"the server bound {jid}, not {self._settings.jid.bare}")
        return jid

    def request(self, stanza: str, doing: str) -> Frame:
        """Send an iq before there is a session; return its result. `doing` reads as in "while <doing>".

        Raises StanzaRefused, StreamError, ConnectionLost, DeadlineExceeded.
        """
        return self.stream.request(stanza, doing)

    def interrupt(self) -> None:
        """Have what another thread waits for here fail soon: nothing more comes from the server. Never raises."""
        stream = self._stream
        if stream is not None:
            with suppress(OSError):
                stream.connection.sock.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Close whatever is open, at once and for good. Never raises."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    @property
    def stream(self) -> Negotiation:
        """The stream under way. Raises ConnectionLost where there is none."""
        if self._stream is None:
            raise ConnectionLost("there is no connection")
        return self._stream

    def _mark(self) -> None:
        self._began = monotonic()

    def done(self, name: str, **detail: Any) -> None:
        """Tell `progress` of a step that has succeeded."""
        if self._progress is not None:
            self._progress(Step(name, monotonic() - self._began, detail))
        self._mark()


def login(
    settings: Settings,
    password: Secret | None,
    deadline: Deadline,
    *,
    on_frame: OnFrame | None = None,
    progress: Callable[[Step], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    nameserver: str | None = None,
) -> Established:
    """Log in and bind a resource. No roster is fetched and no presence sent.

    Raises DnsError, TcpError, TlsError, CertificateError, StreamError, ConnectionLost (4), AuthError (5),
    DeadlineExceeded (6), StanzaRefused (1), and what `on_frame` raises. Uses no signals and no globals: may run in
    a thread.
    """
    attempt = Login(
        settings, deadline, on_frame=on_frame, progress=progress, note=note, nameserver=nameserver
    )
    try:
        attempt.open()
        mechanism = attempt.authenticate(password)
        jid = attempt.bind()
    except BaseException:
        attempt.abandon()
        raise
    assert attempt.features is not None
    stream = attempt.stream
    return Established(stream.connection, jid, frozenset(attempt.features.payloads), mechanism, stream.rest())


def _mechanisms(features: Frame) -> list[str]:
    """What the server offers (RFC 6120 section 6.4.1)."""
    if f"{NS_SASL} mechanisms" not in features.payloads:
        raise AuthError(
            "the server offers no way to authenticate",
            condition="invalid-mechanism",
            hint="some servers offer it only inside TLS, or only to registered addresses",
        )
    path = f"{{{NS_SASL}}}mechanisms/{{{NS_SASL}}}mechanism"
    return [(element.text or "").strip() for element in features.element().iterfind(path)]


def _session_required(features: Frame) -> bool:
    """Whether the server still wants the session request of RFC 3921."""
    element = features.element().find(f"{{{NS_SESSION}}}session")
    return element is not None and element.find(f"{{{NS_SESSION}}}optional") is None
