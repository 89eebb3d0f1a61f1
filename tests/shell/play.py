"""A shell on a scripted session, and a house for it that only notes what it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from xmppctl.errors import XmppctlError
from xmppctl.output.base import Note
from xmppctl.session.acks import NS_SM
from xmppctl.session.memory import MemorySession, Responder
from xmppctl.shell.core import Manner, Shell
from xmppctl.shell.reader import Stanza, read
from xmppctl.shell.run import Ear
from xmppctl.shell.templates import Templates
from xmppctl.shell.wire import Wire
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame

#: What nothing here takes, unless it hangs.
PATIENCE = 10.0
SM = f"{NS_SM} sm"
SCRIPT = Manner(in_order=True, echo=True)
PERSON = Manner()


class Commands:
    """Those of `known`: name -> what runs in the job's thread with the rest of the line and what opens a session."""

    def __init__(self, **known: Callable[[str, Any], int]) -> None:
        self.known = known

    def names(self) -> dict[str, str]:
        return {name: f"what {name} does" for name in self.known}

    def check(self, name: str, rest: str) -> None:
        del name, rest

    def complete(self, line: str) -> list[tuple[str, str]]:
        del line
        return []

    def run(self, name: str, rest: str, open_session: Any) -> int:
        return self.known[name](rest, open_session)


class House:
    """Notes all that is shown and said."""

    def __init__(self, commands: Commands | None = None, templates: Templates | None = None) -> None:
        self.screen = self
        self.commands = commands or Commands()
        self.templates = templates or Templates(None)
        self.shown: list[tuple[Frame, Note | None]] = []
        self.events: list[Event] = []
        self.said: list[str] = []
        self.notes: list[str] = []
        self.told: list[XmppctlError] = []

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        self.shown.append((frame, note))

    def event(self, event: Event) -> None:
        self.events.append(event)

    def say(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def tell(self, error: XmppctlError) -> None:
        self.told.append(error)

    @property
    def ids(self) -> list[str | None]:
        """The ids of the frames that were shown."""
        return [frame.id for frame, _ in self.shown]


class Stage:
    """A shell, the session that it began on, and what it lives in."""

    def __init__(
        self,
        session: MemorySession,
        house: House,
        manner: Manner,
        ear: Ear,
        reopen: Callable[[], Awaitable[Any]] | None,
        acks: bool,
    ) -> None:
        self.session = session
        self.house = house
        self.shell = Shell(house, manner, session.jid)
        self.wire = Wire(session, reopen, event=self.shell.event, lost=self.shell.traffic.lost, acks=acks)
        ear.give(self.shell.traffic.hear)
        self.shell.attach(self.wire)
        self.keeping = asyncio.ensure_future(self.wire.keep())

    async def type(self, text: str) -> None:
        """Do what a text says, one after the other."""
        for item in read(text + "\n"):
            await self.shell.do(item)

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(PATIENCE):
            while not predicate():
                await asyncio.sleep(0.001)

    async def settled(self) -> None:
        """Whatever was on its way has come."""
        await self.until(lambda: not self.session._incoming)
        await asyncio.sleep(0)

    @property
    def typed(self) -> list[str]:
        """What went out, but for what the shell sends of its own accord."""
        return [frame.text for frame in self.session.sent if frame.namespace != NS_SM]


@asynccontextmanager
async def stage(
    responder: Responder | None = None,
    *,
    manner: Manner = PERSON,
    commands: Commands | None = None,
    templates: Templates | None = None,
    reopen: Callable[[Ear], Callable[[], Awaitable[Any]]] | None = None,
    acks: bool = False,
    features: Iterable[str] = (),
) -> AsyncIterator[Stage]:
    """A shell that runs. `reopen(ear)` gives what opens another session, whose frames go to `ear`."""
    ear = Ear()
    session = MemorySession(responder, on_frame=ear, features=features)
    made = Stage(
        session, House(commands, templates), manner, ear, None if reopen is None else reopen(ear), acks
    )
    try:
        yield made
    finally:
        made.keeping.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await made.keeping
        await made.shell.end()
        for thread in [thread for thread in threading.enumerate() if thread.name.startswith("job ")]:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def perform(main: Callable[[Stage], Awaitable[None]], responder: Responder | None = None, **how: Any) -> None:
    """Run a test on a stage."""

    async def performed() -> None:
        async with stage(responder, **how) as made, asyncio.timeout(PATIENCE):
            await main(made)

    asyncio.run(performed())


def stanza(text: str) -> Stanza:
    """What was typed."""
    (item,) = read(text)
    assert isinstance(item, Stanza)
    return item


def answering(**answers: str) -> Responder:
    """Answers requests by their id."""

    def respond(frame: Frame) -> list[str] | None:
        answer = answers.get(frame.id or "")
        return None if answer is None or frame.kind == "nonza" else [answer]

    return respond


def acknowledging(upto: Callable[[int], int] = lambda count: count) -> Responder:
    """Acknowledges (XEP-0198) as many of the stanzas that came as `upto` says."""
    count = 0

    def respond(frame: Frame) -> list[str] | None:
        nonlocal count
        if frame.namespace != NS_SM:
            count += 1
            return None
        told = {"enable": f"<enabled xmlns='{NS_SM}'/>", "r": f"<a xmlns='{NS_SM}' h='{upto(count)}'/>"}
        return [told[frame.name]]

    return respond
