"""Contacts as records: a roster item and where it is online, and reading rosters of any size from a frame.

RFC 6121 sections 2.1 and 4.7. Sans-IO.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.parsers import expat

from xmppctl.session.base import NS_ROSTER, prepared
from xmppctl.stanza.build import declarations
from xmppctl.stanza.names import SEPARATOR

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame

_QUERY: Final = f"{NS_ROSTER}{SEPARATOR}query"
_ITEM: Final = f"{NS_ROSTER}{SEPARATOR}item"
_GROUP: Final = f"{NS_ROSTER}{SEPARATOR}group"
#: How deep they stand: within the stanza, within what binds its prefixes.
_QUERY_DEPTH, _ITEM_DEPTH, _GROUP_DEPTH = 2, 3, 4


class Contact(NamedTuple):
    """A roster item (section 2.1.2). `subscription` is none, to, from or both; `ask` tells of a request under way."""

    jid: str
    name: str | None = None
    groups: tuple[str, ...] = ()
    subscription: str = "none"
    ask: str | None = None
    approved: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """It as JSON; what is not there is left out, but for the groups."""
        record: dict[str, Any] = {"jid": self.jid}
        if self.name is not None:
            record["name"] = self.name
        record["subscription"] = self.subscription
        if self.ask is not None:
            record["ask"] = self.ask
        if self.approved:
            record["approved"] = True
        record["groups"] = list(self.groups)
        return record


class Resource(NamedTuple):
    """Where a contact is online (section 4.7): `show` is None for plainly available."""

    name: str
    show: str | None = None
    status: str | None = None
    priority: int = 0

    @property
    def record(self) -> dict[str, Any]:
        """It as JSON; what is not there is left out."""
        record: dict[str, Any] = {"resource": self.name} if self.name else {}
        if self.show is not None:
            record["show"] = self.show
        if self.status is not None:
            record["status"] = self.status
        record["priority"] = self.priority
        return record


class RosterReader:
    """Reads the items of a roster's <query/> from its bytes, some at a time.

    A tree of 35,000 items takes ten times the size of the stanza, and as long as nothing else may wait. `contacts` are
    those read, by prepared JID, in the order of the server; `version` is what names this state of the roster (section
    2.6), if anything; `found` tells whether there was a <query/>. What is the same in many items is kept once.
    """

    def __init__(self, frame: Frame) -> None:
        self.contacts: dict[str, Contact] = {}
        self.version: str | None = None
        self.found = False
        self._raw = memoryview(frame.raw)
        self._at = 0
        self._depth = 0
        self._inside = False  # of the <query/>
        self._item: dict[str, str] | None = None
        self._groups: set[str] = set()
        self._text: list[str] | None = None
        self._shared: dict[Any, Any] = {}
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = self._characters
        self._parser = parser
        parser.Parse(f"<w{declarations(frame.context)}>", False)

    def read(self, size: int | None = None) -> bool:
        """Read `size` bytes more (None: all of them); whether that was the end."""
        end = len(self._raw) if size is None else min(self._at + size, len(self._raw))
        self._parser.Parse(self._raw[self._at : end], False)
        self._at = end
        if end < len(self._raw):
            return False
        self._parser.Parse(b"</w>", True)
        self._raw = memoryview(b"")
        return True

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        depth, self._depth = self._depth, self._depth + 1
        if depth == _QUERY_DEPTH and name == _QUERY:
            self._inside = self.found = True
            self.version = attributes.get("ver")
        elif depth == _ITEM_DEPTH and self._inside and name == _ITEM:
            self._item = attributes
        elif depth == _GROUP_DEPTH and self._item is not None and name == _GROUP:
            self._text = []

    def _characters(self, text: str) -> None:
        if self._text is not None and self._depth == _GROUP_DEPTH + 1:
            self._text.append(text)

    def _close(self, _: str) -> None:
        self._depth = depth = self._depth - 1
        if depth == _GROUP_DEPTH and self._text is not None:
            self._groups.add("".join(self._text))
            self._text = None
        elif depth == _ITEM_DEPTH and self._item is not None:
            self._take(self._item)
            self._item = None
            self._groups.clear()
        elif depth == _QUERY_DEPTH:
            self._inside = False

    def _take(self, item: dict[str, str]) -> None:
        jid = prepared(item.get("jid"))
        if not jid:
            return  # section 2.1.2.3: there is no contact without one
        groups = tuple(sorted(self._groups))
        subscription, ask = item.get("subscription", "none"), item.get("ask")
        share = self._shared.setdefault
        self.contacts[jid] = Contact(
            jid,
            item.get("name") or None,
            share(groups, groups),
            share(subscription, subscription),
            share(ask, ask),
            item.get("approved") in ("true", "1"),
        )
