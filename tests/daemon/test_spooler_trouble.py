"""The spool over the ends of daemons, files that are replaced or damaged, and a link that failed."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.daemon.spooling import JULIET, ROMEO, World, world
from xmppctl.daemon import spooler as spooler_module
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import New
from xmppctl.errors import ConnectionLost, OutputFailed


def test_what_was_in_flight_waits_for_the_next_daemon(tmp_path):
    path = tmp_path / "spool" / "work.db"

    async def first() -> None:
        async with world(path) as w:
            w.put("1", "2", "3")
            w.hub.online()
            await w.settle()
            w.hub.write(2)
            w.spooler.stop()
            w.put("4")
            w.hub.poke()
            w.hub.acknowledge(1)
            await w.settle()
            assert w.sent == ["1", "2", "3"]

    async def second() -> None:
        async with world(path) as w:
            assert w.states == {"1": "delivered", "2": "spooled", "3": "spooled", "4": "spooled"}
            w.hub.online()
            await w.settle()
            assert w.sent == ["2", "3", "4"]

    asyncio.run(first())
    asyncio.run(second())


def test_a_daemon_that_was_killed_leaves_nothing_behind(tmp_path):
    path = tmp_path / "spool" / "work.db"
    killed = Spool(path)
    killed.add(ROMEO.bare, [New(JULIET, "1", "<message id='1'/>")])
    assert killed.turn(ROMEO.bare, spooler_module.News(), room=1, room_bytes=1).taken
    killed._file._connection = None  # it is gone without a word

    async def body() -> None:
        async with world(path) as w:
            w.hub.online()
            await w.settle()
            assert w.sent == ["1"]

    asyncio.run(body())


def test_a_spool_that_comes_later_and_one_that_is_replaced(run, tmp_path):
    async def test(w: World) -> None:
        w.hub.online()
        await w.settle()
        assert not w.path.exists() and not w.spooler.busy
        w.put("1", "2")
        w.hub.poke()
        await w.settle()
        assert w.sent == ["1", "2"]
        w.hub.write()
        for path in list(w.path.parent.iterdir()):
            path.unlink()
        w.put("3")
        w.hub.poke()
        await w.settle()
        w.hub.acknowledge()  # of the rows of the old file: they are nobody's now
        await w.settle()
        assert w.sent == ["1", "2", "3"] and w.states == {"3": "sending"}

    run(test)


def test_what_cannot_be_noted_is_kept_and_noted_later(run, monkeypatch):
    monkeypatch.setattr(spooler_module, "TROUBLE_SECONDS", (0.01, 0.02))

    async def test(w: World) -> None:
        w.spooler._patience = 0.01
        w.put("1", "2")
        w.hub.online()
        await w.settle()
        w.hub.write()
        turn = w.store.turn
        failures = 0

        def full(*arguments: Any, **more: Any) -> Any:
            nonlocal failures
            failures += 1
            if failures < 3:
                raise OutputFailed("the disk is full")
            return turn(*arguments, **more)

        w.store.turn = full  # type: ignore[method-assign]
        w.hub.acknowledge(1)
        for _ in range(500):
            await asyncio.sleep(0.005)
            if failures:
                assert w.spooler.busy
            if w.states["1"] == "delivered":
                break
        await w.settle()
        assert w.states == {"1": "delivered", "2": "sending"} and failures >= 3
        assert [note for note in w.notes if "disk is full" in note] == ["spool: the disk is full"]
        assert any("can be used again" in note for note in w.notes)

    run(test)


def test_a_damaged_spool_is_told_once_and_ends_nothing(run, monkeypatch):
    monkeypatch.setattr(spooler_module, "TROUBLE_SECONDS", (0.01, 0.02))

    async def test(w: World) -> None:
        w.path.parent.mkdir(mode=0o700)
        w.path.write_bytes(b"nonsense" * 1000)
        w.path.chmod(0o600)
        w.hub.online()
        w.hub.poke()
        for _ in range(500):
            await asyncio.sleep(0.005)
            if w.spooler.facts().get("trouble"):
                break
        assert "damaged" in w.spooler.facts()["trouble"]
        await asyncio.sleep(0.1)
        assert len(w.notes) == 1 and "damaged" in w.notes[0]
        w.spooler._wake.clear()
        assert not w.spooler.busy  # an idle daemon may end: it cannot mend it
        assert w.path.read_bytes() == b"nonsense" * 1000

    run(test)


def test_a_failed_link_takes_nothing_along(tmp_path):
    path = tmp_path / "spool" / "work.db"

    async def body() -> None:
        async with world(path) as w:
            w.put("1", "2")
            w.hub.online()
            await w.settle()
            w.hub.write(1)
            w.hub.link.state, w.hub.link.failure = "failed", ConnectionLost("gone")
            w.hub._state()
            await w.settle()
        assert w.states == {"1": "spooled", "2": "spooled"}

    asyncio.run(body())
