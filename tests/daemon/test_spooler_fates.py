"""What becomes of what was given to the link: what comes back, and what lapses."""

from __future__ import annotations

import gc
import tracemalloc

from tests.daemon.spooling import JULIET, NURSE, World
from xmppctl.daemon.spooler import MAX_REASON


def test_a_message_that_comes_back_is_refused_and_holds_up_nothing(run):
    async def test(w: World) -> None:
        w.put("1", "2")
        w.put("3", to=NURSE)
        w.hub.online()
        await w.settle()
        w.hub.write()
        w.hub.bounce("1")
        await w.settle()
        w.hub.acknowledge()
        await w.settle()
        assert w.states == {"1": "refused", "2": "delivered", "3": "delivered"}
        (entry,) = w.as_command(lambda spool: spool.entries(["refused"]))
        assert entry.condition.condition == "service-unavailable" and JULIET in entry.reason
        assert any("came back" in note for note in w.notes)

    run(test)


def test_a_flood_of_what_seems_to_come_back_takes_little_memory(run):
    async def test(w: World) -> None:
        w.put("1")
        w.hub.online()
        await w.settle()
        w.hub.write()
        long = "x" * 100_000
        tracemalloc.start()
        try:
            for number in range(200):
                w.hub.bounce(f"none{number}", sender=f"{long}@evil.example", text=long)
                w.hub.bounce(long + str(number))
            gc.collect()  # parsers are cycles
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taken < 4_000_000
        w.hub.bounce("1", text=f"because {long}")
        await w.settle()
        (entry,) = w.as_command(lambda spool: spool.entries(["refused"]))
        assert "because xxx" in entry.condition.text
        assert len(entry.condition.text) <= MAX_REASON and len(entry.reason) <= MAX_REASON

    run(test)


def test_it_may_come_back_long_after_it_was_delivered(run):
    async def test(w: World) -> None:
        w.put("1", "2")
        w.hub.online()
        await w.settle()
        w.hub.write()
        w.hub.acknowledge()
        await w.settle()
        w.now += 1800
        w.hub.bounce("1", sender="capulet.example")
        w.hub.bounce("2", sender="mallory@evil.example")
        w.hub.bounce("2", type_="chat")
        await w.settle()
        assert w.states == {"1": "refused", "2": "delivered"}

    run(test)


def test_what_came_back_and_is_retried_is_not_settled_by_the_old_acknowledgement(run):
    async def test(w: World) -> None:
        w.put("1")
        w.hub.online()
        await w.settle()
        w.hub.write()
        w.hub.bounce("1")
        await w.settle()
        w.hub.offline()
        w.as_command(lambda spool: spool.retry(["1"]))
        w.hub.acknowledge()
        await w.settle()
        assert w.states == {"1": "spooled"}
        w.hub.online()
        await w.settle()
        assert w.sent == ["1", "1"]

    run(test)


def test_what_expires_while_it_waits_is_never_sent(run):
    async def test(w: World) -> None:
        w.put("1", ttl=60)
        w.put("2")
        await w.settle()
        w.now += 60
        w.hub.online()
        await w.settle()
        assert w.sent == ["2"] and w.states == {"1": "expired", "2": "sending"}

    run(test)


def test_what_lapses_after_it_was_written_is_not_sent_again(run):
    async def test(w: World) -> None:
        w.put("1", ttl=60)
        w.put("2")
        w.hub.online()
        await w.settle()
        w.hub.write()
        w.hub.offline()
        w.now += 60
        w.hub.poke()
        await w.settle()
        assert w.states == {"1": "expired", "2": "sending"}
        w.hub.online()
        await w.settle()
        assert [each.data for each in w.hub.link.held] == [b"<message id='2'/>"]

    run(test)


def test_a_resumed_stream_may_still_tell_that_it_had_arrived(run):
    async def test(w: World) -> None:
        w.put("1", ttl=60)
        w.hub.online()
        await w.settle()
        w.hub.write()
        w.hub.offline()
        w.now += 60
        w.hub.poke()
        await w.settle()
        w.hub.online(resumed=True)
        w.hub.acknowledge()
        await w.settle()
        assert w.states == {"1": "delivered"}

    run(test)
