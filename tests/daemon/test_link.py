"""The link against scripted servers: streams, resumption, what is sent again, what ends it, how it closes."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic
from typing import Any

import pytest

from tests.servers.hostile import (
    BIND,
    DOMAIN,
    FULL_JID,
    JID,
    PASSWORD,
    SM,
    Gone,
    Peer,
    Script,
    Server,
    bind,
    fail,
    free_port,
    greet,
    mechanisms,
    scram,
)
from xmppctl.config.secrets import GivenPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.daemon import link as link_module
from xmppctl.daemon.attempt import Attempt
from xmppctl.daemon.link import Link
from xmppctl.daemon.liveness import NetworkWatch
from xmppctl.daemon.parts import Outgoing, Owner
from xmppctl.daemon.pause import Pause
from xmppctl.daemon.retry import Backoff
from xmppctl.daemon.stream import Timing
from xmppctl.errors import AuthError, SecretError, StreamError, XmppctlError
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

PATIENCE = 10.0
NS_SM = "urn:xmpp:sm:3"
#: Quiet: nothing is asked unless a test wants it.
QUIET = Timing(idle=60, patience=60, answer=60, tick=60, login=5, farewell=1)


class Ears:
    """A listener that remembers. `first` is what it gives on a new stream."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.stanzas: list[Frame] = []
        self.wires: list[Frame] = []
        self.errors: list[XmppctlError | None] = []
        self.first: list[Outgoing] = []
        self.relief = 0
        self.trouble: Callable[[Frame], None] = lambda _: None

    def online(self, jid: Jid, *, resumed: bool) -> Iterable[Outgoing]:
        self.states.append(f"{'resumed' if resumed else 'online'} {jid}")
        return [] if resumed else self.first

    def offline(self, error: XmppctlError | None) -> None:
        self.states.append("offline")
        self.errors.append(error)

    def failed(self, error: XmppctlError) -> None:
        self.states.append("failed")
        self.errors.append(error)

    def received(self, frame: Frame) -> None:
        self.stanzas.append(frame)
        self.trouble(frame)

    def wire(self, frame: Frame) -> None:
        self.wires.append(frame)

    def relieved(self) -> None:
        self.relief += 1

    @property
    def ids(self) -> list[str | None]:
        return [frame.id for frame in self.stanzas]


class Sender:
    """An owner."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def acknowledged(self, stanza: Outgoing) -> None:
        self.heard.append(stanza.data.decode())


class Case:
    """A link to a scripted server, and what to see of it."""

    def __init__(self, server: Server | int, timing: Timing = QUIET, **more: Any) -> None:
        port = server if isinstance(server, int) else server.port
        self.settings = Settings(
            jid=Jid.parse(JID),
            password=GivenPassword(Secret(PASSWORD), "test"),
            host="127.0.0.1",
            port=port,
            tls="none",
        )
        self.ears = Ears()
        self.sender = Sender()
        self.notes: list[str] = []
        self.link = Link(
            more.pop("settings", self.settings),
            more.pop("password", lambda: Secret(PASSWORD)),
            note=self.notes.append,
            timing=timing,
            backoff=Backoff(floor=0.01, ceiling=0.02),
            **more,
        )
        self.link.listener = self.ears
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.link.run())

    async def until(self, true: Callable[[], object], what: str = "") -> None:
        end = monotonic() + PATIENCE
        while not true():
            if self.task is not None and self.task.done() and self.task.exception():
                raise AssertionError("the link has ended") from self.task.exception()
            assert monotonic() < end, f"{what}: {self.ears.states[:9]} {self.notes[:9]}"
            await asyncio.sleep(0.005)

    async def online(self, count: int = 1) -> None:
        await self.until(lambda: sum("/" in state for state in self.ears.states) >= count, "online")

    def send(self, *names: str, again: bool = True, owner: Owner | None = None) -> None:
        for name in names:
            self.link.send(Outgoing(stanza(name).encode(), owner or self.sender, again=again))


def stanza(name: str) -> str:
    return f"<message id='{name}'/>"


def play(case: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(case, PATIENCE * 2))


def authenticated(peer: Peer) -> None:
    greet(peer, mechanisms("SCRAM-SHA-256"))
    scram(peer)


def bound(peer: Peer, *features: str, jid: str = FULL_JID) -> None:
    authenticated(peer)
    bind(peer, jid, *features)


def managed(peer: Peer, id_: str = "previous", jid: str = FULL_JID) -> None:
    """Up to stream management that can be resumed."""
    bound(peer, SM, jid=jid)
    peer.expect("<enable [^>]*resume='true'[^>]*/>")
    peer.send(f"<enabled xmlns='{NS_SM}' id='{id_}' resume='true' max='300'/>")


def asked_to_resume(peer: Peer) -> tuple[str, int]:
    """Up to the wish to resume: the id and count that it names."""
    authenticated(peer)
    greet(peer, BIND, SM)
    wish = peer.expect(r"<resume [^>]*/>").group()
    previous, handled = re.search("previd='([^']*)'", wish), re.search("h='([0-9]+)'", wish)
    assert previous and handled
    return previous.group(1), int(handled.group(1))


def resumed(peer: Peer, handled: int, id_: str = "previous") -> int:
    """Up to a resumed stream, on which a question comes first; returns how much the client had."""
    previous, had = asked_to_resume(peer)
    assert previous == id_
    peer.send(f"<resumed xmlns='{NS_SM}' previd='{id_}' h='{handled}'/>")
    peer.expect("^<r [^>]*/>")
    acknowledge(peer, handled)
    return had


def not_resumed(peer: Peer, handled: int | None = None, jid: str = FULL_JID) -> str:
    """A server that has forgotten the stream; returns the wish for a resource."""
    asked_to_resume(peer)
    h = "" if handled is None else f" h='{handled}'"
    peer.send(
        f"<failed xmlns='{NS_SM}'{h}><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
    )
    wish = peer.expect(r"<iq [^>]*id='([^']+)'[^>]*>\s*<bind[^>]*>(.*?)</bind></iq>")
    peer.send(
        f"<iq type='result' id='{wish.group(1)}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<jid>{jid}</jid></bind></iq>"
    )
    peer.expect("<enable [^>]*/>")
    peer.send(f"<enabled xmlns='{NS_SM}' id='next' resume='true'/>")
    return wish.group(2)


def acknowledge(peer: Peer, handled: int) -> None:
    peer.send(f"<a xmlns='{NS_SM}' h='{handled}'/>")


def ids(text: str) -> list[str]:
    return re.findall(r"<message id='([^']*)'", text)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Any:
    """Start scripted servers that end with the test; what fails in a script fails the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(*scripts: Script) -> Server:
            return stack.enter_context(Server(*scripts))

        yield start


# -- a stream --


def test_what_restores_goes_first_and_what_was_held_behind_it(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        sent = peer.expect("<message id='held'/>").string
        assert ids(sent) == ["first", "early", "held"]
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.send("early", "held")
        world.ears.first = [Outgoing(stanza("first").encode())]
        world.start()
        await world.online()
        await world.link.close(0)
        assert world.ears.states == [f"online {FULL_JID}"]
        assert str(world.link.jid) == FULL_JID

    play(case())


def test_what_is_sent_in_one_turn_is_asked_for_once(serve: Serve) -> None:
    """However many want to know: one question is open, and one more follows for what was sent meanwhile."""
    rounds: list[str] = []

    def script(peer: Peer) -> None:
        managed(peer)
        seen = 0
        for _ in range(2):
            text = peer.expect("^.*?<r [^>]*/>").group()
            rounds.append(text)
            rounds.append(peer.listen(0.1))
            seen += len(ids("".join(rounds[-2:])))
            acknowledge(peer, len(ids("".join(rounds))) if len(rounds) > 2 else len(ids(rounds[0])))
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        for name in ("a", "b", "c"):
            world.send(name)
            world.link.want_acknowledgement()
        await asyncio.sleep(0.05)
        for name in ("d", "e"):
            world.send(name)
            world.link.want_acknowledgement()
        await world.until(lambda: len(world.sender.heard) == 5)
        assert world.sender.heard == [stanza(name) for name in "abcde"]
        await world.link.close(0)

    play(case())
    assert ids(rounds[0]) == ["a", "b", "c"]
    assert ids(rounds[1]) == ["d", "e"] and "<r " not in rounds[1]
    assert ids(rounds[2]) == []


def test_the_servers_questions_are_answered_with_what_came(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.send("<message id='1'/><presence/><iq type='result' id='2'/> <r xmlns='urn:xmpp:sm:3'/>")
        peer.expect("<a xmlns='urn:xmpp:sm:3' h='3'/>")
        peer.send("<message id='4'/>")
        end = peer.until_end()
        assert "<a xmlns='urn:xmpp:sm:3' h='4'/></stream:stream>" in end

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.until(lambda: "4" in world.ears.ids)
        assert world.ears.ids == ["1", None, "2", "4"]
        await world.link.close(0)

    play(case())


def test_it_asks_by_itself_when_much_was_sent(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("<r ")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        world.send(*(f"m{number}" for number in range(300)))
        await world.until(lambda: world.link.facts()["counts"]["stanzas_out"] >= 128)
        await asyncio.sleep(0.05)
        await world.link.close(0)

    play(case())


# -- without stream management --


def test_without_stream_management_a_ping_acknowledges_what_was_before_it(serve: Serve) -> None:
    ping = r"<iq type='get' id='([^']+)' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>"

    def script(peer: Peer) -> None:
        bound(peer)
        asked = peer.expect(ping)
        assert ids(asked.string[: asked.start()]) == ["a", "b"]
        id_ = asked.group(1)
        peer.send(f"<iq type='result' id='{id_}' from='mercutio@evil.example'/>")
        peer.send(f"<iq type='get' id='{id_}' from='{DOMAIN}'/>")
        peer.expect("<message id='c'/>")
        peer.send(f"<iq type='error' id='{id_}' from='{DOMAIN}'/><message id='behind'/>")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        world.send("a", "b")
        world.link.want_acknowledgement()
        await world.until(lambda: len(world.ears.stanzas) == 2)
        assert world.sender.heard == []
        world.send("c")
        await world.until(lambda: "behind" in world.ears.ids)
        assert world.sender.heard == [stanza("a"), stanza("b")]
        assert [frame.type for frame in world.ears.stanzas] == ["result", "get", None]
        await world.link.close(0)

    play(case())


def test_a_ping_acknowledges_nothing_that_waits_to_be_sent(serve: Serve) -> None:
    ping = r"<iq type='get' id='([^']+)' to='[^']*'><ping [^>]*/></iq>"
    written: list[int] = []

    def script(peer: Peer) -> None:
        bound(peer)
        while True:
            asked = peer.expect(ping)
            written.append(len(ids(asked.string[: asked.start()])))
            peer.send(f"<iq type='result' id='{asked.group(1)}'/><message id='p{len(written)}'/>")

    async def case() -> None:
        world = Case(serve(script))
        names = [f"m{number}" for number in range(300)]
        heard: list[int] = []
        world.ears.trouble = lambda _: heard.append(len(world.sender.heard))
        world.send(*names)
        world.link.want_acknowledgement()
        world.start()
        await world.until(lambda: len(world.sender.heard) == len(names))
        await world.until(lambda: len(heard) == len(written))
        assert len(written) > 1, "more than may be on its way at once"
        assert heard == [sum(written[: number + 1]) for number in range(len(written))]
        assert world.sender.heard == [stanza(name) for name in names]
        await world.link.close(0)

    play(case())


def test_a_server_that_has_nothing_new_to_say_is_not_asked_again_and_again(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("<r [^>]*/>")
        acknowledge(peer, 0)  # it has the stanza, and has not handled it
        assert peer.listen(0.1).count("<r ") == 0
        peer.send("<message id='go-on'/>")
        peer.expect("<message id='b'/><r [^>]*/>")
        acknowledge(peer, 2)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        world.send("a")
        world.link.want_acknowledgement()
        await world.until(lambda: world.ears.ids)
        world.send("b")
        await world.until(lambda: len(world.sender.heard) == 2)
        await world.link.close(0)

    play(case())


def test_what_nobody_asks_about_is_asked_about_in_time(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='a'/>.*<r [^>]*/>")
        acknowledge(peer, 1)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script), QUIET._replace(tick=0.02))
        world.start()
        await world.online()
        world.send("a")
        await world.until(lambda: world.sender.heard)
        await world.link.close(0)

    play(case())


def test_a_server_that_offers_no_stream_management_any_more_is_not_asked_to_resume(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='a'/>")
        peer.reset()

    def second(peer: Peer) -> None:
        authenticated(peer)
        greet(peer, BIND)
        wish = peer.expect("^(.*)<iq [^>]*id='([^']+)'[^>]*>\\s*<bind")
        assert "<resume" not in wish.group(1)
        peer.send(
            f"<iq type='result' id='{wish.group(2)}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"<jid>{FULL_JID}</jid></bind></iq>"
        )
        peer.expect("<message id='a'/>")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online()
        world.send("a")
        await world.online(2)
        await world.link.close(0)

    play(case())


def test_a_server_that_refuses_stream_management_is_pinged(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        bound(peer, SM)
        peer.expect("<enable [^>]*/>")
        assert peer.listen(0.05) == ""  # what is sent before the agreement could not be resumed
        peer.send(f"<failed xmlns='{NS_SM}'/>")
        peer.expect("<message id='a'/>")
        id_ = peer.expect("id='([^']+)' to='[^']*'><ping").group(1)
        peer.send(f"<iq type='result' id='{id_}'/>")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        world.send("a")
        world.link.want_acknowledgement()
        await world.until(lambda: world.sender.heard)
        assert not world.link.facts()["stream_management"]["enabled"]
        await world.link.close(0)

    play(case())


# -- a stream that breaks --


def test_a_resumed_stream_goes_on_where_it_was(serve: Serve) -> None:
    """What the server had is not sent again, what it had not is; what we had is not taken twice."""

    def first(peer: Peer) -> None:
        managed(peer)
        peer.send("<message id='1'/><message id='2'/>")
        peer.expect("<message id='c'/>")
        peer.reset()

    def second(peer: Peer) -> None:
        assert resumed(peer, 1) == 2
        peer.send("<message id='3'/>")
        assert ids(peer.expect("<message id='d'/>").string) == ["b", "c", "d"]
        peer.expect("<r ")
        acknowledge(peer, 4)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.until(lambda: len(world.ears.stanzas) == 2)
        world.send("a", "b")
        world.send("c", again=False)
        await world.online(2)
        world.send("d")
        world.link.want_acknowledgement()
        await world.until(lambda: len(world.sender.heard) == 4)
        assert world.sender.heard == [stanza(name) for name in "abcd"]
        assert world.ears.states == [f"online {FULL_JID}", "offline", f"resumed {FULL_JID}"]
        assert world.ears.ids == ["1", "2", "3"]
        assert world.link.facts()["stream_management"]["resumed"] == 1
        await world.link.close(0)

    play(case())


def test_a_resumed_stream_on_which_the_server_does_not_hear_us_is_given_up(serve: Serve) -> None:
    """As Prosody 0.12 does where the old connection was cut in the middle of a stanza."""

    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='b'/>")
        peer.reset()

    def deaf(peer: Peer) -> None:
        asked_to_resume(peer)
        peer.send(f"<resumed xmlns='{NS_SM}' previd='previous' h='1'/><message id='came'/>")
        said = peer.until_end()
        assert ids(said) == [] and "</stream:stream>" in said

    def third(peer: Peer) -> None:
        managed(peer)  # no wish to resume
        assert ids(peer.expect("<message id='c'/>").string) == ["b", "c"]
        acknowledge(peer, 2)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, deaf, third), QUIET._replace(proof=0.05))
        world.start()
        await world.online()
        world.send("a", "b")
        await world.until(lambda: "offline" in world.ears.states)
        world.send("c")
        await world.until(lambda: len(world.sender.heard) == 3)
        assert world.sender.heard == [stanza(name) for name in "abc"]
        assert world.ears.ids == ["came"]
        await world.link.close(0)

    play(case())


def test_what_a_server_says_of_a_stream_where_only_a_question_was_sent_blames_no_stanza(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='b'/>")
        peer.reset()

    def torn(peer: Peer) -> None:
        asked_to_resume(peer)
        peer.send(f"<resumed xmlns='{NS_SM}' previd='previous' h='0'/>")
        peer.expect("<r [^>]*/>")
        peer.send(
            "<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        )
        peer.until_end()

    def third(peer: Peer) -> None:
        not_resumed(peer)
        said = peer.expect("<message id='b'/>").string  # both at once: neither is suspected
        assert ids(said) == ["a", "b"]
        acknowledge(peer, 2)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, torn, third))
        world.start()
        await world.online()
        world.send("a", "b")
        await world.until(lambda: len(world.sender.heard) == 2)
        await world.link.close(0)

    play(case())


def test_a_stanza_that_was_cut_in_the_middle_is_sent_again(serve: Serve) -> None:
    large = "x" * 200_000

    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='large'><body>xxx")
        peer.reset()

    def second(peer: Peer) -> None:
        resumed(peer, 0)
        peer.expect("<message id='large'><body>x{200000}</body></message><r [^>]*/>")
        acknowledge(peer, 1)
        peer.expect("<message id='next'/>")
        acknowledge(peer, 2)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online()
        world.link.send(
            Outgoing(f"<message id='large'><body>{large}</body></message>".encode(), world.sender)
        )
        world.send("next")
        await world.until(lambda: len(world.sender.heard) == 2)
        await world.link.close(0)

    play(case())


def test_a_new_stream_gets_what_the_old_one_lost(serve: Serve) -> None:
    wishes: list[str] = []

    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='lost'/>")
        peer.reset()

    def second(peer: Peer) -> None:
        wishes.append(not_resumed(peer, 1))
        assert ids(peer.expect("<message id='held'/>").string) == ["first", "lost", "held"]
        peer.expect("<r ")
        acknowledge(peer, 3)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online()
        world.send("had")
        world.send("presence", again=False)
        world.send("lost")
        await world.until(lambda: "offline" in world.ears.states)
        world.ears.first = [Outgoing(stanza("first").encode())]
        world.send("held")
        world.link.want_acknowledgement()
        await world.until(lambda: len(world.sender.heard) == 3)
        assert world.sender.heard == [stanza("had"), stanza("lost"), stanza("held")]
        assert world.ears.states[-1] == f"online {FULL_JID}"
        await world.link.close(0)

    play(case())
    assert wishes == ["<resource>balcony</resource>"]


def test_the_count_of_a_failed_resumption_may_be_nonsense(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='a'/>")
        peer.reset()

    def second(peer: Peer) -> None:
        not_resumed(peer, 4000)
        peer.expect("<message id='a'/>")
        acknowledge(peer, 1)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online()
        world.send("a")
        await world.until(lambda: world.sender.heard)
        await world.link.close(0)

    play(case())


@pytest.mark.parametrize("answer", ["h='7'", "", "h='x'", "previd='other' h='0'"])
def test_a_resumption_that_cannot_be_of_our_stream_ends_in_a_new_one(serve: Serve, answer: str) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='a'/>")
        peer.reset()

    def second(peer: Peer) -> None:
        asked_to_resume(peer)
        given = answer if "previd" in answer else f"previd='previous' {answer}"
        peer.send(f"<resumed xmlns='{NS_SM}' {given}/>")
        peer.expect("<handled-count-too-high ")
        peer.until_end()

    def third(peer: Peer) -> None:
        managed(peer, "third")
        peer.expect("<message id='a'/>")
        acknowledge(peer, 1)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second, third))
        world.start()
        await world.online()
        world.send("a")
        await world.until(lambda: world.sender.heard)
        await world.link.close(0)

    play(case())


def test_an_acknowledgement_of_too_much_ends_the_stream_and_loses_nothing(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='a'/>")
        acknowledge(peer, 2)
        peer.expect(
            "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/></stream:error></stream:s"
        )

    def second(peer: Peer) -> None:
        managed(peer)  # no wish to resume
        peer.expect("<message id='a'/>")
        acknowledge(peer, 1)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online()
        world.send("a")
        await world.until(lambda: world.sender.heard)
        assert isinstance(world.ears.errors[0], StreamError)
        await world.link.close(0)

    play(case())


def test_a_server_that_shuts_down_is_tried_again(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.send(
            "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
            "</stream:stream>"
        )
        peer.close()

    def second(peer: Peer) -> None:
        not_resumed(peer)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online(2)
        error = world.ears.errors[0]
        assert isinstance(error, StreamError) and error.condition == "system-shutdown"
        await world.link.close(0)

    play(case())


def test_the_jid_may_change_when_the_server_says_so(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.reset()

    def second(peer: Peer) -> None:
        assert not_resumed(peer, jid=f"{JID}/garden") == "<resource>balcony</resource>"
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online(2)
        assert world.ears.states[-1] == f"online {JID}/garden"
        assert str(world.link.jid) == f"{JID}/garden"
        await world.link.close(0)

    play(case())


def test_a_server_that_says_nothing_more_is_gone_when_a_question_stays_unanswered(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        managed(peer)
        peer.expect("<r ")
        peer.until_end()  # the connection stays open: only silence tells

    def second(peer: Peer) -> None:
        resumed(peer, 0)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second), QUIET._replace(idle=0.05, patience=0.05, tick=0.02))
        world.start()
        await world.online(2)
        assert world.ears.states[:2] == [f"online {FULL_JID}", "offline"]
        assert "does not answer" in str(world.ears.errors[0])
        await world.link.close(0)

    play(case())


def test_a_change_of_the_network_asks_at_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, ours = socket.socketpair()
    ours.setblocking(False)

    class Watch(NetworkWatch):
        def __init__(self) -> None:
            self.sock = ours

    monkeypatch.setattr(link_module, "NetworkWatch", Watch)
    asked = threading.Event()

    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("<r ")
        asked.set()
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        await world.until(lambda: world.link.facts()["stream_management"]["enabled"])
        assert not asked.is_set()
        kernel.send(b"route")
        await world.until(asked.is_set)
        await world.link.close(0)

    with kernel, ours:
        play(case())


def test_a_change_of_the_network_cuts_the_wait_short(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, ours = socket.socketpair()
    ours.setblocking(False)

    class Watch(NetworkWatch):
        def __init__(self) -> None:
            self.sock = ours

    monkeypatch.setattr(link_module, "NetworkWatch", Watch)
    port = free_port()

    def script(peer: Peer) -> None:
        managed(peer)
        peer.until_end()

    async def case() -> None:
        world = Case(port)
        world.link._backoff = Backoff(draw=lambda low, high: 300.0)
        world.link._pause = Pause(60, settle=0.01)
        world.start()
        await world.until(lambda: world.link.state == "waiting")
        server = serve(script)
        world.link._settings = world.settings._replace(port=server.port)
        kernel.send(b"route")
        await world.online()
        await world.link.close(0)

    with kernel, ours:
        play(case())


# -- what ends it for good --


def ended(world: Case) -> BaseException | None:
    assert world.task is not None
    return world.task.exception() if world.task.done() else None


def test_a_refused_password_is_final(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        greet(peer, mechanisms("SCRAM-SHA-256"))
        peer.expect("<auth [^>]*>[^<]*</auth>")
        fail(peer, "not-authorized")
        peer.until_end()

    async def case() -> None:
        server = serve(script)
        world = Case(server)
        world.start()
        assert world.task is not None
        with pytest.raises(AuthError):
            await world.task
        assert world.ears.states == ["failed"]
        assert world.link.state == "failed" and isinstance(world.link.failure, AuthError)
        assert server.connections == 1
        await world.link.close(5)  # at once

    play(case())


def test_a_conflict_is_final(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.send("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
        peer.until_end()

    async def case() -> None:
        server = serve(script)
        world = Case(server)
        world.start()
        assert world.task is not None
        with pytest.raises(StreamError, match="conflict"):
            await world.task
        assert world.ears.states == [f"online {FULL_JID}", "failed"]
        assert server.connections == 1

    play(case())


def test_a_busy_server_is_not(serve: Serve) -> None:
    def first(peer: Peer) -> None:
        greet(peer, mechanisms("SCRAM-SHA-256"))
        peer.expect("<auth [^>]*>[^<]*</auth>")
        fail(peer, "temporary-auth-failure")
        peer.until_end()

    def second(peer: Peer) -> None:
        managed(peer)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(first, second))
        world.start()
        await world.online()
        assert world.ears.states == ["offline", f"online {FULL_JID}"]
        await world.link.close(0)

    play(case())


def test_the_password_is_asked_for_anew_and_its_failure_is_final(serve: Serve) -> None:
    answers: list[Secret | Exception] = [Secret(PASSWORD), SecretError("the keyring is locked")]
    asked_in: list[str] = []

    def password() -> Secret:
        asked_in.append(threading.current_thread().name)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def script(peer: Peer) -> None:
        managed(peer)
        peer.reset()

    async def case() -> None:
        world = Case(serve(script), password=password)
        world.start()
        assert world.task is not None
        with pytest.raises(SecretError):
            await world.task
        assert world.ears.states == [f"online {FULL_JID}", "offline", "failed"]
        assert asked_in == ["login", "login"]

    play(case())


# -- stanzas that a server does not bear --


def test_a_stanza_that_ends_every_stream_is_refused_and_the_others_arrive(serve: Serve) -> None:
    def bearing(peer: Peer) -> None:
        while True:
            text = peer.expect(r"<message [^>]*/>|</stream:stream>").group()
            if "bad" in text:
                peer.send(
                    "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                    "</stream:error></stream:stream>"
                )
                raise Gone
            if "message" not in text:
                return
            arrived.append(re.findall("id='([^']*)'", text)[0])
            count[0] += 1
            acknowledge(peer, count[0])

    arrived: list[str] = []
    count = [0]

    def first(peer: Peer) -> None:
        managed(peer)
        bearing(peer)

    def again(peer: Peer) -> None:
        count[0] = 0
        not_resumed(peer)
        bearing(peer)

    async def case() -> None:
        world = Case(serve(first, again))
        world.start()
        await world.online()
        world.send("a")
        world.link.send(Outgoing(b"<message id='bad' to='mercutio@capulet.example'/>", world.sender))
        world.send("b", "c")
        world.link.want_acknowledgement()
        await world.until(lambda: "c" in arrived)
        await world.until(lambda: len(world.sender.heard) == 4)
        assert world.ears.ids == ["bad"]
        refused = world.ears.stanzas[0]
        assert (refused.type, refused.sender) == ("error", "mercutio@capulet.example")
        (note,) = [note for note in world.notes if "does not bear" in note]
        assert note.endswith(": message bad to mercutio@capulet.example, 49 bytes")
        await world.link.close(0)

    play(case())
    assert list(dict.fromkeys(arrived)) == ["a", "b", "c"]


def test_what_the_server_sends_wrong_is_no_fault_of_ours(serve: Serve) -> None:
    """Its bytes end each stream, while the same stanza of ours is unacknowledged: that one is not to blame."""

    def script(peer: Peer) -> None:
        if peer.server.connections == 1:
            managed(peer)
        else:
            not_resumed(peer)
        peer.expect("<message id='a'/>")
        peer.send("<!-- no comment -->")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        world.send("a")
        await world.online(4)
        assert world.ears.stanzas == [] and world.sender.heard == []
        assert world.link.facts()["unacknowledged"] + world.link.facts()["held"] == 1
        await world.link.close(0)

    play(case())


# -- closing --


def test_closing_waits_for_acknowledgements(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='a'/><r [^>]*/>")
        assert peer.listen(0.1) == ""
        acknowledge(peer, 1)
        peer.expect("</stream:stream>")
        peer.finish()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        await world.until(lambda: world.link.facts()["stream_management"]["enabled"])
        world.send("a")
        await world.link.close(PATIENCE)
        assert world.sender.heard == [stanza("a")]
        assert world.task is not None
        await world.task
        assert world.link.state == "stopped" and world.ears.states == [f"online {FULL_JID}"]

    play(case())


def test_closing_waits_no_longer_than_it_is_told(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("</stream:stream>")
        peer.listen(PATIENCE)  # and never closes its own

    async def case() -> None:
        world = Case(serve(script), QUIET._replace(farewell=0.05))
        world.start()
        await world.online()
        world.send("a")
        began = monotonic()
        await world.link.close(0.05)
        assert monotonic() - began < PATIENCE / 2
        assert world.task is not None
        await world.task

    play(case())


def test_closing_gives_up_a_login(serve: Serve) -> None:
    reached = threading.Event()

    def script(peer: Peer) -> None:
        peer.expect("<stream:stream")
        reached.set()
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script), QUIET._replace(login=60))
        world.start()
        await world.until(reached.is_set)
        await world.link.close(5)
        assert world.task is not None
        await world.task
        assert world.link.state == "stopped" and world.ears.states == []

    play(case())


def test_closing_does_not_wait_for_a_password_that_does_not_come(serve: Serve) -> None:
    asked, answer = threading.Event(), threading.Event()
    server = serve(lambda peer: peer.until_end())

    def password() -> Secret:
        asked.set()
        answer.wait(PATIENCE)
        return Secret(PASSWORD)

    async def case() -> None:
        world = Case(server, password=password)
        world.start()
        await world.until(asked.is_set)
        await world.link.close(5)
        assert world.link.state == "stopped"

    try:
        play(case())
    finally:
        answer.set()
    assert server.connections == 0


def test_closing_ends_a_wait_for_the_next_attempt() -> None:
    async def case() -> None:
        world = Case(free_port())
        world.link._backoff = Backoff(draw=lambda low, high: 300.0)
        world.start()
        await world.until(lambda: world.link.state == "waiting")
        assert world.ears.states == ["offline"] and world.link.failure is not None
        await world.link.close(5)
        assert world.task is not None
        await world.task
        assert world.link.state == "stopped"

    play(case())


def test_a_login_that_succeeds_while_it_closes_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the end of the login and the loop's next turn anything can happen."""
    log_in = Attempt.run

    def script(peer: Peer) -> None:
        bound(peer, SM)
        assert "<enable" not in peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        closing: list[asyncio.Task[None]] = []

        async def run(attempt: Attempt) -> Any:
            done = await log_in(attempt)
            closing.append(asyncio.create_task(world.link.close(5)))
            await asyncio.sleep(0)
            return done

        monkeypatch.setattr(Attempt, "run", run)
        world.start()
        assert world.task is not None
        await world.task
        await closing[0]
        assert world.ears.states == [] and world.link.state == "stopped"

    play(case())


def test_a_link_can_be_closed_before_it_runs(serve: Serve) -> None:
    async def case() -> None:
        server = serve(lambda peer: peer.until_end())
        world = Case(server)
        await world.link.close(5)
        await world.link.run()
        assert server.connections == 0

    play(case())


def test_who_cancels_it_leaves_no_connection_behind(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        assert "</stream:stream>" not in peer.until_end()  # it may be resumed

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        assert world.task is not None
        world.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await world.task
        await world.link.close(5)

    play(case())


# -- what others see of it --


@pytest.mark.parametrize("watched", [True, False])
def test_the_wire_is_shown_while_watched_and_stream_headers_always(serve: Serve, watched: bool) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.expect("<message id='out'/>")
        peer.send("<message id='in'/>")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.link.watched = watched
        world.send("out")
        world.start()
        await world.until(lambda: world.ears.ids == ["in"])
        frames = world.ears.wires
        headers = [frame.direction for frame in frames if frame.kind == "stream"]
        assert headers == ["out", "in", "out", "in"]
        shown = [(frame.direction, frame.id) for frame in frames if frame.kind == "message"]
        assert shown == ([("out", "out"), ("in", "in")] if watched else [])
        assert all(
            b"redacted" in frame.raw for frame in frames if frame.name in ("auth", "response", "challenge")
        )
        if not watched:
            assert len(frames) == len(headers)
            world.link.watched = True
            world.send("now")
            await world.until(lambda: world.ears.wires[-1].id == "now")
        await world.link.close(0)

    play(case())


def test_who_fails_while_it_hears_of_one_stanza_hears_of_the_next(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        peer.send("<message id='1'/><message id='2'/><r xmlns='urn:xmpp:sm:3'/>")
        peer.expect("<a [^>]*h='2'/>")
        peer.until_end()

    def trouble(frame: Frame) -> None:
        if frame.id == "1":
            raise ValueError("a bug")

    async def case() -> None:
        reports: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        world = Case(serve(script))
        world.ears.trouble = trouble
        world.start()
        await world.until(lambda: world.ears.ids == ["1", "2"])
        assert [str(report["exception"]) for report in reports] == ["a bug"]
        await world.link.close(0)

    play(case())


def test_a_server_that_does_not_read_makes_senders_stop_and_relieves_them(serve: Serve) -> None:
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        managed(peer)
        go_on.wait(PATIENCE)
        handled, tail = 0, b""
        while b"</stream:stream>" not in tail:
            data = tail + peer.take(PATIENCE)
            handled += data.count(b"</message>")
            for _ in range(data.count(b"<r ")):
                acknowledge(peer, handled)
            tail = data[max(data.rfind(b">") + 1, len(data) - 20) :]

    body = "x" * 5_000

    async def case() -> None:
        sent = 0
        world = Case(serve(script))
        world.start()
        await world.online()
        while not world.link.congested:
            world.link.send(Outgoing(f"<message><body>{body}</body></message>".encode(), world.sender))
            sent += 1
            await asyncio.sleep(0)
        assert world.ears.relief == 0
        assert sent * len(body) < 4_000_000
        go_on.set()
        await world.until(lambda: world.ears.relief)
        assert not world.link.congested and world.ears.relief == 1
        world.link.want_acknowledgement()
        await world.until(lambda: len(world.sender.heard) == sent)
        await world.link.close(0)

    play(case())


def test_who_sends_much_while_there_is_no_stream_must_stop_too(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        handled = 0
        while True:
            handled += len(re.findall("</message>", peer.expect("^.*?<r [^>]*/>").group()))
            acknowledge(peer, handled)

    async def case() -> None:
        world = Case(serve(script))
        sent = 0
        while not world.link.congested:
            world.link.send(Outgoing(b"<message><body>" + b"x" * 20_000 + b"</body></message>", world.sender))
            sent += 1
        assert 40 < sent < 100
        world.link.want_acknowledgement()
        world.start()
        await world.until(lambda: world.ears.relief)
        await world.until(lambda: len(world.sender.heard) == sent)
        await world.link.close(0)

    play(case())


def test_what_no_stream_has_seen_can_be_taken_back(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        managed(peer)
        assert ids(peer.expect("<message id='other'/>").string) == ["other"]
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.send("mine")
        other = Sender()
        world.send("other", owner=other)
        assert [entry.data for entry in world.link.withdraw(world.sender)] == [stanza("mine").encode()]
        world.start()
        await world.online()
        await asyncio.sleep(0.05)
        assert world.link.withdraw(other) == []
        await world.link.close(0)

    play(case())


def test_a_server_that_says_a_lot_each_time_fills_neither_history_nor_facts(serve: Serve) -> None:
    import json

    def script(peer: Peer) -> None:
        authenticated(peer)
        streams = "urn:ietf:params:xml:ns:xmpp-streams"
        peer.expect("<stream:stream")
        peer.send(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
            f"<stream:error><{'c' * 100_000} xmlns='{streams}'/><text xmlns='{streams}'>{'x' * 1_000_000}</text>"
            "</stream:error></stream:stream>"
        )
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.until(lambda: world.ears.states.count("offline") >= 3)
        assert "c" * 100 in str(world.link.facts()["history"])
        assert len(json.dumps(world.link.facts())) < 10_000
        await world.link.close(0)

    play(case())


def test_its_facts_can_be_told_as_json(serve: Serve) -> None:
    import json

    def script(peer: Peer) -> None:
        managed(peer)
        peer.send("<message id='1'/>")
        peer.expect("<message id='a'/>")
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        assert json.loads(json.dumps(world.link.facts()))["state"] == "starting"
        world.start()
        await world.online()
        world.send("a")
        await world.until(lambda: world.ears.stanzas and world.link.facts()["unacknowledged"])
        facts = json.loads(json.dumps(world.link.facts()))
        assert facts["state"] == "online" and facts["jid"] == FULL_JID
        assert [state for _, state, _ in facts["history"]] == ["connecting", "online"]
        assert facts["mechanism"] == "SCRAM-SHA-256" and facts["tls"] is None
        assert facts["server"] == f"127.0.0.1:{world.settings.port}"
        assert facts["counts"]["stanzas_in"] == facts["counts"]["stanzas_out"] == 1
        assert facts["counts"]["bytes_in"] > 0 and facts["counts"]["bytes_out"] > 0
        assert facts["unacknowledged"] == 1 and facts["held"] == 0
        assert PASSWORD not in json.dumps(facts)
        await world.link.close(0)

    play(case())


def test_who_stopped_sending_goes_on_when_enough_was_taken_back(serve: Serve) -> None:
    async def case() -> None:
        world = Case(serve(lambda peer: peer.until_end()))  # nobody is let in
        world.start()
        await world.until(lambda: world.link.state == "connecting")
        while not world.link.congested:
            world.link.send(Outgoing(b"<message>" + b"x" * 50_000 + b"</message>", world.sender))
        assert world.link.withdraw(world.sender)
        await world.until(lambda: world.ears.relief == 1)
        assert not world.link.congested
        await world.link.close(0)

    play(case())
