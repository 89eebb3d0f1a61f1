"""What completion asks the network for by itself: the roster (RFC 6121 section 2), service discovery (XEP-0030).

What to ask where (`lookup`) is sans-IO. `Lookups` asks, on an event loop, quietly: a refusal only means that nothing
more is completed. `Learner` has what comes learned, without holding up the loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.errors import XmppctlError
from xmppctl.shell import vocabulary
from xmppctl.shell.place import unescaped
from xmppctl.stanza import build
from xmppctl.stanza.splitter import MAX_STANZA_BYTES

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.shell.completion import Sources
    from xmppctl.shell.knowledge import Knowledge
    from xmppctl.shell.place import Place
    from xmppctl.stanza.frame import Frame

#: Terms of filters whose value is a JID.
JID_TERMS: Final = frozenset({"from", "to", "with"})

_FILTERING: Final = frozenset({"/filter", "/wait", "/expect"})
_COMMANDS: Final = "http://jabber.org/protocol/commands"
_NAMESPACES: Final = {
    "roster": "jabber:iq:roster",
    "items": "http://jabber.org/protocol/disco#items",
    "info": "http://jabber.org/protocol/disco#info",
}
#: What an answer may take, in seconds.
_PATIENCE: Final = 10.0
#: The same is not asked again for so long.
_AGAIN_SECONDS: Final = 60.0
_MOST_AT_ONCE: Final = 3
#: So many are asked in that time: what is asked depends on what is typed, and that may be pasted.
_MOST_REMEMBERED: Final = 30
#: A frame that is larger is learned from in slices.
_LARGE_BYTES: Final = 64 * 1024
#: What may wait for that, in bytes: two of the largest stanzas.
_MOST_WAITING: Final = 2 * MAX_STANZA_BYTES
#: What a frame costs besides.
_FRAME_BYTES: Final = 1024


class Lookup(NamedTuple):
    """What could be asked: "roster", or "items" or "info" of a JID and a node; without a JID, of who is asked first.

    That is one's own account for "items", one's own server for "info".
    """

    what: str
    jid: str | None
    node: str | None


def lookup(text: str, sources: Sources) -> Lookup | None:
    """What to ask so that more can be completed behind `text`, all that is left of the cursor; None: nothing.

    Never raises. The JID is as it was typed, and need not be one.
    """
    from xmppctl.shell.scan import place

    there = place(text)
    if there.where == "argument":
        return _lookup_for_term(there)
    kind = kind_of(there)
    if kind == "jid":
        return _lookup_for_jid(unescaped(there.word), sources.knowledge)
    if kind == "node":
        is_command = there.element is not None and there.element.namespace == _COMMANDS
        return Lookup("items", addressee(there), _COMMANDS if is_command else None)
    return Lookup("info", addressee(there), None) if kind == "namespace" else None


def kind_of(there: Place) -> str:
    """What sort of value or text is typed, as `vocabulary.value_kind` has it."""
    if there.element is None:
        return ""
    name = there.element.namespace, there.element.name.rpartition(":")[2]
    if there.where == "value":
        return vocabulary.value_kind(*name, there.attribute)
    return vocabulary.text_kind(*name) if there.where == "text" else ""


def addressee(there: Place) -> str | None:
    """Whom the stanza that is typed goes to."""
    stanza = there.parents[0] if there.parents else there.element
    return (dict(stanza.attributes).get("to") or None) if stanza else None


def node_around(there: Place) -> str | None:
    """The innermost node that is named around an item."""
    elements = *there.parents, *([there.element] if there.element else [])
    return next((node for each in reversed(elements) if (node := dict(each.attributes).get("node"))), None)


def whose_id(there: Place) -> str:
    """Whose ids: of requests in a reply to one, of messages in a payload; a new stanza has one of its own."""
    if there.parents or there.element is None:
        return "message"
    name, type = there.element.name, dict(there.element.attributes).get("type")
    answers = type == "error" or (name, type) == ("iq", "result")
    return name if answers and name in ("iq", "message") else ""


def _lookup_for_term(there: Place) -> Lookup | None:
    key, colon, _ = there.word.rpartition(" ")[2].removeprefix("-").partition(":")
    wanted = there.command in _FILTERING and colon and key in JID_TERMS
    return Lookup("roster", None, None) if wanted else None


def _lookup_for_jid(word: str, knowledge: Knowledge) -> Lookup:
    """What there is at a service that is known, such as the rooms of a chat service; else the roster."""
    domain = word.partition("/")[0].partition("@")[2].lower()
    own = (knowledge.own or "").partition("/")[0].rpartition("@")[2]
    if domain and domain != own and any(jid.lower() == domain for jid, _ in knowledge.jids(domain, 20)):
        return Lookup("items", domain, None)
    return Lookup("roster", None, None)


class Lookups:
    """Asks what is wanted on a guest of the session that `session()` gives, which may raise where there is none.

    `changed` is called when an answer has come, and `learned()` is over: see `Learner.learned`.
    """

    def __init__(
        self,
        session: Callable[[], Session],
        learned: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.changed = changed
        self._session = session
        self._learned = learned
        self._clock = clock
        self._asked: OrderedDict[Lookup, float] = OrderedDict()
        self._running: dict[Lookup, asyncio.Task[None]] = {}
        self._of: Session | None = None  # whose answers these are
        self._has_roster = False

    def want(self, lookup: Lookup) -> None:
        """Have it asked, unless it was a short while ago, or too much is being asked. In the event loop; never raises.

        The roster is asked for once in a session: changes are pushed then (RFC 6121 section 2.1.6).
        """
        try:
            session = self._session()
            request = _request(lookup, session)
        except XmppctlError:
            return
        if session is not self._of:
            self._of, self._has_roster = session, False
            self._asked.clear()
        if self._may_ask(lookup):
            self._asked[lookup] = self._clock()
            task = asyncio.get_running_loop().create_task(self._ask(lookup, request, session))
            self._running[lookup] = task
            task.add_done_callback(lambda _: self._running.pop(lookup, None))

    def stop(self) -> None:
        """Give up what is being asked."""
        for task in tuple(self._running.values()):
            task.cancel()

    def _may_ask(self, lookup: Lookup) -> bool:
        before = self._clock() - _AGAIN_SECONDS
        while self._asked and next(iter(self._asked.values())) <= before:
            self._asked.popitem(last=False)
        if lookup in self._asked or lookup in self._running or (self._has_roster and lookup.what == "roster"):
            return False
        return len(self._running) < _MOST_AT_ONCE and len(self._asked) < _MOST_REMEMBERED

    async def _ask(self, lookup: Lookup, request: str, session: Session) -> None:
        from xmppctl.session.deadline import Deadline
        from xmppctl.session.guest import Guest

        guest = Guest(session, Deadline(_PATIENCE))
        try:
            reply = await guest.ask(request)
        except Exception:  # noqa: BLE001 (what has ended the stream is told by whoever has it)
            return
        finally:
            await guest.close()
        if reply.type == "result":
            if lookup.what == "roster" and session is self._of:
                self._has_roster = True
            await self._learned()
            self.changed()


def _request(lookup: Lookup, session: Session) -> str:
    """The iq. Raises BadJid, and MalformedInput for what XML cannot hold."""
    from xmppctl.stanza.jid import Jid

    namespace = _NAMESPACES[lookup.what]
    if lookup.what == "roster":
        return build.iq("get", f"<query xmlns='{namespace}'/>")
    to = str(Jid.parse(lookup.jid)) if lookup.jid else session.jid.domain if lookup.what == "info" else None
    return build.iq("get", f"<query xmlns='{namespace}'{build.attributes({'node': lookup.node})}/>", to=to)


class Learner:
    """Hands frames to `knowledge` in the order they come; of large ones a slice at a time, while others run.

    Frames that come meanwhile wait. Where too many bytes wait, further ones are not learned from.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._waiting: deque[Frame] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    def take(self, frame: Frame) -> None:
        """Learn from a frame, now or soon. In the event loop."""
        if self._task is None and len(frame.raw) <= _LARGE_BYTES:
            self._knowledge.take(frame)
            return
        size = len(frame.raw) + _FRAME_BYTES
        if self._bytes + size > _MOST_WAITING:
            return
        self._bytes += size
        self._waiting.append(frame)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._digest())
            self._task.add_done_callback(self._end)

    async def learned(self) -> None:
        """Return when everything that was taken has been learned, or been given up."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def stop(self) -> None:
        """Give up what waits."""
        if self._task is not None:
            self._task.cancel()

    async def _digest(self) -> None:
        while self._waiting:
            for _ in self._knowledge.digest(self._waiting[0]):
                await asyncio.sleep(0)
            self._bytes -= len(self._waiting.popleft().raw) + _FRAME_BYTES
            await asyncio.sleep(0)
        self._task = None

    def _end(self, task: asyncio.Task[None]) -> None:
        if self._task is task:  # it was cancelled, perhaps before it began
            self._waiting.clear()
            self._bytes, self._task = 0, None
