"""XML as it was on the wire, laid out line by line and coloured by role. Sans-IO, no parser, no recursion.

The bytes' own spelling is kept: prefixes, quotes, order of attributes, entities, CDATA sections, empty-element tags.
Only white space between tags is laid out anew, and a declaration of the default namespace that is in force already is
left out, unless all is wanted. Elements that hold nothing but elements are spread over lines; text,
and elements mixed with text (where each space counts), stay in one line, which the terminal's width may fold later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from xmppctl.output.palette import Palette

#: Text or an attribute's value above this many characters is folded to its beginning.
FOLD_OVER: Final = 2000
FOLD_KEEP: Final = 1000
#: Tags and texts of one stanza that are laid out at most, unless unfolded: bounds work and memory.
MAX_PARTS: Final = 6000

_PART: Final = re.compile(
    r"""<!\[CDATA\[.*?\]\]>|<[^"'>]*+(?:"[^"]*+"[^"'>]*+|'[^']*+'[^"'>]*+)*+>|[^<]++|<.*""", re.DOTALL
)
_VALUE: Final = re.compile(r""""[^"]*"|'[^']*'""")
#: Begins behind white space, so that a long name is looked through once.
_ATTRIBUTE: Final = re.compile(r"""(?<=\s)([^\s=<>"'/]++)(\s*+=\s*+)("[^"]*"|'[^']*')""")
_NAME: Final = re.compile(r"</?[^\s/>]*")
_TAG_SPACE: Final = re.compile(r"[\t\n\r]")
_XML_SPACE: Final = " \t\r\n"


class Line(NamedTuple):
    """One line of laid-out XML: its depth, and its text, in which "\\n" is a line break of the wire's text."""

    depth: int
    text: str


class Markup:
    """Lays out XML text for one palette. `line_break` is the sign put where the text itself breaks a line.

    With `full` nothing is folded.
    """

    def __init__(
        self, palette: Palette, *, line_break: str = "↵", ellipsis: str = "…", full: bool = False
    ) -> None:
        self.palette = palette
        self.full = full
        self._ellipsis = ellipsis
        self._break = f"{palette.dim}{line_break}{palette.reset}\n"
        self._tag: Callable[[str, str, bool], str] = self._colored_tag if palette.colored else self._plain_tag

    def lines(self, text: str, namespace: str = "", *, error: bool = False) -> Iterator[Line]:
        """The lines of `text`, which has passed the sanitiser except for white space.

        `namespace` is the default namespace in force around it; `error` colours all of it as an error. Text that is
        no XML (a torn rest) comes out whole, too.
        """
        found = self._parts(text)
        ends = _ends(found)
        namespaces = [namespace]
        failing: int | None = 0 if error else None
        depth = index = 0
        while index < len(found):
            part = found[index]
            bad = failing is not None
            if _is_text(part):
                if part.strip(_XML_SPACE) or len(found) == 1:
                    yield Line(depth, self._text(part))
            elif part.startswith("</"):
                depth = max(depth - 1, 0)
                if len(namespaces) > 1:
                    namespaces.pop()
                if failing is not None and depth < failing:
                    failing = None
                yield Line(depth, self._tag(part, "", bad))
            else:
                end = ends[index]
                bad = bad or _is_error(part)
                if end is not None:
                    yield Line(depth, self._inline(found, index, end, namespaces[-1], bad))
                    index = end
                else:
                    yield Line(depth, self._tag(part, namespaces[-1], bad))
                    depth += 1
                    namespaces.append(_declared(part, namespaces[-1]))
                    if bad and failing is None:
                        failing = depth
            index += 1
        hidden = 0 if self.full or len(found) < MAX_PARTS else len(text) - sum(map(len, found))
        if hidden:
            yield Line(depth, self._note(hidden))

    def _parts(self, text: str) -> list[str]:
        if self.full or len(text) <= MAX_PARTS:
            return _PART.findall(text)
        return [match.group() for match in islice(_PART.finditer(text), MAX_PARTS)]

    def _inline(self, parts: list[str], start: int, end: int, namespace: str, bad: bool) -> str:
        """An element in one line, with its text as it is."""
        if start == end:
            return self._tag(parts[start], namespace, bad)
        shown = [self._tag(parts[start], namespace, bad)]
        left = FOLD_OVER
        for index in range(start + 1, end):
            part = parts[index]
            left -= len(part)
            if left < 0 and not self.full:
                hidden = sum(len(later) for later in parts[index:end])
                if _is_text(part):  # show the beginning of what is too long
                    keep = min(FOLD_KEEP, left + len(part))
                    shown.append(self._text(part[:keep]))
                    hidden -= keep
                shown.append(self._note(hidden))
                break
            if _is_text(part):
                shown.append(self._text(part))
            else:
                shown.append(self._tag(part, "", bad))  # what is in force here is not kept track of
        shown.append(self._tag(parts[end], "", bad))
        return "".join(shown)

    def _text(self, text: str) -> str:
        if len(text) > FOLD_OVER and not self.full:
            return self._text(text[:FOLD_KEEP]) + self._note(len(text) - FOLD_KEEP)
        palette = self.palette
        if "\t" in text or "\r" in text:
            text = text.replace("\t", "\\t").replace("\r", "\\r")
        if "\n" not in text:
            return f"{palette.text}{text}{palette.reset}"
        return self._break.join(f"{palette.text}{row}{palette.reset}" for row in text.split("\n"))

    def _note(self, hidden: int) -> str:
        palette = self.palette
        return f"{palette.dim}{self._ellipsis}[{hidden:,} more characters]{palette.reset}"

    def _plain_tag(self, tag: str, namespace: str = "", bad: bool = False) -> str:  # noqa: ARG002 (one signature)
        if namespace and "xmlns" in tag and not self.full:
            tag = _without_repetition(tag, namespace)
        if _TAG_SPACE.search(tag):
            tag = _one_row(tag)
        if len(tag) > FOLD_OVER and not self.full:
            tag = _VALUE.sub(self._fold_value, tag)
        return tag

    def _fold_value(self, match: re.Match[str]) -> str:
        value = match.group()
        hidden = len(value) - 2 - FOLD_KEEP
        if len(value) - 2 <= FOLD_OVER:
            return value
        return f"{value[: FOLD_KEEP + 1]}{self._ellipsis}[{hidden:,} more characters]{value[-1]}"

    def _colored_tag(self, tag: str, namespace: str, bad: bool) -> str:
        palette = self.palette
        tag = self._plain_tag(tag, namespace)
        if tag[1:2] in ("?", "!"):
            return f"{palette.dim}{tag}{palette.reset}"
        match = _NAME.match(tag)
        name_end = match.end() if match else 1
        opening = "</" if tag.startswith("</") else "<"
        name_style = palette.error if bad else palette.element

        def attribute(found: re.Match[str]) -> str:
            name, equals, value = found.groups()
            style = palette.value
            if name == "xmlns" or name.startswith("xmlns:"):
                style = palette.dim if name == "xmlns" and value[1:-1] == namespace else palette.namespace
            return (
                f"{palette.reset}{palette.attribute}{name}{palette.reset}"
                f"{palette.punctuation}{equals}{palette.reset}{style}{value}{palette.reset}{palette.punctuation}"
            )

        rest = _ATTRIBUTE.sub(attribute, tag[name_end:])
        return (
            f"{palette.punctuation}{opening}{palette.reset}{name_style}{tag[len(opening) : name_end]}{palette.reset}"
            f"{palette.punctuation}{rest}{palette.reset}"
        )


def _is_text(part: str) -> bool:
    return part[0] != "<" or part.startswith("<![")


def _one_row(tag: str) -> str:
    """Line breaks and tabs between attributes become spaces; those in values are shown."""
    pieces = []
    position = 0
    for match in _VALUE.finditer(tag):
        pieces.append(_TAG_SPACE.sub(" ", tag[position : match.start()]))
        value = match.group().replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
        pieces.append(value)
        position = match.end()
    pieces.append(_TAG_SPACE.sub(" ", tag[position:]))
    return "".join(pieces)


def _ends(parts: list[str]) -> list[int | None]:
    """For each start tag whose element belongs in one line, the index of its end tag (its own, if it is empty).

    None for elements that hold elements only, and for those whose end is not there.
    """
    ends: list[int | None] = [None] * len(parts)
    open_tags: list[int] = []
    with_children: set[int] = set()
    with_text: set[int] = set()
    for index, part in enumerate(parts):
        if _is_text(part):
            if open_tags and (part[0] == "<" or part.strip(_XML_SPACE)):
                with_text.add(open_tags[-1])
        elif part.startswith("</"):
            if open_tags:
                start = open_tags.pop()
                if start not in with_children or start in with_text:
                    ends[start] = index
        else:
            if open_tags:
                with_children.add(open_tags[-1])
            if part[-2:] == "/>" or part[1:2] in ("?", "!") or part[-1] != ">":
                ends[index] = index
            else:
                open_tags.append(index)
    return ends


def _declared(tag: str, outer: str) -> str:
    """The default namespace within `tag`."""
    found = _declaration(tag)
    return outer if found is None else found.group(3)[1:-1]


def _without_repetition(tag: str, namespace: str) -> str:
    """The tag without a declaration of the default namespace that is in force already."""
    found = _declaration(tag)
    if found is None or found.group(3)[1:-1] != namespace:
        return tag
    return tag[: found.start()].rstrip(" \t\r\n") + tag[found.end() :]


def _declaration(tag: str) -> re.Match[str] | None:
    """Where a tag declares a default namespace. In the value of another attribute the same is only text."""
    if "xmlns" not in tag:
        return None
    return next((found for found in _ATTRIBUTE.finditer(tag) if found.group(1) == "xmlns"), None)


def _is_error(tag: str) -> bool:
    match = _NAME.match(tag)
    name = match.group()[1:].rpartition(":")[2] if match else ""
    return name in ("error", "failure", "failed")
