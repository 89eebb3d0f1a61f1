"""A frame: one thing that crossed the wire, with its bytes.

A stanza (message, presence, iq), a nonza (XEP-0360: any other child of the stream), or a part of the stream
itself: its header, its footer, white space between stanzas, the torn rest of a broken stream. Sans-IO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.errors import StanzaCondition
    from xmppctl.stanza.outline import Part

Direction = Literal["in", "out"]
Kind = Literal["message", "presence", "iq", "nonza", "stream"]

NS_CLIENT: Final = "jabber:client"
NS_SERVER: Final = "jabber:server"
NS_COMPONENT: Final = "jabber:component:accept"
NS_STREAM: Final = "http://etherx.jabber.org/streams"
NS_STANZAS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
NS_XML: Final = "http://www.w3.org/XML/1998/namespace"

#: Namespace declarations in force where a client's stanzas stand.
CLIENT_CONTEXT: Final[Mapping[str, str]] = {"": NS_CLIENT, "stream": NS_STREAM}

_STANZA_KINDS: Final[Mapping[str, Kind]] = {
    f"{namespace} {name}": name
    for namespace in (NS_CLIENT, NS_SERVER, NS_COMPONENT)
    for name in ("message", "presence", "iq")
}
_STREAM: Final = f"{NS_STREAM} stream"


class Frame:
    """One stanza, nonza or stream part, as it was on the wire.

    `raw` is the bytes; `names` the expanded names (`"namespace name"`, expat's form) of the element and all
    its descendants in document order, `payloads` those of its children; `attributes` the element's own
    (prefixed ones as `"namespace name"`); `context` the prefixes that the stream header binds. `time` is in
    seconds since the epoch. Stream parts that are no element have no names.
    """

    __slots__ = ("_tree", "attributes", "context", "direction", "names", "payloads", "raw", "time")

    def __init__(
        self,
        raw: bytes,
        names: Sequence[str] = (),
        payloads: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
        direction: Direction = "in",
        time: float = 0.0,
        context: Mapping[str, str] = CLIENT_CONTEXT,
    ) -> None:
        self.raw = raw
        self.names = names
        self.payloads = payloads
        self.attributes: Mapping[str, str] = {} if attributes is None else attributes
        self.direction: Direction = direction
        self.time = time
        self.context = context
        self._tree: Element | None = None

    def __repr__(self) -> str:
        return f"<Frame {self.direction} {self.kind} {self.name!r} {len(self.raw)} bytes>"

    def with_raw(
        self,
        raw: bytes,
        names: Sequence[str] = (),
        payloads: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> Frame:
        """A frame of other bytes in the place of this one: same direction, time and context."""
        return Frame(
            raw, names, payloads, attributes, direction=self.direction, time=self.time, context=self.context
        )

    @property
    def kind(self) -> Kind:
        """What sort of thing it is. Features, stream errors, SASL and XEP-0198 elements are nonzas."""
        if not self.names:
            return "stream"
        kind = _STANZA_KINDS.get(self.names[0])
        if kind is not None:
            return kind
        return "stream" if self.names[0] == _STREAM else "nonza"

    @property
    def name(self) -> str:
        """The element's local name; empty for white space and torn bytes."""
        return self.names[0].rpartition(" ")[2] if self.names else ""

    @property
    def namespace(self) -> str:
        """The element's namespace name."""
        return self.names[0].rpartition(" ")[0] if self.names else ""

    @property
    def type(self) -> str | None:
        """The `type` attribute. A message without one is `normal` (RFC 6121 section 5.2.2), but None here."""
        return self.attributes.get("type")

    @property
    def id(self) -> str | None:
        """The `id` attribute."""
        return self.attributes.get("id")

    @property
    def sender(self) -> str | None:
        """The `from` attribute."""
        return self.attributes.get("from")

    @property
    def to(self) -> str | None:
        """The `to` attribute."""
        return self.attributes.get("to")

    @property
    def text(self) -> str:
        """The bytes as text; bytes that are not UTF-8 come out as U+FFFD."""
        return self.raw.decode("utf-8", "replace")

    @property
    def body(self) -> str | None:
        """The text of a message's first <body/> (RFC 6121 section 5.2.3), unescaped."""
        if self.kind != "message":
            return None
        namespace = self.namespace
        if f"{namespace} body" not in self.payloads:
            return None
        body = self.element().find(f"{{{namespace}}}body")
        return None if body is None else "".join(body.itertext())

    def element(self) -> Element:
        """The frame as a parsed element. Raises ValueError for stream parts and bytes that do not parse."""
        if self._tree is None:
            from xmppctl.stanza.tree import parse

            self._tree = parse(self.raw, self.context)
        return self._tree

    def outline(self) -> list[Part]:
        """As `element`, without a tree: the element and all inside of it. Raises ValueError as well."""
        from xmppctl.stanza.outline import outline

        return outline(self.raw, self.context)

    def condition(self) -> StanzaCondition | None:
        """What it says went wrong, if it is an error stanza (RFC 6120 section 8.3)."""
        if self.type != "error":
            return None
        from xmppctl.stanza.tree import stanza_condition

        return stanza_condition(self.element())
