"""A component's stream: TCP, TLS where it is asked for, the handshake of the shared secret. Blocking, in one deadline.

XEP-0114 (jabber:component:accept). It has no features, no version, no STARTTLS, no SASL and no resource; what comes
after the handshake is a session like any other, but that every stanza names its sender.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from xmppctl.errors import AuthError, ConnectionLost, DeadlineExceeded, StreamError, UsageError
from xmppctl.session.established import Established
from xmppctl.session.failures import no_xmpp
from xmppctl.session.login import Login
from xmppctl.session.resolve import Target
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_COMPONENT, NS_STREAM, Frame
from xmppctl.stanza.jid import Jid

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.connection import OnFrame
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import Step
    from xmppctl.session.negotiation import Negotiation

DEFAULT_PORT: Final = 5347
HANDSHAKE: Final = f"{NS_COMPONENT} handshake"

#: What a server whose header is of no use gets to tell why.
REASON_SECONDS: Final = 1.0

_HINTS: Final = {
    "conflict": "another process is connected as this component: end it first",
    "host-unknown": "the server's configuration must name the component; check the domain, and --host and --port",
    "invalid-namespace": f"components have a port of their own, mostly {DEFAULT_PORT}: check --port",
}


def login_component(
    settings: Settings,
    secret: Secret,
    deadline: Deadline,
    *,
    on_frame: OnFrame | None = None,
    progress: Callable[[Step], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    nameserver: str | None = None,
) -> Established:
    """Open a component's stream to the server and prove that we know the secret.

    The component is the domain of `settings.jid`; the server is on `settings.host` (default: the component's own
    domain), port 5347 if none is given. Without TLS only on this machine, or where `settings.insecure` allows it. The
    steps are dns, tcp, tls and handshake. Raises UsageError, DnsError, TcpError, TlsError, CertificateError,
    StreamError, ConnectionLost (4), AuthError (5), DeadlineExceeded (6), and what `on_frame` raises.
    """
    target = _target(settings)
    attempt = Login(
        settings, deadline, on_frame=on_frame, progress=progress, note=note, nameserver=nameserver
    )
    try:
        attempt.connect(target)
        stream = attempt.stream
        id_ = _open(stream, settings.jid.domain, deadline)
        _prove(stream, id_, secret)
        _await_agreement(stream, settings.jid.domain)
        attempt.done("handshake", jid=settings.jid.domain)
    except BaseException:
        attempt.abandon()
        raise
    jid = Jid("", settings.jid.domain)
    return Established(stream.connection, jid, frozenset(), "handshake", stream.rest(), component=True)


def _target(settings: Settings) -> Target:
    """Where to connect to, and how. Raises UsageError for what a component cannot have."""
    jid = settings.jid
    if jid.local:
        raise UsageError(
            f"{jid} is an account: a component's address is a domain", hint="name it with --jid DOMAIN"
        )
    if settings.tls == "starttls":
        raise UsageError("a component's stream has no STARTTLS (XEP-0114)", hint="say --tls direct or none")
    source = "configured" if settings.host or settings.port else "domain"
    return Target(settings.host or jid.domain, settings.port or DEFAULT_PORT, settings.tls or "none", source)


def _open(stream: Negotiation, domain: str, deadline: Deadline) -> str:
    """Send the stream header; return the id of the one that answers it."""
    to = build.attributes({"to": domain})
    stream.push(f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAM}'{to}>")
    header = stream.next("waiting for the stream header")
    if header.names[0] != f"{NS_STREAM} stream":
        raise no_xmpp(stream.where, stream.connection.first)
    problem = _unusable(header, stream.where)
    if problem is None:
        return header.attributes["id"]
    # A server that refuses the header says so in the stream that it opens for that alone.
    stream.limit = deadline.within(REASON_SECONDS)
    with suppress(DeadlineExceeded, ConnectionLost):
        try:
            stream.next("waiting for the reason")
        except StreamError as error:
            raise _hinted(error) from None
    raise problem


def _unusable(header: Frame, where: str) -> StreamError | None:
    """What is wrong with the server's header, if anything is."""
    namespace = header.context.get("", "")
    if namespace != NS_COMPONENT:
        return StreamError(
            f"{where} does not speak to components: its stream is in {namespace or 'no namespace'}",
            condition="invalid-namespace",
            hint=_HINTS["invalid-namespace"],
        )
    if not header.attributes.get("id"):
        return StreamError(
            f"{where} gave its stream no id: there is nothing to prove the secret with",
            condition="invalid-xml",
            hint="this is a fault of the server, or of something in between",
        )
    return None


def _prove(stream: Negotiation, id_: str, secret: Secret) -> None:
    """Send the handshake: SHA-1, since that is what XEP-0114 has."""
    digest = sha1((id_ + secret.reveal()).encode()).hexdigest()  # noqa: S324 (the protocol's own)
    stream.push(f"<handshake>{digest}</handshake>")


def _await_agreement(stream: Negotiation, domain: str) -> None:
    try:
        answer = stream.next("waiting for the answer to the handshake")
    except StreamError as error:
        if error.condition == "not-authorized":
            raise AuthError(
                f"{stream.where} refused the component {domain}: not-authorized",
                condition="not-authorized",
                hint="check the secret, and that the server's configuration names the component",
                stanza=error.stanza,
            ) from None
        raise _hinted(error) from None
    if answer.names[0] != HANDSHAKE:
        raise StreamError(
            f"{stream.where} sent <{answer.name}> where the answer to the handshake must be",
            condition="invalid-xml",
            hint="this is a fault of the server, or of something in between",
        )


def _hinted(error: StreamError) -> StreamError:
    """The error, with what a component can do about it."""
    error.hint = _HINTS.get(error.condition, error.hint)
    return error
