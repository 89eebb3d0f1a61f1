"""The link against scripted servers: what is tried again, what ends it, how it closes, what it tells."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from time import monotonic

import pytest

from tests.daemon.links import (
    PATIENCE,
    QUIET,
    Case,
    Sender,
    Serve,
    acknowledge,
    authenticated,
    ids,
    managed,
    not_resumed,
    play,
    stanza,
)
from tests.servers.hostile import FULL_JID, PASSWORD, Peer, fail, free_port, greet, mechanisms
from xmppctl.daemon import link as link_module
from xmppctl.daemon.liveness import NetworkWatch
from xmppctl.daemon.parts import Outgoing
from xmppctl.daemon.pause import Pause
from xmppctl.daemon.retry import Backoff
from xmppctl.errors import AuthError, StreamError

# -- what it tries again --


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
