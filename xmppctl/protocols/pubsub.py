"""PubSub (XEP-0060): subscribing to a node, its events as records, and leaving things as they were found.

Requests go through slixmpp's plugin; events are read off the bytes of the wire, so that a payload is what was
published and not what a library made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xmppctl.errors import OutputClosed, StanzaRefused
from xmppctl.protocols import atom
from xmppctl.session.base import prepared
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.slices import Slice, slices
from xmppctl.stanza.tree import parse

if TYPE_CHECKING:
    from xmppctl.session.base import Session, Subscription
    from xmppctl.session.bridge import Bridge

NS_PUBSUB: Final = "http://jabber.org/protocol/pubsub"
NS_EVENT: Final = f"{NS_PUBSUB}#event"
NS_DELAY: Final = "urn:xmpp:delay"

#: Conditions with which a service says that it keeps no list of subscriptions (section 5.6).
_NO_LIST: Final = ("feature-not-implemented", "service-unavailable", "bad-request")


class Node(NamedTuple):
    """A node at a service, both as prepared for comparison."""

    service: str
    name: str


class Subscribed(NamedTuple):
    """A subscription of ours (section 4.2). `state` is subscribed, pending or unconfigured; `made`: by this run."""

    state: str
    subid: str | None
    made: bool


class Event(NamedTuple):
    """One thing that happened to a node (section 7): `record` as the command line's contract has it."""

    kind: str
    record: dict[str, Any]

    @property
    def id(self) -> str | None:
        """The item's id."""
        id_: str | None = self.record.get("id")
        return id_


class Follower:
    """A subscription to one node on a session that runs on an event loop. Made before anything is sent.

    `subscribe()`, then `items()` if wanted, then `next()` for each event; at the end `leave()`.
    """

    def __init__(self, session: Session, node: Node) -> None:
        self._session = session
        self._node = node
        self._events: list[Event] = []
        self._items: dict[str, str] = {}  # what items() gave: id -> payload
        self._frames: Subscription = session.stanzas(self._is_event)
        self.subscribed: Subscribed | None = None
        #: Whether no more events can come: the node was deleted, or its owner has ended the subscription.
        self.over = False

    # -- subscribing --

    async def subscribe(self) -> Subscribed:
        """Subscribe the bare JID, unless it is subscribed (section 6.1). Raises StanzaRefused, DeadlineExceeded."""
        client, plugin = await self._client()
        known = await self._existing(client, plugin)
        if known is not None:
            self.subscribed = known
            return known
        service, name = self._node
        # Even if no answer comes any more: there was none before, so what there is afterwards is ours.
        self.subscribed = Subscribed("unknown", None, made=True)
        try:
            reply = await client.result(
                plugin.subscribe(service, name), f"subscribing to {name} at {service}"
            )
        except StanzaRefused:
            self.subscribed = None
            raise
        answer = reply.xml.find(f"{{{NS_PUBSUB}}}pubsub/{{{NS_PUBSUB}}}subscription")
        # Section 6.1.2: a service need not say more than that it worked.
        state = "subscribed" if answer is None else answer.get("subscription", "subscribed")
        subid = None if answer is None else answer.get("subid")
        self.subscribed = Subscribed(state, subid, made=True)
        return self.subscribed

    async def leave(self) -> None:
        """Undo the subscription if this run has made it (section 6.2). Raises StanzaRefused, DeadlineExceeded."""
        if self.subscribed is None or not self.subscribed.made or self.over:
            return
        client, plugin = await self._client()
        service, name = self._node
        call = plugin.unsubscribe(service, name, subid=self.subscribed.subid)
        try:
            await client.result(call, f"unsubscribing from {name} at {service}")
        except StanzaRefused as refused:
            # Sections 6.2.3.2 and 6.2.3.4: somebody else has ended it, or the node is gone.
            if refused.reason.condition not in ("unexpected-request", "item-not-found"):
                raise
        self.subscribed = None

    async def _client(self) -> tuple[Bridge, Any]:
        """The client, and its plugin, whose methods have no types."""
        client = await self._session.client()
        client.only_replies = True
        client.register_plugin("xep_0060")
        return client, client.plugin["xep_0060"]

    async def _existing(self, client: Bridge, plugin: Any) -> Subscribed | None:
        """The subscription that is there before this run; None where there is none or the service does not tell."""
        service, name = self._node
        call = plugin.get_subscriptions(service, name)
        try:
            reply = await client.result(call, f"asking {service} for subscriptions")
        except StanzaRefused as refused:
            if refused.reason.condition in _NO_LIST:
                return None
            raise
        for found in reply.xml.iter(f"{{{NS_PUBSUB}}}subscription"):
            # With the node in the request a service may leave it out of the answer (section 5.6).
            ours = (
                prepared(found.get("jid", "")) == self._session.jid.bare and found.get("node", name) == name
            )
            if ours and found.get("subscription") in ("subscribed", "pending", "unconfigured"):
                return Subscribed(found.get("subscription", ""), found.get("subid"), made=False)
        return None

    # -- events --

    async def items(self, count: int) -> list[Event]:
        """The last `count` items (section 6.5.7). Events that tell of the same items are not given again."""
        client, plugin = await self._client()
        service, name = self._node
        early = len(self._frames.queue)
        heard = self._session.stanzas(
            lambda frame: (
                self._is_event(frame) or (frame.kind == "iq" and f"{NS_PUBSUB} pubsub" in frame.payloads)
            )
        )
        try:
            call = plugin.get_items(service, name, max_items=count)
            reply = await client.result(call, f"fetching items of {name} at {service}")
            senders = self._session.replies.senders(service)
            for frame in heard.queue:
                if frame.id == reply["id"] and prepared(frame.sender) in senders:
                    break
                early += frame.kind == "message"
        finally:
            heard.close()
        path = [f"{NS_PUBSUB} pubsub", f"{NS_PUBSUB} items", f"{NS_PUBSUB} item"]
        found = [self._item(item, frame) for item in slices(frame, path)]
        self._items = {event.id: event.record.get("payload", "") for event in found if event.id}
        # What was announced before the answer is in the answer; what came right behind it is not.
        for _ in range(early):
            for event in self._read(self._frames.queue.popleft()):
                if event.kind != "item" or event.id not in self._items:
                    self._events.append(event)
        return found

    async def next(self, output: int | None = None) -> Event:
        """The next event. Raises DeadlineExceeded, StreamError, ConnectionLost, Interrupted, Terminated.

        `output` is the descriptor of the pipe that is written to: OutputClosed as soon as nobody reads it.
        """
        while not self._events:
            if output is not None and await self._session.wait_readable(
                output, unless=lambda: bool(self._frames.queue), doing="waiting for events"
            ):
                raise OutputClosed("the reader of the output has gone")
            self._take(await self._frames.next())
        event = self._events.pop(0)
        told = event.record
        ended = told.get("subscription") == "none" and prepared(told.get("jid")) == self._session.jid.bare
        self.over = self.over or event.kind == "delete" or ended
        return event

    def _is_event(self, frame: Frame) -> bool:
        """Whether the service itself says something of events: anybody can send such a message."""
        if frame.kind != "message" or frame.type == "error" or f"{NS_EVENT} event" not in frame.payloads:
            return False
        sender = self._session.jid.bare if frame.sender is None else prepared(frame.sender)
        return sender == self._node.service

    def _take(self, frame: Frame) -> None:
        for event in self._read(frame):
            late = f"{NS_DELAY} delay" in frame.payloads and event.kind == "item"
            if late and event.id and self._items.pop(event.id, None) == event.record.get("payload", ""):
                continue  # a service's welcome to new subscribers (section 6.1.7), which items() has given
            self._events.append(event)

    def _read(self, frame: Frame) -> Iterator[Event]:
        """What one message tells of our node."""
        for change in slices(frame, [f"{NS_EVENT} event", "*"], levels=2):
            namespace, _, name = change.name.rpartition(" ")
            if namespace != NS_EVENT or change.attributes.get("node") != self._node.name:
                continue
            if name == "items":
                for child in change.children:
                    if child.name == f"{NS_EVENT} item":
                        yield self._item(child, frame)
                    elif child.name == f"{NS_EVENT} retract":
                        yield self._event("retract", frame, id=child.attributes.get("id"))
            elif name in ("purge", "delete", "configuration", "subscription"):
                yield self._change(name, change, frame)

    def _change(self, name: str, change: Slice, frame: Frame) -> Event:
        if name == "configuration":
            payload = change.children[0].text if change.children else None
            return self._event("configure", frame, payload=payload)
        if name == "subscription":
            told = {key: change.attributes.get(key) for key in ("jid", "subscription", "subid", "expiry")}
            return self._event(name, frame, **told)
        redirect = next((child.attributes.get("uri") for child in change.children), None)
        return self._event(name, frame, redirect=redirect)

    def _item(self, item: Slice, frame: Frame) -> Event:
        payload = item.children[0] if item.children else None
        told: dict[str, Any] = {
            "id": item.attributes.get("id"),
            "publisher": item.attributes.get("publisher"),
        }
        if payload is not None:
            told["payload"] = payload.text
            if payload.name == f"{atom.NS_ATOM} entry":
                told["atom"] = atom.entry(parse(payload.raw, {}))
        return self._event("item", frame, **told)

    def _event(self, kind: str, frame: Frame, **told: Any) -> Event:
        from xmppctl.output.records import utc_time

        record = {
            "schema": 1,
            "time": utc_time(frame.time),
            "event": kind,
            "service": self._node.service,
            "node": self._node.name,
        }
        return Event(kind, record | {key: value for key, value in told.items() if value is not None})
