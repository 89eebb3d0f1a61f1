"""A link to a scripted server, what to see of it, and what such a server says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic
from typing import Any

from tests.servers.hostile import (
    BIND,
    FULL_JID,
    JID,
    PASSWORD,
    SM,
    Peer,
    Server,
    bind,
    greet,
    mechanisms,
    scram,
)
from xmppctl.config.secrets import GivenPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.daemon.link import Link
from xmppctl.daemon.parts import Outgoing, Owner
from xmppctl.daemon.retry import Backoff
from xmppctl.daemon.stream import Timing
from xmppctl.errors import XmppctlError
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

PATIENCE = 10.0
NS_SM = "urn:xmpp:sm:3"
#: Quiet: nothing is asked unless a test wants it.
QUIET = Timing(idle=60, patience=60, answer=60, tick=60, login=5, farewell=1)


class Ears:
    """A listener that remembers. `first` is what it gives on a new stream."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.stanzas: list[Frame] = []
        self.wires: list[Frame] = []
        self.errors: list[XmppctlError | None] = []
        self.first: list[Outgoing] = []
        self.relief = 0
        self.trouble: Callable[[Frame], None] = lambda _: None

    def online(self, jid: Jid, *, resumed: bool) -> Iterable[Outgoing]:
        self.states.append(f"{'resumed' if resumed else 'online'} {jid}")
        return [] if resumed else self.first

    def offline(self, error: XmppctlError | None) -> None:
        self.states.append("offline")
        self.errors.append(error)

    def failed(self, error: XmppctlError) -> None:
        self.states.append("failed")
        self.errors.append(error)

    def received(self, frame: Frame) -> None:
        self.stanzas.append(frame)
        self.trouble(frame)

    def wire(self, frame: Frame) -> None:
        self.wires.append(frame)

    def relieved(self) -> None:
        self.relief += 1

    @property
    def ids(self) -> list[str | None]:
        return [frame.id for frame in self.stanzas]


class Sender:
    """An owner."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def acknowledged(self, stanza: Outgoing) -> None:
        self.heard.append(stanza.data.decode())


class Case:
    """A link to a scripted server, and what to see of it."""

    def __init__(self, server: Server | int, timing: Timing = QUIET, **more: Any) -> None:
        port = server if isinstance(server, int) else server.port
        self.settings = Settings(
            jid=Jid.parse(JID),
            password=GivenPassword(Secret(PASSWORD), "test"),
            host="127.0.0.1",
            port=port,
            tls="none",
        )
        self.ears = Ears()
        self.sender = Sender()
        self.notes: list[str] = []
        self.link = Link(
            more.pop("settings", self.settings),
            more.pop("password", lambda: Secret(PASSWORD)),
            note=self.notes.append,
            timing=timing,
            backoff=Backoff(floor=0.01, ceiling=0.02),
            **more,
        )
        self.link.listener = self.ears
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.link.run())

    async def until(self, true: Callable[[], object], what: str = "") -> None:
        end = monotonic() + PATIENCE
        while not true():
            if self.task is not None and self.task.done() and self.task.exception():
                raise AssertionError("the link has ended") from self.task.exception()
            assert monotonic() < end, f"{what}: {self.ears.states[:9]} {self.notes[:9]}"
            await asyncio.sleep(0.005)

    async def online(self, count: int = 1) -> None:
        await self.until(lambda: sum("/" in state for state in self.ears.states) >= count, "online")

    def send(self, *names: str, again: bool = True, owner: Owner | None = None) -> None:
        for name in names:
            self.link.send(Outgoing(stanza(name).encode(), owner or self.sender, again=again))


def stanza(name: str) -> str:
    return f"<message id='{name}'/>"


def play(case: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(case, PATIENCE * 2))


def authenticated(peer: Peer) -> None:
    greet(peer, mechanisms("SCRAM-SHA-256"))
    scram(peer)


def bound(peer: Peer, *features: str, jid: str = FULL_JID) -> None:
    authenticated(peer)
    bind(peer, jid, *features)


def managed(peer: Peer, id_: str = "previous", jid: str = FULL_JID) -> None:
    """Up to stream management that can be resumed."""
    bound(peer, SM, jid=jid)
    peer.expect("<enable [^>]*resume='true'[^>]*/>")
    peer.send(f"<enabled xmlns='{NS_SM}' id='{id_}' resume='true' max='300'/>")


def asked_to_resume(peer: Peer) -> tuple[str, int]:
    """Up to the wish to resume: the id and count that it names."""
    authenticated(peer)
    greet(peer, BIND, SM)
    wish = peer.expect(r"<resume [^>]*/>").group()
    previous, handled = re.search("previd='([^']*)'", wish), re.search("h='([0-9]+)'", wish)
    assert previous and handled
    return previous.group(1), int(handled.group(1))


def resumed(peer: Peer, handled: int, id_: str = "previous") -> int:
    """Up to a resumed stream, on which a question comes first; returns how much the client had."""
    previous, had = asked_to_resume(peer)
    assert previous == id_
    peer.send(f"<resumed xmlns='{NS_SM}' previd='{id_}' h='{handled}'/>")
    peer.expect("^<r [^>]*/>")
    acknowledge(peer, handled)
    return had


def not_resumed(peer: Peer, handled: int | None = None, jid: str = FULL_JID) -> str:
    """A server that has forgotten the stream; returns the wish for a resource."""
    asked_to_resume(peer)
    h = "" if handled is None else f" h='{handled}'"
    peer.send(
        f"<failed xmlns='{NS_SM}'{h}><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
    )
    wish = peer.expect(r"<iq [^>]*id='([^']+)'[^>]*>\s*<bind[^>]*>(.*?)</bind></iq>")
    peer.send(
        f"<iq type='result' id='{wish.group(1)}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<jid>{jid}</jid></bind></iq>"
    )
    peer.expect("<enable [^>]*/>")
    peer.send(f"<enabled xmlns='{NS_SM}' id='next' resume='true'/>")
    return wish.group(2)


def acknowledge(peer: Peer, handled: int) -> None:
    peer.send(f"<a xmlns='{NS_SM}' h='{handled}'/>")


def ids(text: str) -> list[str]:
    return re.findall(r"<message id='([^']*)'", text)


#: What starts a scripted server.
Serve = Callable[..., Server]
