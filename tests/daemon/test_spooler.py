"""Delivery of the spool: what is given to the link, and what is made of what the link and the server say."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from xmppctl.daemon import spooler as spooler_module
from xmppctl.daemon.parts import Outgoing, Service, State
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import STATES, New
from xmppctl.daemon.spooler import MAX_REASON, WINDOW, Spooler
from xmppctl.errors import ConnectionLost, OutputFailed, XmppctlError
from xmppctl.stanza.frame import NS_STANZAS, Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

ROMEO = Jid.parse("romeo@montague.example")
JULIET = "juliet@capulet.example"
NURSE = "nurse@capulet.example"


class Link:
    """A link that writes nothing by itself: the test says what is written, acknowledged and lost."""

    def __init__(self) -> None:
        self.state: State = "connecting"
        self.jid: Jid | None = None
        self.failure: XmppctlError | None = None
        self.watched = False
        self.congested = False
        self.held: list[Outgoing] = []
        self.written: list[Outgoing] = []
        self.asked = 0

    def send(self, stanza: Outgoing) -> None:
        self.held.append(stanza)

    def withdraw(self, owner: object) -> list[Outgoing]:
        taken = [each for each in self.held if each.owner is owner and not each.written]
        self.held = [each for each in self.held if each not in taken]
        return taken

    def want_acknowledgement(self) -> None:
        self.asked += 1


class Hub:
    """As the daemon's: the account, the link, and who listens."""

    def __init__(self) -> None:
        self.jid = ROMEO
        self.link = Link()
        self.services: dict[str, Service] = {}
        self._stanza: Callable[[Frame], None] = lambda _: None
        self._state: Callable[[], None] = lambda: None
        self._online: Callable[[bool], Iterable[Outgoing]] = lambda _: ()
        self.sent: list[bytes] = []

    def service(self, name: str, service: Service) -> None:
        self.services[name] = service

    def on_stanza(self, call: Callable[[Frame], None]) -> None:
        self._stanza = call

    def on_state(self, call: Callable[[], None]) -> None:
        self._state = call

    def on_online(self, call: Callable[[bool], Iterable[Outgoing]]) -> None:
        self._online = call

    def send(self, stanza: Outgoing) -> None:
        self.sent.append(stanza.data)
        self.link.send(stanza)

    # -- what happens --

    def online(self, *, resumed: bool = False) -> None:
        link = self.link
        link.state, link.jid = "online", Jid.parse("romeo@montague.example/orchard")
        assert list(self._online(resumed)) == []
        if not resumed:
            link.held = [each for each in (*link.written, *link.held) if each.again or not each.written]
            link.written = []
        self._state()

    def offline(self) -> None:
        self.link.state = "waiting"
        self._state()

    def write(self, count: int | None = None) -> None:
        """The stream takes so many, or all."""
        link = self.link
        taken, link.held = link.held[:count], link.held[count:] if count is not None else []
        for each in taken:
            each.written = True
        link.written += taken

    def acknowledge(self, count: int | None = None) -> None:
        """The server has so many of what was written, or all."""
        link = self.link
        done, link.written = link.written[:count], link.written[count:] if count is not None else []
        for each in done:
            assert each.owner is not None
            each.owner.acknowledged(each)

    def bounce(self, id_: str, sender: str = JULIET, type_: str = "error", text: str = "") -> None:
        splitter = Splitter("in")
        splitter.feed(
            b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        told = f"<text xmlns='{NS_STANZAS}'>{text}</text>" if text else ""
        stanza = (
            f"<message type='{type_}' id='{id_}' from='{sender}'><error type='cancel'>"
            f"<service-unavailable xmlns='{NS_STANZAS}'/>{told}</error></message>"
        )
        (frame,) = splitter.feed(stanza.encode())
        self._stanza(frame)

    def poke(self) -> None:
        class Request:
            def reply(self, payload: str = "") -> None:
                self.replied = True

        request: Any = Request()
        self.services["spool"](request)
        assert request.replied


class World:
    """A spooler on a fake hub, and a second handle of its spool as commands have it."""

    def __init__(self, path: Path) -> None:
        self.now = 1_000_000.0
        self.path = path
        self.notes: list[str] = []
        self.hub = Hub()
        self.store = Spool(path, now=lambda: self.now, patience=5)
        self.spooler = Spooler(self.hub, self.store, note=self.notes.append, now=lambda: self.now)

    def put(self, *ids: str, to: str = JULIET, ttl: float | None = None, account: str = ROMEO.bare) -> None:
        with_id = [New(to, id_, f"<message id='{id_}'/>") for id_ in ids]
        self.as_command(lambda spool: spool.add(account, with_id, ttl=ttl))

    def as_command(self, act: Callable[[Spool], Any]) -> Any:
        spool = Spool(self.path, now=lambda: self.now)
        try:
            return act(spool)
        finally:
            spool.close()

    @property
    def states(self) -> dict[str, str]:
        return {each.id: each.state for each in self.as_command(lambda spool: spool.entries(STATES))}

    @property
    def sent(self) -> list[str]:
        return [data.decode().split("'")[1] for data in self.hub.sent]

    async def settle(self) -> None:
        """Wait until the spooler has nothing to do."""
        for _ in range(500):
            await asyncio.sleep(0.002)
            spooler = self.spooler
            if not spooler._wake.is_set() and not spooler._looking and spooler._counts is not None:
                return
        raise AssertionError("it does not come to rest")


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    made = World(path)
    made.spooler.start()
    try:
        yield made
    finally:
        await made.spooler.close()


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], None]:
    """Run a test in an event loop, on a spooler that is started and closed."""

    def go(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        async def body() -> None:
            async with world(tmp_path / "spool" / "work.db") as made:
                await test(made)

        asyncio.run(asyncio.wait_for(body(), 20))

    return go


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


def test_only_the_accounts_own_messages_are_sent(run):
    async def test(w: World) -> None:
        w.put("1", account="mercutio@verona.example")
        w.put("2")
        w.hub.online()
        await w.settle()
        assert w.sent == ["2"] and w.states["1"] == "spooled"

    run(test)


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
