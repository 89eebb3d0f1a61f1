"""A spooler on a link that writes nothing by itself, and a second handle of its spool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from xmppctl.daemon.parts import Outgoing, Service, State
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import STATES, New
from xmppctl.daemon.spooler import Spooler
from xmppctl.errors import XmppctlError
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


#: Runs a test on such a spooler.
Run = Callable[[Callable[[World], Coroutine[Any, Any, None]]], None]
