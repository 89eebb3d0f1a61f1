"""Stanzas, results and errors as the JSON of the command line's contract. Sans-IO.

One notation for all of it: ordinary letters of every script stay readable, and what the sanitiser would make visible
is escaped as JSON escapes it (`\\u202e`), so that raw JSON on a terminal is harmless and still parses to the same text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import gmtime
from typing import Any, Final

from xmppctl.errors import XmppctlError
from xmppctl.output.safe import substitute
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, NS_SERVER, Frame

SCHEMA: Final = 1

#: The names of messages -> those of their bodies.
_BODIES: Final = {
    f"{namespace} message": f"{namespace} body" for namespace in (NS_CLIENT, NS_SERVER, NS_COMPONENT)
}
#: A body that can be read off the bytes: no attribute, entity, markup or carriage return in it.
_PLAIN_BODY: Final = re.compile(r"<body>([^<&\r]*)</body>")
CACHE_LIMIT: Final = 4096  # names come from the network: a cache of them must not grow without end
_payload_records: dict[str, dict[str, str]] = {}
_last_second: tuple[int, str] = (-1, "")
_last_time: tuple[float, str] = (-1.0, "")


def utc_time(time: float) -> str:
    """`time`, in seconds since the epoch, as RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.250Z`."""
    global _last_second, _last_time
    known_time, written = _last_time
    if known_time == time:  # what one read has brought came at one time
        return written
    second, milli = divmod(round(time * 1000), 1000)
    known, text = _last_second
    if known != second:
        year, month, day, hour, minute, sec = gmtime(second)[:6]
        text = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{sec:02d}"
        _last_second = (second, text)
    written = f"{text}.{milli:03d}Z"
    _last_time = (time, written)
    return written


def stanza_record(frame: Frame, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The frame as the contract's record, ready for `json_line`; absent values are left out, `extra` put in.

    `xml` is the bytes of the wire as text: bytes that are not UTF-8 (only a torn rest can hold them) are U+FFFD.
    """
    text = frame.text
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "time": utc_time(frame.time),
        "direction": frame.direction,
        "kind": frame.kind,
    }
    attributes = frame.attributes
    for name in ("type", "id", "from", "to"):
        value = attributes.get(name)
        if value is not None:
            record[name] = value
    body = body_of(frame, text)
    if body is not None:
        record["body"] = body
    if frame.payloads:
        record["payloads"] = [payload_record(name) for name in frame.payloads]
    if extra:
        record |= extra
    record["xml"] = text
    return record


def event_record(event: Event) -> dict[str, Any]:
    """What happened to a stream, as a record without what does not apply."""
    record: dict[str, Any] = {"schema": SCHEMA, "time": utc_time(event.time), "event": event.name}
    if event.text:
        record["text"] = event.text
    if event.frames:
        record["count"] = event.frames
    return record


def body_of(frame: Frame, text: str) -> str | None:
    """`frame.body`, read off `text` (its bytes decoded) where that is surely the same: parsing costs ten times more."""
    name = _BODIES.get(frame.names[0]) if frame.names else None
    if name is None or name not in frame.payloads:
        return None
    # One "<body", no prefixed one, and no CDATA section: nothing else in the bytes can be or look like the element.
    if text.count("<body") == 1 and "<!" not in text and ":body" not in text:
        match = _PLAIN_BODY.search(text)
        if match:
            return match.group(1)
    try:
        return frame.body
    except ValueError:  # a frame made by hand, of bytes that are no XML: there is no body to read
        return None


def json_line(record: Mapping[str, Any]) -> str:
    """The record as one line of JSON (RFC 8259), without the line break. Raises ValueError for NaN and infinities."""
    import json

    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return json_safe(text)


def json_block(value: Any) -> str:
    """`value` as JSON over more lines, indented by two. Raises ValueError for NaN and infinities."""
    import json

    lines = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False).split("\n")
    return "\n".join(json_safe(line) for line in lines)


def json_safe(text: str) -> str:
    """A line of JSON with what `safe()` would show escaped as JSON does, where that was not done yet."""
    if text.isascii() and "\x7f" not in text:
        return text
    return substitute(text, _json_escape)


def stamp(record: Mapping[str, Any], time: float) -> dict[str, Any]:
    """A result record with the `schema` and `time` that every record has; those it brings along win."""
    return {"schema": SCHEMA, "time": utc_time(time), **record}


def error_record(error: XmppctlError) -> dict[str, Any]:
    """What `-o json` and `-o jsonl` print on standard error; an empty hint or stanza is left out."""
    record: dict[str, Any] = {"error": error.name, "exit": int(error.code), "message": error.message}
    if error.hint:
        record["hint"] = error.hint
    if error.stanza:
        record["stanza"] = error.stanza
    return record


def payload_record(name: str) -> dict[str, str]:
    """What a stanza's record says of one payload; `name` as expat writes it: `"namespace name"`."""
    known = _payload_records.get(name)
    if known is None:
        from xmppctl.stanza.namespaces import xep_of

        namespace, _, local = name.rpartition(" ")
        known = {"namespace": namespace, "name": local}
        xep = xep_of(namespace)
        if xep is not None:
            known["xep"] = xep
        if len(_payload_records) < CACHE_LIMIT:
            _payload_records[name] = known
    return known


def _json_escape(char: str) -> str:
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        return "\\ufffd"  # half a pair: strict parsers refuse it even when escaped
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
