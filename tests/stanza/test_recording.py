"""The format of recordings: what went in comes out, however it is cut, torn or damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.errors import MalformedInput
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.recording import MAGIC, Decoder, Head, encode_event, encode_frame, encode_head
from xmppctl.stanza.splitter import Splitter

Item = Frame | Event
HEAD = encode_head(Head("abc", 2), "0.1.0", 5.0)
OFFLINE = Event("offline", 1700000001.25, "reset \u202e by peer")


def stream(way: str, data: bytes, time: float = 1700000000.0) -> list[Frame]:
    splitter = Splitter(way)  # type: ignore[arg-type]
    found: list[Frame] = []
    for number, piece in enumerate([HEADER, data, b" \n", b"</stream:stream>"]):
        found += splitter.feed(piece, time + number / 8)
    return found


def conversation() -> list[Item]:
    """Both directions mixed, an event among them, and a stream after the first."""
    come, go = stream("in", b"".join((EXAMPLES | ODD).values())), stream("out", b"".join(EXAMPLES.values()))
    mixed: list[Item] = [frame for pair in zip(come, go, strict=False) for frame in pair]
    return [*mixed, *come[len(go) :], OFFLINE, *stream("in", b"<presence/>")]


def encoded(items: list[Item]) -> bytes:
    return b"".join(encode_event(item) if isinstance(item, Event) else encode_frame(item) for item in items)


def decoded(data: bytes, size: int = 1 << 30) -> list[Item]:
    decoder = Decoder()
    found = [item for at in range(0, len(data), size) for item in decoder.feed(data[at : at + size])]
    return found + decoder.finish()


def facts(item: Item) -> tuple[object, ...]:
    if isinstance(item, Event):
        return item
    names, payloads = list(item.names), list(item.payloads)
    return item.raw, item.direction, item.time, names, payloads, dict(item.attributes), dict(item.context)


def same(found: list[Item], wanted: list[Item]) -> None:
    assert [facts(item) for item in found] == [facts(item) for item in wanted]


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 30])
def test_what_went_in_comes_out(size: int) -> None:
    items = conversation()
    same(decoded(MAGIC + HEAD + encoded(items), size), items)


def test_a_head_names_the_recording_and_its_part() -> None:
    decoder = Decoder()
    decoder.feed(MAGIC + HEAD + encode_head(Head("other", 9), "0.1.0", 6.0))
    assert decoder.head == Head("abc", 2)


def test_a_known_header_binds_prefixes_and_is_not_shown() -> None:
    header, *frames = stream("in", b"<stream:error/>" * 2)
    found = decoded(MAGIC + HEAD + encode_frame(header, known=True) + encoded(list(frames)))
    same(found, list(frames))
    assert isinstance(found[0], Frame) and found[0].namespace == "http://etherx.jabber.org/streams"


@settings(max_examples=60)
@given(st.integers(0, 2000))
def test_a_torn_end_costs_the_last_record_only(cut: int) -> None:
    items: list[Item] = list(stream("in", b"<presence/>" * 20))
    data = MAGIC + HEAD + encoded(items)
    kept = data[: max(len(data) - cut, len(MAGIC))]
    found = decoded(kept)
    whole = [item for item in found if not isinstance(item, Event)]
    same(whole, items[: len(whole)])
    # Cut within its head, it breaks off there; only the first line itself is needed.
    is_whole = kept in (MAGIC, MAGIC + HEAD + encoded(items[: len(whole)]))
    assert [item.name for item in found if isinstance(item, Event)] == ([] if is_whole else ["torn"])


def test_what_was_added_behind_a_torn_end_is_read() -> None:
    before, after = list(stream("in", b"<presence/>")), list(stream("in", b"<message/>"))
    found = decoded(MAGIC + HEAD + encoded(before)[:-5] + HEAD + encoded(after))
    (torn,) = [item for item in found if isinstance(item, Event)]
    assert torn.name == "torn" and "damaged" in torn.text
    same([item for item in found if item is not torn], [*before[:-1], *after])


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_damaged_byte_costs_one_record(place: int, change: int) -> None:
    items: list[Item] = list(stream("in", b"<presence/>" * 9))
    head, data = MAGIC + HEAD, bytearray(encoded(items))
    data[place % len(data)] ^= change
    found = decoded(head + bytes(data))
    frames = [facts(item) for item in found if isinstance(item, Frame)]
    lost = [item for item in items if facts(item)[0] not in [fact[0] for fact in frames]]
    assert [item.name for item in found if isinstance(item, Event)].count("torn") == 1
    assert len(frames) == len(items) - 1 and len(lost) <= 1


@pytest.mark.parametrize(
    "data", [b"", MAGIC[:5], b"\x0a\x0d\x0d\x0a", b"<stream:stream>", b"xmppctl recording 2\n"]
)
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput, match="no recording"):
        decoded(data)


def test_a_length_that_cannot_be_is_damage_and_waits_for_nothing() -> None:
    items: list[Item] = list(stream("in", b"<presence/>"))
    data = MAGIC + HEAD + b"\xff\xfe\xff\xff\xff\xff" + b"x" * 15 + encoded(items)
    decoder = Decoder()
    found = decoder.feed(data)
    same([item for item in found if isinstance(item, Frame)], items)


def test_records_of_a_later_release_are_passed_over_and_told() -> None:
    from xmppctl.stanza.recording import _record

    found = decoded(MAGIC + HEAD + _record(0x80, 7.0, b'{"event":"eclipse","text":"","frames":0}'))
    assert [(item.name, item.time) for item in found if isinstance(item, Event)] == [("torn", 7.0)]
