"""From an account to a bound stream: DNS, TCP, TLS, SASL, resource binding. Blocking, within one deadline.

RFC 6120 sections 3 to 7. This is ours, not slixmpp's, for two reasons. Safety: slixmpp follows redirects before TLS,
falls back to clear text and to PLAIN, dispatches stanzas before authentication and waits for ever; here each step
happens only if the one before it did. Speed: importing slixmpp takes longer than the whole run of a small native
client; this takes a dozen milliseconds. slixmpp gets the stream when it is bound (see `bridge`).
"""

from __future__ import annotations

import binascii
import ssl
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from xmppctl.errors import (
    AuthError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    StanzaRefused,
    StreamError,
    TcpError,
    TlsError,
    XmppctlError,
)
from xmppctl.session import resolve, sasl, tcp
from xmppctl.session.connection import Connection, OnFrame
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STREAM, Frame
from xmppctl.stanza.jid import Jid

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.deadline import Deadline

NS_TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
NS_SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_BIND: Final = "urn:ietf:params:xml:ns:xmpp-bind"
NS_SESSION: Final = "urn:ietf:params:xml:ns:xmpp-session"
NS_STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"

#: What one of several servers gets to come up to its features, at the least.
CANDIDATE_SECONDS: Final = 3.0


class Step(NamedTuple):
    """One step of a login that succeeded: its name, how long it took in seconds, and what there is to say of it."""

    name: str
    seconds: float
    detail: Mapping[str, Any]


class Established(NamedTuple):
    """A bound stream. `features` holds the expanded names ("namespace name") that were offered after SASL."""

    connection: Connection
    jid: Jid
    features: frozenset[str]
    mechanism: str


class Login:
    """One login. `progress` hears of each step that is done; `note` of what went wrong without ending it.

    `open()` connects and goes as far as the features inside TLS; `authenticate()` and `bind()` go on from there.
    After an error the connection is closed.
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
        self._frames: deque[Frame] = deque()
        self._secure = False
        self._began = monotonic()
        self._where = settings.jid.domain
        self.connection: Connection | None = None
        self.features: Frame | None = None

    # -- connecting --

    def open(self) -> Frame:
        """Connect to the first server that works; return its features inside TLS.

        Raises DnsError, TcpError, TlsError, CertificateError, StreamError, DeadlineExceeded.
        """
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
            left = self._deadline.left()
            share = None if not others or left is None else max(CANDIDATE_SECONDS, left / (others + 1))
            self._limit = self._deadline.within(share)
            try:
                self.features = self._try(target)
                self._limit = self._deadline
                return self.features
            except (ConnectError, DeadlineExceeded) as error:
                self.abandon()
                failures.append(error)
                if self._deadline.passed:
                    break
                if others:
                    self._note(
                        f"{target.host}:{target.port} does not work ({error.message}); trying the next server"
                    )
        raise _most_telling(failures)

    def _try(self, target: resolve.Target) -> Frame:
        self._where = f"{target.host}:{target.port}"
        found = resolve.addresses(target, self._limit, self._nameserver)
        self._done(
            "dns", host=target.host, port=target.port, source=target.source, addresses=[str(a) for a in found]
        )
        sock, address = tcp.connect(found, self._limit.within(tcp.CONNECT_SECONDS))
        self.connection = connection = Connection(sock, self._on_frame)
        self._done("tcp", address=str(address))
        self._frames.clear()
        self._secure = False
        if target.tls == "direct":
            self._handshake(direct=True)
        elif target.tls == "none" and not (
            self._settings.insecure or ip_address(address.sockaddr[0]).is_loopback
        ):
            raise TlsError(
                f"{self._where} is not this machine, and TLS is off",
                hint="leave out --tls none, or say --insecure as well",
            )
        features = self._stream()
        if target.tls == "starttls":
            self._starttls(connection, features)
            features = self._stream()
        return features

    def _starttls(self, connection: Connection, features: Frame) -> None:
        if f"{NS_TLS} starttls" not in features.payloads:
            raise TlsError(
                f"{self._where} does not offer STARTTLS (or someone in between has removed it)",
                hint="nothing was sent; try --tls direct",
            )
        connection.push(b"<starttls xmlns='%s'/>" % NS_TLS.encode())
        answer = self._next("waiting for the answer to STARTTLS")
        if answer.names[0] != f"{NS_TLS} proceed":
            raise TlsError(
                f"{self._where} refused STARTTLS", hint="try --tls direct; look at the server's log"
            )
        if any(frame.names or frame.raw.strip() for frame in self._frames):
            raise TlsError(
                "cleartext data came behind the server's agreement to TLS: someone is injecting it",
                hint="do not trust this network; try --tls direct",
            )
        self._frames.clear()
        self._handshake(direct=False)

    def _handshake(self, *, direct: bool) -> None:
        from xmppctl.session import tls

        connection = self._open_connection()
        # The name is the JID's domain, whatever SRV, --host or the server say (RFC 6125 section 6.2.1).
        name = self._settings.jid.domain.strip("[]")
        try:
            connection.start_tls(tls.context(self._settings, direct=direct), name, self._limit)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise tls.failure(error, name=name, where=self._where) from None
        assert connection.tls is not None
        tls.check_pin(connection.tls, self._settings.pin)
        self._secure = True
        self._done("tls", **(tls.facts(connection.tls) if self._progress else {}))

    # -- authenticating --

    def authenticate(self, password: Secret | None) -> str:
        """SASL (RFC 6120 section 6), then a new stream; return the mechanism's name. Raises AuthError."""
        connection = self._open_connection()
        assert self.features is not None
        if not self._secure and self._settings.tls != "none":
            raise TlsError("refusing to authenticate without TLS")
        mechanism = sasl.choose(
            _mechanisms(self.features),
            username=self._settings.jid.local,
            password=password,
            certificate=self._settings.certificate is not None,
            plain=self._settings.plain,
        )
        initial = mechanism.initial()
        text = "" if initial is None else (b64encode(initial).decode() or "=")
        connection.push(f"<auth xmlns='{NS_SASL}' mechanism='{mechanism.name}'>{text}</auth>".encode())
        while True:
            answer = self._next("waiting for the answer to SASL")
            if answer.namespace != NS_SASL:
                continue  # stanzas before authentication are nobody's (RFC 6120 section 4.3.5)
            data = _decoded(answer)
            if answer.name == "challenge":
                response = b64encode(mechanism.respond(data)).decode()
                connection.push(f"<response xmlns='{NS_SASL}'>{response}</response>".encode())
            elif answer.name == "success":
                mechanism.finish(data)
                break
            elif answer.name == "failure":
                raise _refused(answer, mechanism.name, str(self._settings.jid))
        self._done("sasl", mechanism=mechanism.name, tls=self._secure)
        self._frames.clear()
        connection.restart()
        self.features = self._stream()
        return mechanism.name

    def bind(self) -> Jid:
        """Bind a resource (RFC 6120 section 7); return the full JID. Raises StanzaRefused, StreamError."""
        assert self.features is not None
        if f"{NS_BIND} bind" not in self.features.payloads:
            raise StreamError(
                f"{self._where} does not offer resource binding", condition="unsupported-feature"
            )
        resource = self._settings.resource
        wish = f"<resource>{build.escape(resource)}</resource>" if resource else ""
        reply = self.request(build.iq("set", f"<bind xmlns='{NS_BIND}'>{wish}</bind>"), "binding a resource")
        bound = reply.element().findtext(f".//{{{NS_BIND}}}jid")
        jid = Jid.parse(bound or "")
        if jid.local and jid.bare != self._settings.jid.bare:
            self._note(f"the server bound {jid}, not {self._settings.jid.bare}")
        if _session_required(self.features):
            self.request(build.iq("set", f"<session xmlns='{NS_SESSION}'/>"), "starting the session")
        self._done("bind", jid=str(jid))
        self._done("features", features=sorted(self.features.payloads))
        return jid

    def request(self, stanza: str, doing: str) -> Frame:
        """Send an iq before there is a session; return its result. Raises StanzaRefused."""
        connection = self._open_connection()
        connection.push(stanza.encode())
        from xmppctl.stanza.tree import parse

        wanted = parse(stanza).get("id")
        while True:
            frame = self._next(doing)
            if frame.kind == "iq" and frame.id == wanted and frame.type in ("result", "error"):
                break
        reason = frame.condition()
        if reason is not None:
            raise StanzaRefused(
                f"{self._where} refused while {doing}: {reason.condition}"
                + (f": {reason.text}" if reason.text else ""),
                reason=reason,
                stanza=frame.text,
            )
        return frame

    def abandon(self) -> None:
        """Close whatever is open, at once and for good."""
        if self.connection is not None:
            with suppress(ConnectError, OSError):
                self.connection.push(b"</stream:stream>") if not self.connection.ended else None
                self.connection.try_flush()
            self.connection.close()
            self.connection = None

    # -- reading --

    def _stream(self) -> Frame:
        """Send a stream header; return the features that answer it (RFC 6120 sections 4.2 and 4.3.2)."""
        connection = self._open_connection()
        header = build.attributes({"to": self._settings.jid.domain, "version": "1.0", "xml:lang": "en"})
        connection.push(
            f"<?xml version='1.0'?><stream:stream{header} xmlns='jabber:client' xmlns:stream='{NS_STREAM}'>".encode()
        )
        frame = self._next("waiting for the stream header")
        if frame.names[0] != f"{NS_STREAM} stream":
            raise StreamError(
                f"{self._where} does not speak XMPP: its stream is <{frame.name}>",
                condition="invalid-namespace",
                hint="check the port",
            )
        frame = self._next("waiting for the stream features")
        if frame.names[0] != f"{NS_STREAM} features":
            raise StreamError(
                f"{self._where} sent <{frame.name}> where its stream features must be",
                condition="invalid-xml",
                hint="this is a fault of the server, or of something in between",
            )
        return frame

    def _next(self, doing: str) -> Frame:
        """The next element. White space is passed over; a stream error or the end of the stream is raised."""
        connection = self._open_connection()
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if not frame.names:
                    continue
                if frame.names[0] == f"{NS_STREAM} error":
                    raise stream_error(frame, self._where)
                if (
                    frame.names[0] == f"{NS_STREAM} stream"
                    and not frame.attributes
                    and frame.raw.startswith(b"</")
                ):
                    raise ConnectionLost(f"{self._where} closed the stream while we were {doing}")
                return frame
            if connection.ended:
                raise ConnectionLost(
                    f"{self._where} hung up while we were {doing}",
                    hint="is this port for direct TLS (--tls direct)? look at the server's log",
                )
            connection.acknowledge_now()
            self._frames.extend(connection.read(self._limit, f"{doing} of {self._where}"))

    def _open_connection(self) -> Connection:
        if self.connection is None:
            raise ConnectionLost("there is no connection")
        return self.connection

    def _mark(self) -> None:
        self._began = monotonic()

    def _done(self, name: str, **detail: Any) -> None:
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
    DeadlineExceeded (6), StanzaRefused (1).
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
    assert attempt.connection is not None and attempt.features is not None
    return Established(attempt.connection, jid, frozenset(attempt.features.payloads), mechanism)


def stream_error(frame: Frame, where: str) -> StreamError:
    """What a <stream:error/> says (RFC 6120 section 4.9). A redirect is told, never followed: before TLS anyone can send one."""
    condition, text, detail = "undefined-condition", "", ""
    for child in frame.element():
        namespace, _, name = str(child.tag).lstrip("{").partition("}")
        if namespace == NS_STREAM_ERRORS and name == "text":
            text = child.text or ""
        elif namespace == NS_STREAM_ERRORS:
            condition, detail = name, child.text or ""
    hints = {
        "host-unknown": "the server does not serve this domain: check the JID and --host",
        "see-other-host": f"it names {detail}: if you trust that, say so with --host",
        "conflict": "another session took this resource: use another --resource",
        "not-authorized": "authentication was expected first",
        "policy-violation": "the server's policy forbids what was sent: too much, too fast, or too large",
        "system-shutdown": "the server is stopping: try again later",
        "reset": "the server closed the stream on purpose: try again",
        "connection-timeout": "the server waited too long for us",
    }
    return StreamError(
        f"{where} ended the stream: {condition}" + (f": {text}" if text else ""),
        condition=condition,
        hint=hints.get(condition, "see RFC 6120 section 4.9.3, and the server's log"),
        stanza=frame.text,
    )


def _mechanisms(features: Frame) -> list[str]:
    offered = [element.text or "" for element in features.element().iterfind(f"{{{NS_SASL}}}mechanisms/*")]
    if f"{NS_SASL} mechanisms" not in features.payloads:
        raise AuthError(
            "the server offers no way to authenticate",
            condition="invalid-mechanism",
            hint="some servers offer it only inside TLS, or only to registered addresses",
        )
    return offered


def _decoded(frame: Frame) -> bytes:
    text = (frame.element().text or "").strip()
    if frame.name == "failure" or text in ("", "="):
        return b""
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        raise AuthError("the server's SASL data is not base64", condition="incorrect-encoding") from None


def _refused(failure: Frame, mechanism: str, jid: str) -> NoReturn:
    condition, text = "not-authorized", ""
    for child in failure.element():
        name = str(child.tag).rpartition("}")[2]
        if name == "text":
            text = child.text or ""
        else:
            condition = name
    from xmppctl.stanza.explain import explain_sasl

    meaning, hint = explain_sasl(condition)
    raise AuthError(
        f"{jid} was refused ({mechanism}: {condition}): {text or meaning}",
        condition=condition,
        hint=hint,
        stanza=failure.text,
    )


def _session_required(features: Frame) -> bool:
    element = features.element().find(f"{{{NS_SESSION}}}session")
    return element is not None and element.find(f"{{{NS_SESSION}}}optional") is None


def _most_telling(failures: list[XmppctlError]) -> XmppctlError:
    """Of what went wrong with several servers: whatever got further than TCP; else all of them in one."""
    for error in failures:
        if not isinstance(error, TcpError):
            return error
    if len(failures) == 1:
        return failures[0]
    return TcpError("; ".join(error.message for error in failures), hint=failures[-1].hint)
