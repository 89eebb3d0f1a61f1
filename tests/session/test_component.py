"""A component's login (XEP-0114): what it says, what it refuses, and how each failure is told."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import Any

import pytest

from tests.servers.hostile import DOMAIN, NS_STREAM, Peer, Server
from tests.servers.identities import Authority, Identity
from tests.session.conftest import PATIENCE, SHORT, Outcome
from xmppctl.config.secrets import NoPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import (
    AuthError,
    CertificateError,
    ConnectionLost,
    DeadlineExceeded,
    StreamError,
    TlsError,
    UsageError,
)
from xmppctl.session import component, tcp
from xmppctl.session.component import login_component
from xmppctl.session.deadline import Deadline
from xmppctl.session.resolve import Address
from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, Frame
from xmppctl.stanza.jid import Jid

Serve = Callable[..., Server]

SECRET = "s3cr3t & <more>"
#: What proves it, for the stream id `a&b`.
PROOF = sha1(f"a&b{SECRET}".encode()).hexdigest()
NS_STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"


def header(id_: str = " id='a&amp;b'", namespace: str = NS_COMPONENT) -> str:
    return f"<?xml version='1.0'?><stream:stream from='{DOMAIN}'{id_} xmlns='{namespace}' xmlns:stream='{NS_STREAM}'>"


def error(condition: str) -> str:
    return f"<stream:error><{condition} xmlns='{NS_STREAMS}'/></stream:error></stream:stream>"


def greeting(*said: str) -> Callable[[Peer], None]:
    """Answer the stream header with this, and say no more."""

    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(*said)
        peer.until_end()

    return script


def answering(*said: str) -> Callable[[Peer], None]:
    """Answer the handshake with this."""

    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header())
        peer.expect("</handshake>")
        peer.send(*said)
        peer.until_end()

    return script


@pytest.fixture
def connect(authority: Authority) -> Callable[..., Outcome]:
    """Log in as a component, see what comes of it, and hang up."""

    def attempt(server: Server, seconds: float = PATIENCE, progress: Any = None, **changes: Any) -> Outcome:
        settings = Settings(
            Jid.parse(DOMAIN), NoPassword("test"), host=server.host, port=server.port, ca=authority.file
        )
        frames: list[Frame] = []
        try:
            done = login_component(
                settings._replace(**changes),
                Secret(SECRET),
                Deadline(seconds),
                on_frame=frames.append,
                progress=progress,
            )
        except Exception as failure:
            return Outcome(None, failure, frames, [])
        done.connection.close()
        return Outcome(done, None, frames, [])

    return attempt


Connect = Callable[..., Outcome]


def test_the_secret_is_proved_and_what_comes_behind_belongs_to_the_session(
    serve: Serve, connect: Connect
) -> None:
    server = serve(answering("<handshake/><message id='m'/>"))
    steps: list[Any] = []
    outcome = connect(server, progress=steps.append)
    established = outcome.established
    assert established is not None, outcome.error
    assert established.jid == Jid("", DOMAIN) and established.component and not established.features
    assert [frame.id for frame in established.frames] == ["m"]
    assert server.text == (
        f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAM}' to='{DOMAIN}'>"
        f"<handshake>{PROOF}</handshake>"
    )
    assert [step.name for step in steps] == ["dns", "tcp", "handshake"]


def test_the_tap_sees_all_of_it_but_the_proof(serve: Serve, connect: Connect) -> None:
    outcome = connect(serve(answering("<handshake/>")))
    shown = [(frame.direction, frame.name) for frame in outcome.frames]
    assert shown == [("out", "stream"), ("in", "stream"), ("out", "handshake"), ("in", "handshake")]
    text = "".join(frame.text for frame in outcome.frames)
    assert "<handshake>[redacted:40]</handshake>" in text and PROOF not in text


@pytest.mark.parametrize("part", [1, 7])
def test_a_server_that_drips_is_understood_and_stanzas_before_the_agreement_are_nobodys(
    serve: Serve, connect: Connect, part: int
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.drip(header() + "\n<iq type='set' id='1'/>", part)
        peer.expect(f"<handshake>{PROOF}</handshake>")
        peer.drip("<message/> <handshake></handshake>", part)
        peer.until_end()

    server = serve(script)
    outcome = connect(server)
    assert outcome.established is not None and outcome.established.frames == (), outcome.error
    assert "<iq" not in server.text


# -- TLS --


def test_direct_tls_checks_the_certificate_for_the_component(
    serve: Serve, connect: Connect, identity: Identity, authority: Authority
) -> None:
    def script(identity: Identity) -> Callable[[Peer], None]:
        return lambda peer: (peer.start_tls(identity), answering("<handshake/>")(peer))

    server = serve(script(identity))
    assert connect(server, tls="direct").established is not None
    assert server.names == [DOMAIN]
    wrong = serve(script(authority.issue("montague.example")))
    connect(wrong, tls="direct").failed(CertificateError, 4, DOMAIN)
    assert "stream" not in wrong.text


@pytest.mark.parametrize("tls", [None, "none"])
def test_in_clear_only_on_this_machine_or_where_it_is_allowed(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, tls: str | None
) -> None:
    real = tcp.connect

    def elsewhere(addresses: Any, deadline: Any) -> Any:
        sock, address = real(addresses, deadline)
        return sock, Address(address.family, ("192.0.2.1", address.sockaddr[1]))

    monkeypatch.setattr(tcp, "connect", elsewhere)
    server = serve(answering("<handshake/>"))
    connect(server, tls=tls).failed(TlsError, 4, "is not this machine")
    assert "handshake" not in server.text
    assert connect(server, tls=tls, insecure=True).established is not None


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"tls": "starttls"}, "STARTTLS"), ({"jid": Jid.parse(f"juliet@{DOMAIN}")}, "is an account")],
)
def test_what_a_component_cannot_have_is_refused_before_anything_is_sent(
    serve: Serve, connect: Connect, changes: dict[str, Any], word: str
) -> None:
    server = serve(lambda peer: peer.until_end())
    connect(server, **changes).failed(UsageError, 2, word)
    assert server.connections == 0


# -- refusals and faults --


def test_a_wrong_secret_is_a_refused_login(serve: Serve, connect: Connect) -> None:
    outcome = connect(serve(answering(error("not-authorized"))))
    outcome.failed(AuthError, 5, "not-authorized", DOMAIN)
    assert "secret" in outcome.error.hint  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("script", "condition", "hint"),
    [
        (greeting(header(" id=''"), error("host-unknown")), "host-unknown", "configuration"),
        (greeting(header(), error("host-unknown")), "host-unknown", "configuration"),
        (greeting(header("", NS_CLIENT), error("invalid-namespace")), "invalid-namespace", "5347"),
        (answering(error("conflict")), "conflict", "another process"),
        (answering(error("system-shutdown")), "system-shutdown", "again"),
    ],
)
def test_a_stream_error_is_told(
    serve: Serve, connect: Connect, script: Callable[[Peer], None], condition: str, hint: str
) -> None:
    outcome = connect(serve(script))
    outcome.failed(StreamError, 4, condition)
    assert hint in outcome.error.hint  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (greeting("HTTP/1.1 400 Bad Request\r\n\r\n"), "an HTTP server"),
        (greeting("<html>"), "an HTTP server"),
        (greeting(header(), "<<<"), "not-well-formed"),
        (greeting(header(namespace=NS_CLIENT)), "does not speak to components"),
        (greeting(header(namespace="")), "no namespace"),
        (greeting(header(""), "</stream:stream>"), "no id"),
        (answering("<success/>"), "<success>"),
        (answering(f"<handshake xmlns='{NS_CLIENT}'/>"), "<handshake>"),
        (answering("<handshake>&x;</handshake>"), "restricted-xml"),
    ],
)
def test_a_broken_server_is_told_as_one(
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    script: Callable[[Peer], None],
    word: str,
) -> None:
    monkeypatch.setattr(component, "REASON_SECONDS", 0.05)
    connect(serve(script)).failed(StreamError, 4, word)


@pytest.mark.parametrize("script", [greeting(), greeting(header()), greeting(header(), "<iq/>"), answering()])
def test_silence_ends_with_the_deadline(
    serve: Serve, connect: Connect, script: Callable[[Peer], None]
) -> None:
    connect(serve(script), SHORT).failed(DeadlineExceeded, 6, "waiting for")


@pytest.mark.parametrize("said", ["", "</stream:stream>"])
def test_a_server_that_hangs_up_is_told(serve: Serve, connect: Connect, said: str) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header())
        peer.expect("</handshake>")
        peer.send(said)

    connect(serve(script)).failed(ConnectionLost, 4, "handshake")
