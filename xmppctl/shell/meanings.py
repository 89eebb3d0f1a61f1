"""What the parts of stanzas are for, in plain words: elements, attributes, values and texts. Sans-IO.

RFC 6120, RFC 6121 and the XEPs, as the table `meanings.txt` tells them: it says at its top how it is written, and is
read when first asked. Much of it has no line there; then the answer is an empty string.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, NS_SERVER

#: Content namespaces in which the same elements stand as in jabber:client.
_ALIASES: Final = (NS_SERVER, NS_COMPONENT)
_Key = TypeVar("_Key")
_Told = TypeVar("_Told")


class Part(NamedTuple):
    """An element whose meaning is asked for.

    `parent` is the local name of the element that it stands in. `stanza` is the type of the stanza around it and its
    kind, as far as there are any (`("set", "iq")`); for a stanza itself, its own.
    """

    namespace: str
    name: str
    parent: str = ""
    stanza: tuple[str, ...] = ()


def of_element(part: Part) -> str:
    """What the element is for."""
    return next((entry.meaning for entry in _entries(part) if entry.meaning), "")


def of_attribute(part: Part, attribute: str, value: str) -> str:
    """What `value` means in an attribute of the element; where that is not known, what the attribute is for."""
    return _told(part, attribute, value) or _told(part, attribute, None)


def of_text(part: Part, text: str) -> str:
    """What it means that this is the text of the element."""
    return _told(part, "", text)


def _told(part: Part, attribute: str, value: str | None) -> str:
    key = attribute, value
    return next((entry.values[key] for entry in _entries(part) if key in entry.values), "")


class _Entry(NamedTuple):
    meaning: str
    #: By attribute and value. The attribute is empty for the element's text, the value None for any.
    values: Mapping[tuple[str, str | None], str]


def _entries(part: Part) -> Iterator[_Entry]:
    """The lines on an element, the most exact one first."""
    namespace, name, parent, stanza = part
    table = _table()
    for home in (namespace, NS_CLIENT) if namespace in _ALIASES else (namespace,):
        lines = table.get(home, {})
        places = [f"{parent}/{name}", name] if parent else [name]
        keys = [key for place in places for key in (*(f"{place}?{one}" for one in stanza), place)]
        yield from (lines[key] for key in (*keys, "*") if key in lines)


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, _Entry]]:
    from pkgutil import get_data

    data = get_data("xmppctl.shell", "meanings.txt")
    if data is None:
        raise FileNotFoundError("xmppctl/shell/meanings.txt is missing: xmppctl is not installed whole")
    return _read(data.decode())


def _read(text: str) -> dict[str, dict[str, _Entry]]:
    """By namespace and key, the entries. Raises ValueError for a line that is not as the top of the file says."""
    table: dict[str, dict[str, _Entry]] = {}
    lines: dict[str, _Entry] = {}
    values: dict[tuple[str, str | None], str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        head, _, meaning = line.strip().partition("  ")
        if depth == 0 and head not in table:
            lines = table[head] = {}
        elif depth == 2:
            values = {}
            _add(lines, dict.fromkeys(_keys(head), _Entry(meaning, values)), line)
        elif depth == 4 and lines and meaning:
            _add(values, dict.fromkeys(_values(head), meaning), line)
        else:
            raise ValueError(f"a line is in the wrong place: {line}")
    return table


def _add(known: dict[_Key, _Told], new: Mapping[_Key, _Told], line: str) -> None:
    if known.keys() & new.keys():
        raise ValueError(f"something has two meanings: {line}")
    known.update(new)


def _keys(head: str) -> Iterator[str]:
    names, asked, stanzas = head.partition("?")
    for name in names.split("|"):
        if asked:
            yield from (f"{name}?{stanza}" for stanza in stanzas.split(","))
        else:
            yield name


def _values(head: str) -> Iterator[tuple[str, str | None]]:
    attribute, equals, values = head.partition("=")
    if not equals:
        yield attribute.removeprefix("@"), None
    for value in values.split(",") if equals else ():
        yield attribute.removeprefix("@"), value
