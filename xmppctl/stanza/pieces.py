"""Where the attribute values and texts of a frame stand in its bytes. Sans-IO."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, NoReturn
from xml.parsers import expat

from xmppctl.stanza.build import declarations
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.names import SEPARATOR
from xmppctl.stanza.splitter import TAG

#: Begins behind white space, so that a long name is looked through once.
_ATTRIBUTE: Final = re.compile(rb"\s([^\s=<>\"'/]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')")
_SPACE: Final = b" \t\r\n"


class Element:
    """An element by its expanded name (`"namespace name"`); `parent` is None for the frame's own."""

    __slots__ = ("attributes", "name", "parent")

    def __init__(self, name: str, attributes: Mapping[str, str], parent: Element | None) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent


class Piece(NamedTuple):
    """An attribute's value, or a text up to the next tag without the white space around it.

    `attribute` is the expanded name, empty for a text; `begin` and `end` are byte offsets; `value` is unescaped.
    """

    element: Element
    attribute: str
    begin: int
    end: int
    value: str


def pieces(frame: Frame) -> Sequence[Piece]:
    """Every attribute value and text of an element or a stream header, in order. Namespace declarations are left out.

    Raises ValueError unless the bytes are exactly that, with nothing but white space around.
    """
    walk = _Walk(frame)
    try:
        walk.run()
    except expat.ExpatError as error:
        raise ValueError(f"not an element: {error}") from None
    return walk.found


class _Walk:
    """Runs over the frame once; expat says what there is, the bytes where."""

    def __init__(self, frame: Frame) -> None:
        self.found: list[Piece] = []
        self._raw = frame.raw
        self._open: Element | None = None
        self._roots = 0
        self._inside = 0  # where the text begins that is being read
        self._text: list[str] = []
        self._is_empty = False  # whether an empty-element tag was read last: its end comes at once
        # A header opens the stream itself; all else stands in one.
        self._is_header = frame.kind == "stream"
        head = b"" if self._is_header else f"<w{declarations(frame.context)}>".encode()
        self._head = len(head)
        self._parser = parser = expat.ParserCreate("UTF-8", SEPARATOR)
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        parser.Parse(head, False)
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        parser.CharacterDataHandler = self._text.append
        parser.CommentHandler = parser.ProcessingInstructionHandler = self._refuse
        parser.StartDoctypeDeclHandler = self._refuse

    def run(self) -> None:
        """Find the pieces. Raises ExpatError and ValueError."""
        self._parser.Parse(self._raw, False)
        self._end_text(len(self._raw))
        is_all = self._parser.CurrentByteIndex - self._head == len(self._raw)
        if not is_all or self._roots != 1 or (self._open is not None and not self._is_header):
            self._refuse()

    def _refuse(self, *_: object) -> NoReturn:
        raise ValueError("not one element")

    def _start(self, name: str, listed: Sequence[str]) -> None:
        begin = self._parser.CurrentByteIndex - self._head
        if self._is_header and not self._roots:
            self._text.clear()  # before it stands the XML declaration
        else:
            self._end_text(begin)
        tag = TAG.match(self._raw, begin)
        if tag is None:
            self._refuse()
        self._roots += self._open is None
        keys = [key.replace(SEPARATOR, " ") for key in listed[::2]]
        values = listed[1::2]
        self._open = Element(name.replace(SEPARATOR, " "), dict(zip(keys, values, strict=True)), self._open)
        spans = [
            match.span(2) if match.group(2) is not None else match.span(3)
            for match in _ATTRIBUTE.finditer(self._raw, begin, tag.end())
            if match.group(1) != b"xmlns" and not match.group(1).startswith(b"xmlns:")
        ]
        # Of different lengths they never are; were they, nothing could be said about the frame: a ValueError.
        for key, value, span in zip(keys, values, spans, strict=True):
            self.found.append(Piece(self._open, key, *span, value))
        self._inside = tag.end()
        self._is_empty = tag.group().endswith(b"/>")

    def _stop(self, _: str) -> None:
        if self._open is None:
            self._refuse()  # the end of what the frame stands in
        if self._is_empty:
            self._is_empty = False  # expat's index is past the tag, or not: there is no text in any case
        else:
            at = self._parser.CurrentByteIndex - self._head
            self._end_text(at)
            self._inside = self._raw.index(b">", at) + 1
        self._open = self._open.parent

    def _end_text(self, until: int) -> None:
        """What stands between the last tag and here is a text, perhaps an empty one."""
        piece = self._raw[self._inside : until]
        value = "".join(self._text).strip(_SPACE.decode())
        self._text.clear()
        stripped = piece.lstrip(_SPACE)
        begin = until - len(stripped)
        end = begin + len(stripped.rstrip(_SPACE))
        if begin == end:
            return
        if self._open is None:
            self._refuse()
        self.found.append(Piece(self._open, "", begin, end, value))
