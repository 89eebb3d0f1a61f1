"""Machine-readable output: an object a line (`jsonl`), or one document (`json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring as quote
from typing import Any, Final

from xmppctl.output.base import Note, Renderer
from xmppctl.output.records import (
    CACHE_LIMIT,
    SCHEMA,
    body_of,
    event_record,
    json_block,
    json_line,
    json_safe,
    payload_record,
    stanza_record,
    utc_time,
)
from xmppctl.output.sink import Sink
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame

#: What a stanza's payloads are, by their names: most stanzas are like one before. No long ones are kept.
_payloads_texts: dict[tuple[str, ...], str] = {}
_MAX_KEPT: Final = 1000


class JsonLines(Renderer):
    """One JSON object a line, each complete when it is written."""

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Write the contract's record of a stanza, with what is said of it."""
        self._write(stanza_line(frame) if note is None else json_line(stanza_record(frame, note.record)))

    def event(self, event: Event) -> None:
        """Write a record of what happened."""
        self._write(json_line(event_record(event)))

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:  # noqa: ARG002 (for people)
        """Write a result record."""
        self._write(json_line(self.stamped(record)))

    def _write(self, line: str) -> None:
        self.sink.write_bytes(json_bytes(line + "\n", self.sink))


class JsonDocument(Renderer):
    """One JSON document: an array where the results are a list (frames always are), else the one object.

    An array is written as it grows, so that a stream of any length takes no memory. `close()` makes it whole.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._is_list = False
        self._written = 0
        self._held: dict[str, Any] | None = None

    def begin_list(self) -> None:
        """The document is an array."""
        self._is_list = True
        self._release()

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Append the contract's record of a stanza, with what is said of it."""
        self.begin_list()
        self._append(stanza_record(frame, note.record if note else None))

    def event(self, event: Event) -> None:
        """Append a record of what happened."""
        self.begin_list()
        self._append(event_record(event))

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:  # noqa: ARG002 (for people)
        """Append a result record. The first is held back until a second one, or the end, tells what the document is."""
        stamped = self.stamped(record)
        if self._held is not None:
            self.begin_list()
        if self._is_list:
            self._append(stamped)
        else:
            self._held = stamped

    def close(self) -> None:
        """End the document."""
        if self.sink.failed:
            return
        if self._is_list:
            self._put("\n]\n" if self._written else "[]\n")
        elif self._held is not None:
            self._put(json_block(self._held) + "\n")
        self._is_list, self._held = False, None

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._append(held)

    def _append(self, record: Mapping[str, Any]) -> None:
        lead = ",\n" if self._written else "[\n"
        self._written += 1
        self._put(lead + "  " + json_block(record).replace("\n", "\n  "))

    def _put(self, text: str) -> None:
        self.sink.write_bytes(json_bytes(text, self.sink))


def stanza_line(frame: Frame) -> str:
    """`json_line(stanza_record(frame))`, put together by hand: three times as fast, for streams."""
    text = frame.text
    parts = [
        f'{{"schema":{SCHEMA},"time":"{utc_time(frame.time)}","direction":"{frame.direction}","kind":"{frame.kind}"'
    ]
    attributes = frame.attributes
    for name in ("type", "id", "from", "to"):
        value = attributes.get(name)
        if value is not None:
            parts.append(f',"{name}":{quote(value)}')
    body = body_of(frame, text)
    if body is not None:
        parts.append(f',"body":{quote(body)}')
    if frame.payloads:
        names = tuple(frame.payloads)
        parts.append(_payloads_texts.get(names) or _payloads_text(names))
    parts.append(f',"xml":{quote(text)}}}')
    return json_safe("".join(parts))


def json_bytes(text: str, sink: Sink) -> bytes:
    """JSON text in UTF-8, the only encoding it has between programs (RFC 8259 section 8.1); in ASCII, with JSON's own
    escapes, where the stream's encoding is another."""
    if text.isascii() or sink.is_utf8:
        return text.encode()
    return "".join(_escaped(char) for char in text).encode("ascii")


def _payloads_text(names: tuple[str, ...]) -> str:
    """The JSON of a stanza's payloads."""
    records = [payload_record(name) for name in names]
    text = f',"payloads":{json.dumps(records, ensure_ascii=False, separators=(",", ":"))}'
    if len(_payloads_texts) < CACHE_LIMIT and len(text) < _MAX_KEPT:
        _payloads_texts[names] = text
    return text


def _escaped(char: str) -> str:
    return char if char.isascii() else json.dumps(char)[1:-1]
