"""Frames of bytes that were split before: equal to what they were, whatever stands among them."""

from __future__ import annotations

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.resplit import Way, is_header, part_of
from xmppctl.stanza.splitter import Splitter

FOOTER = b"</stream:stream>"


def split(data: bytes) -> list[Frame]:
    return Splitter().feed(HEADER + data, 1.0)


def facts(frame: Frame) -> tuple[object, ...]:
    return (
        frame.raw,
        list(frame.names),
        list(frame.payloads),
        dict(frame.attributes),
        dict(frame.context),
        frame.time,
    )


def test_many_at_once_are_as_each_alone() -> None:
    header, *frames = split(b"".join((EXAMPLES | ODD).values()))
    elements = [frame for frame in frames if frame.names]
    one, many = Way("in"), Way("in")
    for way in (one, many):
        assert facts(way.header(header.raw, 1.0)) == facts(header)
    times = [float(number) for number in range(len(elements))]
    found = many.take_many([frame.raw for frame in elements], times)
    assert [facts(frame) for frame in found] == [
        facts(one.take(frame.raw, time)) for frame, time in zip(elements, times, strict=True)
    ]
    assert [frame.payloads for frame in found] == [frame.payloads for frame in elements]


@pytest.mark.parametrize("bad", [b"<torn", b"text", b"<a/><b/>", b"<!-- -->", b"</x>", b""])
def test_what_is_no_element_harms_nothing_around_it(bad: bytes) -> None:
    way = Way("in")
    way.header(HEADER, 1.0)
    found = way.take_many([b"<presence/>", bad, b"<message/>"], [1.0, 2.0, 3.0])
    assert [frame.raw for frame in found] == [b"<presence/>", bad, b"<message/>"]
    assert [frame.kind for frame in found] == ["presence", "stream", "message"]
    assert [frame.time for frame in found] == [1.0, 2.0, 3.0]


def test_parts_of_a_stream() -> None:
    frames = split(b" <presence/>" + FOOTER)
    assert [part_of(frame) for frame in frames if frame.kind == "stream"] == ["header", "rest", "footer"]
    assert [is_header(frame) for frame in frames] == [True, False, False, False]


def test_parts_of_a_stream_are_told_by_their_bytes() -> None:
    way = Way("in")
    assert [part_of(way.part(raw, 1.0)) for raw in (HEADER, b"</stream:stream>", b" ", b"<torn")] == [
        "header",
        "footer",
        "rest",
        "rest",
    ]
