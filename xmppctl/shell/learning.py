"""One frame, read for what completion can use of it: roster, discovery, pubsub, bookmarks, data forms. Sans-IO.

RFC 6121 section 2, XEP-0030, XEP-0060, XEP-0048, XEP-0402, XEP-0004. A roster of 35,000 contacts is one stanza of some
megabytes, so a frame is read in steps, and without a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from xmppctl.stanza.build import declarations
from xmppctl.stanza.names import SEPARATOR

if TYPE_CHECKING:
    from xmppctl.shell.knowledge import Knowledge
    from xmppctl.stanza.frame import Frame

#: No text that is longer is learned, in characters.
LONGEST: Final = 1024
MOST_CONTACTS: Final = 100_000
#: Of one form, and of one field.
_MOST_FIELDS: Final = 500
_MOST_OPTIONS: Final = 200
#: So much is parsed before others may have their turn: about two milliseconds of work.
_SLICE_BYTES: Final = 32 * 1024

_ROSTER: Final = "jabber:iq:roster"
_INFO: Final = "http://jabber.org/protocol/disco#info"
_ITEMS: Final = "http://jabber.org/protocol/disco#items"
_PUBSUB: Final = "http://jabber.org/protocol/pubsub"
_EVENT: Final = f"{_PUBSUB}#event"
_COMMAND: Final = "http://jabber.org/protocol/commands"
_FORM: Final = "jabber:x:data"
_A_FORM: Final = f"{_FORM} x"
#: Payloads that are worth a look inside. Forms stand in many more.
_WORTH: Final = frozenset(
    (
        f"{_ROSTER} query",
        f"{_INFO} query",
        f"{_ITEMS} query",
        f"{_PUBSUB} pubsub",
        f"{_EVENT} event",
        f"{_PUBSUB}#owner pubsub",
        f"{_COMMAND} command",
        "jabber:iq:private query",
    )
)
#: Identities (XEP-0030) that tell what an address is there for.
_SERVICES: Final = frozenset(
    ("component", "conference", "directory", "gateway", "proxy", "pubsub", "server", "store")
)


def is_worth(frame: Frame) -> bool:
    """Whether there can be anything in the stanza to learn."""
    return not _WORTH.isdisjoint(frame.payloads) or _A_FORM in frame.names


class _Form:
    """A data form that is being read."""

    def __init__(self) -> None:
        self.type = ""
        self.fields: dict[str, str] = {}
        self.options: dict[str, dict[str, str]] = {}
        self.var = ""
        self.label: str | None = None  # of the option that is open


class Learning:
    """Reads one frame, and tells `knowledge` what it finds."""

    def __init__(self, knowledge: Knowledge, frame: Frame) -> None:
        self._knowledge = knowledge
        self._frame = frame
        incoming = frame.direction == "in"
        self._sender = frame.sender if incoming else None
        #: Whose nodes are named. Those in a request to us would be our own, and an error only repeats the request.
        self._host: str | None = None
        if (frame.type in ("get", "set")) != incoming and frame.type != "error":
            self._host = (frame.sender if incoming else frame.to) or knowledge.own or ""
        self._depth = 0
        self._node = ""
        self._item_id = ""
        self._form: _Form | None = None
        self._text: list[str] | None = None
        self._contacts: dict[str, str] | None = None
        self._starts = self._handlers()

    def steps(self) -> Iterator[None]:
        """Read the frame; others may have their turn at each step. What does not parse is left where it ends."""
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        if _A_FORM in self._frame.names:
            parser.CharacterDataHandler = self._data
        raw = self._frame.raw
        try:
            parser.Parse(f"<w{declarations(self._frame.context)}>".encode(), False)
            for begin in range(0, len(raw), _SLICE_BYTES):
                parser.Parse(raw[begin : begin + _SLICE_BYTES], False)
                if begin + _SLICE_BYTES < len(raw):
                    yield
            parser.Parse(b"</w>", True)
        except (expat.ExpatError, ValueError):
            return
        if self._contacts is not None:
            if len(raw) > _SLICE_BYTES:
                yield
            self._knowledge.end_roster(self._contacts)

    def _handlers(self) -> Mapping[str, Callable[[Mapping[str, str]], None]]:
        starts = {
            f"{_INFO} query": self._query,
            f"{_INFO} identity": self._identity,
            f"{_INFO} feature": self._feature,
            f"{_ITEMS} query": self._query,
            f"{_ITEMS} item": self._item,
            f"{_COMMAND} command": self._query,
            f"{_PUBSUB} item": self._pubsub_item,
            f"{_EVENT} item": self._pubsub_item,
            f"{_EVENT} retract": self._pubsub_item,
            "storage:bookmarks conference": self._bookmark,
            "urn:xmpp:bookmarks:1 conference": self._bookmark,
            _A_FORM: self._open_form,
            f"{_FORM} field": self._field,
            f"{_FORM} option": self._option,
            f"{_FORM} value": self._value,
        }
        if self._holds_roster():
            starts[f"{_ROSTER} item"] = self._contact
        return {name.replace(" ", SEPARATOR): handler for name, handler in starts.items()}

    def _holds_roster(self) -> bool:
        frame = self._frame
        if frame.direction != "in" or frame.kind != "iq" or f"{_ROSTER} query" not in frame.payloads[:1]:
            return False
        if frame.type not in ("result", "set") or not self._knowledge.trusts(frame.sender):
            return False
        if frame.type == "result":
            self._contacts = self._knowledge.begin_roster()
        return True

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        handler = self._starts.get(name)
        if handler is not None:
            handler(attributes)
        elif "node" in attributes and name.startswith(_PUBSUB):
            self._query(attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._form is None or not name.startswith(_FORM):
            return
        local = name.rpartition(SEPARATOR)[2]
        if local == "value":
            self._end_value(self._form)
        elif local == "option":
            self._form.label = None
        elif local == "x":
            self._end_form(self._form)

    def _data(self, text: str) -> None:
        if self._text is not None and len(self._text) < LONGEST:
            self._text.append(text[: LONGEST + 1])

    # -- roster, discovery, pubsub, bookmarks ---------------------------------------------------------------

    def _contact(self, attributes: Mapping[str, str]) -> None:
        jid = attributes.get("jid", "").lower()
        # Right in the payload: what stands deeper may be anybody's.
        if self._depth != 4 or not 0 < len(jid) <= LONGEST:
            return
        name = attributes.get("name", "")[:LONGEST]
        if self._contacts is None:
            self._knowledge.push(jid, None if attributes.get("subscription") == "remove" else name)
        elif len(self._contacts) < MOST_CONTACTS:
            self._contacts[jid] = name

    def _query(self, attributes: Mapping[str, str]) -> None:
        self._node = attributes.get("node", "")
        if self._host is not None:
            self._knowledge.found_node(self._host, self._node, "")

    def _identity(self, attributes: Mapping[str, str]) -> None:
        category = attributes.get("category", "")
        if self._sender and not self._node and category in _SERVICES:
            self._knowledge.found_jid(self._sender, f"service: {category}")

    def _feature(self, attributes: Mapping[str, str]) -> None:
        self._knowledge.found_feature(attributes.get("var", ""))

    def _item(self, attributes: Mapping[str, str]) -> None:
        jid, node, name = (attributes.get(key, "") for key in ("jid", "node", "name"))
        if node:
            self._knowledge.found_node(jid, node, name)
        else:
            self._knowledge.found_jid(jid, name, again=False)

    def _pubsub_item(self, attributes: Mapping[str, str]) -> None:
        self._item_id = attributes.get("id", "")
        self._knowledge.found_item(self._node, self._item_id)

    def _bookmark(self, attributes: Mapping[str, str]) -> None:
        # The JID of the room is the item's id in XEP-0402, an attribute in XEP-0048.
        name = attributes.get("name", "")
        self._knowledge.found_jid(attributes.get("jid") or self._item_id, f"room: {name}" if name else "room")

    # -- forms ----------------------------------------------------------------------------------------------

    def _open_form(self, _attributes: Mapping[str, str]) -> None:
        self._form = _Form()

    def _field(self, attributes: Mapping[str, str]) -> None:
        form, var = self._form, attributes.get("var", "")
        if form is None:
            return
        form.var = var
        if var and var != "FORM_TYPE" and len(var) <= LONGEST and len(form.fields) < _MOST_FIELDS:
            form.fields[var] = attributes.get("label", "")[:LONGEST] or form.fields.get(var, "")

    def _option(self, attributes: Mapping[str, str]) -> None:
        if self._form is not None:
            self._form.label = attributes.get("label", "")[:LONGEST]

    def _value(self, _attributes: Mapping[str, str]) -> None:
        self._text = []

    def _end_value(self, form: _Form) -> None:
        text, self._text = "".join(self._text or ()), None
        if not 0 < len(text) <= LONGEST:
            return
        if form.label is None:
            form.type = text if form.var == "FORM_TYPE" else form.type
        elif form.var in form.fields:
            options = form.options.setdefault(form.var, {})
            if len(options) < _MOST_OPTIONS:
                options[text] = form.label

    def _end_form(self, form: _Form) -> None:
        self._form = None
        self._knowledge.found_form(form.type, form.fields, form.options)
