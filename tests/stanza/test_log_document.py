"""What `-o xml` has written, read again: the same frames and events, whatever stands in them."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.logs import LogReader
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter

HEAD = b"""<?xml version='1.0' encoding='UTF-8'?>
<xmppctl:log xmlns:xmppctl="urn:xmppctl:log:1" xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">
"""
FRAME = b'<?frame direction="in" time="2026-01-31T12:00:00.250Z"?>\n'


def written(items: list[Frame | Event], encoding: str = "utf-8") -> bytes:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, newline="\n")
    with make_renderer("xml", stream=stream, environ={}, has_xml=True) as renderer:
        for item in items:
            renderer.event(item) if isinstance(item, Event) else renderer.frame(item)
    return buffer.getvalue()


def read(data: bytes, size: int = 1 << 30) -> list[Frame | Event]:
    reader = LogReader()
    found = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size], 5.0)]
    return found + reader.finish()


def said(items: list[Frame | Event]) -> list[object]:
    """What items are, as far as XML tells it."""
    return [
        item
        if isinstance(item, Event)
        else (item.direction, item.time, item.kind, list(item.names), dict(item.attributes), _meaning(item))
        for item in items
    ]


def _meaning(frame: Frame) -> str:
    if frame.kind == "stream":
        return frame.text
    declarations = "".join(f" xmlns{':' * bool(p)}{p}='{uri}'" for p, uri in frame.context.items())
    return ElementTree.canonicalize(f"<r{declarations}>{frame.text}</r>")


def conversation(direction: Direction) -> list[Frame]:
    splitter = Splitter(direction)
    frames = splitter.feed(HEADER + b"".join((EXAMPLES | ODD).values()) + b" </stream:stream>", 1769860800.25)
    return [redact(frame) for frame in frames]


@pytest.mark.parametrize("size", [1, 1000, 1 << 30])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_was_written_is_read(size: int, encoding: str) -> None:
    items: list[Frame | Event] = [
        *conversation("in"),
        Event("offline", 1769860801.0, 'gone "&<\u202e'),
        Event("lost", 1769860802.5, frames=3),
        *conversation("out"),
    ]
    assert said(read(written(items, encoding), size)) == said(items)


def test_a_stanza_is_there_as_soon_as_it_is_whole() -> None:
    reader = LogReader()
    assert reader.feed(HEAD + FRAME) == []
    (frame,) = reader.feed(b"<presence/>\n")
    assert isinstance(frame, Frame) and (frame.raw, frame.direction) == (b"<presence/>", "in")


def test_no_text_can_look_like_another_frame() -> None:
    inner = b'<?frame direction="out" time="2026-01-31T12:00:00.250Z"?>\n<presence id="forged"/>\n</xmppctl:log>\n'
    raw = b"<message><body><![CDATA[\n" + inner + b"]]></body></message>"
    (frame,) = read(HEAD + FRAME + raw + b"\n</xmppctl:log>\n")
    assert isinstance(frame, Frame) and (frame.raw, frame.direction) == (raw, "in")


def test_secrets_of_a_document_are_taken_out() -> None:
    (frame,) = read(HEAD + FRAME + b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>czNjcjN0</auth>\n")
    assert isinstance(frame, Frame) and b"czNjcjN0" not in frame.raw


def test_a_document_that_breaks_off() -> None:
    *_, rest, torn = read(HEAD + FRAME + b"<presence/>\n" + FRAME + b"<message><body>h")
    assert isinstance(rest, Frame) and rest.raw.startswith(b"<message><body>h")
    assert isinstance(torn, Event) and torn.name == "torn"


def test_one_that_breaks_off_in_its_first_line() -> None:
    assert [item.kind for item in read(HEAD[:30]) if isinstance(item, Frame)] == ["stream"]


@pytest.mark.parametrize(
    "odd",
    [
        b'<?frame direction="up" time="2026-01-31T12:00:00Z"?>',
        b'<?frame direction="in" time="noon"?>',
        b"<?stream?>",
        b"<?event name='party' time='2026-01-31T12:00:00Z'?>",
        b"<?event name='lost' time='2026-01-31T12:00:00Z' count='x'?>",
        b"<?frame /><y",
        b"<?",
        b"",
    ],
)
def test_instructions_of_others_are_passed_over(odd: bytes) -> None:
    (frame,) = read(HEAD + odd + b"\n<presence/>\n")
    assert isinstance(frame, Frame) and frame.raw == b"<presence/>"


def test_what_no_stream_may_hold_comes_out_torn_and_harms_nothing_that_follows() -> None:
    items = read(HEAD + FRAME + b"<message><!-- x --></message>\n" + FRAME + b"<presence/>\n")
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame.kind for frame in frames] == ["stream", "presence"]
    assert b"<!-- x" in frames[0].raw
