from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import BIND, HEADER, House
from xmppctl.daemon import server as module
from xmppctl.daemon.server import Server
from xmppctl.errors import ConfigError, DaemonError, XmppctlError
from xmppctl.session.unix import Peer

SECONDS = 20.0


class Caller:
    """A connected socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def until(self, text: str) -> str:
        """What comes, up to this text."""
        return (await asyncio.wait_for(self.reader.readuntil(text.encode()), SECONDS)).decode()

    async def rest(self) -> str:
        """What comes until the other side closes."""
        return (await asyncio.wait_for(self.reader.read(), SECONDS)).decode()

    def say(self, text: str) -> None:
        self.writer.write(text.encode())

    async def bind(self) -> str:
        self.say(HEADER + BIND)
        return await self.until("</iq>")

    def close(self) -> None:
        self.writer.close()


class Place:
    """A server that listens, and how to call it."""

    def __init__(self, house: House, server: Server, path: Path) -> None:
        self.house = house
        self.server = server
        self.path = path
        self.callers: list[Caller] = []

    async def call(self) -> Caller:
        caller = Caller(*await asyncio.open_unix_connection(str(self.path), limit=1 << 26))
        self.callers.append(caller)
        return caller


@asynccontextmanager
async def listening(house: House, path: Path) -> AsyncIterator[Place]:
    server = Server(house.hub, path)
    await server.start()
    place = Place(house, server, path)
    try:
        yield place
    finally:
        await server.close(0.2)
        for caller in place.callers:
            caller.close()


async def eventually(condition: Callable[[], Any]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), SECONDS)


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(body(), 3 * SECONDS)

    asyncio.run(limited())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory / "work.sock"


def test_a_client_is_let_in_and_served(house: House, path: Path) -> None:
    async def body() -> None:
        async with listening(house, path) as place:
            caller = await place.call()
            caller.say(HEADER)
            features = await caller.until("</stream:features>")
            assert "settings='5f3a9c01'" in features and "state='online'" in features
            caller.say(BIND)
            assert "romeo@montague.example/orchard" in await caller.until("</iq>")
            (client,) = house.hub.clients
            assert client.pid == os.getpid() and client.bound
            caller.say("<message to='juliet@capulet.example'><body>hi</body></message>")
            await eventually(lambda: house.link.texts)
            assert house.link.last == "<message to='juliet@capulet.example'><body>hi</body></message>"
            caller.say("</stream:stream>")
            assert await caller.rest() == "</stream:stream>"
            assert not house.hub.clients
            caller.close()
            await eventually(lambda: not place.server.connections)

    run(body)


def test_the_socket_is_never_open_to_others_and_goes_with_the_server(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[int] = []
    bind = socket.socket.bind

    def spy(self: socket.socket, address: Any) -> None:
        bind(self, address)
        bound.append(stat.S_IMODE(path.lstat().st_mode))

    monkeypatch.setattr(module.socket.socket, "bind", spy)
    umask = os.umask(0)

    async def body() -> None:
        async with listening(house, path):
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert not path.exists()

    try:
        run(body)
        assert bound == [0o600]
        assert os.umask(0) == 0, "the umask is as it was"
    finally:
        os.umask(umask)


def test_a_path_that_is_too_long_for_a_socket_works(house: House, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "work.sock"

    async def body() -> None:
        async with listening(house, path):
            assert stat.S_ISSOCK(path.lstat().st_mode)

    run(body)


async def starts(house: House, path: Path) -> XmppctlError | None:
    server = Server(house.hub, path)
    try:
        await server.start()
    except XmppctlError as error:
        return error
    await server.close(0)
    return None


def test_the_socket_of_a_dead_daemon_is_replaced(house: House, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert asyncio.run(starts(house, path)) is None


@pytest.mark.parametrize("what", ["file", "link", "directory"])
def test_what_else_stands_there_is_left_alone(house: House, path: Path, what: str) -> None:
    if what == "file":
        path.write_text("precious")
    elif what == "link":
        path.symlink_to("elsewhere")
    else:
        path.mkdir()
    error = asyncio.run(starts(house, path))
    assert isinstance(error, DaemonError) and str(path) in error.message and "rm" in error.hint
    assert os.path.lexists(path)


def test_a_directory_that_others_can_enter_is_refused(house: House, path: Path) -> None:
    path.parent.chmod(0o755)
    error = asyncio.run(starts(house, path))
    assert isinstance(error, ConfigError) and "0755" in error.message
    assert not path.exists()


def test_a_server_removes_no_socket_but_its_own(house: House, path: Path) -> None:
    async def body() -> None:
        async with listening(house, path):
            path.unlink()
            path.write_text("another's")
        assert path.read_text() == "another's"

    run(body)


def test_another_users_process_is_not_let_in_and_it_is_noted(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.unix, "peer", lambda _: Peer(os.geteuid() + 1, 99))

    async def body() -> None:
        async with listening(house, path) as place:
            caller = await place.call()
            caller.say(HEADER + BIND)
            told = await caller.rest()
            assert "<policy-violation" in told and told.endswith("</stream:stream>")
            assert "<hello" not in told and "orchard" not in told
            assert not house.hub.clients and house.hub.facts()["clients"] == []

    run(body)
    assert f"uid {os.geteuid() + 1}" in house.notes[0]


def test_who_the_kernel_does_not_know_is_not_let_in(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Peer:
        raise OSError(1, "no")

    monkeypatch.setattr(module.unix, "peer", fail)

    async def body() -> None:
        async with listening(house, path) as place:
            assert "<policy-violation" in await (await place.call()).rest()
            assert not house.hub.clients

    run(body)


def test_too_many_clients_are_told_so(house: House, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLIENTS", 2)

    async def body() -> None:
        async with listening(house, path) as place:
            first, second = await place.call(), await place.call()
            await first.bind()
            await second.bind()
            assert "<resource-constraint" in await (await place.call()).rest()
            second.close()
            await eventually(lambda: len(house.hub.clients) == 1)
            assert "orchard" in await (await place.call()).bind()

    run(body)


def test_those_who_are_not_let_in_cannot_use_up_all_files(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is refused may read why, but so many do not stay that nothing else can be opened."""
    monkeypatch.setattr(module, "_descriptors", lambda: 16)
    monkeypatch.setattr(module, "_MAX_REFUSED", 2)

    async def body() -> None:
        async with listening(house, path) as place:
            inside = [await place.call() for _ in range(8)]
            for each in inside:
                await each.bind()
            told = [await place.call() for _ in range(2)]
            for each in told:
                assert "<resource-constraint" in await each.rest()
            for _ in range(20):
                assert "<resource-constraint" in await (await place.call()).rest()
            assert len(place.server.connections) <= 10
            inside[0].say("<iq type='get' id='q'><query xmlns='jabber:iq:version'/></iq>")
            await eventually(lambda: any("jabber:iq:version" in text for text in house.link.texts))

    run(body)


def test_a_client_that_says_nothing_does_not_stay(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.02)

    async def body() -> None:
        async with listening(house, path) as place:
            assert "<connection-timeout" in await (await place.call()).rest()

    run(body)


def test_a_hundred_clients_at_once_each_get_their_own_replies(house: House, path: Path) -> None:
    async def one(place: Place, number: int) -> str:
        caller = await place.call()
        await caller.bind()
        caller.say("<iq type='get' id='x' to='montague.example'><ping xmlns='urn:xmpp:ping'/></iq>" * 2)
        caller.say(f"<message id='m{number}'/>")
        first, second = await caller.until("</iq>"), await caller.until("</iq>")
        assert first.count("<iq") == second.count("<iq") == 1
        caller.say("</stream:stream>")
        return first + second

    async def serve() -> None:
        from tests.daemon.conftest import attribute

        answered = 0
        while answered < 200:
            await asyncio.sleep(0.001)
            asks = [text for text in house.link.texts if text.startswith("<iq")]
            for text in asks[answered:]:
                id_ = attribute(text, "id")
                house.link.receive(
                    f"<iq type='result' from='montague.example' id='{id_}'><to xmlns='x'>{id_}</to></iq>"
                )
            answered = len(asks)

    async def body() -> None:
        async with listening(house, path) as place:
            server = asyncio.create_task(serve())
            told = await asyncio.gather(*(one(place, number) for number in range(100)))
            await server
            assert all(text.count("id='x'") == 2 for text in told)
            inner = [text.split("</to>")[0].rpartition(">")[2] for text in told]
            assert len(set(inner)) == 100
            assert sorted(text for text in house.link.texts if text.startswith("<m")) == sorted(
                f"<message id='m{number}'/>" for number in range(100)
            )
            await eventually(lambda: not house.hub.clients)
            assert house.hub.iqs.facts()["waiting"] == 0

    run(body)


def test_nothing_is_read_while_the_link_is_congested(house: House, path: Path) -> None:
    async def body() -> None:
        async with listening(house, path) as place:
            caller = await place.call()
            await caller.bind()
            house.link.congested = True
            caller.say("<message id='a'/>")
            await eventually(lambda: len(house.link.texts) == 1)
            await asyncio.sleep(0.05)
            caller.say("<message id='b'/>")
            await asyncio.sleep(0.05)
            assert len(house.link.texts) == 1
            house.link.congested = False
            house.hub.relieved()
            await eventually(lambda: len(house.link.texts) == 2)

    run(body)


def test_a_client_that_dies_while_it_is_not_read_from_is_noticed(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)

    async def body() -> None:
        async with listening(house, path) as place:
            caller = await place.call()
            await caller.bind()
            house.link.congested = True
            caller.say("<message id='a'/>")
            await eventually(lambda: len(house.link.texts) == 1)
            await asyncio.sleep(0.05)
            caller.say("<message id='b'/></stream:stream>")
            caller.close()
            await eventually(lambda: not house.hub.clients)
            assert house.link.last == "<message id='b'/>", "what it said before counts"

    run(body)


def test_a_client_that_is_paused_again_and_again_is_looked_at_no_oftener(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = module._Connection._look
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.03)
    monkeypatch.setattr(module._Connection, "_look", lambda self: (looks.append(1), look(self)))

    async def body() -> None:
        async with listening(house, path) as place:
            await (await place.call()).bind()
            (connection,) = place.server.connections
            for congested in (True, False) * 50 + (True,):
                house.link.congested = congested
                connection._flush()
            await eventually(lambda: len(looks) >= 2)
            assert len(looks) < 10, "one timer, and not one for each pause"

    run(body)


def test_a_client_that_reads_slowly_gets_all_of_it_before_its_end(house: House, path: Path) -> None:
    async def body() -> None:
        async with listening(house, path) as place:
            slow = await place.call()
            await slow.bind()
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            (client,) = house.hub.clients
            for _ in range(200):
                client.deliver(b"<message>" + b"x" * 10_000 + b"</message>")
            await asyncio.sleep(0.01)
            client.end("reset")
            await asyncio.sleep(0.01)
            slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
            told = await slow.rest()
            assert told.count("</message>") == 200 and told.endswith("</stream:stream>")

    run(body)


def test_a_client_that_never_reads_slows_nobody_and_ends(
    house: House, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.05)

    async def body() -> None:
        async with listening(house, path) as place:
            deaf, other = await place.call(), await place.call()
            await deaf.bind()
            await other.bind()
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            (client,) = [each for each in house.hub.clients if each.number == 1]
            for number in range(3000):
                house.link.receive(f"<message id='{number}'><body>{'x' * 4000}</body></message>")
                if number % 100 == 0:
                    await asyncio.sleep(0)
            assert client.facts()["dropped"] > 0
            house.link.receive("<message id='end'/>")
            assert "id='2999'" in await other.until("<message id='end'/>")
            client.end("reset")
            await eventually(lambda: len(place.server.connections) == 1)

    run(body)


def test_the_end_is_told_to_everybody(house: House, path: Path) -> None:
    async def body() -> None:
        async with listening(house, path) as place:
            caller = await place.call()
            await caller.bind()
            place.server.stop_listening()
            assert not path.exists()
            with pytest.raises(OSError):
                await place.call()
            closing = asyncio.create_task(place.server.close(SECONDS))
            told = await caller.rest()
            assert "<system-shutdown" in told and told.endswith("</stream:stream>")
            assert not closing.done(), "it has not closed its socket"
            caller.close()
            await closing
            assert not place.server.connections

    run(body)


def test_whoever_stays_when_the_end_was_told_is_cut_off(house: House, path: Path) -> None:
    async def body() -> None:
        async with listening(house, path) as place:
            await (await place.call()).bind()
            await place.server.close(0.05)
            await eventually(lambda: not place.server.connections)

    run(body)
