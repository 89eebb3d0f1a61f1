"""A stream as a capture file for Wireshark and tshark (pcapng, draft-ietf-opsawg-pcapng). Sans-IO.

What a recording holds is plain text above TLS. Here it gets what a capture has below it: IPv4 and TCP, from a client
at 192.0.2.1 to a server at 192.0.2.2, port 5222 (RFC 5737: addresses that nobody has), with handshakes, sequence
numbers and checksums, so that every dissector takes it for an unencrypted stream. The bytes are those of the frames.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.resplit import is_header, part_of

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET: Final = 6
_LINK_RAW: Final = 101  # packets begin with their IP header
_COMMENT: Final = 1
_NAME: Final = 2
_PROGRAM: Final = 4
#: A segment holds so much. A stanza goes into one wherever it can: dissectors look at each segment first.
_SEGMENT: Final = 65_000

_CLIENT: Final = bytes((192, 0, 2, 1))
_SERVER: Final = bytes((192, 0, 2, 2))
_PORT: Final = 5222
_FIRST_PORT: Final = 49_152
_FIN, _SYN, _PUSH, _ACK = 1, 2, 8, 16
_WORDS: Final = struct.Struct("!HHIIBBHHH")


def capture(items: Iterable[Frame | Event], program: str) -> Iterator[bytes]:
    """The file, piece by piece; `program` is named as what made it."""
    yield _block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((_PROGRAM, program)))
    yield _block(_INTERFACE, struct.pack("<HHI", _LINK_RAW, 0, 0) + _options((_NAME, "xmpp")))
    connection: _Connection | None = None
    port = _FIRST_PORT
    over = False
    for item in items:
        if isinstance(item, Event):
            over = over or item.name in ("offline", "online")
            if connection is not None:
                yield connection.note(item)
            continue
        if connection is None or (over and is_header(item)):
            if connection is not None:
                yield from connection.close(item.time)
            connection, port, over = _Connection(port), port + 1 if port < 65_535 else _FIRST_PORT, False
            yield from connection.open(item.time)
        yield from connection.data(item)
        over = over or (item.kind == "stream" and part_of(item) == "footer")
    if connection is not None:
        yield from connection.close(connection.time)


class _Connection:
    """One TCP connection. `time` is that of its last packet."""

    def __init__(self, port: int) -> None:
        self.time = 0.0
        self._port = port
        #: The next sequence number of each side.
        self._next: dict[Direction, int] = {"out": 1000, "in": 2000}
        self._number = 0

    def open(self, time: float) -> Iterator[bytes]:
        """The handshake (RFC 9293 section 3.5)."""
        self.time = time
        yield self._packet("out", _SYN)
        yield self._packet("in", _SYN | _ACK)
        yield self._packet("out", _ACK)

    def data(self, frame: Frame) -> Iterator[bytes]:
        """The segments of a frame."""
        self.time = frame.time
        for at in range(0, len(frame.raw), _SEGMENT):
            yield self._packet(frame.direction, _PUSH | _ACK, frame.raw[at : at + _SEGMENT])

    def note(self, event: Event) -> bytes:
        """An event, as the comment of a packet that holds nothing."""
        self.time = event.time
        said = {"lost": f"{event.frames} stanzas lost here"}.get(event.name, event.name)
        return self._packet("out", _ACK, comment=f"{said}: {event.text}" if event.text else said)

    def close(self, time: float) -> Iterator[bytes]:
        """Both sides say that they are done."""
        self.time = max(self.time, time)
        yield self._packet("out", _FIN | _ACK)
        yield self._packet("in", _FIN | _ACK)
        yield self._packet("out", _ACK)

    def _packet(self, way: Direction, flags: int, data: bytes = b"", comment: str = "") -> bytes:
        other: Direction = "in" if way == "out" else "out"
        acknowledged = self._next[other] if flags & _ACK else 0
        segment = self._segment(way, flags, acknowledged, data)
        self._next[way] = (self._next[way] + len(data) + bool(flags & (_SYN | _FIN))) & 0xFFFFFFFF
        packet = self._internet(way, segment)
        micro = max(round(self.time * 1_000_000), 0)
        head = struct.pack("<IIIII", 0, micro >> 32, micro & 0xFFFFFFFF, len(packet), len(packet))
        return _block(_PACKET, head + _padded(packet) + (_options((_COMMENT, comment)) if comment else b""))

    def _segment(self, way: Direction, flags: int, acknowledged: int, data: bytes) -> bytes:
        ports = (self._port, _PORT) if way == "out" else (_PORT, self._port)
        head = _WORDS.pack(*ports, self._next[way], acknowledged, 0x50, flags, 0xFFFF, 0, 0)
        source, target = _ends(way)
        size = len(head) + len(data)
        check = _checksum(source + target + struct.pack("!HH", 6, size) + head + data)
        return head[:16] + struct.pack("!H", check) + head[18:] + data

    def _internet(self, way: Direction, segment: bytes) -> bytes:
        source, target = _ends(way)
        self._number = (self._number + 1) & 0xFFFF
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), self._number, 0x4000, 64, 6, 0)
        check = _checksum(head + source + target)
        return head[:10] + struct.pack("!H", check) + source + target + segment


def _ends(way: Direction) -> tuple[bytes, bytes]:
    return (_CLIENT, _SERVER) if way == "out" else (_SERVER, _CLIENT)


def _checksum(data: bytes) -> int:
    """The one of IPv4 and TCP (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # The ones' complement sum of 16-bit words is the number they make, modulo 65535.
    rest = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - rest if rest else (0 if any(data) else 0xFFFF)


def _block(kind: int, body: bytes) -> bytes:
    body = _padded(body)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _options(*options: tuple[int, str]) -> bytes:
    made = b""
    for code, text in options:
        value = text.encode("utf-8", "replace")[:60_000]
        made += struct.pack("<HH", code, len(value)) + _padded(value)
    return made + struct.pack("<HH", 0, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
