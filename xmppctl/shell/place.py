"""Where somebody is who types XML in the shell: the state of a scan, and what it means at the cursor. Sans-IO.

The scan itself is scan.py. Namespaces in XML 1.0 say how prefixes are resolved; at the outermost level those of a
client's stream are bound (RFC 6120 section 4.8).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_XML

#: Elements deeper than this are only counted. What may be sent is less deep (splitter.MAX_DEPTH).
MAX_DEPTH: Final = 256
#: So many attributes of an element and so many prefixes are remembered, and so many characters of a value.
MAX_ATTRIBUTES: Final = 64
MAX_VALUE: Final = 1024
#: So many characters of a text or a value are a Place's word, the last ones.
MAX_WORD: Final = 1000

#: Characters of text or of a value that stand for themselves (XML 1.0 sections 2.2, 2.4).
_PLAIN: Final = re.compile(r"[^&<\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+")
_REFERENCE: Final = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,10})|#x([0-9A-Fa-f]{1,8}));")
#: Its beginning opens nothing and its end closes nothing: what follows is between stanzas.
_STREAM_TAG: Final = "stream:stream"
#: The modes in which a start tag is not finished.
TAG_MODES: Final = frozenset({"name", "tag", "ended", "attribute", "named", "assigned", "value", "slash"})

_CONTEXT: Final = (*CLIENT_CONTEXT.items(), ("xml", NS_XML))
_NO_REFERENCE: Final = re.compile(r"&(?:#?[\w.:-]{1,64};)?")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_FIRST: Final = (
    r"A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    r"\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME: Final = rf"[{_FIRST}][{_FIRST}\-.0-9\xb7\u0300-\u036f\u203f\u2040]*"
_QNAME: Final = re.compile(rf"{_NCNAME}(?::{_NCNAME})?")
_MARGIN: Final = re.compile(r"[ \t]{0,256}")
_WHERE: Final = {
    "name": "name",
    "closing": "closing",
    "tag": "attribute",
    "attribute": "attribute",
    "value": "value",
    "comment": "comment",
    "note": "comment",
    "command": "command",
    "argument": "argument",
}

Attributes = tuple[tuple[str, str], ...]


class Open(NamedTuple):
    """An element that is open, or whose start tag is being typed.

    `name` is as typed, with its prefix; `namespace` is empty where the prefix is not bound. `attributes` are
    as typed, unescaped: the first MAX_ATTRIBUTES, and of each value the first MAX_VALUE characters.
    `bindings` are the prefixes that are bound in it, and to what. `trail` is a hash of it and all outside of it.
    """

    name: str
    namespace: str
    attributes: Attributes = ()
    bindings: tuple[tuple[str, str], ...] = _CONTEXT
    trail: int = 0


class State(NamedTuple):
    """Where a scan is: all that is carried from one line to the next.

    `open` are the open elements, outermost first, and `deeper` says how many more are open inside of these.
    Bit n of `texts` is set where the element open[n] has text of its own. `name` and `attributes` belong to the
    tag being typed, `lead` is the white space that begins the line where it begins; `attribute` is the attribute
    being typed, `word` what there is of its value, `quote` its quote. On the line of a command, `name` is
    its word and `word` the rest.

    `mode` is "content" (in an element, or between stanzas); in a start tag "name", "tag" (behind white space),
    "ended" (where white space or its end is due), "attribute" (in the name of one), "named" (behind that),
    "assigned" (behind "="), "value" (inside the quotes), "slash" (behind what may become "/>"); in an end tag
    "closing" (in its name), "closed" (behind that); "markup" (in what may become "<!--" or "<![CDATA["),
    "comment", "cdata", "declaration", "doctype"; "command", "argument", "note" (behind "#").
    """

    mode: str = "content"
    open: tuple[Open, ...] = ()
    deeper: int = 0
    texts: int = 0
    name: str = ""
    attributes: Attributes = ()
    lead: str = ""
    attribute: str = ""
    word: str = ""
    quote: str = ""

    def __hash__(self) -> int:
        """In constant time, however many elements are open."""
        return hash((self.open[-1].trail if self.open else 0, self.mode, self[2:]))

    @property
    def inside(self) -> bool:
        """Whether any element is open."""
        return bool(self.open or self.deeper)

    def closing(self) -> str:
        """What closes the innermost element there, or goes on doing so; empty where nothing can."""
        if not self.open or self.deeper:
            return ""
        name = self.open[-1].name
        if self.mode == "content":
            return f"</{name}>"
        if self.mode == "name" and not self.name:
            return f"/{name}>"
        if self.mode == "closing" and name.startswith(self.name):
            return f"{name[len(self.name) :]}>"
        return ">" if self.mode == "closed" and name == self.name else ""

    def indent(self, line: str) -> str:
        """The white space for the line after `line`, where this is the state at its end.

        Empty where it would become part of a value, or of the text of an element that has some already.
        """
        if self.mode in ("comment", "cdata"):
            return margin(line)
        if self.mode == "content":
            return "" if self.texts else "  " * len(self.open)
        return f"{self.lead}  " if self.mode in TAG_MODES and self.mode != "value" else ""


class Place(NamedTuple):
    """What is at the cursor, as far as what is left of it tells.

    `where` is "start" (between stanzas), "command" (in a command's word), "argument" (behind it), "comment",
    "name" (of a start tag), "closing" (behind "</"), "attribute" (in its name, or where one may begin), "value"
    (inside its quotes), "text" (in an element) or "other" (where only punctuation is due, or nothing is known).

    `word` is what is typed of it, as typed: for "text" since the last tag, for "argument" all behind the command's
    word, for "command" with the slash. `element` is the one whose start tag is being typed, else the innermost open
    one; `parents` are those outside of it, outermost first. `attribute` is whose value is due or typed,
    `quote` its quote, `command` the word of the command with its slash.
    """

    where: str
    word: str = ""
    element: Open | None = None
    parents: tuple[Open, ...] = ()
    attribute: str = ""
    command: str = ""
    quote: str = ""


class Stack:
    """The elements that are open while a scan runs; the fields are those of its State."""

    def __init__(self, state: State) -> None:
        self.open, self.deeper, self.texts = state.open, state.deeper, state.texts

    @property
    def inside(self) -> bool:
        """Whether any element is open."""
        return bool(self.open or self.deeper)

    def has_text(self) -> None:
        """The innermost element has text of its own."""
        if self.open:
            self.texts |= 1 << (len(self.open) - 1)

    def may_close(self, name: str, *, typing: bool) -> bool:
        """Whether an end tag of that name is due. `typing`: there may be more of the name to come."""
        due = self.open[-1].name if self.open else _STREAM_TAG
        return self.deeper > 0 or name == due or (typing and due.startswith(name))

    def push(self, name: str, attributes: Attributes) -> None:
        """A start tag ends."""
        if len(self.open) >= MAX_DEPTH:
            self.deeper += 1
        elif self.open or name != _STREAM_TAG:
            self.open = (*self.open, element(name, attributes, self.open))

    def pop(self, name: str) -> None:
        """An end tag ends: close the innermost element of that name, and with it what was left open inside."""
        if self.deeper:
            self.deeper -= 1
            return
        for depth in reversed(range(len(self.open))):
            if self.open[depth].name == name:
                self.open = self.open[:depth]
                self.texts &= (1 << depth) - 1
                return


def is_name(name: str, *, typing: bool) -> bool:
    """Whether it is a qualified name (Namespaces in XML 1.0 section 4). `typing`: there may be more to come."""
    return bool(_QNAME.fullmatch(name.removesuffix(":") if typing else name))


def character_data(line: str, begin: int, end: int) -> tuple[str, int]:
    """The first run of characters or the reference between the two: what it is, and its end.

    It is "entity", "error", or empty for what stands for itself.
    """
    if plain := _PLAIN.match(line, begin, end):
        return "", plain.end()
    reference = _REFERENCE.match(line, begin, end)
    if reference and _character(reference) != reference.group():
        return "entity", reference.end()
    wrong = _NO_REFERENCE.match(line, begin, end)
    return "error", wrong.end() if wrong else begin + 1


def unescaped(text: str) -> str:
    """The text with its references replaced, those that XML 1.0 knows."""
    return _REFERENCE.sub(_character, text)


def _character(reference: re.Match[str]) -> str:
    entity, decimal, hexadecimal = reference.groups()
    if entity:
        return _ENTITIES[entity]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    found = chr(number) if number <= 0x10FFFF else "\0"
    return found if found in "&<" or _PLAIN.match(found) else reference.group()


def margin(line: str) -> str:
    """The white space that a line begins with."""
    found = _MARGIN.match(line)
    return found.group() if found else ""


def element(name: str, attributes: Attributes, outside: tuple[Open, ...]) -> Open:
    """The element that such a start tag opens inside of others."""
    bindings = outside[-1].bindings if outside else _CONTEXT
    declared = {key[6:]: value for key, value in attributes if key == "xmlns" or key.startswith("xmlns:")}
    if declared:
        bindings = tuple({**dict(bindings), **declared}.items())[:MAX_ATTRIBUTES]
    namespace = dict(bindings).get(name.rpartition(":")[0], "")
    trail = hash((outside[-1].trail if outside else 0, name, attributes))
    return Open(name, namespace, attributes, bindings, trail)


def place_at(state: State, behind: str, *, stray: bool) -> Place:
    """What a state means at the cursor.

    `behind` is what is left of it: in content since the last tag, else at least MAX_WORD characters or all.
    `stray` is whether that is text which may not stand between stanzas.
    """
    if state.mode == "content":
        where = "text" if state.inside else "other" if stray else "start"
    else:
        where = _WHERE.get(state.mode, "other")
    command = state.name if where == "argument" else ""
    if state.mode in TAG_MODES:
        innermost: Open | None = element(state.name, state.attributes, state.open)
        parents = state.open
    else:
        innermost = state.open[-1] if state.open else None
        parents = state.open[:-1]
    return Place(
        where, _word(state, where, behind), innermost, parents, state.attribute, command, state.quote
    )


def _word(state: State, where: str, behind: str) -> str:
    if where in ("name", "closing", "command"):
        return state.name
    if where == "attribute":
        return state.attribute
    if where == "text" or (where == "value" and len(state.word) >= MAX_VALUE):
        return behind[-MAX_WORD:]
    return state.word if where in ("value", "argument") else ""
