"""One stream against scripted servers: what is written, acknowledged and read, and how its death is noticed."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from tests.daemon.links import (
    NS_SM,
    QUIET,
    Case,
    Serve,
    acknowledge,
    bound,
    ids,
    managed,
    play,
    resumed,
    stanza,
)
from tests.servers.hostile import DOMAIN, FULL_JID, SM, Peer
from xmppctl.daemon import link as link_module
from xmppctl.daemon.liveness import NetworkWatch
from xmppctl.daemon.parts import Outgoing
from xmppctl.errors import StreamError
from xmppctl.stanza.frame import Frame

# -- what it sends, and what it answers --


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
        rounds.append(peer.expect("^.*?<r [^>]*/>").group())
        rounds.append(peer.expect("^.*?<message id='e'/>").group() + peer.listen(0.1))
        acknowledge(peer, 3)
        rounds.append(peer.expect("^.*?<r [^>]*/>").group())
        acknowledge(peer, 5)
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        world.start()
        await world.online()
        for name in ("a", "b", "c"):
            world.send(name)
            world.link.want_acknowledgement()
        await world.until(lambda: rounds, "the first question")
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


# -- its death --


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
