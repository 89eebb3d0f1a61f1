"""Parts of a stanza as the bytes that they were on the wire. Sans-IO.

expat tells where an element begins and ends; nothing is serialised anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.parsers import expat

from xmppctl.stanza.build import attributes, declarations
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.names import SEPARATOR
from xmppctl.stanza.splitter import TAG

_NAME = re.compile(rb"<[^\s/>]+")


class Slice(NamedTuple):
    """An element: its expanded name ("namespace name"), its attributes, its bytes, its children.

    `raw` stands alone: a prefix that is used in it and declared around it is declared in its start tag as well.
    """

    name: str
    attributes: Mapping[str, str]
    raw: bytes
    children: Sequence[Slice] = ()

    @property
    def text(self) -> str:
        """The bytes as text."""
        return self.raw.decode("utf-8", "replace")


def slices(frame: Frame, path: Sequence[str], levels: int = 1) -> list[Slice]:
    """The elements at `path` (expanded names, from the stanza's child downwards; `*` is any), in order.

    `levels` says how deep below them children are cut out as well. Raises ValueError for a frame that does not parse.
    """
    return _Cutter(frame, tuple(path), levels).found


class _Open:
    """An element that has begun. `declared` are the prefixes that it declares, `needed` those declared around it."""

    def __init__(self, name: str, begin: int, attrs: Mapping[str, str], declared: dict[str, str]) -> None:
        self.name = name
        self.begin = begin
        self.attributes = attrs
        self.declared = declared
        self.needed: dict[str, str] = {}
        self.children: list[Slice] = []


class _Cutter:
    """Runs over the stanza once."""

    def __init__(self, frame: Frame, path: tuple[str, ...], levels: int) -> None:
        self.found: list[Slice] = []
        self._raw = frame.raw
        self._path = path
        self._deepest = len(path) + levels
        self._stack: list[_Open] = []
        self._declared: dict[str, str] = {}
        self._context = frame.context
        self._head = f"<w{declarations(frame.context)}>".encode()
        self._parser = parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.namespace_prefixes = True  # names come as "namespace name prefix"
        parser.Parse(self._head, False)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        parser.StartNamespaceDeclHandler = self._declare
        try:
            parser.Parse(self._raw, False)
            parser.StartElementHandler = parser.EndElementHandler = None
            parser.Parse(b"</w>", True)
        except expat.ExpatError as error:
            raise ValueError(f"not an element: {error}") from None

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        name, prefix = _apart(name)
        used = {prefix}
        plain: dict[str, str] = {}
        for attribute, value in attrs.items():
            key, prefix = _apart(attribute)
            plain[key] = value
            if prefix:
                used.add(prefix)
        begin = self._parser.CurrentByteIndex - len(self._head)
        self._stack.append(_Open(name, begin, plain, self._declared))
        self._declared = {}
        for prefix in used - {"xml"}:
            self._need(prefix)

    def _need(self, prefix: str) -> None:
        """Note the use of a prefix at the elements that are cut out, if it is declared outside of them."""
        at = len(self._stack) - 1
        while at >= 0 and prefix not in self._stack[at].declared:
            at -= 1
        uri = self._stack[at].declared[prefix] if at >= 0 else self._context.get(prefix, "")
        if uri:
            for depth in range(max(at + 1, len(self._path)), min(self._deepest + 1, len(self._stack))):
                self._stack[depth].needed[prefix] = uri

    def _stop(self, _: str) -> None:
        depth = len(self._stack) - 1
        element = self._stack.pop()
        wanted = len(self._path)
        if wanted < depth <= self._deepest and self._on_path(wanted):
            self._stack[-1].children.append(self._slice(element))
        elif depth == wanted and self._on_path(wanted - 1) and self._path[-1] in ("*", element.name):
            self.found.append(self._slice(element))

    def _on_path(self, depth: int) -> bool:
        """Whether the open elements down to `depth` are those of the path."""
        names = [element.name for element in self._stack[1 : depth + 1]]
        return all(step in ("*", name) for step, name in zip(self._path, names, strict=False))

    def _slice(self, element: _Open) -> Slice:
        raw = self._raw[element.begin : self._end(element.begin)]
        if element.needed:
            name = _NAME.match(raw)
            assert name
            added = {f"xmlns:{prefix}" if prefix else "xmlns": uri for prefix, uri in element.needed.items()}
            raw = name.group() + attributes(added).encode() + raw[name.end() :]
        return Slice(element.name, element.attributes, raw, element.children)

    def _end(self, begin: int) -> int:
        """Where the element that ends now ends. Behind an empty-element tag expat's index is already past it."""
        tag = TAG.match(self._raw, begin)
        if tag and tag.group().endswith(b"/>"):
            return tag.end()
        return self._raw.index(b">", self._parser.CurrentByteIndex - len(self._head)) + 1


def _apart(name: str) -> tuple[str, str]:
    """What expat gives for an element or attribute, as `namespace name` and the prefix."""
    parts = name.split(SEPARATOR)
    return " ".join(parts[:2]), parts[2] if len(parts) == 3 else ""
