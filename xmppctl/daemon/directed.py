"""What clients show to some only: directed presence, rooms that they joined, and carbons. Sans-IO.

RFC 6121 section 4.6, XEP-0045, XEP-0280. It belongs to the client that sent it: when the client goes it is taken
back, on a new stream it is said again.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, Any, Final

from xmppctl.daemon.client import Sent
from xmppctl.daemon.parts import Outgoing
from xmppctl.session.replies import prepared
from xmppctl.stanza import build
from xmppctl.stanza.rewrite import with_attribute

if TYPE_CHECKING:
    from xmppctl.daemon.client import Client
    from xmppctl.daemon.hub import Hub
    from xmppctl.stanza.frame import Frame

NS_CARBONS: Final = "urn:xmpp:carbons:2"
_ENABLE: Final = f"{NS_CARBONS} enable"
_DISABLE: Final = f"{NS_CARBONS} disable"
_JOIN: Final = "http://jabber.org/protocol/muc x"


class _Target:
    """Whom a client shows itself to. Of a room `join` is what joined it, `to` the JID there."""

    __slots__ = ("before", "join", "last", "to")

    def __init__(self, to: str, last: Sent, join: Sent | None = None) -> None:
        self.to = to
        self.last = last
        self.join = join
        #: The JID in the room before the nickname was changed.
        self.before: str | None = None

    @property
    def unwritten(self) -> bool:
        """Whether the server has heard of none of it."""
        return not self.last.written and not (self.join is not None and self.join.written)


class Directed:
    """Who shows what to whom."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        #: Of each client, by bare JID for rooms, else by JID.
        self._of: dict[Client, dict[str, _Target]] = {}
        self._carbons: set[Client] = set()
        #: What is to be taken back if the stream is resumed.
        self._late: list[Outgoing] = []

    @property
    def rooms(self) -> list[str]:
        """The rooms that are joined."""
        return sorted(
            {key for own in self._of.values() for key, target in own.items() if target.join is not None}
        )

    def take(self, client: Client, frame: Frame) -> Sent:
        """Take presence that a client directs to somebody, and send it."""
        shows = frame.type in (None, "unavailable")
        sent = Sent(frame.raw, client, again=not shows)
        to = prepared(frame.to)
        if shows and to is not None:
            self._note(client, to, frame, sent)
        self._hub.link.send(sent)
        return sent

    def asked(self, client: Client, frame: Frame) -> None:
        """A client has sent a request: it may be about carbons."""
        if _ENABLE in frame.payloads:
            self._carbons.add(client)
        elif _DISABLE in frame.payloads:
            self._carbons.clear()

    def received(self, frame: Frame) -> None:
        """Presence of others: a room may have put us out, or not let us in."""
        if frame.type not in ("unavailable", "error") or not self.rooms:
            return
        sender = prepared(frame.sender) or ""
        bare = sender.partition("/")[0]
        for own in self._of.values():
            target = own.get(bare)
            if target is None or target.join is None or sender not in (target.to, bare):
                continue
            if frame.type == "error" and target.before is not None:
                target.to, target.before = target.before, None  # the new nickname was refused
            else:
                del own[bare]

    def left(self, client: Client, withdrawn: Set[Outgoing]) -> None:
        """A client is gone: take back what it showed and no other one shows."""
        for key, target in self._of.pop(client, {}).items():
            if any(key in own for own in self._of.values()) or (
                target.last in withdrawn and target.unwritten
            ):
                continue
            farewell = Outgoing(build.presence(type="unavailable", to=target.to).encode(), again=False)
            if self._hub.is_online or target.unwritten:
                self._hub.link.send(farewell)
            else:
                self._late.append(farewell)
        if client in self._carbons:
            self._carbons.discard(client)
            if not self._carbons and self._hub.is_online:
                self._hub.request("set", f"<disable xmlns='{NS_CARBONS}'/>", None, lambda _: None)

    def resumed(self) -> None:
        """The stream goes on."""
        late, self._late = self._late, []
        for farewell in late:
            self._hub.link.send(farewell)

    def restore(self) -> list[Outgoing]:
        """What is to be said again on a new stream. What no stream has seen the link still has."""
        self._late = []
        found = list(self._said())
        if self._carbons:
            enable = f"<enable xmlns='{NS_CARBONS}'/>"
            found.append(self._hub.own_request("set", enable, None, lambda _: None))
        return found

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it."""
        targets = {target.to for own in self._of.values() for target in own.values()}
        return {"rooms": self.rooms, "directed": len(targets), "carbons": bool(self._carbons)}

    def _note(self, client: Client, to: str, frame: Frame, sent: Sent) -> None:
        own = self._of.setdefault(client, {})
        bare = to.partition("/")[0]
        room = own.get(bare)
        if room is not None and room.join is None:
            room = None
        if frame.type == "unavailable":
            own.pop(bare if room is not None else to, None)
        elif _JOIN in frame.payloads:
            own[bare] = _Target(to, sent, sent)
        elif room is not None:
            if to != room.to:
                room.before, room.to = room.to, to
            room.last = sent
        else:
            own[to] = _Target(to, sent)

    def _said(self) -> Iterator[Outgoing]:
        for own in self._of.values():
            for target in own.values():
                join = target.join
                if join is not None and join.written:
                    data = with_attribute(join.data, "to", target.to)
                    yield join if data == join.data else Outgoing(data, again=False)
                if target.last is not join and target.last.written:
                    yield target.last
