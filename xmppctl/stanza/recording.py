"""The format of a recording: what crossed the wire, its bytes and times, as `watch --record` keeps it. Sans-IO.

    b"xmppctl recording 1\\n"  then records: MARK, length, CRC-32, kind, time (microseconds since the epoch), bytes

A record is written whole or not at all as far as a reader can tell: one that a crash has torn fails its checksum, and
reading goes on at the next MARK, two bytes that no UTF-8 text holds. So a file can be added to without being looked
through before. A head names the recording and the part of it that a file is; a stream header that is kept only for
the prefixes that it binds, at the beginning of a part, is marked as known.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast
from zlib import crc32

from xmppctl.errors import MalformedInput
from xmppctl.stanza.event import NAMES, Event
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.resplit import Way, part_of

MAGIC: Final = b"xmppctl recording 1\n"

_MARK: Final = b"\xff\xfe"
_RECORD: Final = struct.Struct("<2sIIBq")
_CHECKED: Final = struct.Struct("<Bq")
_OUT: Final = 1
_PARTS: Final = ("element", "header", "footer", "rest")
_KNOWN: Final = 8
_HEAD: Final = 0x40
_EVENT: Final = 0x80
#: A stanza has 16 MiB at most; what says that it is longer is damaged.
_MAX_BYTES: Final = 32 * 1024 * 1024
_MICRO: Final = 1_000_000


class Head(NamedTuple):
    """What a file says of itself: the recording that it is a part of, and the number of that part, from 1."""

    recording: str
    part: int


def encode_head(head: Head, program: str, time: float) -> bytes:
    """The record that a file begins with, behind MAGIC, and whoever adds to one. `program` wrote it."""
    told = {"recording": head.recording, "part": head.part, "program": program}
    return _record(_HEAD, time, json.dumps(told).encode())


def encode_frame(frame: Frame, *, known: bool = False) -> bytes:
    """The record of a frame. `known`: a stream header that is not to be shown again."""
    kind = _OUT if frame.direction == "out" else 0
    if frame.kind == "stream":
        kind |= _PARTS.index(part_of(frame)) << 1
    return _record(kind | (_KNOWN if known else 0), frame.time, frame.raw)


def encode_event(event: Event) -> bytes:
    """The record of an event."""
    told = {"event": event.name, "text": event.text, "frames": event.frames}
    return _record(_EVENT, event.time, json.dumps(told).encode())


def _record(kind: int, time: float, data: bytes) -> bytes:
    micro = round(time * _MICRO)
    check = crc32(data, crc32(_CHECKED.pack(kind, micro)))
    return _RECORD.pack(_MARK, len(data), check, kind, micro) + data


#: A record that is whole: its kind, time and bytes. A plain tuple, since there are many.
_Told = tuple[int, float, bytes]


class Decoder:
    """Bytes of a recording in, in any pieces; frames and events out, in their order.

    Where bytes are damaged they are passed over, and an event says how many. `head` is the first one of the file.
    """

    def __init__(self) -> None:
        self.head: Head | None = None
        self._buffer = bytearray()
        self._offset = 0  # of the buffer in the file
        self._began = False
        self._damage = -1  # where the bytes begin that make no sense
        self._time = 0.0
        self._ways: dict[Direction, Way] = {"in": Way("in"), "out": Way("out")}

    def feed(self, data: bytes) -> list[Frame | Event]:
        """What these bytes complete. Raises MalformedInput where it is no recording at all."""
        self._buffer += data
        if not self._began:
            size = len(MAGIC)
            if not MAGIC.startswith(bytes(self._buffer[:size])):
                raise MalformedInput(
                    "this is no recording of xmppctl's", hint="make one with watch --record FILE"
                )
            if len(self._buffer) < size:
                return []
            self._began = True
            self._forget(size)
        return self._batch(self._records(final=False))

    def finish(self) -> list[Frame | Event]:
        """What is left at the end of the file."""
        if not self._began:
            raise MalformedInput("this is no recording of xmppctl's: it ends in its first line")
        items = self._batch(self._records(final=True))
        left = len(self._buffer) + (self._offset - self._damage if self._damage >= 0 else 0)
        if left:
            at = self._damage if self._damage >= 0 else self._offset
            items.append(
                Event(
                    "torn",
                    self._time,
                    f"the recording breaks off: {left:,} bytes from {at:,} on make no record",
                )
            )
        self._buffer.clear()
        return items

    def _records(self, *, final: bool) -> list[_Told | Event]:
        """The whole records in the buffer, and where bytes were passed over."""
        found: list[_Told | Event] = []
        buffer, size, unpack = bytes(self._buffer), _RECORD.size, _RECORD.unpack_from
        checked = memoryview(buffer)
        at, length_of_buffer = 0, len(self._buffer)
        while length_of_buffer - at >= size:
            mark, length, check, kind, micro = unpack(buffer, at)
            begin = at + size
            end = begin + length
            sound = mark == _MARK and length <= _MAX_BYTES
            if sound and end > length_of_buffer and not final:
                break
            # Kind and time stand in front of the bytes, as they do in the sum.
            if sound and end <= length_of_buffer and crc32(checked[begin - _CHECKED.size : end]) == check:
                if self._damage >= 0:
                    found.append(self._passed_over(self._offset + at))
                self._time = micro / _MICRO
                found.append((kind, self._time, buffer[begin:end]))
                at = end
                continue
            if self._damage < 0:
                self._damage = self._offset + at
            following = buffer.find(_MARK, at + 1)
            # The last byte may be half of a mark.
            at = following if following >= 0 else max(length_of_buffer - 1, at + 1)
        self._forget(at)
        return found

    def _forget(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size

    def _passed_over(self, until: int) -> Event:
        begin, self._damage = self._damage, -1
        return Event(
            "torn", self._time, f"the recording is damaged: {until - begin:,} bytes from {begin:,} on"
        )

    # -- records to frames --

    def _batch(self, records: list[_Told | Event]) -> list[Frame | Event]:
        """Frames of records: those of one direction that follow each other are split together, which is much faster."""
        kinds = {record[0] for record in records}
        if kinds == {0} or kinds == {_OUT}:
            told = cast("list[_Told]", records)
            raws = [data for _, _, data in told]
            return list(self._way(told[0][0]).take_many(raws, [time for _, time, _ in told]))
        items: list[Frame | Event | None] = [None] * len(records)
        runs: dict[int, list[int]] = {0: [], _OUT: []}
        for at, record in enumerate(records):
            if isinstance(record, Event):
                items[at] = record
                continue
            kind = record[0]
            if kind in runs:  # an element
                runs[kind].append(at)
            elif kind & (_HEAD | _EVENT):
                items[at] = self._aside(record)
            else:
                self._split(kind & _OUT, runs[kind & _OUT], records, items)
                items[at] = self._part(record)
        for kind, run in runs.items():
            self._split(kind, run, records, items)
        return [item for item in items if item is not None]

    def _split(
        self, kind: int, run: list[int], records: list[_Told | Event], items: list[Frame | Event | None]
    ) -> None:
        """Make frames of the elements at these places."""
        if not run:
            return
        raws = [cast(bytes, records[at][2]) for at in run]
        times = [records[at][1] for at in run]
        for at, frame in zip(run, self._way(kind).take_many(raws, times), strict=True):
            items[at] = frame
        run.clear()

    def _way(self, kind: int) -> Way:
        return self._ways["out" if kind & _OUT else "in"]

    def _part(self, record: _Told) -> Frame | None:
        """The frame of a part of the stream; None for a header that is only to be known."""
        kind, time, data = record
        way = self._way(kind)
        make: Callable[[bytes, float], Frame] = {
            "header": way.header,
            "rest": way.rest,
        }.get(_PARTS[kind >> 1 & 3], way.take)
        frame = make(data, time)
        return None if kind & _KNOWN else frame

    def _aside(self, record: _Told) -> Event | None:
        """The event of a record that is no frame; None for a head."""
        kind, time, data = record
        try:
            told: dict[str, Any] = json.loads(data)
            if kind == _HEAD:
                head = Head(str(told["recording"]), int(told["part"]))
                self.head = self.head or head
                return None
            return Event(NAMES[told["event"]], time, str(told["text"]), int(told["frames"]))
        except (ValueError, KeyError, TypeError):
            # Its checksum is right: a later release has written it.
            return Event("torn", time, "a record of another release of xmppctl was passed over")
