"""What elements, attributes and values the RFCs and XEPs define, for completion while stanzas are typed. Sans-IO.

RFC 6120, RFC 6121 and the schemas of the XEPs, as the table `vocabulary.txt` has them: it says at its top how it is
written, and is read when first asked. It says what may be offered, not what is valid: stanzas are extensible, and a
name that is not in it is no mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, NS_SERVER, NS_STREAM
from xmppctl.stanza.namespaces import spec_of

#: An open element: its namespace, its local name, its attributes.
Open = tuple[str, str, Mapping[str, str]]

_STANZAS: Final = ("message", "presence", "iq")
#: Namespaces that stanzas stand in; what they hold is the same in each.
_CONTENT: Final = (NS_CLIENT, NS_SERVER, NS_COMPONENT)
_PLACES: Final = frozenset(
    ("message", "presence", "get", "set", "result", "error", "item", "stream", "features", "stream-error")
)
_PUBSUB: Final = "http://jabber.org/protocol/pubsub"
#: Elements that hold what the table places into them.
_HOLDERS: Final[Mapping[tuple[str, str], str]] = {
    (NS_CLIENT, "message"): "message",
    (NS_CLIENT, "presence"): "presence",
    (NS_CLIENT, "error"): "error",
    (_PUBSUB, "item"): "item",
    (f"{_PUBSUB}#event", "item"): "item",
    (NS_STREAM, "features"): "features",
    (NS_STREAM, "error"): "stream-error",
}
_ATTRIBUTE: Final = re.compile(r"@([^\s(=]+)(?:\(([a-z-]+)\))?(?:=(\S+))?")
_TEXT: Final = re.compile(r"=(?:\(([a-z-]+)\)|(\S+))")
_CHILD: Final = re.compile(r"([^\s(?]+)(?:\(([^\s)]+)\))?(?:\?([a-z,]+))?")


class Element(NamedTuple):
    """An element that may be typed. `help` is what defines it, as `XEP-0030 Service Discovery`; may be empty."""

    name: str
    namespace: str
    help: str


def top() -> list[Element]:
    """What may stand right in the stream: the stanzas, then nonzas."""
    table = _table()
    return [_element(NS_CLIENT, name) for name in _STANZAS] + [
        _element(*key) for key in table.placed["stream"]
    ]


def children(parents: Sequence[Open]) -> list[Element]:
    """What may stand in the innermost of the open elements `parents`, which begin with the stanza; best ones first.

    The children that its own schema names come in its order, then extensions. Empty for an element that is not
    known; without parents the same as `top`.
    """
    if not parents:
        return top()
    table = _table()
    namespace, name, attributes = parents[-1]
    key = _home(namespace), name
    entry = table.entries.get(key)
    if entry is None:
        return []
    stanza, type = _stanza(parents)
    best: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for child in entry.children:
        if not child.types:
            others.append((child.namespace, child.name))
        elif _fits(child.types, stanza, type):
            best.append((child.namespace, child.name))
    places = _iq_places(attributes.get("type")) if key == (NS_CLIENT, "iq") else (_HOLDERS.get(key),)
    placed = [found for place in places if place for found in table.placed[place]]
    return [
        # Where the stanza stands in another namespace than jabber:client, its own children do as well.
        _element(namespace if key[0] == NS_CLIENT == home else home, child)
        for home, child in dict.fromkeys(best + others + placed)
    ]


def namespaces(parents: Sequence[Open], name: str) -> list[str]:
    """The namespaces that an element of that name may have in the innermost of `parents`, the best one first.

    Where none is known to stand there: all that have such an element.
    """
    there = list(dict.fromkeys(element.namespace for element in children(parents) if element.name == name))
    return there or _table().named.get(name, [])[:]


def attributes(namespace: str, name: str) -> list[str]:
    """The names of the attributes that such an element may have, as they are written (`xml:lang`)."""
    entry = _entry(namespace, name)
    return list(entry.attributes) if entry else []


def values(namespace: str, name: str, attribute: str) -> list[str]:
    """The values that are defined for an attribute; empty where it may hold any."""
    entry = _entry(namespace, name)
    found = entry.attributes.get(attribute) if entry else None
    return list(found.values) if found else []


def value_kind(namespace: str, name: str, attribute: str) -> str:
    """What sort of value an attribute holds; empty where nothing is known about it.

    `jid`, `node` (XEP-0030, XEP-0060), `id` (of a stanza), `item` (the id of a pubsub item), `namespace` (a
    feature), `field` (the name of a form's field) or `lang`.
    """
    if attribute == "xml:lang":
        return "lang"
    entry = _entry(namespace, name)
    found = entry.attributes.get(attribute) if entry else None
    return found.kind if found else ""


def texts(namespace: str, name: str) -> list[str]:
    """What the text of an element may be, where that is defined: `away`, `chat`, `dnd`, `xa` for <show/>."""
    entry = _entry(namespace, name)
    return list(entry.text.values) if entry else []


def text_kind(namespace: str, name: str) -> str:
    """As `value_kind`, for the text of an element."""
    entry = _entry(namespace, name)
    return entry.text.kind if entry else ""


# -- stanzas ------------------------------------------------------------------------------------------------


def _stanza(parents: Sequence[Open]) -> tuple[str, str | None]:
    """Name and type of the stanza that is open; a forwarded one inside of another counts."""
    for namespace, name, attributes in reversed(parents):
        if name in _STANZAS and namespace in _CONTENT:
            return name, attributes.get("type")
    return "", None


def _fits(types: tuple[str, ...], stanza: str, type: str | None) -> bool:
    """Whether a child that stands in stanzas of some types only may stand in this one."""
    if type in types:
        return True
    if type in ("get", "set"):
        return False
    return types != ("error",) and (stanza == "iq" or not stanza)


def _iq_places(type: str | None) -> tuple[str, ...]:
    if type in ("get", "set", "result"):
        return (type,)
    return ("get", "set") if type == "error" else ("get", "set", "result")


def _home(namespace: str) -> str:
    return NS_CLIENT if namespace in _CONTENT[1:] else namespace


def _element(namespace: str, name: str) -> Element:
    spec = spec_of(namespace)
    return Element(name, namespace, f"{spec.number} {spec.title}" if spec else "")


# -- the table ----------------------------------------------------------------------------------------------


class _Value(NamedTuple):
    kind: str = ""
    values: tuple[str, ...] = ()


class _Child(NamedTuple):
    namespace: str
    name: str
    types: tuple[str, ...]


class _Entry(NamedTuple):
    places: tuple[str, ...]
    attributes: dict[str, _Value]
    text: _Value
    children: tuple[_Child, ...]


class _Table(NamedTuple):
    entries: dict[tuple[str, str], _Entry]
    placed: dict[str, list[tuple[str, str]]]
    named: dict[str, list[str]]


def _entry(namespace: str, name: str) -> _Entry | None:
    entries = _table().entries
    # <handshake/> (XEP-0114) stands in a component's namespace itself.
    return entries.get((namespace, name)) or entries.get((_home(namespace), name))


@lru_cache(maxsize=1)
def _table() -> _Table:
    from pkgutil import get_data

    data = get_data("xmppctl.shell", "vocabulary.txt")
    if data is None:
        raise FileNotFoundError("xmppctl/shell/vocabulary.txt is missing: xmppctl is not installed whole")
    return _read(data.decode())


def _read(text: str) -> _Table:
    """The table from its text. Raises ValueError for a line that is not as the top of it says."""
    table = _Table({}, {place: [] for place in _PLACES}, {})
    namespace = ""
    for line in _logical_lines(text):
        if not line.startswith(" "):
            namespace = line
            continue
        names, _, rest = line.strip().partition(" ")
        entry = _read_element(namespace, rest)
        for name in names.split("|"):
            key = namespace, name
            if not namespace or key in table.entries:
                raise ValueError(
                    f"<{name}/> of {namespace!r} stands in the vocabulary twice, or before it begins"
                )
            table.entries[key] = entry
            table.named.setdefault(name, []).append(namespace)
            for place in entry.places:
                table.placed[place].append(key)
    return table


def _logical_lines(text: str) -> Iterator[str]:
    """Lines without comments and empty ones, each with those that go on with it."""
    begun = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("   "):
            begun += f" {line.strip()}"
            continue
        if begun:
            yield begun
        begun = line
    if begun:
        yield begun


def _read_element(namespace: str, text: str) -> _Entry:
    head, _, tail = f" {text}".partition(" : ")
    places: list[str] = []
    attributes: dict[str, _Value] = {}
    own = _Value()
    for word in head.split():
        if found := _ATTRIBUTE.fullmatch(word):
            attributes[found[1]] = _Value(found[2] or "", _split(found[3]))
        elif found := _TEXT.fullmatch(word):
            own = _Value(found[1] or "", _split(found[2]))
        elif word in _PLACES:
            places.append(word)
        elif word != "<":
            raise ValueError(f"{word!r} in {text!r} is no place, attribute or text")
    return _Entry(tuple(places), attributes, own, tuple(_read_children(namespace, tail.split())))


def _read_children(namespace: str, words: Iterable[str]) -> Iterator[_Child]:
    for word in words:
        found = _CHILD.fullmatch(word)
        if not found:
            raise ValueError(f"{word!r} is no child")
        yield _Child(found[2] or namespace, found[1], _split(found[3]))


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
