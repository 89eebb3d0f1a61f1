"""TLS: what is verified, pinned and told, in a handshake with a scripted server."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.hostile import (
    DOMAIN,
    FULL_JID,
    NS_SASL,
    PASSWORD,
    USER,
    Peer,
    Server,
    bind,
    free_port,
    greet,
    mechanisms,
    to_sasl,
    to_session,
    to_tls,
)
from tests.servers.identities import Authority, Identity
from tests.session.conftest import SHORT, Client
from xmppctl.config.secrets import Secret
from xmppctl.errors import (
    AuthError,
    CertificateError,
    ConfigError,
    DeadlineExceeded,
    TlsError,
)
from xmppctl.session.deadline import Deadline
from xmppctl.session.login import Login
from xmppctl.session.tls import failure, spki_sha256

Serve = Callable[..., Server]
Handshake = Callable[[Identity], Server]


@pytest.fixture(params=["starttls", "direct"])
def handshake(request: pytest.FixtureRequest, serve: Serve, client: Client) -> Handshake:
    """A server that goes as far as its SASL features with a certificate, by either kind of TLS."""
    client.change(tls=request.param, plain=True)

    def start(identity: Identity, **context: object) -> Server:
        def script(peer: Peer) -> None:
            to_sasl(peer, identity, "PLAIN", direct=request.param == "direct", **context)
            peer.until_end()

        return serve(script)

    return start


# -- certificates --


@pytest.mark.parametrize(
    ("names", "options", "reason"),
    [
        ([DOMAIN], {"days": -1}, "expired"),
        ([DOMAIN], {"days": 60, "since": 30}, "not valid yet"),
        (["montague.example"], {}, "another name"),
        (["127.0.0.1"], {}, "another name"),
        ([f"*.{DOMAIN}"], {}, "another name"),
        ([DOMAIN], {"self_signed": True}, "self-signed"),
    ],
)
def test_a_certificate_that_is_not_acceptable(
    handshake: Handshake,
    client: Client,
    authority: Authority,
    names: list[str],
    options: dict[str, float],
    reason: str,
) -> None:
    server = handshake(authority.issue(*names, **options))  # type: ignore[arg-type]
    client.attempt(server).failed(CertificateError, 4, DOMAIN, reason)
    assert "<auth" not in server.text


def test_a_certificate_of_an_unknown_authority(handshake: Handshake, client: Client, tmp_path: Path) -> None:
    other = Authority(tmp_path, "another CA")
    assert other.file.exists()
    server = handshake(other.issue(DOMAIN))
    client.attempt(server).failed(CertificateError, 4, "not trusted")
    assert not server.knows_password()


def test_without_a_ca_file_the_system_decides(
    handshake: Handshake, client: Client, identity: Identity
) -> None:
    client.change(ca=None)
    client.attempt(handshake(identity)).failed(CertificateError, 4, "not trusted")


def test_the_servers_own_certificate_may_be_the_ca_file(
    serve: Serve, client: Client, authority: Authority
) -> None:
    for identity in (authority.issue(DOMAIN), authority.issue(DOMAIN, self_signed=True)):
        server = serve(lambda peer, identity=identity: (to_session(peer, identity), peer.until_end()))
        client.change(ca=identity.certificate)
        assert client.attempt(server).code == 0


def test_insecure_takes_any_certificate(serve: Serve, client: Client, authority: Authority) -> None:
    identity = authority.issue("montague.example", self_signed=True, days=-1)
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    client.change(insecure=True, ca=None)
    assert client.attempt(server).code == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none(
    handshake: Handshake, client: Client, identity: Identity, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    client.change(ca=file)
    client.attempt(handshake(identity)).failed(ConfigError, 3, str(file))


# -- pins --


def pin_of(identity: Identity) -> str:
    """The pin as openssl makes it, the way that RFC 7469 shows."""
    command = (
        f"openssl x509 -in {identity.certificate} -pubkey -noout | openssl pkey -pubin -outform der"
        " | openssl dgst -sha256 -binary | openssl enc -base64"
    )
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()


def test_the_pinned_key_is_taken(serve: Serve, client: Client, identity: Identity) -> None:
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    client.change(pin=pin_of(identity))
    assert client.attempt(server).code == 0


@pytest.mark.parametrize("insecure", [False, True])
def test_another_key_than_the_pinned_one_is_refused(
    handshake: Handshake, client: Client, identity: Identity, authority: Authority, insecure: bool
) -> None:
    pin = pin_of(authority.issue(DOMAIN))
    client.change(pin=pin, insecure=insecure)
    server = handshake(identity)
    client.attempt(server).failed(CertificateError, 4, pin, pin_of(identity))
    assert "<auth" not in server.text


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x02"])
def test_the_pin_of_what_is_no_certificate(der: bytes) -> None:
    with pytest.raises(CertificateError):
        spki_sha256(der)


# -- handshakes --


@pytest.mark.parametrize(
    "answer", ["HTTP/1.1 400 Bad Request\r\n\r\n", "<?xml version='1.0'?><stream:stream>", "\x00" * 400]
)
def test_direct_tls_where_something_else_speaks(serve: Serve, client: Client, answer: str) -> None:
    def script(peer: Peer) -> None:
        peer.listen(0.05)
        peer.send(answer)

    client.change(tls="direct")
    outcome = client.attempt(serve(script))
    outcome.failed(TlsError, 4, "not TLS")
    assert isinstance(outcome.error, TlsError)
    assert "--tls starttls" in outcome.error.hint


@pytest.mark.parametrize("how", ["close", "reset"])
def test_direct_tls_where_nobody_wants_it(serve: Serve, client: Client, how: str) -> None:
    def script(peer: Peer) -> None:
        peer.listen(0.05)
        getattr(peer, how)()

    client.change(tls="direct")
    client.attempt(serve(script)).failed(TlsError, 4, "hung up in the handshake")


def test_a_hang_up_is_told_by_whatever_name_python_gives_it() -> None:
    closed = ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:992)")
    closed.reason = ""
    told = failure(closed, name="a.example", where="192.0.2.1:5223", direct=True)
    assert told.message == "TLS with 192.0.2.1:5223 failed: the server hung up in the handshake"
    assert "--tls starttls" in told.hint


def test_direct_tls_where_nobody_answers(serve: Serve, client: Client) -> None:
    client.change(tls="direct")
    server = serve(lambda peer: peer.until_end())
    client.attempt(server, SHORT).failed(DeadlineExceeded, 6, "TLS handshake")


def test_a_server_that_speaks_only_old_tls(handshake: Handshake, client: Client, identity: Identity) -> None:
    outcome = client.attempt(handshake(identity, old=True))
    outcome.failed(TlsError, 4)
    assert isinstance(outcome.error, TlsError)
    assert "older than 1.2" in outcome.error.hint


def test_tls_1_2_will_do(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_tls(peer, identity, tls12=True)
        greet(peer, mechanisms("SCRAM-SHA-256"))
        peer.until_end()

    server = serve(script)
    login = Login(client.settings._replace(port=server.port), Deadline(5))
    login.open()
    assert login.stream.connection.tls is not None
    assert login.stream.connection.tls.version() == "TLSv1.2"
    login.abandon()


def test_direct_tls_says_that_it_is_xmpp(serve: Serve, client: Client, identity: Identity) -> None:
    server = serve(lambda peer: to_sasl(peer, identity, direct=True, alpn=["h2", "xmpp-client"]))
    client.change(tls="direct")
    client.attempt(server)
    server.finish()
    assert server.alpn == ["xmpp-client"]
    assert server.names == [DOMAIN]


def test_tls_that_breaks_in_mid_stream(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        peer.expect("</auth>")
        assert isinstance(peer.sock, ssl.SSLSocket)
        with socket.socket(fileno=peer.sock.detach()) as plain:
            plain.settimeout(1)
            plain.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that nobody encrypted
            plain.recv(100)

    client.attempt(serve(script)).failed(TlsError, 4, "mid-stream")


# -- client certificates --


def external(identity: Identity, authority: Authority, *, direct: bool = True) -> Callable[[Peer], None]:
    """A server that wants a client certificate and takes EXTERNAL."""

    def script(peer: Peer) -> None:
        to_sasl(peer, identity, "EXTERNAL", "SCRAM-SHA-256", direct=direct, client_ca=authority.file)
        said = peer.expect("<auth [^>]*mechanism='([^']+)'[^>]*>([^<]*)</auth>")
        assert said.groups() == ("EXTERNAL", "=")
        peer.send(f"<success xmlns='{NS_SASL}'/>")
        bind(peer)
        peer.until_end()

    return script


def test_a_client_certificate_logs_in_without_a_password(
    serve: Serve, client: Client, identity: Identity, authority: Authority
) -> None:
    own = authority.issue("juliet")
    client.change(tls="direct", certificate=own.certificate, key=own.key)
    outcome = client.attempt(serve(external(identity, authority)), password=None)
    assert outcome.established is not None, outcome.error
    assert (str(outcome.established.jid), outcome.established.mechanism) == (FULL_JID, "EXTERNAL")


def test_a_client_certificate_that_the_server_refuses(
    serve: Serve, client: Client, identity: Identity, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "another CA").issue("juliet")
    client.change(tls="direct", certificate=stranger.certificate, key=stranger.key)
    outcome = client.attempt(serve(external(identity, authority)), password=None)
    outcome.failed(TlsError, 4)
    assert isinstance(outcome.error, TlsError)
    assert "client certificate" in outcome.error.hint


def test_a_server_that_wants_a_certificate_from_one_who_has_none(
    serve: Serve, client: Client, identity: Identity, authority: Authority
) -> None:
    client.change(tls="direct")
    outcome = client.attempt(serve(external(identity, authority)))
    outcome.failed(TlsError, 4)
    assert isinstance(outcome.error, TlsError)
    assert "client certificate" in outcome.error.hint


def test_a_client_certificate_that_the_server_does_not_ask_for(
    serve: Serve, client: Client, identity: Identity, authority: Authority
) -> None:
    own = authority.issue("juliet")
    client.change(certificate=own.certificate, key=own.key)
    server = serve(lambda peer: (to_sasl(peer, identity), peer.until_end()))
    client.attempt(server, password=None).failed(AuthError, 5, "EXTERNAL")


def test_an_encrypted_key_is_told_and_asks_nobody(
    serve: Serve, client: Client, identity: Identity, authority: Authority
) -> None:
    own = authority.issue("juliet", password=b"locked")
    client.change(tls="direct", certificate=own.certificate, key=own.key)
    outcome = client.attempt(serve(external(identity, authority)), password=None)
    outcome.failed(ConfigError, 3, str(own.certificate))
    assert isinstance(outcome.error, ConfigError)
    assert "encrypted" in outcome.error.hint


# -- without TLS --


def test_clear_text_to_another_machine_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # 127.0.0.1 plays another machine.
    class Elsewhere:
        is_loopback = False

    monkeypatch.setattr("xmppctl.session.login.ip_address", lambda _: Elsewhere())
    client.change(tls="none")
    with Server(lambda peer: peer.until_end()) as server:
        client.attempt(server).failed(TlsError, 4, "not this machine")
        assert server.text in ("", "</stream:stream>")


def test_clear_text_to_another_machine_never_carries_the_password(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        is_loopback = False

    monkeypatch.setattr("xmppctl.session.login.ip_address", lambda _: Elsewhere())
    client.change(tls="none", insecure=True, plain=True)
    server = serve(lambda peer: (greet(peer, mechanisms("PLAIN")), peer.until_end()))
    client.attempt(server).failed(AuthError, 5)
    assert not server.knows_password()


def test_login_will_not_authenticate_on_a_stream_that_tls_does_not_protect(client: Client) -> None:
    with Server(lambda peer: (greet(peer, mechanisms("PLAIN")), peer.until_end())) as server:
        login = Login(client.settings._replace(port=server.port, tls="none", plain=True), Deadline(2))
        login.open()
        login._settings = login._settings._replace(tls="starttls")
        with pytest.raises(TlsError):
            login.authenticate(Secret(PASSWORD))
        login.abandon()
        assert USER not in server.text


def test_nobody_is_there(client: Client) -> None:
    client.change(tls="direct")
    assert client.attempt(free_port()).code == 4
