"""The debug logs of other programs, line by line: slixmpp's, Prosody's and ejabberd's. Sans-IO.

Each of them writes what it sends and receives behind words of its own, in one record that may go over several lines
where a text does. Directions are the program's own: what it has sent is `out`.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from xmppctl.stanza.frame import Direction

#: slixmpp: `SEND: <iq/>`, `SEND (IMMED): <iq/>`, `RECV: <iq/>`; Prosody with mod_stanza_debug as well.
_WHOLE: Final = re.compile(rb"\b(SEND|RECV)(?: \([A-Z ]+\))?: (?=<)")
#: Prosody: `Received[c2s]: <iq type='get'>`, the start tag alone.
_TOP_TAG: Final = re.compile(rb"\b(Sending|Received)\[\w+\]: (?=<)")
#: ejabberd: `<0.664.0> (tls|<0.664.0>) Received XML on stream = <<"...">>`, whatever one read has brought.
_PIECE: Final = re.compile(rb"\((?:\w+\|)*(<[\d.]+>)\) (Send|Received) XML on stream = <<(?:\"|(?=60,))")
#: What Erlang takes for no text it writes as numbers, over many lines; 60 is "<".
_NUMBERS: Final = re.compile(rb"[\d,\s]*")
_PIECE_END: Final = re.compile(rb"\"(?:/utf8)?>>\s*\Z")
_ESCAPE: Final = re.compile(rb"\\(x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES: Final = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"s": b" ",
    b"e": b"\x1b",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
}
_OUT: Final = (b"SEND", b"Sending", b"Send")
#: `2026-11-27 19:02:25,572`, `2026-11-27T19:02:25.5Z`, `2026-11-27 19:02:35.474505+00:00`
_ISO: Final = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
#: `Nov 27 19:02:25`
_SYSLOG: Final = re.compile(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d")
#: A time stands near the beginning of a line.
_TIME_WITHIN: Final = 80


class Logged(NamedTuple):
    """The beginning of a stanza in a log. `time` is None where the line tells none.

    `form`: `whole`; `tag` where only its start tag was logged; `piece` for the next bytes of the stream of `session`,
    and `numbers` for those written as `numbers()` reads them, over all lines up to one with `>>`.
    """

    form: str
    direction: Direction
    data: bytes
    time: float | None
    session: bytes = b""


def read_line(line: bytes) -> Logged | None:
    """What a line of a log, without its line break, tells of a stream; None for any other line."""
    for form, pattern in (("whole", _WHOLE), ("tag", _TOP_TAG)):
        found = pattern.search(line)
        if found:
            data = _mended(line[found.end() :])
            return Logged(
                form, _way(found.group(1)), data if form == "whole" else _closed(data), time_of(line)
            )
    found = _PIECE.search(line)
    if found is None:
        return None
    if not line.startswith(b'"', found.end() - 1):
        return Logged("numbers", _way(found.group(2)), line[found.end() :], time_of(line), found.group(1))
    end = _PIECE_END.search(line, found.end())
    data = _unescaped(line[found.end() : end.start() if end else len(line)])
    return Logged("piece", _way(found.group(2)), data, time_of(line), found.group(1))


def time_of(line: bytes) -> float | None:
    """The time that a line begins with, in seconds since the epoch; local where it names no zone."""
    head = line[:_TIME_WITHIN]
    found = _ISO.search(head) or _SYSLOG.search(head)
    return None if found is None else _seconds(found.group().decode())


@lru_cache(maxsize=64)
def _seconds(text: str) -> float | None:
    try:
        if text[0].isdigit():
            return datetime.fromisoformat(text.replace(",", ".")).timestamp()
        # A log without years is of the last one that has this day in the past.
        now = datetime.now()
        found = datetime.strptime(f"{now.year} {text}", "%Y %b %d %H:%M:%S")
        return (found.replace(year=now.year - 1) if found > now else found).timestamp()
    except ValueError:
        return None


def _way(word: bytes) -> Direction:
    return "out" if word in _OUT else "in"


def numbers(text: bytes) -> bytes:
    """The bytes that Erlang has written as `60,105,113`; as far as they are such."""
    found = _NUMBERS.match(text)
    return bytes(int(each) & 0xFF for each in found.group().split(b",") if each.strip()) if found else b""


def _mended(data: bytes) -> bytes:
    """slixmpp writes what stands in the stream's namespace with its prefix twice, and does not declare that."""
    if data.startswith(b"<stream:stream:stream xmlns="):
        return data.replace(b"<stream:stream:stream ", b"<stream:stream xmlns='jabber:client' ", 1).replace(
            b' xmlns="http', b' xmlns:stream="http', 1
        )
    return data.replace(b"stream:stream:", b"stream:") if b"stream:stream:" in data[:200] else data


def _closed(tag: bytes) -> bytes:
    """A start tag, as an element of its own. Headers and footers are what they are."""
    if tag.endswith(b"/>") or not tag.endswith(b">") or tag.startswith((b"</", b"<?", b"<stream:stream")):
        return tag
    return tag[:-1] + b"/>"


def _unescaped(text: bytes) -> bytes:
    """The inside of an Erlang string."""

    def bare(found: re.Match[bytes]) -> bytes:
        code = found.group(1)
        if code[:1] == b"x" and len(code) > 1:
            number = int(code[1:].strip(b"{}"), 16)
            return bytes([number]) if number < 256 else chr(min(number, 0x10FFFF)).encode("utf-8", "replace")
        if code.isdigit():
            return bytes([int(code, 8) & 0xFF])
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(bare, text)
