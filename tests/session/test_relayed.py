"""Frames told through the daemon's socket: they come out as they went in, whatever they hold."""

from __future__ import annotations

import random
import tracemalloc
from base64 import b64decode
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.errors import DaemonError
from xmppctl.session.local import NS_DAEMON
from xmppctl.session.relayed import MAX_RELAYED_BYTES, Relayed, encode
from xmppctl.session.tap import Tap
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.redact import redact
from xmppctl.stanza.resplit import is_header
from xmppctl.stanza.splitter import MAX_STANZA_BYTES, Splitter, StreamViolation

#: What the local stream, which the `<frame/>`s stand in, begins with.
LOCAL = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
FOOTER = b"</stream:stream>"


class Socket:
    """The way from the daemon to a command: bytes in between, in pieces of any size."""

    def __init__(self, pieces: int = 4096) -> None:
        self._splitter = Splitter(max_bytes=MAX_RELAYED_BYTES)
        self._splitter.feed(LOCAL)
        self._pieces = pieces
        self.relayed = Relayed()

    def carry(self, frames: Iterable[Frame], *, known: bool = False) -> list[Frame | None]:
        data = b"".join(encode(frame, known=known) for frame in frames)
        pieces = [data[at : at + self._pieces] for at in range(0, len(data), self._pieces)]
        return [self.relayed.take(told) for piece in pieces for told in self._splitter.feed(piece)]


def facts(frame: Frame | None) -> tuple[Any, ...]:
    assert frame is not None
    return (
        frame.raw,
        list(frame.names),
        list(frame.payloads),
        dict(frame.attributes),
        frame.direction,
        frame.time,
        dict(frame.context),
    )


def same(frames: list[Frame], got: list[Frame | None]) -> None:
    assert [facts(frame) for frame in got] == [facts(frame) for frame in frames]


def stream(data: bytes, direction: Any = "in", header: bytes = HEADER) -> list[Frame]:
    splitter = Splitter(direction)
    return [*splitter.feed(header, 1700000000.25), *splitter.feed(data, 1700000000.1234567)]


@pytest.mark.parametrize("name", EXAMPLES | ODD)
def test_every_stanza_comes_out_as_it_went_in(name: str) -> None:
    frames = stream((EXAMPLES | ODD)[name])
    assert len(frames) > 1
    same(frames, Socket().carry(frames))


@pytest.mark.parametrize("pieces", [1, 7, 1000, 1 << 20])
def test_a_whole_stream_comes_out_however_the_socket_cuts_it(pieces: int) -> None:
    names = sorted(EXAMPLES | ODD)
    random.Random(5).shuffle(names)
    chosen = [name for name in names if len((EXAMPLES | ODD)[name]) < 2000][: 60 if pieces == 1 else None]
    frames = stream(b" \n".join((EXAMPLES | ODD)[name] for name in chosen) + b"\r\n " + FOOTER + b"\n")
    same(frames, Socket(pieces).carry(frames))


def test_both_directions_are_streams_of_their_own() -> None:
    into = stream(b"<a:x id='1'/><message/>", "in", HEADER.replace(b" id=", b" xmlns:a='urn:in' id="))
    out = stream(b"<a:x id='2'/>", "out", HEADER.replace(b" id=", b" xmlns:a='urn:out' id="))
    mixed = [into[0], out[0], out[1], into[1], into[2]]
    got = Socket().carry(mixed)
    same(mixed, got)
    assert [frame.names[0] for frame in got[2:4] if frame] == ["urn:out x", "urn:in x"]


def test_a_new_header_begins_a_new_stream_with_its_own_prefixes() -> None:
    old = stream(b"<a:x/>" + FOOTER, header=HEADER.replace(b" id=", b" xmlns:a='urn:old' id="))
    new = stream(b"<a:x/>", header=HEADER.replace(b" id=", b" xmlns:a='urn:new' id="))
    same([*old, *new], Socket().carry([*old, *new]))
    torn = old[:-1]  # a stream that broke without a footer
    same([*torn, *new], Socket().carry([*torn, *new]))


def test_a_known_header_is_not_shown_and_binds_the_prefixes() -> None:
    header, frame = stream(b"<a:x/>", header=HEADER.replace(b" id=", b" xmlns:a='urn:a' id="))
    socket = Socket()
    assert socket.carry([header], known=True) == [None]
    same([frame], socket.carry([frame]))


def test_without_any_header_frames_stand_in_a_client_s_stream() -> None:
    frames = stream(b"<message id='1'><body>x</body></message> ")[1:]
    plain = stream(b"<message id='1'><body>x</body></message> ", header=LOCAL)[1:]
    same(plain, Socket().carry(frames))


def test_what_a_filter_leaves_out_is_not_missed() -> None:
    frames = stream(b"\n".join((EXAMPLES | ODD).values()) + FOOTER)
    wanted = compile_filter(["kind:message,presence"])
    chosen = [frame for frame in frames if wanted(frame)]
    socket = Socket()
    socket.carry(frames[:1], known=True)
    same(chosen, socket.carry(chosen))


@pytest.mark.parametrize(
    "data",
    [
        b"<message><bo",
        b"<message from='\xff\xfe'",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\x00\x1b]]>&<",
        b"<message/>text that nobody may send",
        "<message from='ü".encode()[:-1],
    ],
)
def test_torn_bytes_come_as_they_were_and_hurt_nothing_that_follows(data: bytes) -> None:
    splitter = Splitter()
    frames = splitter.feed(HEADER, 1.5)
    try:
        frames += splitter.feed(data, 2.5)
    except StreamViolation:
        frames += splitter.take_frames()
    rest = splitter.rest()
    assert rest is not None
    frames.append(rest)
    again = stream(b"<message id='next'/>")
    same([*frames, *again], Socket().carry([*frames, *again]))
    same([*frames, *again[1:]], Socket().carry([*frames, *again[1:]]))


def test_what_was_sent_on_purpose_though_no_xml_comes_as_the_tap_showed_it() -> None:
    seen: list[Frame] = []
    tap = Tap(seen.append)
    tap.sent(HEADER + b"<presence/>")
    tap.sent(b"<presence/><!-- no -->")
    tap.restart()
    tap.sent(HEADER + b"<presence/><message>&nbsp;</message>")
    same(seen, Socket().carry(seen))


def test_secrets_stay_out() -> None:
    auth = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>"
    frames = [redact(frame) for frame in stream(auth, "out")]
    assert b"AHJvbWVv" not in b"".join(map(encode, frames))
    same(frames, Socket().carry(frames))


@given(st.binary(max_size=60))
def test_any_bytes_at_all(data: bytes) -> None:
    frame = Frame(data, direction="out", time=0.1)
    (got,) = Socket().carry([frame])
    assert facts(got) == facts(frame)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40), st.floats(0, 4e9))
def test_any_text_that_a_stanza_can_hold(text: str, time: float) -> None:
    try:
        frames = Splitter().feed(HEADER + f"<message><body>{text}</body></message>".encode(), time)
    except StreamViolation:
        return
    same(frames, Socket().carry(frames))


def test_it_is_an_element_that_any_xml_parser_reads() -> None:
    raw = b"<message from='a'>\r\n<![CDATA[ ]]> &amp;#13; &lt; ]]&gt; \xc3\xbc</message>"
    header, frame = stream(raw)
    element = ElementTree.fromstring(encode(frame))
    assert element.tag == f"{{{NS_DAEMON}}}frame"
    assert element.attrib == {"dir": "in", "time": repr(frame.time)}
    assert element.text == raw.decode()
    assert ElementTree.fromstring(encode(header, known=True)).get("known") == "true"
    element = ElementTree.fromstring(encode(Frame(b"\0\xff")))
    assert element.get("encoding") == "base64" and b64decode(element.text or "") == b"\0\xff"


def test_the_largest_stanza_passes_even_if_all_of_it_has_to_be_escaped() -> None:
    frames = stream(b"<message>%s</message>" % (b"&lt;" * ((MAX_STANZA_BYTES - 100) // 4)))
    assert len(encode(frames[1])) <= MAX_RELAYED_BYTES
    got = Socket(1 << 20).carry(frames)
    assert got[1] is not None and got[1].raw == frames[1].raw


def test_headers_are_known_from_footers_and_white_space() -> None:
    frames = stream(b"<message/> " + FOOTER)
    assert [is_header(frame) for frame in frames] == [True, False, False, False]


@pytest.mark.parametrize(
    "told",
    [
        b"<frame xmlns='%s'>x</frame>",
        b"<frame xmlns='%s' dir='up' time='1'>x</frame>",
        b"<frame xmlns='%s' dir='in' time='noon'>x</frame>",
        b"<frame xmlns='%s' dir='in' time='1' encoding='hex'>00</frame>",
        b"<frame xmlns='%s' dir='in' time='1' encoding='base64'>?</frame>",
    ],
)
def test_a_daemon_that_speaks_otherwise_is_found_out(told: bytes) -> None:
    (frame,) = Splitter().feed(LOCAL + told % NS_DAEMON.encode())[1:]
    with pytest.raises(DaemonError):
        Relayed().take(frame)


def test_200_000_frames_leave_nothing_behind() -> None:
    """The memory that a long watch takes is that of its largest stanza."""
    splitter, socket = Splitter("out"), Socket(1 << 16)
    socket.carry(splitter.feed(HEADER))
    batch = b"".join(b"<message id='%d'>a\r\nb</message>\n" % n for n in range(1000))

    def run(batches: int) -> int:
        return sum(len(socket.carry(splitter.feed(batch))) for _ in range(batches))

    assert run(50) == 100_000
    tracemalloc.start()
    try:
        run(1)
        before, _ = tracemalloc.get_traced_memory()
        run(4)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run(45) == 90_000
    assert after - before < 64 * 1024


def test_what_follows_the_end_of_a_stream_is_told_even_where_its_header_was_dropped() -> None:
    frames = stream(b"<message id='a'/>" + FOOTER)
    got = Socket().carry([*frames, frames[1]])
    assert [frame.kind for frame in got if frame is not None] == ["stream", "message", "stream", "message"]
