"""`/explain`: what each part of a stanza means, by the RFCs and XEPs that define it. Sans-IO.

Each element has a row, indented as it is nested: its name, its attributes, its text, and what defines its namespace
where that is another one than around it. Below it stands what `meanings` and the explanations of errors (RFC 6120
sections 4.9, 6.5 and 8.3) know of it; what has been said once is not said again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.output.safe import safe
from xmppctl.output.wrap import cells, cut, fold
from xmppctl.shell import vocabulary
from xmppctl.shell.meanings import Part, of_attribute, of_element, of_text
from xmppctl.stanza.conditions import APPLICATION, Explanation
from xmppctl.stanza.explain import PUBSUB, SASL, STANZA, STREAM, explain
from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, NS_SERVER, NS_STANZAS, NS_STREAM, NS_XML
from xmppctl.stanza.namespaces import spec_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.stanza.frame import Frame

_CONTENT: Final = (NS_CLIENT, NS_SERVER, NS_COMPONENT)
_STANZAS: Final = ("message", "presence", "iq")
_FORM: Final = "jabber:x:data"
_CONDITIONS: Final = {
    NS_STANZAS: STANZA,
    "urn:ietf:params:xml:ns:xmpp-streams": STREAM,
    "urn:ietf:params:xml:ns:xmpp-sasl": SASL,
    "http://jabber.org/protocol/pubsub#errors": PUBSUB,
}
#: Deeper than this, and further than so many lines, nobody reads.
_DEPTH: Final = 12
_LINES: Final = 200
_WIDTH: Final = 80
#: So much of a value is shown, and so many attributes of an element.
_LIMIT: Final = 100
#: So much of what is said of it.
_LONGEST: Final = 400
_ATTRIBUTES: Final = 20
#: So much of a text is looked at.
_TEXT: Final = 1000
_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NOTIFY: Final = "+notify"


def explained(frame: Frame) -> Iterator[str]:
    """Lines that say what a frame is and what is in it, indented as it is nested; all of it safe to show."""
    if not frame.names:
        yield "a part of the stream that is no element"
        return
    try:
        root = _header(frame) if frame.kind == "stream" else frame.element()
    except ValueError:
        yield "this is no XML that can be read"
        return
    lines = _Explainer(frame).lines(root)
    yield from islice(lines, _LINES)
    if next(lines, None) is not None:
        yield "..."


def _header(frame: Frame) -> Element:
    """A stream's header, which is no whole element, as one."""
    from xml.etree.ElementTree import Element

    attributes = {
        f"{{{key.replace(' ', '}')}" if " " in key else key: text for key, text in frame.attributes.items()
    }
    return Element(f"{{{NS_STREAM}}}stream", attributes)


class _Place(NamedTuple):
    """Where an element stands: how deep, in what, and in which stanza (its type and kind)."""

    depth: int = 0
    namespace: str = NS_CLIENT
    parent: Element | None = None
    stanza: tuple[str, ...] = ()


class _Explainer:
    """Explains one frame, and remembers what it has said."""

    def __init__(self, frame: Frame) -> None:
        self._said: set[str] = set()
        condition = frame.condition() if frame.kind in _STANZAS else None
        self._error = None if condition is None else explain(condition, frame.sender, frame.names)

    def lines(self, root: Element) -> Iterator[str]:
        """The rows of an element and of all in it."""
        left = [(iter((root,)), _Place())]
        while left:
            children, place = left[-1]
            element = next(children, None)
            if element is None:
                left.pop()
                continue
            namespace, name = _parted(element.tag)
            stanza = place.stanza
            if namespace in _CONTENT and name in _STANZAS:
                stanza = (element.get("type", ""), name)
            yield from self._element(element, place, stanza)
            if place.depth < _DEPTH:
                left.append((iter(element), _Place(place.depth + 1, namespace, element, stanza)))
            elif len(element):
                yield f"{'  ' * (place.depth + 1)}... deeper than {_DEPTH} elements"

    def _element(self, element: Element, place: _Place, stanza: tuple[str, ...]) -> Iterator[str]:
        namespace, name = _parted(element.tag)
        parent = "" if place.parent is None else _parted(place.parent.tag)[1]
        part = Part(namespace, name, parent, stanza)
        text = _text(element)
        fields = [
            _shown(name),
            *_attributes(part, element),
            *([f'"{_shown(text)}"'] if text else ()),
            *_named_by_text(part, element, place.parent),
        ]
        if namespace != place.namespace and not (place.parent is None and namespace in _CONTENT):
            fields += self._specified(namespace)
        margin = "  " * place.depth
        yield from _packed(fields, margin)
        for line in (*self._meanings(part, place), *_details(part, element, text)):
            # An explanation may name who refused: text of the network's.
            said = safe(line, limit=_LONGEST)
            if self._new(said):
                yield from _folded(said, f"{margin}    - ", f"{margin}      ")

    def _new(self, said: str) -> bool:
        if said in self._said:
            return False
        self._said.add(said)
        return True

    def _specified(self, namespace: str) -> Iterator[str]:
        """What defines a namespace; after the first time just the namespace."""
        spec = spec_of(namespace)
        if spec and self._new(f"{spec.number} {namespace}"):
            old = f" ({spec.status})" if spec.status in ("Deprecated", "Obsolete") else ""
            yield f"{spec.number} {spec.title}{old}"
        yield _shown(namespace) if namespace else "no namespace"
        if spec is None and namespace:
            yield "(no RFC or XEP known here defines it)"

    def _meanings(self, part: Part, place: _Place) -> Iterator[str]:
        """What the element itself means."""
        namespace, name = part.namespace, part.name
        if namespace in _CONTENT and name in _STANZAS:
            type = part.stanza[0]
            known = not type or type in vocabulary.values(namespace, name, "type")
            article = "an" if name == "iq" else "a"
            yield of_element(part) if known else f"{article} {name} of a type that RFC 6120 does not know"
            if place.parent is None:
                yield from _explanation(self._error)
            return
        told = of_element(part)
        if told:
            yield told
        condition = _condition(namespace, name)
        if place.namespace in _CONTENT and part.parent == "error":
            # What it means in this stanza is said at the stanza, where all of the error is known.
            if namespace != NS_STANZAS:
                yield "the condition in the protocol's own terms (RFC 6120 section 8.3.4)"
            elif condition:
                yield "the condition: what went wrong, for programs (8.3.3)"
            if self._error:
                return
        if condition and not told:
            yield from _explanation(condition)


def _explanation(told: Explanation | None) -> Iterator[str]:
    if told:
        yield told[0]
        yield f"try: {told[1]}"


def _condition(namespace: str, name: str) -> Explanation | None:
    return _CONDITIONS.get(namespace, {}).get(name) or APPLICATION.get(f"{{{namespace}}}{name}")


def _details(part: Part, element: Element, text: str) -> Iterator[str]:
    """What its text and its attributes mean."""
    if text and (told := of_text(part, text)):
        yield f"{_shown(text)}: {told}"
    own = part.namespace in _CONTENT and part.name in _STANZAS
    for key, value in islice(element.attrib.items(), _ATTRIBUTES):
        # The type of a stanza is told by what the stanza means.
        if key.startswith("{") or (own and key == "type"):
            continue
        if of_value := of_attribute(part, key, value):
            enumerated = of_value != of_attribute(part, key, "")
            yield f"{_shown(key)}={_shown(value)}: {of_value}" if enumerated else f"{_shown(key)}: {of_value}"


def _attributes(part: Part, element: Element) -> Iterator[str]:
    for key, value in islice(element.attrib.items(), _ATTRIBUTES):
        namespace, name = _parted(key)
        yield f"{'xml:' if namespace == NS_XML else ''}{_shown(name)}='{_shown(value)}'"
        if vocabulary.value_kind(part.namespace, part.name, key) == "namespace":
            yield from _named(value)
    more = len(element.attrib) - _ATTRIBUTES
    if more > 0:
        yield f"... {more} more attributes"


def _named_by_text(part: Part, element: Element, parent: Element | None) -> Iterator[str]:
    """What defines the fields of a form: its FORM_TYPE (XEP-0068) is mostly a namespace, or a part of one."""
    if part[:2] == (_FORM, "value") and parent is not None and parent.get("var") == "FORM_TYPE":
        yield from _named((element.text or "").partition("#")[0])


def _named(value: str) -> Iterator[str]:
    """What defines a feature, if that is known. One with `+notify` wants news of it (XEP-0163 section 4)."""
    spec = spec_of(value.removesuffix(_NOTIFY))
    if spec:
        wants = "news of " if value.endswith(_NOTIFY) else ""
        yield f"({wants}{spec.number} {spec.title})"


def _text(element: Element) -> str:
    return _SPACE.sub(" ", (element.text or "")[:_TEXT]).strip(" ")


def _shown(text: str) -> str:
    return cut(safe(text, limit=_LIMIT), _LIMIT)


def _packed(fields: Sequence[str], margin: str) -> Iterator[str]:
    """Fields on rows, as many on each as fit. Only a field that is longer than a row is broken."""
    hang = f"{margin}        "
    row, begin = "", margin
    for field in fields:
        size = cells(field)
        if row and len(begin) + cells(row) + 2 + size > _WIDTH >= len(hang) + size:
            yield from _folded(row, begin, hang)
            row, begin = field, hang
        else:
            row = f"{row}  {field}" if row else field
    yield from _folded(row, begin, hang)


def _folded(row: str, begin: str, hang: str) -> Iterator[str]:
    return (part.rstrip() for part in fold(row, _WIDTH, indent=begin, hang=hang).split("\n"))


def _parted(tag: str) -> tuple[str, str]:
    """Namespace and local name of what ElementTree writes `{namespace}name`."""
    if tag.startswith("{"):
        namespace, _, name = tag[1:].rpartition("}")
        return namespace, name
    return "", tag
