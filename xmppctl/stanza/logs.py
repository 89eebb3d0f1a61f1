"""Frames out of what other programs have written: a stream, stanzas, debug logs, xmppctl's own output. Sans-IO.

What it is, the first byte tells that is no white space: `<` begins a stream or a stanza (or a document of `-o xml`),
`{` a JSON record, anything else a line of a log. Other programs log passwords: every frame passes `redact`.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from time import time as now
from typing import Any, Final

from xmppctl.stanza.event import NAMES, Event
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.log_document import BEGIN, Document
from xmppctl.stanza.log_lines import Logged, numbers, read_line
from xmppctl.stanza.redact import redact
from xmppctl.stanza.resplit import HEADERS, UNKNOWN_HEADER, Way
from xmppctl.stanza.splitter import MAX_STANZA_BYTES, Splitter, StreamViolation

Item = Frame | Event

#: No more is kept of what may become a header.
_MAX_HELD: Final = 1024
#: The streams of a server's log that are followed at the same time.
_MAX_SESSIONS: Final = 1000
#: Numbers are written of what one read has brought; more of them is no piece of a stream.
_MAX_NUMBERS: Final = 1024 * 1024


class LogReader:
    """Bytes in, in any pieces; frames and events out as soon as they are whole. `skipped` lines held neither."""

    def __init__(self) -> None:
        self.skipped = 0
        self._reader: _Stream | _Lines | None = None
        self._begin = b""  # too little to tell what it is
        self._kept: list[Item] = []

    def feed(self, data: bytes, time: float | None = None) -> list[Item]:
        """What these bytes complete. `time`, in seconds since the epoch, is that of what tells no time of its own.

        Raises StreamViolation where a stream that is no log holds what no stream may; `finish` then gives what came
        before.
        """
        when = now() if time is None else time
        if self._reader is None:
            data = (self._begin + data).lstrip()
            if len(data) < len(BEGIN) and BEGIN.startswith(data):
                self._begin = data
                return []
            self._reader = self._choose(data)
        for item in self._reader.feed(data, when):
            self._keep(item)
        return self._take()

    def finish(self) -> list[Item]:
        """What is left at the end."""
        if self._reader is None:
            if not self._begin:
                return []
            self._reader = self._choose(self._begin)
            for item in self._reader.feed(self._begin, now()):
                self._keep(item)
        for item in self._reader.finish():
            self._keep(item)
        return self._take()

    def _keep(self, item: Item) -> None:
        self._kept.append(redact(item) if isinstance(item, Frame) else item)

    def _take(self) -> list[Item]:
        kept, self._kept = self._kept, []
        return kept

    def _choose(self, data: bytes) -> _Stream | _Lines:
        if data.startswith(BEGIN):
            return _Lines(Document())
        # A line of syslog's may begin with its priority: <14>.
        if data[:1] == b"<" and not data[1:2].isdigit():
            return _Stream()
        return _Lines(_Json(self._skip) if data[:1] == b"{" else _Log(self._skip))

    def _skip(self) -> None:
        self.skipped += 1


class _Stream:
    """One direction of streams, one after another; or stanzas that stand in none."""

    def __init__(self) -> None:
        self._splitter = Splitter("in")
        self._began = False
        self._held = b""
        self._time = 0.0
        self._violated = False

    def feed(self, data: bytes, time: float) -> Iterator[Item]:
        self._time = time
        data = self._held + data
        keep = _before_half_a_header(data)
        data, self._held = data[:keep], data[keep:]
        at = 0
        while at < len(data):
            if data.startswith(HEADERS, at):
                self._splitter.reset()
            elif not self._began:
                self._splitter.feed(UNKNOWN_HEADER, time)
            self._began = True
            end = _next_header(data, at)
            try:
                yield from self._splitter.feed(data[at:end], time)
            except StreamViolation:
                self._violated = True
                yield from self._splitter.take_frames()
                raise
            at = end

    def finish(self) -> list[Item]:
        rest = self._splitter.rest()
        if self._held:
            rest = (
                Frame(self._held, time=self._time) if rest is None else rest.with_raw(rest.raw + self._held)
            )
        if rest is None or not rest.raw.strip():
            return []
        if self._violated:  # whoever fed it was told
            return [rest]
        return [rest, Event("torn", self._time, "the input ends in the middle of an element")]


def _before_half_a_header(data: bytes) -> int:
    """Where the beginning of a header stands whose rest has not come; else the end of the data."""
    end = data.rfind(b"<")
    if end < 0 or not any(header.startswith(data[end:]) for header in HEADERS):
        end = len(data)
    declared = data.rfind(b"<?xml", 0, end)
    if declared >= 0 and b"<" not in data[declared + 1 : end]:
        end = declared
    return end if len(data) - end <= _MAX_HELD else len(data)


def _next_header(data: bytes, at: int) -> int:
    """Where the header begins that follows the one, or whatever else, at `at`; else the end of the data."""
    after = at + 1
    if data.startswith(b"<?xml", at):
        after = data.find(b"<", after) + 1 or len(data)
    return min((place for header in HEADERS if (place := data.find(header, after)) >= 0), default=len(data))


class _Lines:
    """Lines out of pieces, for `taker`. One that is longer than a stanza may be is cut."""

    def __init__(self, taker: _Json | _Log | Document) -> None:
        self._taker = taker
        self._tail = bytearray()
        self._time = 0.0

    def feed(self, data: bytes, time: float) -> Iterator[Item]:
        self._time = time
        # Only what is new is looked through: a line may be long, and come in many pieces.
        end, *lines = data.split(b"\n")
        self._tail += end
        if lines:
            whole, self._tail = self._tail, bytearray(lines.pop())
            for line in (bytes(whole), *lines):
                yield from self._taker.line(line.removesuffix(b"\r"), time)
        if len(self._tail) > 2 * MAX_STANZA_BYTES:
            self._tail.clear()
            yield Event("torn", time, "a line was passed over that is longer than a stanza may be")

    def finish(self) -> list[Item]:
        found = list(self._taker.line(bytes(self._tail), self._time)) if self._tail else []
        self._tail.clear()
        return [*found, *self._taker.finish(self._time)]


class _Json:
    """Records of `-o jsonl` and `--trace`."""

    def __init__(self, skip: Callable[[], None]) -> None:
        self._skip = skip
        self._ways: dict[str, Way] = {"in": Way("in"), "out": Way("out")}

    def line(self, line: bytes, time: float) -> Iterable[Item]:
        try:
            record: dict[str, Any] = json.loads(line)
            when = datetime.fromisoformat(record["time"]).timestamp() if "time" in record else time
            if "xml" in record:
                return [self._frame(record, when)]
            name = NAMES[record["event"]]
            return [Event(name, when, str(record.get("text", "")), int(record.get("count", 0)))]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass  # no record of ours
        self._skip()
        return []

    def _frame(self, record: dict[str, Any], time: float) -> Frame:
        way, raw = self._ways[record["direction"]], str(record["xml"]).encode("utf-8", "replace")
        if record["kind"] != "stream":
            return way.take(raw, time)
        return way.part(raw, time)

    def finish(self, time: float) -> list[Item]:
        del time
        return []


class _Log:
    """A debug log. Each stanza is read by itself, but what a server logs in pieces: those by their session."""

    def __init__(self, skip: Callable[[], None]) -> None:
        self._skip = skip
        self._open: Splitter | None = None  # of a stanza that goes over several lines
        self._numbers: Logged | None = None  # of a piece that does
        self._time = 0.0
        self._has_whole = False
        self._sessions: OrderedDict[tuple[bytes, Direction], Splitter] = OrderedDict()

    def line(self, line: bytes, time: float) -> Iterator[Item]:
        if self._numbers is not None:
            told = self._more_numbers(self._numbers, line)
            if told is not None:
                yield from self._piece(told)
            return
        told = read_line(line)
        if told is None:
            if self._open is None:
                self._skip()
            else:
                yield from self._go_on(self._open, b"\n" + line)
            return
        if self._open is not None:
            yield from self._break_off("a stanza breaks off before the next one")
        self._time = time if told.time is None else told.time
        if told.form == "numbers":
            told = self._more_numbers(told._replace(data=b""), told.data) or told
        if told.form == "piece":
            yield from self._piece(told)
        elif told.form == "numbers":
            pass
        elif told.form == "whole":
            self._has_whole = True
            yield from self._begin(told)
        elif not self._has_whole:  # else the same stanza is there as a whole
            yield from self._begin(told)

    def finish(self, time: float) -> list[Item]:
        del time
        return [] if self._open is None else list(self._break_off("the log ends in the middle of a stanza"))

    def _begin(self, told: Logged) -> Iterator[Item]:
        splitter = self._open = Splitter(told.direction)
        if told.data.startswith(HEADERS):
            if told.data.startswith(b"<?xml") and b"<stream:stream" not in told.data:
                self._open = None  # a declaration alone says nothing
                return
        else:
            splitter.feed(UNKNOWN_HEADER, self._time)
        yield from self._go_on(splitter, told.data)

    def _go_on(self, splitter: Splitter, data: bytes) -> Iterator[Item]:
        """More of the stanza that is open, which may end it."""
        try:
            frames = splitter.feed(data, self._time)
        except StreamViolation as error:
            yield from self._break_off(f"a stanza is not what a stream may hold: {error.message}")
            return
        if any(frame.names for frame in frames):
            self._open = None
            yield from (frame for frame in frames if frame.names)

    def _break_off(self, why: str) -> Iterator[Item]:
        rest = self._open.rest() if self._open is not None else None
        self._open = None
        if rest is not None:
            yield rest
        yield Event("torn", self._time, why)

    def _more_numbers(self, told: Logged, line: bytes) -> Logged | None:
        """The whole piece where this line ends it; else it is kept for the next one."""
        data = told.data + line
        if b">>" in line or len(data) > _MAX_NUMBERS:
            self._numbers = None
            return told._replace(form="piece", data=numbers(data))
        self._numbers = told._replace(data=data)
        return None

    def _piece(self, told: Logged) -> Iterator[Item]:
        """The next bytes of a session's stream."""
        key = (told.session, told.direction)
        splitter = self._sessions.pop(key, None)
        if splitter is None or told.data.startswith(HEADERS):
            splitter = Splitter(told.direction)
            if not told.data.startswith(HEADERS):
                splitter.feed(UNKNOWN_HEADER, self._time)
        try:
            yield from splitter.feed(told.data, self._time)
        except StreamViolation as error:
            yield from splitter.take_frames()
            yield Event("torn", self._time, f"a session's stream is not one: {error.message}")
            return
        self._sessions[key] = splitter
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
