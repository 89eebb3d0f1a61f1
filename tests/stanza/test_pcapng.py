"""Captures: blocks, packets and checksums as their specifications say, and the bytes of the frames inside."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.examples import EXAMPLES, HEADER
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.pcapng import capture
from xmppctl.stanza.splitter import Splitter

SYN, FIN = 2, 1


class Packet(NamedTuple):
    time: float
    client: bool
    port: int
    flags: int
    seq: int
    ack: int
    data: bytes
    options: bytes


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0 and struct.unpack_from("<I", data, at + size - 4) == (size,)
        yield kind, data[at + 8 : at + size - 4]
        at += size


def ones(data: bytes) -> int:
    """The checksum of RFC 1071, as its text has it."""
    total = (
        sum(struct.unpack(f"!{len(data + data[:0]) // 2}H", data)) if len(data) % 2 == 0 else ones_odd(data)
    )
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ones_odd(data: bytes) -> int:
    return sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0"))


def packets(data: bytes) -> list[Packet]:
    (section, _), (interface, description), *rest = blocks(data)
    assert (section, interface) == (0x0A0D0D0A, 1)
    assert struct.unpack_from("<H", description) == (101,)
    found = []
    for kind, body in rest:
        assert kind == 6
        _, high, low, size, original = struct.unpack_from("<IIIII", body)
        assert size == original
        packet = body[20 : 20 + size]
        assert ones(packet[:20]) == 0xFFFF and struct.unpack_from("!H", packet, 2) == (size,)
        pseudo = packet[12:20] + struct.pack("!HH", 6, size - 20)
        assert ones(pseudo + packet[20:]) == 0xFFFF
        source, target, seq, ack, _, flags = struct.unpack_from("!HHIIBB", packet, 20)
        client = target == 5222
        time = ((high << 32) + low) / 1e6
        rest_of_block = body[20 + size + -size % 4 :]
        found.append(
            Packet(time, client, source if client else target, flags, seq, ack, packet[40:], rest_of_block)
        )
    return found


def stream(way: str, data: bytes, time: float = 1000.0) -> list[Frame]:
    return Splitter(way).feed(HEADER + data, time)  # type: ignore[arg-type]


def captured(*items: Frame | Event) -> list[Packet]:
    return packets(b"".join(capture(items, "xmppctl")))


def test_a_connection_opens_carries_the_bytes_and_closes() -> None:
    come, go = stream("in", b"".join(EXAMPLES.values())), stream("out", b"<presence/>")
    found = captured(*go, *come)
    assert [packet.flags & (SYN | FIN) for packet in found[:3]] == [SYN, SYN, 0]
    assert [packet.flags & FIN for packet in found[-3:]] == [FIN, FIN, 0]
    assert {packet.port for packet in found} == {found[0].port}
    for client, frames in ((True, go), (False, come)):
        assert b"".join(p.data for p in found if p.client is client) == b"".join(
            frame.raw for frame in frames
        )


def test_sequence_numbers_follow_the_bytes() -> None:
    found = captured(*stream("out", b"<presence/>"), *stream("in", b"<message/>" * 3))
    expected = {True: found[0].seq, False: found[1].seq}
    for packet in found:
        assert packet.seq == expected[packet.client]
        expected[packet.client] += len(packet.data) + bool(packet.flags & (SYN | FIN))
        if packet.ack:
            assert packet.ack == expected[not packet.client]


def test_a_large_stanza_goes_into_several_segments() -> None:
    big = b"<message><body>" + b"x" * 150_000 + b"</body></message>"
    found = [packet.data for packet in captured(*stream("in", big)) if packet.data]
    assert b"".join(found).endswith(big) and max(map(len, found)) <= 65_000


def test_times_are_those_of_the_frames() -> None:
    frames = stream("in", b"<presence/>", 1700000000.123456)
    assert {packet.time for packet in captured(*frames)} == {1700000000.123456}


@pytest.mark.parametrize(
    "between", [[Event("offline", 1001.0, "gone")], stream("in", b"</stream:stream>")[1:]]
)
def test_a_new_stream_after_the_end_of_one_is_a_new_connection(between: list[Frame | Event]) -> None:
    found = captured(*stream("in", b"<presence/>"), *between, *stream("in", b"<presence/>", 1002.0))
    assert len({packet.port for packet in found}) == 2
    assert [bool(packet.flags & SYN) for packet in found].count(True) == 4


def test_a_stream_that_begins_anew_stays_in_its_connection() -> None:
    found = captured(*stream("in", b"<a/>"), *stream("in", b"<b/>"))
    assert len({packet.port for packet in found}) == 1


def test_events_are_comments() -> None:
    found = captured(*stream("in", b"<a/>"), Event("lost", 1001.0, frames=7))
    assert b"7 stanzas lost here" in b"".join(packet.options for packet in found)


def test_nothing_is_a_capture_without_packets() -> None:
    assert captured() == []
