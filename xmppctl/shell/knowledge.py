"""What a session has seen, for completion: JIDs, nodes, ids, features, the fields of data forms. Sans-IO.

It is fed with every frame in both directions, and keeps the roster (RFC 6121 section 2), what service discovery found
(XEP-0030), nodes and items of pubsub (XEP-0060), bookmarks (XEP-0048, XEP-0402) and data forms (XEP-0004). All of it
comes from the network: it is bounded in number and length, and given out as it came, so whoever shows it must make it
safe for a terminal, and whoever types it must escape it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Final, TypeVar

from xmppctl.session.local import DAEMON
from xmppctl.shell.learning import LONGEST, MOST_CONTACTS, Learning, is_worth
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import prepared

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_MOST_JIDS: Final = 2000
_MOST_IDS: Final = 200
#: Of everything else.
_MOST: Final = 1000


class Knowledge:
    """What was seen so far. `own` is the session's full JID; set it when another is bound."""

    def __init__(self, own: str | None = None) -> None:
        self.own = own
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._found: OrderedDict[str, str] = OrderedDict()
        self._contacts: dict[str, str] = {}  # bare JID in lower case -> name
        self._sorted: list[str] = []  # the keys of _contacts
        self._coming: dict[str, str] | None = None  # the roster that is being read
        self._late: dict[str, str | None] = {}  # what was pushed since; None: removed
        self._nodes: OrderedDict[tuple[str, str], str] = OrderedDict()  # (bare JID, node) -> name
        self._item_ids: OrderedDict[tuple[str, str], None] = OrderedDict()  # (node, id)
        self._ids: dict[str, OrderedDict[str, str]] = {"iq": OrderedDict(), "message": OrderedDict()}
        self._fields: OrderedDict[tuple[str, str], str] = OrderedDict()  # (FORM_TYPE, var) -> label
        self._options: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._features: OrderedDict[str, None] = OrderedDict()

    # -- taking ---------------------------------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """Learn from a frame. Never raises. One that may be large is better given to `digest`: see there."""
        for _ in self.digest(frame):
            pass

    def digest(self, frame: Frame) -> Iterator[None]:
        """As `take`, in steps of a few milliseconds: a roster of 35,000 contacts is one frame of some megabytes.

        The caller lets others have their turn at each step, as with
        `for _ in knowledge.digest(frame): await asyncio.sleep(0)`; a small frame has no step. Other frames may be
        taken meanwhile: a roster counts when all of it is read, and what was pushed since it came counts more.
        """
        if self._note(frame):
            yield from Learning(self, frame).steps()

    def _note(self, frame: Frame) -> bool:
        """Take what the stanza's own attributes say. Whether a look inside is worth it."""
        kind = frame.kind
        if kind == "nonza" or kind == "stream":
            return False
        incoming = frame.direction == "in"
        address = frame.sender if incoming else frame.to
        if address and address not in (self.own, DAEMON) and len(address) <= LONGEST:
            _put(self._seen, address, None, _MOST_JIDS)
        if kind != "presence" and frame.id and len(frame.id) <= LONGEST:
            self._note_id(frame, kind, frame.id, incoming)
        return is_worth(frame)

    def _note_id(self, frame: Frame, kind: str, id: str, incoming: bool) -> None:
        ids = self._ids[kind]
        if not incoming:
            if kind == "iq" and frame.type in ("result", "error"):
                ids.pop(id, None)  # answered
            return
        who = (frame.sender or "the server")[:LONGEST]
        if kind == "message":
            _put(ids, id, f"message from {who}", _MOST_IDS)
        elif frame.type in ("get", "set"):
            what = frame.payloads[0].rpartition(" ")[2][:LONGEST] if frame.payloads else "nothing"
            _put(ids, id, f"{frame.type} {what} from {who}", _MOST_IDS)

    # -- what is known --------------------------------------------------------------------------------------

    def jids(self, prefix: str, limit: int = 100) -> list[tuple[str, str]]:
        """JIDs that begin with `prefix`, then those that hold it elsewhere, each with what is known about it.

        The latest seen come first, then those that were found (services, rooms), then our own, then the roster.
        Case does not count.
        """
        wanted = prefix.lower()
        others = list(dict.fromkeys(chain(reversed(self._seen), reversed(self._found), self._own())))
        begin = bisect_left(self._sorted, wanted)
        starting = chain(
            (jid for jid in others if jid.lower().startswith(wanted)),
            (jid for jid in islice(self._sorted, begin, begin + limit) if jid.startswith(wanted)),
        )
        holding = chain(
            (jid for jid in others if wanted in jid.lower()), (jid for jid in self._sorted if wanted in jid)
        )
        found: dict[str, None] = {}
        for jid in chain(starting, holding):
            if len(found) >= limit:
                break
            found[jid] = None
        return [(jid, self._about(jid)) for jid in found]

    def nodes(self, prefix: str, jid: str | None, limit: int = 100) -> list[tuple[str, str]]:
        """Nodes that begin with `prefix`, then those that hold it elsewhere; each with its name, or whose it is.

        Those of `jid` come before all others, the latest seen first.
        """
        of = _bare(jid) if jid else None
        known = [(address, node, name or address) for (address, node), name in reversed(self._nodes.items())]
        return _choose(prefix, known, of)[:limit]

    def item_ids(self, prefix: str, node: str | None, limit: int = 50) -> list[tuple[str, str]]:
        """As `nodes`, for the ids of pubsub items: those of `node` first, each with its node."""
        known = [(of, id, of) for of, id in reversed(self._item_ids)]
        return _choose(prefix, known, node)[:limit]

    def ids(self, prefix: str, kind: str, limit: int = 50) -> list[tuple[str, str]]:
        """Ids worth an answer, the newest first, each with whose it is.

        `kind` is "iq" for requests that came and are not answered, "message" for messages that came.
        """
        ids = self._ids.get(kind, OrderedDict())
        return [(id, ids[id]) for id in _matching(prefix, reversed(ids))[:limit]]

    def fields(self, form_type: str | None) -> list[tuple[str, str]]:
        """Fields of the forms seen, as name and label: those of that FORM_TYPE (XEP-0068) first."""
        ordered = sorted(self._fields.items(), key=lambda entry: entry[0][0] != (form_type or ""))
        found: dict[str, str] = {}
        for (_, var), label in ordered:
            found[var] = found.get(var) or label
        return list(found.items())

    def options(self, var: str) -> list[tuple[str, str]]:
        """The values that a field was seen to offer, each with its label."""
        return list(self._options.get(var, {}).items())

    def features(self, prefix: str) -> list[str]:
        """Features seen (XEP-0030) that begin with `prefix`, then those that hold it elsewhere; sorted."""
        return _matching(prefix, sorted(self._features))

    def _own(self) -> tuple[str, ...]:
        if not self.own:
            return ()
        bare = _bare(self.own)
        return self.own, bare, bare.rpartition("@")[2]

    def _about(self, jid: str) -> str:
        if jid in self._own():
            return "own" if jid.startswith(_bare(self.own or "")) else "your server"
        bare = _bare(jid)
        if bare in self._contacts:
            return self._contacts[bare] or "roster"
        return self._found.get(jid) or self._found.get(bare) or "seen"

    # -- what is learned ------------------------------------------------------------------------------------

    def found_jid(self, jid: str, about: str, *, again: bool = True) -> None:
        """There is such an address; `about` is what it is. Not `again`: what is known about it stays."""
        if 0 < len(jid) <= LONGEST and (again or jid not in self._found):
            _put(self._found, jid, about[:LONGEST], _MOST_JIDS)

    def found_node(self, jid: str, node: str, name: str) -> None:
        """There is such a node at that address; `name` may be empty."""
        if 0 < len(node) <= LONGEST and len(jid) <= LONGEST:
            key = _bare(jid), node
            _put(self._nodes, key, name[:LONGEST] or self._nodes.get(key, ""), _MOST)

    def found_item(self, node: str, id: str) -> None:
        """There is or was such an item."""
        if 0 < len(id) <= LONGEST and len(node) <= LONGEST:
            _put(self._item_ids, (node, id), None, _MOST)

    def found_feature(self, feature: str) -> None:
        """Somebody has such a feature."""
        if 0 < len(feature) <= LONGEST:
            _put(self._features, feature, None, _MOST)

    def found_form(
        self, type: str, fields: Mapping[str, str], options: Mapping[str, Mapping[str, str]]
    ) -> None:
        """A form of that FORM_TYPE has such fields (with labels), some of which offer options (with labels)."""
        for var, label in fields.items():
            key = type, var
            _put(self._fields, key, label or self._fields.get(key, ""), _MOST)
        for var, offered in options.items():
            _put(self._options, var, offered, _MOST_IDS)

    def trusts(self, sender: str | None) -> bool:
        """Whether a roster from there is the user's own (RFC 6121 section 2.1.6)."""
        if sender is None or self.own is None:
            return sender is None
        bare = prepared(self.own)[1]
        return prepared(sender)[0] in (bare, bare.rpartition("@")[2])

    def begin_roster(self) -> dict[str, str]:
        """A new roster is coming: what to fill with bare JIDs in lower case and names, for `end_roster`."""
        self._coming, self._late = {}, {}
        return self._coming

    def end_roster(self, contacts: dict[str, str]) -> None:
        """This is the roster now, unless another has begun to come since."""
        if contacts is not self._coming:
            return
        late, self._coming, self._late = self._late, None, {}
        self._contacts = contacts
        self._sorted = sorted(contacts)
        for jid, name in late.items():
            self.push(jid, name)

    def push(self, jid: str, name: str | None) -> None:
        """A contact has changed, or is removed if `name` is None. `jid` is bare and in lower case."""
        if self._coming is not None and len(self._late) < MOST_CONTACTS:
            self._late[jid] = name
        if jid in self._contacts:
            self._contacts[jid] = name or ""
            if name is None:
                del self._contacts[jid]
                del self._sorted[bisect_left(self._sorted, jid)]
        elif name is not None and len(self._contacts) < MOST_CONTACTS:
            self._contacts[jid] = name
            insort(self._sorted, jid)


def _put(store: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Keep it as the latest; the oldest goes where there are more than `most`."""
    store[key] = value
    store.move_to_end(key)
    if len(store) > most:
        store.popitem(last=False)


def _bare(jid: str) -> str:
    return jid.partition("/")[0].lower()


def _matching(prefix: str, texts: Iterable[str]) -> list[str]:
    """Those that begin with `prefix`, then those that hold it elsewhere, each in the order given."""
    wanted = prefix.lower()
    holding = [text for text in texts if wanted in text.lower()]
    return sorted(holding, key=lambda text: not text.lower().startswith(wanted))


def _choose(prefix: str, known: Iterable[tuple[str, str, str]], of: str | None) -> list[tuple[str, str]]:
    """Of (whose, text, help): the texts that match, those that are `of` somebody first, each once."""
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    for whose, text, about in known:
        (own if whose == of else others).setdefault(text, about)
    foreign = {text: about for text, about in others.items() if text not in own}
    return [(text, part[text]) for part in (own, foreign) for text in _matching(prefix, part)]
