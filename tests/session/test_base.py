"""What a session promises, on a real socket: the same cases on the blocking session and on the event loop."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from time import monotonic, sleep
from typing import Any

import pytest

from tests.servers.hostile import (
    DOMAIN,
    FULL_JID,
    JID,
    NS_STANZAS,
    SM,
    Gone,
    Peer,
    Server,
    answer_pings,
    bind,
    greet,
    mechanisms,
    scram,
)
from tests.session.conftest import Client
from xmppctl.config.settings import Settings
from xmppctl.errors import (
    ConnectionLost,
    DeadlineExceeded,
    Interrupted,
    OutputClosed,
    StanzaRefused,
    StreamError,
    Terminated,
)
from xmppctl.interrupts import MAIN
from xmppctl.session import base
from xmppctl.session.base import Session
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.session.run import run_direct
from xmppctl.stanza.frame import Frame

Serve = Callable[..., Server]
Main = Callable[[Session], Coroutine[Any, Any, Any]]
MALLORY = "mallory@evil.example"
GET = "<iq type='get' id='{}'{}><query xmlns='x:y'/></iq>"


def online(peer: Peer, *features: str) -> None:
    """Log somebody in without TLS, which these tests are not about."""
    greet(peer, mechanisms("SCRAM-SHA-1"))
    scram(peer)
    bind(peer, FULL_JID, *features)


class World:
    """Runs a command on a session of one kind against a script."""

    def __init__(self, kind: str, serve: Serve, settings: Settings) -> None:
        self.kind = kind
        self._serve = serve
        self._settings = settings
        self.server: Server | None = None

    def run(
        self,
        script: Callable[[Peer], object],
        main: Main,
        *features: str,
        timeout: float | None = 15,
        on_frame: Callable[[Frame], None] | None = None,
    ) -> Any:
        """What `main` returns. The script begins when the client is online."""

        def play(peer: Peer) -> None:
            online(peer, *features)
            script(peer)

        self.server = self._serve(play)
        settings = self._settings._replace(port=self.server.port)
        return run_direct(settings, main, plugins=self.kind == "loop", timeout=timeout, on_frame=on_frame)

    @property
    def said(self) -> str:
        """What the client said after it was bound."""
        assert self.server is not None
        return (
            self.server.text.rpartition("</bind></iq>")[2]
            or self.server.text.rpartition("xmpp-bind'/></iq>")[2]
        )


@pytest.fixture(params=["blocking", "loop"])
def world(
    request: pytest.FixtureRequest, serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> World:
    """Either kind."""
    monkeypatch.setattr(base, "CLOSE_SECONDS", 0.2)
    client.change(tls="none")
    return World(request.param, serve, client.settings)


async def nothing(_: Session) -> None:
    """A command that does nothing."""


def finish(peer: Peer) -> None:
    """Be silent until the client closes its stream, then close ours."""
    peer.until_end()
    peer.finish()


# -- requests --


def reply_to(peer: Peer) -> str:
    """The id of the next request."""
    return peer.expect(r"<iq [^>]*id='([^']+)'[^>]*>.*?</iq>").group(1)


@pytest.mark.parametrize(
    ("to", "sender", "counts"),
    [
        (None, None, True),
        (None, JID, True),
        (None, FULL_JID, True),
        (None, DOMAIN, True),
        (None, MALLORY, False),
        (JID, None, True),
        (JID, JID, True),
        (JID, FULL_JID, False),
        (JID, DOMAIN, False),
        (DOMAIN, None, True),
        (DOMAIN, DOMAIN.upper(), True),
        (DOMAIN, JID, False),
        (MALLORY, MALLORY, True),
        ("Mallory@EVIL.example", MALLORY, True),
        (MALLORY, None, False),
        (MALLORY, f"{MALLORY}/x", False),
        (MALLORY, DOMAIN, False),
    ],
)
def test_only_who_was_asked_may_answer(
    world: World, to: str | None, sender: str | None, counts: bool
) -> None:
    def script(peer: Peer) -> None:
        id_ = reply_to(peer)
        origin = f" from='{sender}'" if sender else ""
        peer.send(f"<iq type='result' id='{id_}'{origin}/><presence/>")
        finish(peer)

    async def main(session: Session) -> bool:
        presences = session.stanzas(lambda frame: frame.kind == "presence")
        pending = session.replies.expect("r1", to)
        await session.send(GET.format("r1", f" to='{to}'" if to else ""))
        await presences.next()
        return pending.reply is not None

    assert world.run(script, main) is counts


def test_only_an_iq_reply_with_the_id_answers(world: World) -> None:
    def script(peer: Peer) -> None:
        id_ = reply_to(peer)
        peer.send(
            f"<message type='error' id='{id_}' from='{DOMAIN}'/><presence type='error' id='{id_}' from='{DOMAIN}'/>"
            f"<iq type='result' id='other' from='{DOMAIN}'/>"
            f"<iq type='get' id='{id_}' from='{DOMAIN}'><a xmlns='x'/></iq>"
            f"<iq type='result' id='{id_}' from='{DOMAIN}'><real xmlns='x:y'/></iq>"
            f"<iq type='error' id='{id_}' from='{DOMAIN}'/>"
        )
        finish(peer)

    async def main(session: Session) -> Frame:
        return await session.request(GET.format("r1", f" to='{DOMAIN}'"))

    assert world.run(script, main).payloads == ["x:y real"]


def test_an_error_is_a_refusal_with_its_text(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.send(
            f"<iq type='error' id='{reply_to(peer)}' from='{MALLORY}'><error type='cancel'>"
            f"<item-not-found xmlns='{NS_STANZAS}'/><text xmlns='{NS_STANZAS}'>no such thing</text></error></iq>"
        )
        finish(peer)

    async def main(session: Session) -> None:
        await session.request(GET.format("r1", f" to='{MALLORY}'"))

    with pytest.raises(StanzaRefused, match=r"item-not-found.*no such thing") as caught:
        world.run(script, main)
    assert caught.value.reason.condition == "item-not-found" and caught.value.hint
    assert "<item-not-found" in caught.value.stanza


def test_no_reply_ends_with_the_deadline(world: World) -> None:
    async def main(session: Session) -> None:
        with pytest.raises(DeadlineExceeded, match=MALLORY):
            await session.request(GET.format("r1", f" to='{MALLORY}'"), 0.1)
        await session.request(GET.format("r1", f" to='{MALLORY}'"))

    with pytest.raises(DeadlineExceeded):
        world.run(finish, main, timeout=1)
    assert world.said.endswith("</stream:stream>")


def test_requests_with_one_id_get_their_own_replies(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.expect("</iq>.*</iq>.*</iq>")
        for sender, name in ((MALLORY, "a"), (DOMAIN, "b"), (DOMAIN, "c")):
            peer.send(f"<iq type='result' id='r1' from='{sender}'><{name} xmlns='x:y'/></iq>")
        finish(peer)

    async def main(session: Session) -> list[str]:
        waiting = [session.replies.expect("r1", to) for to in (DOMAIN, MALLORY, DOMAIN)]
        for to in (DOMAIN, MALLORY, DOMAIN):
            session.write(GET.format("r1", f" to='{to}'"))
        await session.wait(lambda: all(pending.reply for pending in waiting))
        return [pending.reply.payloads[0] for pending in waiting if pending.reply]

    assert world.run(script, main) == ["x:y b", "x:y a", "x:y c"]


# -- what is answered unasked, and what is not --


@pytest.mark.parametrize(
    ("stanza", "answer"),
    [
        (f"<iq type='get' id='q' from='{MALLORY}/x'><query xmlns='jabber:iq:version'/></iq>", "refused"),
        (f"<iq type='set' id='q' from='{DOMAIN}'><what xmlns='x:y'/></iq>", "refused"),
        (
            f"<iq type='get' id='q' from='{MALLORY}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            "refused",
        ),
        ("<iq type='set' id='q'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>", "taken"),
        (f"<iq type='set' id='q' from='{JID}'><query xmlns='jabber:iq:roster'/></iq>", "taken"),
        (f"<iq type='set' id='q' from='{MALLORY}'><query xmlns='jabber:iq:roster'/></iq>", "refused"),
        (f"<iq type='set' id='q' from='{DOMAIN}'><query xmlns='jabber:iq:roster'/></iq>", "refused"),
        (f"<iq type='set' id='q' from='{FULL_JID}'><query xmlns='jabber:iq:roster'/></iq>", "refused"),
        (f"<iq type='result' id='q' from='{MALLORY}'/>", ""),
        (f"<iq type='error' id='q' from='{MALLORY}'/>", ""),
        (f"<presence type='subscribe' id='q' from='{MALLORY}'/>", ""),
        (
            f"<message id='q' from='{MALLORY}'><request xmlns='urn:xmpp:receipts'/><body>x</body></message>",
            "",
        ),
    ],
)
def test_requests_are_refused_once_and_nothing_else_is_answered(
    world: World, stanza: str, answer: str
) -> None:
    def script(peer: Peer) -> None:
        peer.send(stanza)
        answer_pings(peer)
        finish(peer)

    async def main(session: Session) -> None:
        await session.stanzas().next()
        await session.barrier()

    world.run(script, main)
    answers = re.findall("<[a-z]+ [^>]*id='q'.*?(?:/>|</iq>)(?:</error></iq>)?", world.said)
    assert len(answers) == bool(answer), world.said
    if answer == "taken":
        assert "type='result'" in answers[0] and "error" not in world.said
    elif answer == "refused":
        assert "type='error'" in answers[0] and "service-unavailable" in answers[0]


def test_a_server_that_floods_with_requests_and_reads_no_answers_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MAX_UNREAD_ANSWERS", 50_000)

    def script(peer: Peer) -> None:
        peer.sock.settimeout(1)
        flood = f"<iq type='get' id='q' from='{MALLORY}'><what xmlns='x:y'/></iq>" * 500
        try:
            for _ in range(2000):
                peer.send(flood)
        except (TimeoutError, Gone):
            pass

    async def main(session: Session) -> None:
        await session.sleep(3)

    with pytest.raises(StreamError, match="does not read the answers"):
        world.run(script, main)


# -- the barrier --


def test_without_acknowledgements_a_ping_is_the_barrier(world: World) -> None:
    async def main(session: Session) -> None:
        session.enable_acks()
        await session.send("<message to='a@b'/>")
        await session.barrier()

    world.run(lambda peer: (answer_pings(peer), finish(peer)), main)
    assert world.said.index("<message") < world.said.index("<ping")
    assert "<enable" not in world.said and "<r " not in world.said


def test_an_error_answers_the_ping_as_well(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.send(
            f"<iq type='error' id='{reply_to(peer)}' from='{DOMAIN}'><error type='cancel'>"
            f"<service-unavailable xmlns='{NS_STANZAS}'/></error></iq>"
        )
        finish(peer)

    async def main(session: Session) -> str:
        await session.barrier()
        return "passed"

    assert world.run(script, main) == "passed"


def test_a_bounce_that_comes_after_the_acknowledgement_is_in_before_the_barrier(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<enable [^>]*/>")
        peer.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        peer.expect("<message [^>]*/>.*<r [^>]*/>")
        peer.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")  # as ejabberd does
        sleep(0.03)
        peer.send("<message type='error' id='m1' from='a@b'/>")
        answer_pings(peer)
        finish(peer)

    async def main(session: Session) -> list[str | None]:
        session.enable_acks()
        errors = session.stanzas(lambda frame: frame.type == "error")
        await session.send("<message id='m1' to='a@b'/>")
        await session.barrier()
        return [frame.id for frame in errors.queue]

    assert world.run(script, main, SM) == ["m1"]


@pytest.mark.parametrize("ack", ["", "<a xmlns='urn:xmpp:sm:3' h='0'/>", "<a xmlns='urn:xmpp:sm:3' h='-1'/>"])
def test_what_is_not_acknowledged_is_not_there(world: World, ack: str) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<enable [^>]*/>")
        peer.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        peer.send(ack)
        answer_pings(peer)
        finish(peer)

    async def main(session: Session) -> None:
        session.enable_acks()
        await session.send("<message id='m1' to='a@b'/>")
        await session.barrier(0.3)

    with pytest.raises(DeadlineExceeded, match="acknowledgement"):
        world.run(script, main, SM)


def test_a_server_that_refuses_acknowledgements_still_has_the_ping(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<enable [^>]*/>")
        peer.send("<failed xmlns='urn:xmpp:sm:3'/>")
        answer_pings(peer)
        finish(peer)

    async def main(session: Session) -> str:
        session.enable_acks()
        await session.send("<message id='m1' to='a@b'/>")
        await session.barrier()
        return "passed"

    assert world.run(script, main, SM) == "passed"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_server_is_told_how_much_has_come(world: World, enabled: bool) -> None:
    told = ""

    def script(peer: Peer) -> None:
        nonlocal told
        if enabled:
            peer.expect("<enable [^>]*/>")
            peer.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        peer.send("<message/>", "<r xmlns='urn:xmpp:sm:3'/>", "<presence/><message id='last'/>")
        peer.send("<r xmlns='urn:xmpp:sm:3'/>")
        told = peer.until_end()
        peer.finish()

    async def main(session: Session) -> None:
        session.enable_acks()
        last = session.stanzas(lambda frame: frame.id == "last")
        if enabled:
            await session.send("<presence/>")
        await last.next()
        await session.sleep(0.05)

    world.run(script, main, *([SM] if enabled else []))
    assert re.findall("<a [^>]*h='([0-9]+)'", world.said) == (["1", "3"] if enabled else [])


@pytest.mark.parametrize("h", ["9" * 5000, "x", "１", "4294967296"])
def test_a_count_that_is_none_does_no_harm(world: World, h: str) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<enable [^>]*/>")
        peer.send(f"<enabled xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='{h}'/><message/>")
        finish(peer)

    async def main(session: Session) -> str:
        session.enable_acks()
        messages = session.stanzas()
        await session.send("<presence/>")
        await messages.next()
        return "well"

    assert world.run(script, main, SM) == "well"


# -- endings --


def test_both_close_their_streams(world: World) -> None:
    frames: list[Frame] = []
    world.run(finish, nothing, on_frame=frames.append)
    assert world.said.endswith("</stream:stream>")
    assert [(f.direction, f.text) for f in frames[-2:]] == [
        ("out", "</stream:stream>"),
        ("in", "</stream:stream>"),
    ]


def test_what_comes_while_we_close_is_seen_and_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[Frame] = []

    def script(peer: Peer) -> None:
        peer.until_end()
        peer.send(f"<iq type='get' id='late' from='{DOMAIN}'><a xmlns='x:y'/></iq><r xmlns='urn:xmpp:sm:3'/>")
        peer.listen(0.1)
        peer.finish()

    monkeypatch.setattr(base, "CLOSE_SECONDS", 20.0)
    world.run(script, nothing, on_frame=frames.append)
    assert any(frame.id == "late" for frame in frames)
    assert world.said.endswith("</stream:stream>")


def test_a_server_that_never_closes_its_stream_is_left(world: World) -> None:
    began = monotonic()
    world.run(lambda peer: (peer.until_end(), peer.listen(20)), nothing)
    assert monotonic() - began < 10


def test_a_server_that_never_stops_talking_is_left(world: World) -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.send("<message/>" * 100)

    began = monotonic()
    world.run(script, nothing)
    assert monotonic() - began < 10


async def forever(session: Session) -> None:
    """Wait for what never comes."""
    await session.stanzas(lambda _: False).next()


@pytest.mark.parametrize(
    ("end", "kind", "words"),
    [
        (lambda peer: peer.finish(), ConnectionLost, "closed the stream"),
        (lambda peer: peer.close(), ConnectionLost, "hung up"),
        (lambda peer: (peer.send("<message><body>to"), peer.close()), ConnectionLost, "hung up"),
        (lambda peer: peer.reset(), ConnectionLost, "reset"),
        (lambda peer: (peer.send("<message/>", "<<"), peer.until_end()), StreamError, "not-well-formed"),
        (
            lambda peer: (
                peer.send(
                    "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
                ),
                peer.finish(),
            ),
            StreamError,
            "system-shutdown",
        ),
    ],
    ids=["footer", "end", "torn", "reset", "garbage", "stream error"],
)
def test_the_end_of_the_stream_ends_every_wait(
    world: World, end: Callable[[Peer], object], kind: type[Exception], words: str
) -> None:
    began = monotonic()
    with pytest.raises(kind, match=words) as caught:
        world.run(end, forever)
    assert monotonic() - began < 10
    assert caught.value.hint  # type: ignore[attr-defined]


def test_our_footer_answers_the_servers(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.send("</stream:stream>")
        peer.until_end()

    with pytest.raises(ConnectionLost):
        world.run(script, forever)
    assert world.said == "</stream:stream>"


def test_garbage_is_answered_with_one_stream_error_and_one_footer(world: World) -> None:
    with pytest.raises(StreamError):
        world.run(lambda peer: (peer.send("<!DOCTYPE x>"), peer.until_end()), forever)
    assert world.said.count("<stream:error>") == 1 and world.said.count("</stream:stream>") == 1


def test_what_came_before_the_end_is_still_handed_out(world: World) -> None:
    async def main(session: Session) -> list[str | None]:
        messages = session.stanzas()
        ids = []
        with pytest.raises(ConnectionLost):
            async for frame in messages:
                ids.append(frame.id)
        return ids

    def script(peer: Peer) -> None:
        peer.send("<message id='1'/><message id='2'/></stream:stream>")

    assert world.run(script, main) == ["1", "2"]


def test_a_stream_error_is_told_though_we_were_sending(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<message")
        peer.send(
            "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
            "</stream:stream>"
        )
        peer.reset()

    async def main(session: Session) -> None:
        for _ in range(200):
            await session.send("<message><body>" + "x" * 100_000 + "</body></message>")

    with pytest.raises((StreamError, ConnectionLost)) as caught:
        world.run(script, main)
    assert type(caught.value) is StreamError, caught.value


def test_a_send_that_fails_tells_what_the_server_had_said_before(world: World) -> None:
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.expect("<message")
        peer.send("<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
        peer.reset()
        gone.set()

    async def main(session: Session) -> None:
        await session.send("<message/>")
        gone.wait(20)
        await session.send("<message/>")

    with pytest.raises(StreamError, match="reset"):
        world.run(script, main)


def test_a_session_that_is_closed_says_so(world: World) -> None:
    async def main(session: Session) -> None:
        await session.close()
        await session.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await session.send("<message/>")
        with pytest.raises(ConnectionLost, match="closed"):
            await session.sleep(1)

    world.run(finish, main)


# -- back-pressure --


def test_a_server_that_does_not_read_ends_with_the_deadline(world: World) -> None:
    async def main(session: Session) -> None:
        await session.send("<message><body>" + "x" * 10_000_000 + "</body></message>", 0.3)

    stop = threading.Event()
    began = monotonic()
    with pytest.raises(DeadlineExceeded, match="sending"):
        world.run(lambda _: stop.wait(20), main)
    stop.set()
    assert monotonic() - began < 10


def test_both_may_send_a_lot_at_once(world: World) -> None:
    amount, count = 200_000, 25

    def script(peer: Peer) -> None:
        peer.expect("<message")
        for _ in range(count):
            peer.send("<message><body>" + "y" * amount + "</body></message>")  # blocks until we read
        said = peer.until_end()
        assert said.count("x") == amount * count
        peer.finish()

    async def main(session: Session) -> int:
        messages = session.stanzas()
        for _ in range(count):
            session.write("<message><body>" + "x" * amount + "</body></message>")
        await session.flush()
        for _ in range(count):
            await messages.next()
        return count

    assert world.run(script, main, timeout=15) == count


@pytest.mark.parametrize("size", [100 * 1024 * 1024])
def test_a_stanza_without_an_end_takes_no_more_memory_than_the_cap(world: World, size: int) -> None:
    taken = 0

    def script(peer: Peer) -> None:
        nonlocal taken
        peer.send("<message><body>")
        block = "x" * 1_000_000
        while taken < size:
            peer.send(block)
            taken += len(block)

    with pytest.raises(StreamError, match="larger than"):
        world.run(script, forever, timeout=10)
    assert taken < 40_000_000


@pytest.mark.parametrize(
    ("bomb", "condition"),
    [
        ("<a>" * 20_000, "policy-violation"),
        ("<message " + "".join(f"a{i}='' " for i in range(5000)) + "/>", "policy-violation"),
        ("<message " + "x" * 300_000, "policy-violation"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"),
        ("<message>&b;</message>", "restricted-xml"),
        ("<!-- -->", "restricted-xml"),
        ("<?a b?>", "restricted-xml"),
        ("text", "bad-format"),
        ("<x:message/>", "bad-namespace-prefix"),
        ("<message>\x00</message>", "not-well-formed"),
    ],
)
def test_what_no_stream_may_hold_ends_the_session(world: World, bomb: str, condition: str) -> None:
    with pytest.raises(StreamError) as caught:
        world.run(lambda peer: (peer.send(bomb), peer.until_end()), forever)
    assert caught.value.condition == condition
    assert f"<stream:error><{condition} " in world.said


# -- the reader behind the tap --


class Reader:
    """Sees frames, and fails at one of them."""

    def __init__(self, at: str, error: Exception) -> None:
        self.at = at
        self.error = error
        self.raised = 0

    def __call__(self, frame: Frame) -> None:
        if self.at in frame.text:
            self.raised += 1
            raise self.error


@pytest.mark.parametrize("at", ["incoming", "outgoing", "</stream:stream>"])
@pytest.mark.parametrize("error", [OutputClosed("gone"), OSError(28, "No space left"), ValueError("a bug")])
def test_a_reader_that_fails_ends_the_command_once_and_the_stream_properly(
    world: World, at: str, error: Exception
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("outgoing")
        peer.send("<message id='incoming'/>")
        finish(peer)

    async def main(session: Session) -> None:
        messages = session.stanzas()
        await session.send("<message id='outgoing'/>")
        await messages.next()
        await session.sleep(0.05)

    reader = Reader(at, error)
    with pytest.raises(type(error)) as caught:
        world.run(script, main, on_frame=reader)
    assert caught.value is error and reader.raised == 1
    assert world.said.endswith("</stream:stream>")


def test_a_reader_that_fails_in_the_middle_of_many_frames_does_not_lose_the_rest(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.send("<message id='1'/><message id='2'/><message id='3'/></stream:stream>")

    async def main(session: Session) -> list[str | None]:
        messages = session.stanzas()
        with pytest.raises(OutputClosed):
            await session.sleep(1)
        return [frame.id for frame in messages.queue]

    with pytest.raises(OutputClosed):  # nobody could know that `main` has dealt with it
        world.run(script, main, on_frame=Reader("id='1'", OutputClosed("gone")))


def test_what_select_raises_ends_the_command(world: World) -> None:
    def broken(_: Frame) -> bool:
        raise ValueError("a bug")

    async def main(session: Session) -> None:
        session.stanzas(broken)
        await session.sleep(1)

    with pytest.raises(ValueError, match="a bug"):
        world.run(lambda peer: (peer.send("<message/>"), finish(peer)), main)
    assert world.said.endswith("</stream:stream>")


# -- signals --


@pytest.fixture
def raising() -> Iterator[None]:
    """Signals become exceptions out of whatever waits, as the command line has it."""
    kinds = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated}

    def stop(number: int, _: object) -> None:
        kind = kinds[signal.Signals(number)]
        MAIN.deliver(kind(kind.name))

    before = {number: signal.signal(number, stop) for number in kinds}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, Interrupted), (signal.SIGTERM, Terminated)])
def test_a_signal_ends_the_wait_and_the_stream_properly(
    world: World, number: signal.Signals, error: type[Exception]
) -> None:
    def script(peer: Peer) -> None:
        os.kill(os.getpid(), number)
        finish(peer)

    with pytest.raises(error):
        world.run(script, forever)
    assert world.said == "</stream:stream>"
    assert MAIN.streams == 0


@pytest.mark.usefixtures("raising")
def test_a_signal_in_the_middle_of_work_does_not_harm_the_stream(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.expect("id='m0'")
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        peer.until_end()
        peer.finish()

    async def main(session: Session) -> None:
        number = 0
        while True:
            await session.send(f"<message id='m{number}'/>")
            number += 1

    with pytest.raises(Interrupted):
        world.run(script, main)
    numbers = [int(number) for number in re.findall("<message id='m([0-9]+)'/>", world.said)]
    assert numbers == list(range(len(numbers)))
    assert world.said.endswith("</stream:stream>")


@pytest.mark.usefixtures("raising")
def test_a_signal_ends_a_write_that_nobody_reads(world: World) -> None:
    from xmppctl.output.sink import Sink

    ours, theirs = os.pipe()

    def script(peer: Peer) -> None:
        for _ in range(100):
            peer.send("<message><body>" + "x" * 10_000 + "</body></message>")
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        finish(peer)

    began = monotonic()
    with open(theirs, "wb") as stream:  # noqa: PTH123 (a descriptor)
        sink = Sink(stream)
        with pytest.raises(Terminated):
            world.run(script, forever, on_frame=lambda frame: sink.write(frame.text))
        os.set_blocking(ours, False)
        os.read(ours, 1_000_000)  # so that closing can write the rest
    os.close(ours)
    assert monotonic() - began < 10
    assert world.said.endswith("</stream:stream>") and sink.failed


@pytest.mark.usefixtures("raising")
def test_there_is_a_grace_for_cleaning_up_after_a_signal(world: World) -> None:
    def script(peer: Peer) -> None:
        peer.expect("ready")
        os.kill(os.getpid(), signal.SIGINT)
        peer.send(f"<iq type='result' id='{reply_to(peer)}' from='{DOMAIN}'/>")
        finish(peer)

    async def main(session: Session) -> None:
        try:
            await session.send("<message id='ready'/>")
            await forever(session)
        finally:
            session.grace(1)
            await session.request(GET.format("undo", f" to='{DOMAIN}'"))

    with pytest.raises(Interrupted):
        world.run(script, main)
    assert "id='undo'" in world.said and world.said.endswith("</stream:stream>")


def test_no_grace_mends_a_stream_that_has_ended(world: World) -> None:
    async def main(session: Session) -> None:
        try:
            await forever(session)
        finally:
            session.grace(1)
            with pytest.raises(ConnectionLost):
                await session.send("<message id='late'/>")

    with pytest.raises(ConnectionLost):
        world.run(lambda peer: peer.send("</stream:stream>"), main)
    assert "late" not in world.said


# -- waiting for input --


def test_input_is_waited_for_while_stanzas_come(world: World) -> None:
    ours, theirs = os.pipe()

    def script(peer: Peer) -> None:
        peer.send(f"<iq type='get' id='q' from='{DOMAIN}'><a xmlns='x:y'/></iq>")
        peer.expect("service-unavailable")
        os.write(theirs, b"line\n")
        finish(peer)

    async def main(session: Session) -> bytes:
        assert await session.wait_readable(ours)
        return os.read(ours, 100)

    assert world.run(script, main) == b"line\n"
    os.close(ours)
    os.close(theirs)


def test_waiting_for_input_ends_as_it_should(world: World) -> None:
    ours, theirs = os.pipe()

    async def main(session: Session) -> None:
        messages = session.stanzas()
        assert not await session.wait_readable(ours, unless=lambda: bool(messages.queue))
        with pytest.raises(DeadlineExceeded):
            await session.wait_readable(ours, timeout=0.1)
        os.close(theirs)
        assert await session.wait_readable(ours)  # the end can be read, too
        assert os.read(ours, 1) == b""
        with open(__file__, "rb") as file:  # noqa: PTH123
            assert await session.wait_readable(file.fileno())

    world.run(lambda peer: (peer.send("<message/>"), finish(peer)), main)
    os.close(ours)


def test_a_failure_is_told_before_there_is_input(world: World) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"more")

    async def main(session: Session) -> None:
        session.fail(Terminated("terminated"))
        await session.wait_readable(ours)

    with pytest.raises(Terminated):
        world.run(finish, main)
    os.close(ours)
    os.close(theirs)


def test_a_stream_that_ends_ends_waiting_for_input(world: World) -> None:
    ours, theirs = os.pipe()

    async def main(session: Session) -> None:
        await session.wait_readable(ours)

    with pytest.raises(ConnectionLost):
        world.run(lambda peer: peer.finish(), main)
    os.close(ours)
    os.close(theirs)


# -- what it costs --


def test_a_command_without_plugins_imports_nothing_heavy(serve: Serve, client: Client) -> None:
    import subprocess
    import sys

    server = serve(lambda peer: (online(peer), finish(peer)))
    code = f"""
import sys
from xmppctl.config.secrets import GivenPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.session.run import run_direct
from xmppctl.stanza.jid import Jid
settings = Settings(jid=Jid.parse({JID!r}), password=GivenPassword(Secret("r0m30r0m30"), "x"),
                    host="127.0.0.1", port={server.port}, tls="none")
async def main(session):
    await session.send("<message/>")
run_direct(settings, main, timeout=5)
heavy = {{"slixmpp", "asyncio", "rich", "lxml", "prompt_toolkit", "pycares", "click", "logging"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.strip() == "[]"


# -- an heir --


@pytest.mark.parametrize("error", [Terminated("terminated"), Interrupted("interrupted")])
def test_an_heir_hears_of_signals_in_place_of_the_session(error: Exception) -> None:
    """The signal's listener knows only the first session of a shell that has connected again."""
    session, told = MemorySession(), []
    session.heir = told.append
    session.fail(error)
    session.check()
    assert told == [error]


@pytest.mark.parametrize("ends", [MemorySession.hang_up, lambda session: drive(session.close())])
def test_an_heir_does_not_hear_of_the_session_s_own_end(ends: Callable[[MemorySession], object]) -> None:
    session, told = MemorySession(), []
    session.heir = told.append
    ends(session)
    with pytest.raises(ConnectionLost):
        session.check()
    session.fail(OutputClosed(""))
    assert told == []
