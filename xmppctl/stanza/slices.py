"""Parts of a stanza as the bytes they were on the wire. Sans-IO.

expat tells where an element begins and ends; nothing is serialised anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.parsers import expat

from xmppctl.stanza.build import attributes, declarations
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import TAG

_NAME = re.compile(rb"<[^\s/>]+")


class Slice(NamedTuple):
    """An element: its expanded name ("namespace name"), its attributes, its bytes, and the element it stands in.

    `raw` stands alone: prefixes that an element around it declares are declared in its start tag.
    """

    name: str
    attributes: Mapping[str, str]
    raw: bytes
    parent: int  # where among all elements of the stanza the parent stands, in document order


def children(frame: Frame, path: Sequence[str]) -> list[tuple[Slice, list[Slice]]]:
    """The elements at `path` (expanded names from the stanza's child downwards), each with its children, in order.

    Raises ValueError for a frame that does not parse.
    """
    return _Cutter(frame, tuple(path)).found


class _Open:
    """An element that has begun."""

    __slots__ = ("attributes", "begin", "bound", "index", "name", "own")

    def __init__(
        self, index: int, name: str, begin: int, attrs: Mapping[str, str], own: dict[str, str], bound: dict[str, str]
    ) -> None:
        self.index = index
        self.name = name
        self.begin = begin
        self.attributes = attrs
        self.own = own  # the prefixes that it declares
        self.bound = bound  # those in force around it, as far as the stanza and its stream declare them


class _Cutter:
    def __init__(self, frame: Frame, path: tuple[str, ...]) -> None:
        self.found: list[tuple[Slice, list[Slice]]] = []
        self._raw = frame.raw
        self._path = path
        self._stack: list[_Open] = []
        self._count = 0
        self._declared: dict[str, str] = {}
        self._context = dict(frame.context)
        self._head = f"<w{declarations(frame.context)}>".encode()
        self._children: list[Slice] = []
        self._parser = parser = expat.ParserCreate("UTF-8", " ")
        parser.Parse(self._head, False)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        parser.StartNamespaceDeclHandler = self._declare
        try:
            parser.Parse(self._raw, False)
        except expat.ExpatError as error:
            raise ValueError(f"not an element: {error}") from None

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        bound = self._context
        if self._stack:
            above = self._stack[-1]
            bound = above.bound | above.own if above.own else above.bound
        begin = self._parser.CurrentByteIndex - len(self._head)
        self._stack.append(_Open(self._count, name, begin, attrs, self._declared, bound))
        self._declared = {}
        self._count += 1

    def _stop(self, _: str) -> None:
        depth = len(self._stack) - 1
        element = self._stack.pop()
        wanted = len(self._path)
        if depth not in (wanted, wanted + 1) or not self._on_path():
            return
        if depth == wanted + 1:
            self._children.append(self._slice(element))
        elif element.name == self._path[-1]:
            self.found.append((self._slice(element), self._children))
            self._children = []
        else:
            self._children = []

    def _on_path(self) -> bool:
        """Whether what is still open leads along the path."""
        names = [element.name for element in self._stack[1:]]
        return tuple(names) == self._path[: len(names)]

    def _slice(self, element: _Open) -> Slice:
        end = self._end(element.begin)
        raw = self._raw[element.begin : end]
        missing = {
            prefix: uri
            for prefix, uri in element.bound.items()
            if prefix not in element.own and uri and self._context.get(prefix) != uri and _uses(raw, prefix)
        }
        if missing:
            name = _NAME.match(raw)
            assert name
            added = attributes({f"xmlns:{prefix}" if prefix else "xmlns": uri for prefix, uri in missing.items()})
            raw = name.group() + added.encode() + raw[name.end() :]
        return Slice(element.name, element.attributes, raw, self._stack[-1].index if self._stack else -1)

    def _end(self, begin: int) -> int:
        """Where the element that ends here ends. Behind an empty-element tag expat's index is already past it."""
        index = self._parser.CurrentByteIndex - len(self._head)
        tag = TAG.match(self._raw, begin)
        if tag and tag.group().endswith(b"/>"):
            return tag.end()
        return self._raw.index(b">", index) + 1


def _uses(raw: bytes, prefix: str) -> bool:
    """Whether the bytes can need the prefix; one declaration too many does no harm."""
    if prefix:
        return re.search(rb"[<\s/]" + re.escape(prefix.encode()) + rb":", raw) is not None
    return re.search(rb"<[^\s:/>!?]+[\s/>]", raw) is not None
