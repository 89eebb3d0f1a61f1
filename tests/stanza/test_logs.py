"""Streams, stanzas and logs of other programs: the same frames however they come in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.output.records import json_line, stanza_record
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.logs import LogReader
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter, StreamViolation

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
TWO_LINES = 'Say "hi" \\ back\nsecond line <b> & é 日本 🐧\ttab'


def read(data: bytes, size: int = 1 << 30) -> list[Frame | Event]:
    reader = LogReader()
    found = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size], 5.0)]
    return found + reader.finish()


def raws(items: list[Frame | Event]) -> list[object]:
    return [item.raw if isinstance(item, Frame) else item for item in items]


def bodies(items: list[Frame | Event]) -> list[str]:
    return [item.body for item in items if isinstance(item, Frame) and item.body]


@pytest.mark.parametrize("size", [1, 5, 1000, 1 << 30])
def test_a_stream_and_another_behind_it(size: int) -> None:
    data = b"".join((EXAMPLES | ODD).values())
    one = HEADER + data
    wanted = [redact(frame).raw for frame in Splitter().feed(one)]
    found = raws(read(one + b"\n" + one + b"</stream:stream>", size))
    assert [raw for raw in found if isinstance(raw, bytes) and raw.strip()] == [
        raw for raw in [*wanted, *wanted, b"</stream:stream>"] if raw.strip()
    ]


@pytest.mark.parametrize("size", [1, 7, 1 << 30])
def test_bare_stanzas(size: int) -> None:
    found = read(b"\n  <presence/>\n<message><body>hi</body></message> ", size)
    kinds = [item.kind for item in found if isinstance(item, Frame) and item.names]
    assert kinds == ["presence", "message"]


def test_a_stanza_is_there_as_soon_as_it_is_whole() -> None:
    reader = LogReader()
    assert raws(reader.feed(b"<presence/>")) == [b"<presence/>"]
    assert [item for item in raws(reader.feed(b"<message><body>h")) if item != b""] == []
    assert raws(reader.feed(b"i</body></message>")) == [b"<message><body>hi</body></message>"]


def test_what_no_stream_may_hold_is_told_behind_what_came_before() -> None:
    reader = LogReader()
    reader.feed(b"<presence/>")
    with pytest.raises(StreamViolation):
        reader.feed(b"<!DOCTYPE x>")
    reader.finish()


def test_a_stream_that_breaks_off_says_so() -> None:
    *_, rest, torn = read(b"<presence/><message><bo")
    assert isinstance(rest, Frame) and rest.raw == b"<message><bo"
    assert isinstance(torn, Event) and torn.name == "torn"


def test_our_own_records_come_back_as_they_were() -> None:
    splitter = Splitter("out")
    frames = splitter.feed(
        HEADER + b"".join(EXAMPLES.values()) + b"<stream:error/> </stream:stream>", 1700000000.25
    )
    frames = [redact(frame) for frame in frames]
    lines = [json_line(stanza_record(frame)) for frame in frames]
    lines.insert(
        1, json.dumps({"schema": 1, "time": "2026-01-31T12:00:00.500Z", "event": "offline", "text": "x"})
    )
    first, event, *found = read("\n".join(lines).encode())
    assert event == Event("offline", 1769860800.5, "x")
    for item, frame in zip([first, *found], frames, strict=True):
        assert isinstance(item, Frame)
        assert (item.raw, item.direction, item.time, list(item.names)) == (
            frame.raw,
            "out",
            1700000000.25,
            list(frame.names),
        )


@pytest.mark.parametrize(
    "line",
    ["{}", "[]", "nonsense", '{"xml":1}', '{"event":"other"}', "[" * 100_000, '{"time":1,"xml":"<a/>"}'],
)
def test_records_that_are_not_ours_are_passed_over(line: str) -> None:
    reader = LogReader()
    good = '{"schema":1,"time":"2026-01-31T12:00:00Z","direction":"in","kind":"presence","xml":"<presence/>"}'
    found = reader.feed(f"{good}\n{line}\n{good}\n".encode()) + reader.finish()
    assert raws(found) == [b"<presence/>"] * 2 and reader.skipped == 1


@pytest.mark.parametrize("name", ["slixmpp", "prosody", "ejabberd"])
def test_a_program_s_log(name: str) -> None:
    items = read((LOGS / f"{name}.log").read_bytes())
    frames = [item for item in items if isinstance(item, Frame)]
    assert [item for item in items if isinstance(item, Event)] == []
    two_lines = TWO_LINES.replace("\n", "\n\t") if name == "prosody" else TWO_LINES
    found = bodies(items)
    assert found.count(two_lines) == 2  # sent and received
    assert "2026-01-31 12:00:00 DEBUG RECV: fake line" in "".join(found)
    kinds = {(frame.direction, frame.kind) for frame in frames}
    assert kinds >= {(way, kind) for way in ("in", "out") for kind in ("message", "presence", "iq", "nonza")}
    assert all(1.7e9 < frame.time < 2e9 for frame in frames)
    text = b"".join(frame.raw for frame in frames)
    assert b"c2VjcmV0" not in text and b"[redacted:8]" in text


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["slixmpp", "prosody", "ejabberd"]), st.integers(1, 3000))
def test_a_log_is_the_same_in_any_pieces(name: str, size: int) -> None:
    data = (LOGS / f"{name}.log").read_bytes()
    assert raws(read(data, size)) == raws(read(data))


def test_only_start_tags_are_empty_elements() -> None:
    log = b"Nov 27 19:02:25 c2s1\tdebug\tReceived[c2s]: <iq id='1' type='get'>\n"
    assert raws(read(b"x\n" + log)) == [b"<iq id='1' type='get'/>"]


def test_start_tags_are_left_out_where_whole_stanzas_are_logged() -> None:
    log = b"x\nc2s1 debug RECV: <iq id='1'><a xmlns='b'/></iq>\nc2s1 debug Received[c2s]: <iq id='1'>\n"
    assert raws(read(log)) == [b"<iq id='1'><a xmlns='b'/></iq>"]


def test_a_stanza_that_breaks_off_is_told_and_costs_no_other() -> None:
    log = b"x\nDEBUG RECV: <message><body>one\nDEBUG RECV: <presence/>\nDEBUG SEND: <iq></presence>\nDEBUG SEND: <r/>\n"
    items = read(log)
    assert [item.name for item in items if isinstance(item, Event)] == ["torn", "torn"]
    assert [item.raw for item in items if isinstance(item, Frame) and item.names] == [b"<presence/>", b"<r/>"]


def test_what_is_no_log_is_counted() -> None:
    reader = LogReader()
    assert reader.feed(b"dear juliet,\n<3 romeo\n") == [] and reader.finish() == []
    assert reader.skipped == 2


def test_a_priority_of_syslog_begins_no_stanza() -> None:
    assert raws(read(b"<14>Nov 27 19:02:25 h p: SEND: <presence/>\n")) == [b"<presence/>"]


def test_a_line_without_end_is_bounded() -> None:
    reader = LogReader()
    found = reader.feed(b"x\n")
    for _ in range(40):
        found += reader.feed(b"y" * (1 << 20))
    assert [item.name for item in found if isinstance(item, Event)] == ["torn"]


@pytest.mark.timeout(20)
def test_a_long_line_in_small_pieces_is_looked_through_once() -> None:
    reader = LogReader()
    reader.feed(b"x\n")
    for _ in range(20_000):
        assert reader.feed(b"y" * 1000) == []
    assert [frame.raw for frame in reader.feed(b"\nRECV: <presence/>\n")] == [b"<presence/>"]


def test_sessions_of_a_server_are_kept_apart() -> None:
    line = '(tls|<0.%d.0>) Received XML on stream = <<"%s">>\n'
    log = (
        "x\n" + line % (1, "<message><body>o") + line % (2, "<presence/>") + line % (1, "ne</body></message>")
    )
    assert raws(read(log.encode())) == [b"<presence/>", b"<message><body>one</body></message>"]
