"""Delivery of the spool: what is given to the link, in which order, and how much of it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.daemon.spooling import World
from xmppctl.daemon import spooler as spooler_module
from xmppctl.daemon.spooler import WINDOW


def test_what_waits_is_sent_in_order_when_the_account_is_online(run):
    async def test(w: World) -> None:
        w.put("1", "2", "3")
        await w.settle()
        assert w.sent == []
        w.hub.online()
        await w.settle()
        assert w.sent == ["1", "2", "3"] and w.hub.link.asked == 1
        assert set(w.states.values()) == {"sending"}
        w.hub.write()
        w.hub.acknowledge(2)
        await w.settle()
        assert w.states == {"1": "delivered", "2": "delivered", "3": "sending"}
        w.hub.acknowledge()
        await w.settle()
        assert w.states["3"] == "delivered" and not w.spooler.busy

    run(test)


def test_a_command_says_that_there_is_something_new(run):
    async def test(w: World) -> None:
        w.hub.online()
        await w.settle()
        w.put("1")
        w.hub.poke()
        await w.settle()
        assert w.sent == ["1"]

    run(test)


def test_without_a_word_it_looks_by_itself(run, monkeypatch):
    monkeypatch.setattr(spooler_module, "POLL_SECONDS", 0.05)

    async def test(w: World) -> None:
        w.hub.online()
        await w.settle()
        w.put("1")
        for _ in range(500):
            await asyncio.sleep(0.01)
            if w.sent:
                break
        assert w.sent == ["1"]

    run(test)


def test_a_bounded_number_is_in_flight(run):
    async def test(w: World) -> None:
        ids = [str(number) for number in range(2 * WINDOW + 10)]
        w.put(*ids)
        w.hub.online()
        await w.settle()
        assert w.sent == ids[:WINDOW]
        w.hub.write()
        w.hub.acknowledge(10)
        await w.settle()
        assert w.sent == ids[: WINDOW + 10]
        w.hub.acknowledge()
        await w.settle()
        w.hub.write()
        w.hub.acknowledge()
        await w.settle()
        assert w.sent == ids and len(w.states) == len(ids)

    run(test)


def test_large_messages_are_bounded_by_their_bytes(run, monkeypatch):
    monkeypatch.setattr(spooler_module, "WINDOW_BYTES", 60)

    async def test(w: World) -> None:
        w.put("1", "2", "3", "4")  # 19 bytes each
        w.hub.online()
        await w.settle()
        assert w.sent == ["1", "2", "3"]
        w.hub.write()
        w.hub.acknowledge(1)
        await w.settle()
        assert w.sent == ["1", "2", "3", "4"]

    run(test)


def test_nothing_is_sent_while_the_link_has_too_much(run):
    async def test(w: World) -> None:
        w.hub.link.congested = True
        w.put("1")
        w.hub.online()
        await w.settle()
        assert w.sent == []
        w.hub.link.congested = False
        w.hub.poke()
        await w.settle()
        assert w.sent == ["1"]

    run(test)


def test_what_the_link_sends_again_is_not_sent_twice(run):
    async def test(w: World) -> None:
        w.put("1", "2", "3")
        w.hub.online()
        await w.settle()
        w.hub.write(2)
        w.hub.offline()
        await w.settle()
        assert w.states == {"1": "sending", "2": "sending", "3": "spooled"}
        w.hub.online()
        await w.settle()
        assert w.sent == ["1", "2", "3", "3"]  # the first 3 was taken back
        assert [each.data for each in w.hub.link.held] == w.hub.sent[:2] + w.hub.sent[3:]
        w.hub.write()
        w.hub.acknowledge()
        await w.settle()
        assert set(w.states.values()) == {"delivered"}

    run(test)


def test_a_stream_that_comes_and_goes_while_the_file_is_read_keeps_the_order(run):
    async def test(w: World) -> None:
        w.put("1", "2")
        w.hub.online()
        await w.settle()
        turn = w.store.turn

        def slow(*arguments: Any, **more: Any) -> Any:
            done = turn(*arguments, **more)
            w.store.turn = turn  # type: ignore[method-assign]
            loop.call_soon_threadsafe(w.hub.offline)
            loop.call_soon_threadsafe(w.hub.online)
            return done

        loop = asyncio.get_running_loop()
        w.store.turn = slow  # type: ignore[method-assign]
        w.put("3", "4")
        w.hub.poke()
        await w.settle()
        assert [each.data.decode().split("'")[1] for each in w.hub.link.held] == ["1", "2", "3", "4"]

    run(test)


def test_only_the_accounts_own_messages_are_sent(run):
    async def test(w: World) -> None:
        w.put("1", account="mercutio@verona.example")
        w.put("2")
        w.hub.online()
        await w.settle()
        assert w.sent == ["2"] and w.states["1"] == "spooled"

    run(test)


def test_facts(run):
    async def test(w: World) -> None:
        assert w.spooler.busy  # nothing is known yet
        w.put("1", "2")
        w.hub.online()
        await w.settle()
        w.hub.write()
        w.hub.bounce("2")
        await w.settle()
        assert w.spooler.facts() == {"spooled": 0, "sending": 1, "refused": 1, "expired": 0}
        assert w.spooler.busy
        w.hub.acknowledge()
        await w.settle()
        assert not w.spooler.busy

    run(test)
