"""A hub whose link is scripted, and clients that talk to it in text; scripted servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.links import Serve
from tests.daemon.spooling import Run, World, world
from tests.servers.hostile import Script, Server
from xmppctl.daemon.client import Client
from xmppctl.daemon.hub import Hub
from xmppctl.daemon.parts import Outgoing, Owner, State
from xmppctl.errors import XmppctlError
from xmppctl.stanza.frame import NS_CLIENT, NS_STREAM, Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

ROMEO = Jid.parse("romeo@montague.example")
FULL = Jid.parse("romeo@montague.example/orchard")
OTHER = Jid.parse("romeo@montague.example/balcony")

HEADER = f"<stream:stream xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}' to='{ROMEO.domain}' version='1.0'>"
BIND = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"


class FakeLink:
    """Keeps what it is given; `acknowledge` and `cut` play the server. What is sent is written while online."""

    def __init__(self) -> None:
        self.state: State = "starting"
        self.jid: Jid | None = None
        self.failure: XmppctlError | None = None
        self.watched = False
        self.congested = False
        #: Online, and nothing is written.
        self.slow = False
        self.sent: list[Outgoing] = []
        self.unacknowledged: list[Outgoing] = []
        self.held: list[Outgoing] = []
        self.asked = 0
        self.hurried = 0
        self._beginning = False
        self.hub: Hub

    @property
    def texts(self) -> list[str]:
        """What was written, in order, streams of old included."""
        return [stanza.data.decode() for stanza in self.sent]

    @property
    def last(self) -> str:
        return self.texts[-1]

    def send(self, stanza: Outgoing) -> None:
        if self.state == "online" and not self._beginning and not self.slow:
            self._write(stanza)
        else:
            self.held.append(stanza)

    def _write(self, stanza: Outgoing) -> None:
        stanza.written = True
        self.sent.append(stanza)
        self.unacknowledged.append(stanza)

    def withdraw(self, owner: Owner) -> list[Outgoing]:
        taken = [stanza for stanza in self.held if stanza.owner is owner and not stanza.written]
        self.held = [stanza for stanza in self.held if stanza not in taken]
        return taken

    def want_acknowledgement(self) -> None:
        self.asked += 1

    def hurry(self) -> None:
        self.hurried += 1

    # -- the server --

    def online(self, jid: Jid = FULL, *, resumed: bool = False) -> None:
        """There is a stream, and what was not acknowledged goes out again."""
        self.state, self.jid = "online", jid
        again, self.unacknowledged = self.unacknowledged, []
        self._beginning = True
        first = list(self.hub.online(jid, resumed=resumed))
        self._beginning = False
        if resumed:
            assert first == []
            left = [*again, *self.held]
        else:
            left = [*first, *(each for each in again if each.again), *self.held]
        self.held = []
        for stanza in left:
            self._write(stanza)

    def cut(self) -> None:
        """The stream breaks."""
        self.state = "waiting"
        self.hub.offline(None)

    def fail(self, error: XmppctlError) -> None:
        """The link gives up."""
        self.state, self.failure = "failed", error
        self.hub.failed(error)

    def acknowledge(self, count: int | None = None) -> None:
        """The server has the first `count`, or all."""
        done, self.unacknowledged = (
            self.unacknowledged[:count],
            self.unacknowledged[len(self.unacknowledged[:count]) :],
        )
        for stanza in done:
            if stanza.owner is not None:
                stanza.owner.acknowledged(stanza)

    def receive(self, *stanzas: str, header: str = HEADER) -> None:
        """The server sends these."""
        splitter = Splitter("in")
        splitter.feed(header.encode())
        for stanza in stanzas:
            for frame in splitter.feed(stanza.encode()):
                self.hub.received(frame)


class Clock:
    """Timers that run when the test says so."""

    def __init__(self) -> None:
        self.timers: list[_Timer] = []
        self.now = 0.0

    def later(self, seconds: float, call: Callable[[], None]) -> _Timer:
        timer = _Timer(self.now + seconds, call)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in [each for each in self.timers if each.at <= self.now]:
            self.timers.remove(timer)
            if not timer.cancelled:
                timer.call()

    @property
    def waiting(self) -> int:
        return sum(not timer.cancelled for timer in self.timers)


class _Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Talker:
    """A client and what it reads: `read()` gives the frames that came since."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.wakes = 0
        self._splitter = Splitter("in")

    def say(self, *texts: str) -> Talker:
        for text in texts:
            self.client.receive(text.encode())
        return self

    def frames(self) -> list[Frame]:
        data = b""
        while more := self.client.take(1 << 20):
            data += more
        return self._splitter.feed(data) if data else []

    def read(self) -> list[str]:
        return [frame.text for frame in self.frames()]

    def die(self) -> None:
        self.client.receive(b"")

    def close(self) -> None:
        self.say("</stream:stream>")


class House:
    """The hub, its link and its clock."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.clock = Clock()
        self.notes: list[str] = []
        self.hub = Hub(
            self.link,
            jid=ROMEO,
            account="work",
            settings="5f3a9c01",
            note=self.notes.append,
            later=self.clock.later,
        )
        self.link.hub = self.hub

    def join(self, header: str = HEADER) -> Talker:
        """A client that has opened its stream."""
        talker = Talker(self.hub.join(4711))

        def wake() -> None:
            talker.wakes += 1

        talker.client.wake = wake
        return talker.say(header) if header else talker

    def bound(self, *, acks: bool = False) -> Talker:
        """A client that is bound, or waits to be."""
        talker = self.join().say(BIND)
        if acks:
            talker.say("<enable xmlns='urn:xmpp:sm:3'/>")
        talker.read()
        return talker


@pytest.fixture
def house() -> House:
    """A hub that is online."""
    made = House()
    made.link.online()
    return made


@pytest.fixture
def offline() -> House:
    """A hub that was never online."""
    return House()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start scripted servers that end with the test; what fails in a script fails the test."""
    with ExitStack() as stack:

        def start(*scripts: Script) -> Server:
            return stack.enter_context(Server(*scripts))

        yield start


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a test in an event loop, on a spooler that is started and closed."""

    def go(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        async def body() -> None:
            async with world(tmp_path / "spool" / "work.db") as made:
                await test(made)

        asyncio.run(asyncio.wait_for(body(), 20))

    return go


def attribute(text: str, name: str) -> str:
    """An attribute's value in the first tag of an element."""
    found = re.search(rf"\s{name}=['\"]([^'\"]*)['\"]", text.partition(">")[0])
    assert found, (name, text)
    return found.group(1)


def only(things: Iterable[Any]) -> Any:
    """The one thing that is there."""
    (thing,) = things
    return thing
