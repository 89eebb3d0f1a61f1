"""The daemon put together: what it tells, what keeps it from idling, and that it ends as it should."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Coroutine, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.servers.daemons import serving
from tests.servers.hostile import DOMAIN, JID, PASSWORD, Server
from xmppctl.config.secrets import NoPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.daemon.core import Daemon, memory
from xmppctl.daemon.log import Log
from xmppctl.daemon.parts import Outgoing
from xmppctl.errors import DaemonError, XmppctlError
from xmppctl.session import local
from xmppctl.stanza import build
from xmppctl.stanza.jid import Jid

Make = Callable[..., Daemon]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(serving) as server:
        yield server


@pytest.fixture
def make(tmp_path: Path, server: Server) -> Make:
    """A daemon on that server; call it in an event loop."""

    def made(**more: Any) -> Daemon:
        settings = Settings(
            Jid.parse(JID), NoPassword(""), account="work", host="127.0.0.1", port=server.port, tls="none"
        )
        return Daemon(
            settings,
            lambda: Secret(PASSWORD),
            socket=tmp_path / "private/work.sock",
            spool=tmp_path / "work.db",
            log=Log(tmp_path / "work.log"),
            **more,
        )

    return made


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


async def answer(daemon: Daemon, name: str) -> str:
    """What the daemon answers to a request at its socket; the connection stays open until then."""
    reader, writer = await asyncio.open_unix_connection(daemon.facts()["socket"])
    writer.write(
        f"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{DOMAIN}'"
        f" version='1.0'>{build.iq('set', local.payload(name), to=local.DAEMON)}".encode()
    )
    heard = await reader.readuntil(b"</iq>") if name == "info" else await reader.readuntil(b"type='result'")
    writer.close()
    return heard.decode()


def test_it_tells_all_that_it_knows(make: Make, tmp_path: Path) -> None:
    async def main() -> None:
        online = asyncio.Event()
        daemon = make(on_outcome=lambda error: online.set())
        running = asyncio.create_task(daemon.run())
        await online.wait()
        told = daemon.facts()
        assert json.loads(json.dumps(told)) == told
        assert (told["account"], told["name"], told["until_idle"]) == ("work", "work", None)
        assert told["jid"].startswith(f"{JID}/")
        assert told["connection"]["state"] == "online"
        assert {"clients", "presence", "contacts", "watchers", "spool", "memory"} <= set(told)
        assert (told["log"], told["log_lost"]) == (str(tmp_path / "work.log"), 0)
        (text,) = re.findall(r"<info [^>]*>(.*)</info>", await answer(daemon, "info"))
        asked = json.loads(unescape(text))
        assert asked["pid"] == os.getpid() and set(asked) == set(told)
        assert asked["clients"] == []  # who asks is none
        daemon.stop("the test ends")
        await running
        assert not (tmp_path / "private/work.sock").exists()

    run(main())


def test_it_answers_before_it_ends(make: Make, tmp_path: Path) -> None:
    async def main() -> None:
        online = asyncio.Event()
        daemon = make(on_outcome=lambda error: online.set())
        running = asyncio.create_task(daemon.run())
        await online.wait()
        await answer(daemon, "stop")
        await running
        assert "asked for it" in (tmp_path / "work.log").read_text()

    run(main())


def test_the_outcome_is_the_error_where_it_goes_on_trying(make: Make, server: Server) -> None:
    server._stop()

    async def main() -> None:
        outcome: asyncio.Future[XmppctlError | None] = asyncio.get_running_loop().create_future()
        daemon = make(on_outcome=outcome.set_result)
        running = asyncio.create_task(daemon.run())
        error = await outcome
        assert error is not None and error.name == "tcp"
        assert not running.done()
        daemon.stop("the test ends")
        await running

    run(main())


def test_what_stands_in_the_way_of_the_socket_is_an_error_at_once(make: Make, tmp_path: Path) -> None:
    async def main() -> None:
        daemon = make()
        (tmp_path / "private").mkdir(mode=0o700)
        (tmp_path / "private/work.sock").write_text("not ours")
        with pytest.raises(DaemonError, match="left alone"):
            await daemon.run()

    run(main())


def test_who_comes_and_goes_between_two_looks_counts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Daemon, "is_busy", False)

    async def main() -> None:
        daemon = make(until_idle=0.2)
        idling = asyncio.create_task(daemon._end_when_idle())
        for _ in range(8):
            daemon.hub.join(None).drop()
            await asyncio.sleep(0.05)
        assert not idling.done()
        await idling

    run(main())


def test_what_is_shown_or_joined_or_waits_keeps_it_busy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        daemon = make()
        monkeypatch.setattr(type(daemon._spooler), "busy", False)
        assert not daemon.is_busy
        client = daemon.hub.join(None)
        assert daemon.is_busy
        client.drop()
        assert not daemon.is_busy
        for owner, name, value in (
            (type(daemon._spooler), "busy", True),
            (type(daemon.hub.presence), "lasting", True),
            (type(daemon.hub.presence.directed), "rooms", ["r@rooms.example"]),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, value)
                assert daemon.is_busy
        assert not daemon.is_busy

    run(main())


def test_what_the_server_must_still_get_keeps_it_busy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        daemon = make()
        monkeypatch.setattr(type(daemon._spooler), "busy", False)
        daemon.link.send(Outgoing(b"<presence/>", again=False))
        assert not daemon.is_busy
        daemon.link.send(Outgoing(b"<message/>"))
        assert daemon.is_busy

    run(main())


def test_what_the_server_did_not_get_is_told_at_the_end(make: Make, server: Server, tmp_path: Path) -> None:
    server._stop()

    async def main() -> None:
        outcome = asyncio.Event()
        daemon = make(on_outcome=lambda _: outcome.set())
        running = asyncio.create_task(daemon.run())
        await outcome.wait()
        daemon.link.send(Outgoing(b"<message/>"))
        daemon.link.send(Outgoing(b"<message/>", daemon._spooler))  # that is in the spool
        daemon.stop("the test ends")
        await running
        assert "has not acknowledged, and may not have: 1\n" in (tmp_path / "work.log").read_text()

    run(main())


def test_memory_is_in_bytes() -> None:
    told = memory()
    assert 4 << 20 < told["peak"] < 4 << 30
    assert told.get("resident", 0) <= told["peak"]
