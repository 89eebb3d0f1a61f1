"""The roster and who of it is online, in the daemon's memory: fetched at each new stream, kept up to date by pushes.

RFC 6121 section 2, with versions (section 2.6) where the server names them. A large roster is read some at a time, so
that nobody waits for it, and is told in pages. Sans-IO, but for the event loop's next turn.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any, Final

from xmppctl.daemon.whereabouts import Whereabouts
from xmppctl.errors import DaemonError
from xmppctl.protocols.contacts import Contact, Resource, RosterReader
from xmppctl.session.base import NS_ROSTER, prepared
from xmppctl.session.local import payload
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.daemon.hub import Hub
    from xmppctl.daemon.parts import Outgoing, Request
    from xmppctl.stanza.frame import Frame

#: What a large roster may take to come over a slow line.
ROSTER_SECONDS: Final = 600.0
#: Bytes of a roster that are read in one turn of the event loop: a few milliseconds.
SLICE_BYTES: Final = 64 * 1024
#: A page of the answer ends behind the contact that fills one of these.
PAGE_CONTACTS: Final = 1000
PAGE_CHARACTERS: Final = 256 * 1024

#: Bytes of pushes behind which the roster is asked for anew: an answer cannot be larger than a stanza, and so bounds
#: what is kept.
MAX_PUSHED: Final = 8 * 1024 * 1024

_UNUSUAL: Final = re.compile("[^ -~]|[&<>'\"]").search
_QUERY: Final = f"{NS_ROSTER} query"
_NOBODY: Final[Container[str]] = frozenset()


class Contacts:
    """What <contacts/> tells. `later` has something called in the next turn of the event loop."""

    def __init__(self, hub: Hub, later: Callable[[Callable[[], None]], object] | None = None) -> None:
        self._hub = hub
        self._later = later or _next_turn
        self._roster: dict[str, Contact] | None = None
        self._order: list[str] = []
        self._version: str | None = None
        self._whereabouts = Whereabouts()
        #: Which request for the roster is the last one; its answer is still to come, or being read.
        self._asked = 0
        self._loading = False
        #: Pushes that came while the answer was being read.
        self._pushes: list[RosterReader] = []
        #: Bytes of the pushes since the last answer.
        self._pushed = 0
        self._waiting: list[Request] = []
        hub.on_online(self._on_online)
        hub.on_stanza(self._on_stanza)
        hub.on_state(self._on_state)
        hub.service("contacts", self._serve)
        hub.presence.on_hidden = self._whereabouts.clear

    def facts(self) -> dict[str, Any]:
        """How many contacts there are (None: not known), and how many of them are online."""
        return {
            "contacts": None if self._roster is None else len(self._roster),
            "online": len(self._whereabouts),
            "resources": self._whereabouts.resources,
        }

    # -- the server --

    def _on_online(self, resumed: bool) -> Iterable[Outgoing]:
        if resumed:
            return ()
        self._whereabouts.clear()  # who is online says so again
        return (self._request(),)

    def _request(self) -> Outgoing:
        """What asks for the roster."""
        self._asked += 1
        self._loading = True
        self._pushed = 0
        self._pushes = []
        asked = self._asked
        version = {} if self._version is None else {"ver": self._version}
        query = f"<query xmlns='{NS_ROSTER}'{build.attributes(version)}/>"
        return self._hub.own_request(
            "get", query, None, lambda reply: self._on_roster(reply, asked), seconds=ROSTER_SECONDS
        )

    def _on_roster(self, reply: Frame | None, asked: int) -> None:
        if asked != self._asked:
            return
        if reply is None or reply.type == "error":
            self._loaded()
        elif _QUERY not in reply.payloads:  # section 2.6.3: the version is still the right one
            self._roster = {} if self._roster is None else self._roster
            self._loaded()
        else:
            self._pushes = []  # what came before the answer is in it
            self._read(RosterReader(reply), asked)

    def _read(self, reader: RosterReader, asked: int) -> None:
        if asked != self._asked:
            return
        if not reader.read(SLICE_BYTES):
            self._later(lambda: self._read(reader, asked))
            return
        self._roster, self._version = reader.contacts, reader.version
        self._order = sorted(self._roster)
        for push in self._pushes:
            self._change(push)
        self._loaded()

    def _loaded(self) -> None:
        self._loading = False
        self._pushes = []
        self._whereabouts.keep(_NOBODY if self._roster is None else self._roster)
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._answer(request)

    def _on_stanza(self, frame: Frame) -> None:
        kind = frame.kind
        if kind == "presence":
            if not self._hub.presence.shows:
                return  # late, or for us alone: nobody would tell us of its end
            known = _NOBODY if self._roster is None else self._roster
            self._whereabouts.take(frame, None if self._loading else known)
        elif kind == "iq" and frame.type == "set" and _QUERY in frame.payloads:
            self._on_push(frame)

    def _on_push(self, frame: Frame) -> None:
        """A roster push (section 2.1.6): only the own server may send one."""
        jid = self._hub.link.jid
        if prepared(frame.sender) not in (None, jid.bare if jid else None):
            return
        push = RosterReader(frame)
        push.read()
        if len(push.contacts) != 1:
            return
        self._pushed += len(frame.raw)
        if self._pushed > MAX_PUSHED:
            self._begin_anew()
            return
        if self._loading:
            self._pushes.append(push)
        self._change(push)

    def _begin_anew(self) -> None:
        """Forget the roster and ask for all of it: so many changes need not fit into memory."""
        self._roster, self._order, self._version = None, [], None
        self._hub.send(self._request())

    def _change(self, push: RosterReader) -> None:
        if self._roster is None:
            return  # it is in the answer that is still to come
        self._version = push.version
        ((jid, contact),) = push.contacts.items()
        at = bisect_left(self._order, jid)
        if contact.subscription != "remove":
            if jid not in self._roster:
                self._order.insert(at, jid)
            self._roster[jid] = contact
        elif self._roster.pop(jid, None) is not None:
            del self._order[at]
            self._whereabouts.forget(jid)

    # -- clients --

    def _on_state(self) -> None:
        failure = self._hub.link.failure
        if self._hub.link.state == "failed":
            self._asked += 1
            self._loading = False
            waiting, self._waiting = self._waiting, []
            for request in waiting:
                request.refuse(failure or DaemonError("the daemon cannot connect"))

    def _serve(self, request: Request) -> None:
        link = self._hub.link
        if self._roster is None and link.state == "failed":
            raise link.failure or DaemonError("the daemon cannot connect")
        if self._roster is None and self._asked and not self._loading and link.state == "online":
            self._hub.send(self._request())  # it was not given; that can have passed
        if self._loading or (self._roster is None and not self._asked):
            self._waiting.append(request)
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        if self._roster is None:
            request.reply(payload("contacts", attributes={"known": "false"}))
            return
        after = next(iter(request.frame.element())).get("after")
        begin = 0 if after is None else bisect_right(self._order, after)
        items: list[str] = []
        size = 0
        for jid in self._order[begin : begin + PAGE_CONTACTS]:
            items.append(_item(self._roster[jid], self._whereabouts.of(jid)))
            size += len(items[-1])
            if size > PAGE_CHARACTERS:
                break
        head = {
            "known": "true",
            "presence": "true" if self._shows_presence() else "false",
            "total": str(len(self._order)),
            "more": "true" if begin + len(items) < len(self._order) else None,
        }
        request.reply(payload("contacts", "".join(items), head))

    def _shows_presence(self) -> bool:
        """Whether presences of others come: a server sends them only to who shows a presence (section 4.2)."""
        return self._hub.link.state == "online" and self._hub.presence.shows


def _item(contact: Contact, resources: Iterable[Resource]) -> str:
    """Put together by hand: it is done for each of 35,000, and nobody is served meanwhile."""
    name = "" if contact.name is None else f" name='{_escape(contact.name)}'"
    ask = "" if contact.ask is None else f" ask='{_escape(contact.ask)}'"
    approved = " approved='true'" if contact.approved else ""
    groups = "".join([f"<group>{_escape(group)}</group>" for group in contact.groups])
    return (
        f"<item jid='{_escape(contact.jid)}'{name} subscription='{_escape(contact.subscription)}'{ask}{approved}>"
        f"{groups}{''.join(map(_resource, resources))}</item>"
    )


def _resource(resource: Resource) -> str:
    show = "" if resource.show is None else f"<show>{resource.show}</show>"
    status = "" if resource.status is None else f"<status>{_escape(resource.status)}</status>"
    return (
        f"<resource name='{_escape(resource.name)}' priority='{resource.priority}'>{show}{status}</resource>"
    )


def _escape(text: str) -> str:
    """For an attribute or text; most needs nothing."""
    return build.escape_attribute(text) if _UNUSUAL(text) else text


def _next_turn(call: Callable[[], None]) -> None:
    import asyncio

    asyncio.get_running_loop().call_soon(call)
