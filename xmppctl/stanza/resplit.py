"""Frames out of the bytes of each: what was split once, told piece by piece, and is to be frames again. Sans-IO.

Whoever tells them (a daemon, a recording) says of each what it is; the names, attributes and prefixes are found by
splitting again. What cannot be an element comes out as bytes that are none, and harms nothing that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

from xmppctl.stanza.build import declarations
from xmppctl.stanza.frame import CLIENT_CONTEXT, Direction, Frame
from xmppctl.stanza.splitter import Splitter, StreamViolation

Part = Literal["header", "footer", "rest"]

#: What a stream's header and footer begin with.
HEADERS: Final = (b"<?xml", b"<stream:stream")
FOOTER: Final = b"</stream:stream"

#: The stream that frames stand in while no header is known.
UNKNOWN_HEADER: Final = f"<stream:stream{declarations(CLIENT_CONTEXT)}>".encode()


def part_of(frame: Frame) -> Part:
    """Which part of the stream itself a frame of the kind `stream` is."""
    if not frame.names:
        return "rest"
    return "footer" if frame.raw.startswith(b"</") else "header"


def is_header(frame: Frame) -> bool:
    """Whether it is a stream header (RFC 6120 section 4.2)."""
    return frame.kind == "stream" and part_of(frame) == "header"


class Way:
    """One direction of a stream, as far as it was told."""

    def __init__(self, direction: Direction) -> None:
        self._splitter = Splitter(direction)
        self._direction: Direction = direction
        self._header = UNKNOWN_HEADER
        self._reopen()

    def header(self, raw: bytes, time: float) -> Frame:
        """The header with these bytes: a new stream begins."""
        self._splitter.reset()
        frame = self._feed(raw, time)
        if frame is not None:
            self._header = raw
            return frame
        self._header = UNKNOWN_HEADER
        self._reopen()
        return self.rest(raw, time)

    def take(self, raw: bytes, time: float) -> Frame:
        """The element, or the footer, with these bytes."""
        if self._splitter.closed:
            self._reopen()
        frame = self._feed(raw, time)
        if frame is not None:
            return frame
        # Not what the daemon's splitter has seen, whatever the reason: what follows must not suffer for it.
        self._reopen()
        return self.rest(raw, time)

    def take_many(self, raws: list[bytes], times: Sequence[float]) -> list[Frame]:
        """Elements, one after another: as `take` of each, and several times as fast."""
        frames: list[Frame] = []
        if not self._splitter.closed:
            with suppress(StreamViolation):
                frames = self._splitter.feed(b"".join(raws), times[0])
        if [frame.raw for frame in frames] == raws:
            for frame, time in zip(frames, times, strict=True):
                frame.time = time
            return frames
        self._reopen()
        return list(map(self.take, raws, times))

    def part(self, raw: bytes, time: float) -> Frame:
        """The part of the stream itself that these bytes look like: a header, a footer, or a rest."""
        if raw.startswith(HEADERS):
            return self.header(raw, time)
        return self.take(raw, time) if raw.startswith(FOOTER) else self.rest(raw, time)

    def rest(self, raw: bytes, time: float) -> Frame:
        """Bytes that are no element."""
        return Frame(raw, direction=self._direction, time=time, context=self._splitter.context)

    def _feed(self, raw: bytes, time: float) -> Frame | None:
        try:
            found = self._splitter.feed(raw, time)
        except StreamViolation:
            return None
        return found[0] if len(found) == 1 and found[0].raw == raw else None

    def _reopen(self) -> None:
        self._splitter.reset()
        self._splitter.feed(self._header)
