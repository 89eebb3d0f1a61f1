"""The XML documents that `-o xml` writes, read again. Sans-IO.

Each frame stands behind an instruction on a line of its own, which tells its direction and time; what is no element,
and events, are such instructions only. Inside of an element nothing is taken for one, whatever its text looks like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from xml.parsers import expat

from xmppctl.stanza.build import declarations
from xmppctl.stanza.event import NAMES, Event
from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_STREAM, Direction, Frame
from xmppctl.stanza.resplit import Way
from xmppctl.stanza.splitter import Splitter, StreamViolation

ROOT: Final = "xmppctl:log"
NS_LOG: Final = "urn:xmppctl:log:1"
#: What every document begins with.
BEGIN: Final = f"<?xml version='1.0' encoding='UTF-8'?>\n<{ROOT} ".encode()

_ROOT_TAG: Final = f"<{ROOT} ".encode()
_ROOT_END: Final = f"</{ROOT}>".encode()
_DIRECTIONS: Final[dict[str, Direction]] = {"in": "in", "out": "out"}


class Document:
    """Lines of a document in, frames and events out."""

    def __init__(self) -> None:
        self._header = _header(CLIENT_CONTEXT)
        self._direction: Direction = "in"
        self._time = 0.0
        self._splitter: Splitter | None = None  # of an element that goes over several lines
        self._ways: dict[Direction, Way] = {"in": Way("in"), "out": Way("out")}

    def line(self, line: bytes, time: float) -> Iterator[Frame | Event]:
        """What a line, without its end, completes. `time` is that of what tells none."""
        if self._splitter is None:
            self._time = self._time or time
            if line.startswith(b"<?"):
                yield from self._instruction(line)
                return
            if line.startswith(_ROOT_TAG):
                told = _attributes(line[len(_ROOT_TAG) :].removesuffix(b">"))
                bound = {key.partition(":")[2]: uri for key, uri in told.items() if key != "xmlns:xmppctl"}
                self._header = _header(bound)
                return
            if line == _ROOT_END or not line.strip():
                return
            self._splitter = Splitter(self._direction)
            self._splitter.feed(self._header)
        yield from self._element(self._splitter, line + b"\n")

    def finish(self, time: float) -> list[Frame | Event]:
        """What is left at the end."""
        rest = None if self._splitter is None else self._splitter.rest()
        if rest is None:
            return []
        return [rest, Event("torn", time, "the input ends in the middle of an element")]

    def _element(self, splitter: Splitter, data: bytes) -> Iterator[Frame | Event]:
        try:
            frames = splitter.feed(data, self._time)
        except StreamViolation:
            frames = splitter.take_frames()
            rest = splitter.rest()
            frames += [] if rest is None else [rest]
        found = [frame for frame in frames if frame.raw.strip()]
        if found:
            self._splitter = None
        yield from found

    def _instruction(self, line: bytes) -> Iterator[Frame | Event]:
        from datetime import datetime  # whoever only writes documents has no use for it

        target, _, rest = line.removeprefix(b"<?").removesuffix(b"?>").partition(b" ")
        told = _attributes(rest)
        try:
            if target in (b"frame", b"stream"):
                self._direction = _DIRECTIONS[told["direction"]]
                self._time = datetime.fromisoformat(told["time"]).timestamp()
            if target == b"stream":
                yield self._part(told["xml"].encode())
            elif target == b"event":
                when = datetime.fromisoformat(told["time"]).timestamp()
                yield Event(NAMES[told["name"]], when, told.get("text", ""), int(told.get("count", "0")))
        except (KeyError, ValueError):
            return  # none of ours

    def _part(self, raw: bytes) -> Frame:
        return self._ways[self._direction].part(raw, self._time)


def _header(context: Mapping[str, str]) -> bytes:
    """The header of a stream in which these prefixes are bound."""
    return f"<stream:stream{declarations({'stream': NS_STREAM, **context})}>".encode()


def _attributes(text: bytes) -> dict[str, str]:
    """What stands between the name of a tag and its end; nothing where it is not that."""
    found: list[dict[str, str]] = []
    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler = lambda _, attributes: found.append(attributes)
    try:
        parser.Parse(b"<x " + text + b"/>", True)
    except expat.ExpatError:
        return {}
    return found[0] if len(found) == 1 else {}
