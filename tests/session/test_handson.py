"""A stream by hand: exactly what is typed goes out, TLS begins when it was agreed to, nothing is ever answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.servers.hostile import (
    BIND,
    DOMAIN,
    FULL_JID,
    JID,
    NS_TLS,
    PASSWORD,
    STARTTLS,
    Peer,
    Server,
    bind,
    features,
    greet,
    header,
    mechanisms,
    scram,
    to_authenticated,
    to_sasl,
    to_tls,
)
from tests.servers.identities import Authority, Identity
from tests.session.conftest import PATIENCE, Client
from tests.session.hands import ASK_BIND, ASK_TLS, Hand, bind_by_hand, header_to, log_in_by_hand, prove
from xmppctl.config.secrets import Secret
from xmppctl.errors import (
    Bug,
    CertificateError,
    ConnectionLost,
    DeadlineExceeded,
    OutputClosed,
    StreamError,
    TlsError,
    XmppctlError,
)
from xmppctl.session import handson
from xmppctl.session.deadline import Deadline
from xmppctl.session.handson import HandsOn
from xmppctl.session.stages import Stage, open_until
from xmppctl.stanza.frame import Frame

Serve = Callable[..., Server]

HEADER = header_to(DOMAIN)
PROCEED = f"<proceed xmlns='{NS_TLS}'/>"


Play = Callable[[Hand], Awaitable[None]]


class By:
    """By hand, on the scripted server: opens the stream, plays, and hangs up."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.shown: list[Frame] = []

    def __call__(
        self,
        server: Server,
        stage: Stage,
        play: Play,
        *,
        on_frame: Callable[[Frame], None] | None = None,
        frame: Callable[[Frame], None] | None = None,
        **opened: Any,
    ) -> Hand:
        settings = self.client.settings._replace(port=server.port)
        reached = open_until(
            settings, Secret(PASSWORD), Deadline(PATIENCE), stage, on_frame=on_frame or self.shown.append
        )

        async def body() -> Hand:
            hand = Hand(lambda **heard: HandsOn(reached._replace(**opened), **heard), frame)
            await asyncio.wait_for(play(hand), 2 * PATIENCE)
            await hand.stream.close()
            return hand

        return asyncio.run(body())


@pytest.fixture
def by_hand(client: Client) -> By:
    return By(client)


async def log_in(hand: Hand) -> None:
    assert FULL_JID in await log_in_by_hand(hand, JID, PASSWORD)


# -- all the way --


async def from_connect(hand: Hand) -> None:
    hand.type(HEADER)
    await hand.see("features")
    hand.type(ASK_TLS)
    await hand.see("proceed")
    assert not hand.stream.secure
    hand.type(HEADER)  # in the middle of the handshake: it goes out behind it
    assert "mechanisms" in (await hand.see("features")).text
    assert hand.stream.secure
    await log_in(hand)


async def from_tls(hand: Hand) -> None:
    hand.type(HEADER)
    await hand.see("features")
    await log_in(hand)


async def from_features(hand: Hand) -> None:
    await hand.see("features")
    await log_in(hand)


async def from_auth(hand: Hand) -> None:
    await hand.see("features")
    assert FULL_JID in await bind_by_hand(hand)


@pytest.mark.parametrize(
    ("stage", "play"),
    [("connect", from_connect), ("tls", from_tls), ("features", from_features), ("auth", from_auth)],
)
def test_from_each_stage_it_goes_on_to_a_bound_resource(
    serve: Serve, by_hand: By, identity: Identity, stage: Stage, play: Play
) -> None:
    server = serve(lambda peer: (to_authenticated(peer, identity), bind(peer), peer.until_end()))
    hand = by_hand(server, stage, play)
    assert hand.ends == []
    names = [frame.name for frame in by_hand.shown if frame.names]
    assert names == [
        *("stream", "stream", "features", "starttls", "proceed", "stream", "stream", "features"),
        *("auth", "challenge", "response", "success", "stream", "stream", "features", "iq", "iq"),
        "stream",
    ]
    shown = "".join(frame.text for frame in by_hand.shown)
    assert shown.count("[redacted:") == 4
    assert server.text.endswith(ASK_BIND + "</stream:stream>")
    assert len(hand.notes) == (stage == "connect")
    assert all("TLSv1.3" in note and "not checked" not in note for note in hand.notes)


def test_the_server_hears_exactly_what_is_typed(serve: Serve, by_hand: By) -> None:
    typed = [" \n", "<", "stream:stream to=", "<<&", "\x00", "]]>", "<a><b></a>", "<!-- x -->", "é"]
    server = serve(lambda peer: peer.expect("é"))

    async def play(hand: Hand) -> None:
        for part in typed:
            hand.type(part)
        hand.stream.send(b"\xff\xfe")
        await hand.stream.flush(PATIENCE)
        await hand.end()

    by_hand(server, "connect", play)
    server.finish()
    assert server.heard.startswith("".join(typed).encode())


def test_what_is_typed_in_pieces_is_shown_as_what_it_is(serve: Serve, by_hand: By) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<c/>")
        peer.until_end()

    async def play(hand: Hand) -> None:
        for part in ("<?xml version='1.0'?>", HEADER[21:50], HEADER[50:], "<a", "/>", HEADER + "<c/>"):
            hand.type(part)
        await hand.stream.flush(PATIENCE)

    by_hand(serve(script), "connect", play)
    shown = [frame for frame in by_hand.shown if frame.direction == "out"]
    assert [frame.name for frame in shown] == ["stream", "a", "stream", "c", "stream"]
    assert "".join(frame.text for frame in shown) == f"{HEADER}<a/>{HEADER}<c/></stream:stream>"


def test_nothing_that_comes_is_answered(serve: Serve, by_hand: By, identity: Identity) -> None:
    requests = "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq><r xmlns='urn:xmpp:sm:3'/>"

    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        peer.send(requests, f"<message/><proceed xmlns='{NS_TLS}'/>")
        peer.until_end()

    async def play(hand: Hand) -> None:
        await hand.see("proceed")
        assert [frame.name for frame in hand.frames] == ["features", "iq", "r", "message", "proceed"]

    server = serve(script)
    by_hand(server, "features", play)
    assert server.text.partition("</stream:stream>")[0].endswith("streams'>")


@pytest.mark.parametrize("part", [1, 17, 10_000])
def test_what_was_on_its_way_in_the_old_stream_comes_before_the_new_one(
    serve: Serve, by_hand: By, identity: Identity, part: int
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        scram(peer)
        peer.expect("<stream:stream[^>]*>")
        peer.drip("<late/> " + header() + features(BIND) + "<message/>", part)
        peer.until_end()

    async def play(hand: Hand) -> None:
        await hand.see("features")
        hand.type(await prove(hand, JID, PASSWORD) + HEADER)
        await hand.see("message")
        names = [frame.name for frame in hand.frames if frame.names]
        assert names[-5:] == ["success", "late", "stream", "features", "message"]

    by_hand(serve(script), "features", play)


# -- TLS --


def begin_tls(peer: Peer) -> None:
    greet(peer, STARTTLS)
    peer.expect(ASK_TLS)


async def ask_tls(hand: Hand) -> None:
    hand.type(HEADER)
    await hand.see("features")
    hand.type(ASK_TLS)


async def refused_by_us(hand: Hand) -> None:
    await ask_tls(hand)
    assert await hand.end() is not None
    assert not hand.stream.secure
    with pytest.raises(XmppctlError):
        hand.type("<auth/>")


def test_a_certificate_of_somebody_else_ends_the_stream(
    serve: Serve, by_hand: By, authority: Authority
) -> None:
    server = serve(lambda peer: to_tls(peer, authority.issue("montague.example")))
    (error,) = by_hand(server, "connect", refused_by_us).ends
    assert isinstance(error, CertificateError) and DOMAIN in error.message
    assert "<auth" not in server.text and len(server.tls_failures) == 1


def test_a_key_that_is_not_the_pinned_one_ends_the_stream(
    serve: Serve, by_hand: By, identity: Identity
) -> None:
    by_hand.client.change(pin="A" * 43 + "=")
    server = serve(lambda peer: (to_tls(peer, identity), peer.until_end()))
    (error,) = by_hand(server, "connect", refused_by_us).ends
    assert isinstance(error, CertificateError) and "pinned" in error.message


@pytest.mark.parametrize("behind", ["<stream:features/>", "text", "<mess", "\n<message/>"])
def test_cleartext_behind_the_agreement_ends_the_stream(serve: Serve, by_hand: By, behind: str) -> None:
    def script(peer: Peer) -> None:
        begin_tls(peer)
        peer.send(PROCEED + behind)
        peer.until_end()

    server = serve(script)
    (error,) = by_hand(server, "connect", refused_by_us).ends
    assert isinstance(error, TlsError | StreamError)
    assert "\x16\x03" not in server.text  # no handshake was begun


@pytest.mark.parametrize("answer", ["\x15\x03\x01\x00\x02\x02\x28", "HTTP/1.1 400", ""])
def test_what_is_no_handshake_ends_the_stream(serve: Serve, by_hand: By, answer: str) -> None:
    def script(peer: Peer) -> None:
        begin_tls(peer)
        peer.send(PROCEED)
        peer.take()
        peer.send(answer)

    (error,) = by_hand(serve(script), "connect", refused_by_us).ends
    assert type(error) is TlsError


def test_a_handshake_that_gets_no_answer_has_its_time(
    serve: Serve, by_hand: By, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handson, "HANDSHAKE_SECONDS", 0.05)
    server = serve(lambda peer: (begin_tls(peer), peer.send(PROCEED), peer.until_end()))
    (error,) = by_hand(server, "connect", refused_by_us).ends
    assert isinstance(error, DeadlineExceeded) and "handshake" in error.message


@pytest.mark.parametrize("answer", ["", f"<failure xmlns='{NS_TLS}'/>"])
def test_an_agreement_that_nobody_asked_for_begins_no_handshake(
    serve: Serve, by_hand: By, answer: str
) -> None:
    def script(peer: Peer) -> None:
        greet(peer, STARTTLS)
        if answer:
            peer.expect(ASK_TLS)
            peer.send(answer)
            peer.expect("<more/>")
        peer.send(PROCEED + "<message/>")
        peer.until_end()

    async def play(hand: Hand) -> None:
        hand.type(HEADER)
        if answer:
            hand.type(ASK_TLS)
            await hand.see("failure")
            hand.type("<more/>")
        await hand.see("message")
        assert not hand.stream.secure and not hand.ends

    server = serve(script)
    by_hand(server, "connect", play)
    assert "\x16\x03" not in server.text


def test_tls_can_be_begun_at_once_and_only_once(serve: Serve, by_hand: By, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        peer.start_tls(identity)
        greet(peer, mechanisms("SCRAM-SHA-256"))
        peer.until_end()

    async def play(hand: Hand) -> None:
        await hand.stream.start_tls()
        assert hand.stream.secure and len(hand.notes) == 1
        with pytest.raises(TlsError, match="already"):
            await hand.stream.start_tls()
        hand.type(HEADER)
        await hand.see("features")

    by_hand.client.change(tls="none")
    server = serve(script)
    assert by_hand(server, "connect", play).ends == []
    assert server.names == [DOMAIN]


def test_a_handshake_that_was_begun_by_hand_raises_what_ends_it(
    serve: Serve, by_hand: By, authority: Authority
) -> None:
    server = serve(lambda peer: peer.start_tls(authority.issue("montague.example")))

    async def play(hand: Hand) -> None:
        with pytest.raises(CertificateError) as caught:
            await hand.stream.start_tls()
        assert hand.ends == [caught.value]

    by_hand(server, "connect", play)


def test_a_certificate_that_was_not_checked_is_told(serve: Serve, by_hand: By, authority: Authority) -> None:
    by_hand.client.change(insecure=True)
    server = serve(lambda peer: (peer.start_tls(authority.issue("montague.example")), peer.until_end()))

    async def play(hand: Hand) -> None:
        await hand.stream.start_tls()

    (note,) = by_hand(server, "connect", play).notes
    assert "not checked" in note


# -- secrets in clear --


@pytest.mark.parametrize(
    "typed",
    [
        ["<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHg=</auth>"],
        [" <response\n xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AHg=</response>"],
        ["<s:auth xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'>AHg=</s:auth>"],
        ["<authenticate xmlns='urn:xmpp:sasl:2'>AHg=</authenticate>"],
        ["<au", "th mechanism='PLAIN'>AHg=</auth>"],
    ],
)
@pytest.mark.parametrize(("opened", "insecure"), [(False, False), (False, True), (True, False)])
def test_sasl_goes_to_no_other_machine_in_clear(
    serve: Serve, by_hand: By, typed: list[str], opened: bool, insecure: bool
) -> None:
    by_hand.client.change(insecure=insecure)

    async def play(hand: Hand) -> None:
        hand.type(HEADER)
        *before, last = typed
        for part in before:
            hand.type(part)
        if opened or insecure:
            hand.type(last)
        else:
            with pytest.raises(TlsError, match="without TLS"):
                hand.type(last)
            hand.type("<authors/><x>auth</x>")
        await hand.stream.flush(PATIENCE)

    server = serve(lambda peer: peer.until_end())
    by_hand(server, "connect", play, loopback=opened)
    assert ("AHg=" in server.text) is (opened or insecure)


# -- the end --


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("<<<", StreamError),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", StreamError),
        (header() + "<!DOCTYPE x>", StreamError),
        (header() + header(), StreamError),
        (header() + "<message/>", type(None)),
        ("", type(None)),
    ],
)
def test_why_the_stream_has_ended(serve: Serve, by_hand: By, said: str, kind: type) -> None:
    async def play(hand: Hand) -> None:
        hand.type(HEADER)
        error = await hand.end()
        assert type(error) is kind
        for again in (hand.stream.flush(1), hand.stream.start_tls()):
            with pytest.raises(kind if error else ConnectionLost):
                await again
        with pytest.raises(ConnectionLost if error is None else kind):
            hand.type("<more/>")

    server = serve(lambda peer: (peer.expect("<stream:stream[^>]*>"), peer.send(said)))
    hand = by_hand(server, "connect", play)
    assert len(hand.ends) == 1


@pytest.mark.parametrize("typed", ["", HEADER, HEADER + "</stream:stream>"])
def test_what_is_open_is_closed_and_that_is_no_end(serve: Serve, by_hand: By, typed: str) -> None:
    def script(peer: Peer) -> None:
        if typed:
            peer.expect("</stream:stream>")
            peer.send(header(), "<message/></stream:stream>")

    async def play(hand: Hand) -> None:
        hand.type(typed)
        if "</" not in typed:
            await hand.stream.close()
            with pytest.raises(ConnectionLost):
                hand.type("<more/>")

    server = serve(script)
    hand = by_hand(server, "connect", play)
    assert hand.ends == [] or "</" in typed
    assert server.text == (typed.removesuffix("</stream:stream>") + "</stream:stream>" if typed else "")
    assert [frame.name for frame in hand.frames] == (["stream", "message", "stream"] if typed else [])


def test_a_server_that_takes_nothing_does_not_hold_up_forever(
    serve: Serve, by_hand: By, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handson, "CLOSE_SECONDS", 0.05)
    done = threading.Event()

    async def play(hand: Hand) -> None:
        hand.stream.send(HEADER.encode() + b" " * 16_000_000)
        with pytest.raises(DeadlineExceeded, match="sending"):
            await hand.stream.flush(0.05)
        await hand.stream.close()
        done.set()

    by_hand(serve(lambda peer: done.wait(PATIENCE)), "connect", play)
    assert done.is_set()


def test_what_cannot_be_sent_is_not_held_to_be_on_its_way(serve: Serve, by_hand: By) -> None:
    async def play(hand: Hand) -> None:
        with pytest.raises(ConnectionLost):
            while True:
                hand.type(HEADER)
                await hand.stream.flush(PATIENCE)

    # At once it would be a connection that was never made.
    server = serve(lambda peer: (peer.expect("<stream:stream[^>]*>"), peer.reset()))
    hand = by_hand(server, "connect", play)
    assert [type(error) for error in hand.ends] == [ConnectionLost]


@pytest.mark.parametrize(("raised", "kind"), [(OutputClosed("x"), OutputClosed), (ValueError("x"), Bug)])
@pytest.mark.parametrize("where", ["frame", "on_frame"])
def test_what_shows_frames_and_cannot_ends_the_stream(
    serve: Serve, by_hand: By, where: str, raised: Exception, kind: type[XmppctlError]
) -> None:
    def show(frame: Frame) -> None:
        if frame.name == "message":
            raise raised

    async def play(hand: Hand) -> None:
        hand.type(HEADER)
        assert type(await hand.end()) is kind

    server = serve(lambda peer: (peer.expect("<stream:stream[^>]*>"), peer.send(header() + "<message/>")))
    by_hand(server, "connect", play, **{where: show})
