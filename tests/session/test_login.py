"""Every way in which a login fails: each its own class, exit code, words and hint, and what the server never got."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest

from tests.servers.hostile import (
    BIND,
    DOMAIN,
    FULL_JID,
    JID,
    NS_SASL,
    NS_STREAM,
    PASSWORD,
    STARTTLS,
    USER,
    Peer,
    ScramServer,
    Server,
    bind,
    fail,
    features,
    free_port,
    greet,
    header,
    mechanisms,
    scram,
    to_authenticated,
    to_sasl,
    to_session,
    to_tls,
)
from tests.servers.identities import Authority, Identity
from tests.session.conftest import SHORT, Client
from xmppctl.errors import (
    AuthError,
    ConnectionLost,
    DeadlineExceeded,
    OutputClosed,
    StanzaRefused,
    StreamError,
    TcpError,
    TlsError,
)
from xmppctl.session.deadline import Deadline
from xmppctl.session.login import Login
from xmppctl.stanza.frame import Frame

Serve = Callable[..., Server]
NS_STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"


# -- what works --


@pytest.mark.parametrize("tls", ["starttls", "direct"])
def test_a_login_ends_with_a_bound_resource(
    serve: Serve, client: Client, identity: Identity, tls: str
) -> None:
    server = serve(lambda peer: (to_session(peer, identity, direct=tls == "direct"), peer.until_end()))
    client.change(tls=tls)
    outcome = client.attempt(server)
    assert outcome.established is not None, outcome.error
    assert str(outcome.established.jid) == FULL_JID
    assert outcome.established.mechanism == "SCRAM-SHA-256"
    assert outcome.established.features == {"urn:ietf:params:xml:ns:xmpp-bind bind"}
    assert server.names == [DOMAIN]  # the name that is checked: not that of the host
    assert "<presence" not in server.text and "jabber:iq:roster" not in server.text


def test_the_tap_sees_the_stream_from_its_first_byte_and_no_secret(
    serve: Serve, client: Client, identity: Identity
) -> None:
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    outcome = client.attempt(server)
    assert outcome.established is not None
    names = [(frame.direction, frame.name) for frame in outcome.frames if frame.names]
    assert names == [
        *(("out", "stream"), ("in", "stream"), ("in", "features"), ("out", "starttls"), ("in", "proceed")),
        *(("out", "stream"), ("in", "stream"), ("in", "features"), ("out", "auth"), ("in", "challenge")),
        *(("out", "response"), ("in", "success"), ("out", "stream"), ("in", "stream"), ("in", "features")),
        *(("out", "iq"), ("in", "iq")),
    ]
    shown = "".join(frame.text for frame in outcome.frames)
    assert shown.count("[redacted:") == 4
    sent = "".join(frame.text for frame in outcome.frames if frame.direction == "out" and frame.name == "iq")
    assert sent in server.text


def test_each_step_is_told_with_its_time(serve: Serve, client: Client, identity: Identity) -> None:
    steps = []
    server = serve(lambda peer: (to_session(peer, identity, direct=True), peer.until_end()))
    client.change(tls="direct")
    outcome = client.attempt(server, progress=steps.append)
    assert outcome.established is not None
    assert [step.name for step in steps] == ["dns", "tcp", "tls", "sasl", "bind", "features"]
    assert all(0 <= step.seconds < 5 for step in steps)
    assert steps[2].detail["version"] == "TLSv1.3" and steps[2].detail["names"] == [DOMAIN]


def test_a_server_that_drips_is_understood(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.drip(header() + "\n\n  " + features(STARTTLS))
        peer.expect("<starttls [^>]*/>")
        peer.drip("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        peer.start_tls(identity)
        peer.expect("<stream:stream[^>]*>")
        peer.drip(header() + features(mechanisms("SCRAM-SHA-256")))
        scram(peer)
        bind(peer)
        peer.until_end()

    outcome = client.attempt(serve(script))
    assert outcome.code == 0, outcome.error


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_strongest_scram_is_taken(
    serve: Serve, client: Client, identity: Identity, mechanism: str
) -> None:
    offered = ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")

    def script(peer: Peer) -> None:
        to_authenticated(peer, identity, *offered[: offered.index(mechanism) + 1])
        bind(peer)
        peer.until_end()

    client.change(plain=True)
    outcome = client.attempt(serve(script))
    assert outcome.established is not None, outcome.error
    assert outcome.established.mechanism == mechanism


def test_the_resource_is_asked_for(serve: Serve, client: Client, identity: Identity) -> None:
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    client.change(resource="<balcony>")
    assert client.attempt(server).code == 0
    assert "<resource>&lt;balcony&gt;</resource>" in server.text


def test_a_server_that_still_wants_a_session_request_gets_one(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        bind(peer, FULL_JID, "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>")
        id_ = peer.expect(r"<iq [^>]*id='([^']+)'[^>]*><session [^>]*/></iq>").group(1)
        peer.send(f"<iq type='result' id='{id_}'/>")
        peer.until_end()

    assert client.attempt(serve(script)).code == 0


def test_a_domain_that_is_not_ascii_is_its_a_label_for_tls(
    serve: Serve, client: Client, authority: Authority
) -> None:
    identity = authority.issue("xn--bcher-kva.example")
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    client.change(jid="juliet@bücher.example")
    assert client.attempt(server).code == 0
    assert server.names == ["xn--bcher-kva.example"]
    assert "to='bücher.example'" in server.text


def test_an_ipv6_domain_is_an_address_for_tls(serve: Serve, client: Client, authority: Authority) -> None:
    identity = authority.issue("::1")
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()), host="::1")
    client.change(jid="juliet@[::1]", host=None)
    assert client.attempt(server).code == 0
    assert "to='[::1]'" in server.text


# -- TCP --


def test_a_refused_connection(client: Client) -> None:
    client.attempt(free_port()).failed(TcpError, 4, "127.0.0.1:", "refused")


# -- what is no XMPP --


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "an HTTP server"),
        ("<html><body>400</body></html>", "an HTTP server"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
        ("220 mail.example ESMTP\r\n", "a mail or FTP server"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "TLS from the first byte"),
        (b"\x00\xff\x1b[31m", "something"),
    ],
)
def test_what_does_not_speak_xmpp_is_named(
    serve: Serve, client: Client, answer: str | bytes, word: str
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(answer)

    client.attempt(serve(script)).failed(StreamError, 4, "does not speak XMPP", word)


def test_garbage_after_a_good_start_is_a_violation(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header(), "<stream:features><<<")
        peer.until_end()

    server = serve(script)
    client.attempt(server).failed(StreamError, 4, "not-well-formed")
    assert "<not-well-formed" in server.text and server.text.count("</stream:stream>") == 1


# -- the stream --


@pytest.mark.parametrize(
    ("condition", "word"), [("host-unknown", "host-unknown"), ("system-shutdown", "stopped")]
)
def test_a_stream_error_is_told(serve: Serve, client: Client, condition: str, word: str) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(
            header(), f"<stream:error><{condition} xmlns='{NS_STREAMS}'/></stream:error></stream:stream>"
        )

    outcome = client.attempt(serve(script))
    outcome.failed(StreamError, 4, condition)
    assert isinstance(outcome.error, StreamError)
    assert outcome.error.condition == condition and "<stream:error>" in outcome.error.stanza


def test_a_redirect_is_told_and_not_followed(serve: Serve, client: Client, identity: Identity) -> None:
    trap = serve(lambda peer: to_sasl(peer, identity, "PLAIN"))

    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(
            header(),
            f"<stream:error><see-other-host xmlns='{NS_STREAMS}'>127.0.0.1:{trap.port}</see-other-host>"
            "</stream:error>",
        )

    outcome = client.attempt(serve(script))
    outcome.failed(StreamError, 4, "see-other-host")
    assert isinstance(outcome.error, StreamError)
    assert f"127.0.0.1:{trap.port}" in outcome.error.hint
    assert trap.connections == 0


def test_a_stream_without_features_is_refused(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header(), "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")

    client.attempt(serve(script)).failed(StreamError, 4, "<proceed>", "features")


def test_a_header_in_another_namespace_is_refused(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send("<stream:stream xmlns:stream='http://example.org/other' xmlns='jabber:client'>")
        peer.until_end()

    client.attempt(serve(script)).failed(StreamError, 4, "does not speak XMPP")


def test_features_in_another_namespace_offer_nothing(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_tls(peer, identity)
        greet(peer, "<mechanisms xmlns='http://example.org/sasl'><mechanism>PLAIN</mechanism></mechanisms>")

    client.change(plain=True)
    client.attempt(serve(script)).failed(AuthError, 5, "no way to authenticate")


# -- silence and hanging up, at each stage --


def stage_header(peer: Peer, _: Identity) -> None:
    """Before the header."""
    peer.expect("<stream:stream[^>]*>")


def stage_features(peer: Peer, _: Identity) -> None:
    """Before the features."""
    peer.expect("<stream:stream[^>]*>")
    peer.send(header())


def stage_proceed(peer: Peer, _: Identity) -> None:
    """Before the answer to STARTTLS."""
    greet(peer, STARTTLS)
    peer.expect("<starttls [^>]*/>")


def stage_handshake(peer: Peer, _: Identity) -> None:
    """In the handshake."""
    stage_proceed(peer, _)
    peer.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")


def stage_sasl_features(peer: Peer, identity: Identity) -> None:
    """Before the features inside TLS, in the middle of a tag."""
    to_tls(peer, identity)
    peer.expect("<stream:stream[^>]*>")
    peer.send(header(), "<stream:feat")


def stage_challenge(peer: Peer, identity: Identity) -> None:
    """Before the challenge."""
    to_sasl(peer, identity)
    peer.expect("</auth>")


def stage_success(peer: Peer, identity: Identity) -> None:
    """Before the success."""
    to_sasl(peer, identity)
    ScramServer(peer).challenge()
    peer.expect("</response>")


def stage_bound(peer: Peer, identity: Identity) -> None:
    """Before the reply to bind."""
    to_authenticated(peer, identity)
    greet(peer, BIND)
    peer.expect("</iq>")


STAGES = [
    *(stage_header, stage_features, stage_proceed, stage_handshake),
    *(stage_sasl_features, stage_challenge, stage_success, stage_bound),
]
Stage = Callable[[Peer, Identity], None]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_silence_ends_with_the_deadline(
    serve: Serve, client: Client, identity: Identity, stage: Stage
) -> None:
    server = serve(lambda peer: (stage(peer, identity), peer.until_end()))
    outcome = client.attempt(server, SHORT)
    outcome.failed(DeadlineExceeded, 6, "while")
    assert not server.knows_password()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
def test_hanging_up_is_told_at_once(
    serve: Serve, client: Client, identity: Identity, stage: Stage, how: str
) -> None:
    def script(peer: Peer) -> None:
        stage(peer, identity)
        getattr(peer, how)()
        if how == "half_close":
            peer.listen(0.1)

    outcome = client.attempt(serve(script))
    assert outcome.code == 4, outcome.error
    expected = TlsError if stage is stage_handshake else ConnectionLost
    outcome.failed(expected, 4)


def test_a_server_from_before_xmpp_1_0_is_told(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header().replace(" version='1.0' xml", " xml"))
        peer.until_end()

    client.attempt(serve(script), SHORT).failed(DeadlineExceeded, 6, "stream features", "no version")


def test_a_flood_of_white_space_ends_with_the_deadline(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header())
        while True:
            peer.send(" " * 65536)

    client.attempt(serve(script), SHORT).failed(DeadlineExceeded, 6, "stream features")


# -- STARTTLS --


def test_stripped_starttls_ends_the_login(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        greet(peer, mechanisms("PLAIN", "SCRAM-SHA-1"))
        peer.until_end()

    client.change(plain=True)
    server = serve(script)
    client.attempt(server).failed(TlsError, 4, "STARTTLS")
    assert "<auth" not in server.text


def test_refused_starttls_ends_the_login(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        stage_proceed(peer, Identity(None, None))  # type: ignore[arg-type]
        peer.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")

    client.attempt(serve(script)).failed(TlsError, 4, "refused STARTTLS")


@pytest.mark.parametrize(
    "injected", [f"<message from='{JID}'/>", "<mess", features(mechanisms("PLAIN")), "garbage"]
)
def test_what_is_injected_behind_the_agreement_to_tls_ends_the_login(
    serve: Serve, client: Client, identity: Identity, injected: str
) -> None:
    def script(peer: Peer) -> None:
        stage_proceed(peer, identity)
        peer.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", injected)
        peer.start_tls(identity)
        raise AssertionError("there was a handshake")

    outcome = client.attempt(serve(script))
    assert outcome.code == 4
    assert isinstance(outcome.error, TlsError | StreamError), outcome.error


# -- SASL --


def test_a_wrong_password(serve: Serve, client: Client, identity: Identity) -> None:
    server = serve(lambda peer: to_authenticated(peer, identity, password="something else"))
    outcome = client.attempt(server)
    outcome.failed(AuthError, 5, JID, "SCRAM-SHA-256", "not-authorized")
    assert server.text.count("<auth") == 1 and "<abort" not in server.text


@pytest.mark.parametrize(
    "condition",
    ["account-disabled", "credentials-expired", "temporary-auth-failure", "invalid-authzid", "unheard-of"],
)
def test_a_refusal_is_told_with_its_condition_and_text(
    serve: Serve, client: Client, identity: Identity, condition: str
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        peer.expect("</auth>")
        fail(peer, condition, "ask at the desk")
        peer.until_end()

    outcome = client.attempt(serve(script))
    outcome.failed(AuthError, 5, condition, "ask at the desk")
    assert isinstance(outcome.error, AuthError)
    assert outcome.error.condition == condition


@pytest.mark.parametrize(
    ("offered", "plain", "words"),
    [
        (["PLAIN"], False, ("SCRAM", "PLAIN")),
        (["DIGEST-MD5", "X-OAUTH2"], True, ("DIGEST-MD5",)),
        (["EXTERNAL"], False, ("EXTERNAL",)),
        (["ANONYMOUS"], False, ("ANONYMOUS",)),
        (["SCRAM-SHA-256-PLUS"], False, ("SCRAM-SHA-256-PLUS",)),
    ],
)
def test_without_a_mechanism_that_will_do_nothing_is_sent(
    serve: Serve, client: Client, identity: Identity, offered: list[str], plain: bool, words: tuple[str, ...]
) -> None:
    client.change(plain=plain)
    server = serve(lambda peer: (to_sasl(peer, identity, *offered), peer.until_end()))
    client.attempt(server).failed(AuthError, 5, "no way to authenticate", *words)
    assert "<auth" not in server.text


def test_plain_is_sent_where_the_account_allows_it(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity, "PLAIN")
        peer.expect("</auth>")
        peer.send(f"<success xmlns='{NS_SASL}'/>")
        bind(peer)
        peer.until_end()

    client.change(plain=True)
    server = serve(script)
    assert client.attempt(server).code == 0
    assert b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode() in server.text


def test_without_tls_even_to_this_machine_it_must_be_asked_for(serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        greet(peer, mechanisms("SCRAM-SHA-256"))
        scram(peer)
        bind(peer)
        peer.until_end()

    client.change(tls="none")
    assert client.attempt(serve(script)).code == 0


def test_an_anonymous_login_asks_for_no_password(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity, "ANONYMOUS", "SCRAM-SHA-1")
        assert peer.expect("<auth[^>]*>.*?</auth>|<auth[^>]*/>").group().endswith("></auth>")
        peer.send(f"<success xmlns='{NS_SASL}'/>")
        bind(peer, f"ab12@{DOMAIN}/x")
        peer.until_end()

    client.change(jid=DOMAIN)
    outcome = client.attempt(serve(script), password=None)
    assert outcome.established is not None, outcome.error
    assert str(outcome.established.jid) == f"ab12@{DOMAIN}/x"


# -- SCRAM --

Lie = Callable[[Peer, ScramServer], None]


def early_success(_: Peer, server: ScramServer) -> None:
    """Success instead of a challenge, with the first message in it."""
    server.succeed(b64encode(server.first.encode()).decode())


def empty_success(_: Peer, server: ScramServer) -> None:
    """Success without a proof."""
    server.challenge()
    server.verify()
    server.succeed("")


def equals_success(_: Peer, server: ScramServer) -> None:
    """Success with no data at all."""
    server.challenge()
    server.verify()
    server.succeed("=")


def wrong_signature(_: Peer, server: ScramServer) -> None:
    """Success with a made-up proof."""
    server.challenge()
    server.verify()
    server.succeed(b64encode(b"v=" + b64encode(bytes(32))).decode())


def foreign_nonce(_: Peer, server: ScramServer) -> None:
    """A nonce that is not ours."""
    server.challenge(server.first.replace(server.client_nonce, "x" * 24))


def same_nonce(_: Peer, server: ScramServer) -> None:
    """A nonce to which the server adds nothing."""
    server.challenge(f"r={server.client_nonce},s=c2FsdA==,i=4096")


def weak(_: Peer, server: ScramServer) -> None:
    """So few iterations that what we send can be cracked."""
    server.challenge(f"r={server.nonce},s=c2FsdA==,i=1")


def endless(_: Peer, server: ScramServer) -> None:
    """So many iterations that we never come to an end."""
    server.challenge(f"r={server.nonce},s=c2FsdA==,i=4000000000")


def underlined(_: Peer, server: ScramServer) -> None:
    """A number that only Python takes for one."""
    server.challenge(f"r={server.nonce},s=c2FsdA==,i=4_096")


def unsalted(_: Peer, server: ScramServer) -> None:
    """No salt."""
    server.challenge(f"r={server.nonce},s=,i=4096")


def extended(_: Peer, server: ScramServer) -> None:
    """An extension that must be understood."""
    server.challenge(f"m=x,{server.first}")


def gibberish(_: Peer, server: ScramServer) -> None:
    """No SCRAM."""
    server.challenge("realm=x")


def no_base64(peer: Peer, _: ScramServer) -> None:
    """No base64."""
    peer.send(f"<challenge xmlns='{NS_SASL}'>&amp;&amp;</challenge>")


LIES = [
    *(early_success, empty_success, equals_success, wrong_signature, foreign_nonce, same_nonce, weak),
    *(endless, underlined, unsalted, extended, gibberish, no_base64),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_server_that_does_not_prove_itself_is_left(
    serve: Serve, client: Client, identity: Identity, lie: Lie
) -> None:
    said = ""

    def script(peer: Peer) -> None:
        nonlocal said
        to_sasl(peer, identity, "SCRAM-SHA-256", "PLAIN")
        lie(peer, ScramServer(peer))
        said = peer.until_end()

    client.change(plain=True)
    server = serve(script)
    client.attempt(server).failed(AuthError, 5)
    server.finish()
    assert "<abort" in said  # and nothing after it but the end of the stream
    assert said.endswith("</stream:stream>") and "<response" not in said.partition("<abort")[2]
    assert "<auth" not in said and not server.knows_password()


def test_the_proof_may_come_in_a_challenge_of_its_own(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        server = ScramServer(peer)
        server.challenge()
        assert server.verify()
        peer.send(f"<challenge xmlns='{NS_SASL}'>{server.final}</challenge>")
        peer.expect("<response [^>]*></response>|<response [^>]*/>")
        server.succeed("")
        bind(peer)
        peer.until_end()

    assert client.attempt(serve(script)).code == 0


def test_line_breaks_in_base64_are_forgiven(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        server = ScramServer(peer)
        text = b64encode(server.first.encode()).decode()
        peer.send(f"<challenge xmlns='{NS_SASL}'>\r\n  {text[:20]}\n{text[20:]}\n</challenge>")
        assert server.verify()
        server.succeed(f"\n{server.final}\n")
        bind(peer)
        peer.until_end()

    assert client.attempt(serve(script)).code == 0


def test_a_server_error_in_scram_is_a_wrong_password(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        server = ScramServer(peer)
        server.challenge()
        server.verify()
        server.succeed(b64encode(b"e=invalid-proof").decode())
        peer.until_end()

    client.attempt(serve(script)).failed(AuthError, 5, "invalid-proof")


def test_stanzas_from_before_the_login_are_dropped(serve: Serve, client: Client, identity: Identity) -> None:
    forged = f"<message from='{JID}'><body>x</body></message><iq type='get' id='q' from='{DOMAIN}'><a/></iq>"

    def script(peer: Peer) -> None:
        to_tls(peer, identity)
        peer.expect("<stream:stream[^>]*>")
        peer.send(header(), forged, features(mechanisms("SCRAM-SHA-256")), forged)
        server = ScramServer(peer)
        peer.send(forged)
        server.challenge()
        server.verify()
        peer.send(forged)
        server.succeed()
        bind(peer)
        assert "<iq" not in peer.until_end()

    outcome = client.attempt(serve(script))
    assert outcome.established is not None, outcome.error


# -- binding --


@pytest.mark.parametrize(
    ("condition", "hint"),
    [("conflict", "--resource"), ("resource-constraint", "too many sessions"), ("not-allowed", "")],
)
def test_a_refused_resource(
    serve: Serve, client: Client, identity: Identity, condition: str, hint: str
) -> None:
    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        greet(peer, BIND)
        id_ = peer.expect(r"<iq [^>]*id='([^']+)'.*?</iq>").group(1)
        peer.send(
            f"<iq type='error' id='{id_}'><error type='cancel'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        peer.until_end()

    outcome = client.attempt(serve(script))
    outcome.failed(StanzaRefused, 1, "binding a resource", condition)
    assert isinstance(outcome.error, StanzaRefused)
    assert hint in outcome.error.hint


def test_a_server_that_cannot_bind(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        greet(peer)
        peer.until_end()

    client.attempt(serve(script)).failed(StreamError, 4, "bind")


@pytest.mark.parametrize("jid", ["", "@", "no jid at all@@", "a@b@c/d"])
def test_an_address_that_is_none(serve: Serve, client: Client, identity: Identity, jid: str) -> None:
    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        bind(peer, jid)
        peer.until_end()

    client.attempt(serve(script)).failed(StreamError, 4, "no address")


def test_another_account_than_asked_for_is_noted(serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        bind(peer, f"nurse@{DOMAIN}/x")
        peer.until_end()

    outcome = client.attempt(serve(script))
    assert outcome.established is not None
    assert any("nurse@" in note for note in outcome.notes)


# -- around it --


def test_what_the_tap_raises_ends_the_login_once_and_closes_the_stream(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def tap(frame: Frame) -> None:
        if frame.name == "challenge":
            raise OutputClosed("the reader has gone")

    server = serve(lambda peer: (to_sasl(peer, identity), ScramServer(peer).challenge(), peer.until_end()))
    outcome = client.attempt(server, on_frame=tap)
    assert isinstance(outcome.error, OutputClosed)
    assert server.text.endswith("</stream:stream>")


def test_a_login_runs_in_a_thread(serve: Serve, client: Client, identity: Identity) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(client.attempt, server).result(10)
    assert outcome.established is not None, outcome.error


def test_a_stream_before_authentication_takes_requests(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        id_ = peer.expect(r"<iq [^>]*id='([^']+)'.*?</iq>").group(1)
        peer.send(f"<iq type='result' id='other'/><iq type='result' id='{id_}'><query xmlns='x:y'/></iq>")
        peer.until_end()

    server = serve(script)
    attempt = Login(client.settings._replace(port=server.port), Deadline(5))
    attempt.open()
    reply = attempt.request("<iq type='get' id='a1'><query xmlns='x:y'/></iq>", "asking")
    assert reply.payloads == ["x:y query"]
    attempt.abandon()
    with pytest.raises(ConnectionLost):
        attempt.request("<iq type='get' id='a2'><query xmlns='x:y'/></iq>", "asking")
    assert NS_STREAM in server.text


# -- a stream that goes on (XEP-0198 section 5) --


def resuming(serve: Serve, client: Client, identity: Identity, *answers: str) -> tuple[Login, Server]:
    """A login that has authenticated, at a server that answers the wish to resume with this."""

    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        greet(peer, BIND, "<sm xmlns='urn:xmpp:sm:3'/>")
        peer.expect(r"<resume xmlns='urn:xmpp:sm:3' h='7' previd='a&amp;b'/>")
        peer.send(*answers)
        peer.until_end()

    server = serve(script)
    login = Login(client.settings._replace(port=server.port), Deadline(5))
    login.open()
    login.authenticate(client.settings.password.get())
    return login, server


def test_a_resumed_stream_needs_no_resource_and_what_came_with_it_is_kept(
    serve: Serve, client: Client, identity: Identity
) -> None:
    came = (
        "<resumed xmlns='urn:xmpp:sm:3' h='3' previd='a&amp;b'/><message id='1'/><r xmlns='urn:xmpp:sm:3'/>"
    )
    login, _ = resuming(serve, client, identity, came)
    answer = login.resume("a&b", 7)
    assert (answer.name, answer.attributes["h"]) == ("resumed", "3")
    assert [frame.name for frame in login.stream.rest()] == ["message", "r"]
    login.abandon()


def test_after_a_stream_that_cannot_be_resumed_a_resource_can_be_bound(
    serve: Serve, client: Client, identity: Identity
) -> None:
    login, server = resuming(serve, client, identity, "<failed xmlns='urn:xmpp:sm:3' h='2'/>")
    answer = login.resume("a&b", 7)
    assert (answer.name, answer.attributes["h"]) == ("failed", "2")
    login.stream.push("<probe/>")
    login.abandon()
    assert "<probe/>" in server.text


def test_a_stream_error_in_the_place_of_an_answer_is_told(
    serve: Serve, client: Client, identity: Identity
) -> None:
    error = f"<stream:error><reset xmlns='{NS_STREAMS}'/></stream:error>"
    login, _ = resuming(serve, client, identity, error)
    with pytest.raises(StreamError, match="reset"):
        login.resume("a&b", 7)
    login.abandon()


def test_another_thread_can_end_what_a_login_waits_for(serve: Serve, client: Client) -> None:
    from threading import Event, Thread

    reached = Event()

    def script(peer: Peer) -> None:
        peer.expect("<stream:stream")
        reached.set()
        peer.until_end()

    login = Login(client.settings._replace(port=serve(script).port), Deadline(60))
    login.interrupt()  # there is nothing yet to end
    failures: list[Exception] = []

    def work() -> None:
        try:
            login.open()
        except ConnectionLost as error:
            failures.append(error)

    thread = Thread(target=work)
    thread.start()
    assert reached.wait(5)
    login.interrupt()
    thread.join(5)
    assert not thread.is_alive() and len(failures) == 1
    login.interrupt()
