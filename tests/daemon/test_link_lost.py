"""The link when its stream is lost: resumption, what is sent again, what is refused for good."""

from __future__ import annotations

import re

import pytest

from tests.daemon.links import (
    NS_SM,
    QUIET,
    Case,
    Serve,
    acknowledge,
    asked_to_resume,
    authenticated,
    ids,
    managed,
    not_resumed,
    play,
    resumed,
    stanza,
)
from tests.servers.hostile import BIND, FULL_JID, JID, Gone, Peer, greet
from xmppctl.daemon.parts import Outgoing

# -- the same stream again --


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


# -- a new one --


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


# -- stanzas that a server does not bear --


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
