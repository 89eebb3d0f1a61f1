"""The splitter: every byte of the wire in exactly one frame, whole frames at once, nothing hostile through."""

from __future__ import annotations

import itertools
import time
from pyexpat import EXPAT_VERSION
from typing import Any
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import MAX_TOKEN_BYTES, Splitter, StreamViolation

HEADER = (
    b"<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams' to='a>b' xmlns:x=\"urn:x'>\">"
)
FOOTER = b"</stream:stream >"
STANZAS = (
    b"<presence/>",
    b"<presence />",
    b"<presence\n></presence\n>",
    b"<iq type='get' id='\"/>'><query xmlns='jabber:iq:roster'/></iq>",
    b"<message to='a@b'><body>x &gt; y &#x20AC; \xe2\x82\xac \xf0\x9f\x90\xa7</body><body/></message>",
    b"<message><body><![CDATA[</message> <presence/> & ]] ]]></body></message>",
    b"<message>]</message>",
    b"<a b='>'/>",
    b"<a b='/>'>/</a>",
    b"<x:y xmlns='' x:z='1'><b xmlns='urn:b'/><c/></x:y>",
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    b"<message><message><message/></message></message>",
    "<é à='ü'>日本</é>".encode(),
    b"<r xmlns='urn:xmpp:sm:3'/>",
    b"<a>&lt;/a&gt;</a>",
    b"<big to='" + b"<>&".replace(b"<", b"&lt;").replace(b"&", b"") * 900 + b"'>" + b"t" * 3000 + b"</big>",
)
GAPS = (b"", b" ", b"\n", b"\r\n\t  ")

pieces = st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(STANZAS)), max_size=6)


def stream(parts: list[tuple[bytes, bytes]], end: bytes = FOOTER) -> bytes:
    return HEADER + b"".join(gap + stanza for gap, stanza in parts) + end


def opened(**options: int) -> Splitter:
    splitter = Splitter(**options)
    splitter.feed(HEADER)
    return splitter


def shape(frame: Frame) -> tuple[object, ...]:
    return frame.raw, list(frame.names), list(frame.payloads), dict(frame.attributes), dict(frame.context)


@given(pieces, st.data())
@settings(max_examples=150, deadline=None)
def test_any_chunking_gives_the_same_elements_and_loses_no_byte(
    parts: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    wire = stream(parts)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12).map(sorted))
    edges = [0, *cuts, len(wire)]
    whole = Splitter().feed(wire)
    splitter = Splitter()
    chunked = [frame for begin, end in itertools.pairwise(edges) for frame in splitter.feed(wire[begin:end])]
    assert b"".join(frame.raw for frame in whole) == wire
    assert b"".join(frame.raw for frame in chunked) == wire
    # White space may come in several reads: it is shown when it comes.
    assert [shape(frame) for frame in chunked if frame.names] == [
        shape(frame) for frame in whole if frame.names
    ]
    assert [frame.raw for frame in whole if frame.names][1:-1] == [stanza for _, stanza in parts]
    assert splitter.rest() is None
    assert splitter.closed


@pytest.mark.parametrize("stanza", STANZAS)
def test_a_stanza_comes_with_its_last_byte_and_not_before(stanza: bytes) -> None:
    for cut in range(1, len(stanza), max(1, len(stanza) // 200)):
        splitter = opened()
        assert splitter.feed(stanza[:cut]) == []
        assert [frame.raw for frame in splitter.feed(stanza[cut:])] == [stanza]


def test_byte_by_byte_each_stanza_comes_at_once_whatever_expat_defers() -> None:
    splitter = opened()
    for stanza in STANZAS:
        found = [splitter.feed(stanza[at : at + 1]) for at in range(len(stanza))]
        assert [bool(frames) for frames in found] == [False] * (len(stanza) - 1) + [True], EXPAT_VERSION
        assert found[-1][0].raw == stanza


real_parser = expat.ParserCreate


class Deferring:
    """An expat that waits until what it could do nothing with has doubled, as 2.6 does."""

    def __init__(self, *words: str) -> None:
        vars(self)["real"] = real_parser(*words)
        vars(self).update(kept=b"", given=0, before=0)

    def __getattr__(self, name: str) -> Any:
        if name == "SetReparseDeferralEnabled":
            raise AttributeError(name)
        return getattr(self.real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.real, name, value)

    def Parse(self, data: bytes, final: bool) -> None:
        own = vars(self)
        own["kept"] += data
        begin = max(self.real.CurrentByteIndex, 0)
        pending = self.given + len(self.kept) - begin
        if pending < 2 * self.before:
            return
        data, own["kept"], own["given"] = self.kept, b"", self.given + len(self.kept)
        self.real.Parse(data, final)
        own["before"] = pending if self.real.CurrentByteIndex <= begin else 0


def test_a_stanza_is_not_kept_until_the_next_comes_by_an_expat_that_defers(monkeypatch) -> None:
    monkeypatch.setattr(expat, "ParserCreate", Deferring)
    for size in range(1, 60):
        splitter = opened()
        for stanza in STANZAS:
            found = [splitter.feed(stanza[at : at + size]) for at in range(0, len(stanza), size)]
            assert [frame.raw for frame in found[-1]] == [stanza], size


def test_what_comes_of_no_tag_is_refused_when_nothing_follows() -> None:
    for torn in (b"<1", b"<message to=a", b"<a><b &", b"<b c='<iq>"):
        splitter = opened()
        with pytest.raises(StreamViolation):
            splitter.feed(torn)
            splitter.flush()
    for torn in (b"<message to='a", b"<a>&am", b"<", b"<![CD", b" "):
        splitter = opened()
        splitter.feed(torn)
        splitter.flush()


def test_keep_alives_are_seen_when_they_come() -> None:
    splitter = opened()
    assert [frame.raw for frame in splitter.feed(b" ")] == [b" "]
    assert [frame.raw for frame in splitter.feed(b"\n<presence/> ")] == [b"\n", b"<presence/>", b" "]


def test_header_and_footer_are_stream_frames() -> None:
    header, footer, space = Splitter("out").feed(HEADER + FOOTER + b"\n")
    assert (header.kind, header.name, header.attributes["to"]) == ("stream", "stream", "a>b")
    assert (footer.kind, footer.raw) == ("stream", FOOTER)
    assert (space.kind, space.raw) == ("stream", b"\n")
    assert {frame.direction for frame in (header, footer)} == {"out"}
    assert header.context == {
        "": "jabber:client",
        "stream": "http://etherx.jabber.org/streams",
        "x": "urn:x'>",
    }


def test_a_stream_that_is_one_empty_tag() -> None:
    splitter = Splitter()
    (only,) = splitter.feed(b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>")
    assert only.kind == "stream"
    assert splitter.closed


def test_time_is_that_of_the_read_that_completed_it() -> None:
    splitter = opened()
    splitter.feed(b"<presence>", time=10.0)
    (frame,) = splitter.feed(b"</presence>", time=12.5)
    assert frame.time == 12.5


def test_reset_begins_a_new_stream_with_its_own_prefixes() -> None:
    splitter = opened()
    splitter.feed(b"<presen")
    splitter.reset()
    other = HEADER.replace(b"jabber:client", b"jabber:component:accept")
    frames = splitter.feed(other + b"<handshake/>")
    assert frames[1].names == ["jabber:component:accept handshake"]


def test_the_torn_rest_keeps_its_bytes() -> None:
    splitter = opened()
    splitter.feed(b"<presence/><message><body>hal")
    rest = splitter.rest()
    assert rest is not None
    assert (rest.raw, rest.kind, rest.names) == (b"<message><body>hal", "stream", ())


@pytest.mark.parametrize(
    ("hostile", "condition"),
    [
        (b"<!-- a -->", "restricted-xml"),
        (b"<message><!-- a --></message>", "restricted-xml"),
        (b"<?pi x?>", "restricted-xml"),
        (b"<message><?pi x?></message>", "restricted-xml"),
        (b"<!DOCTYPE a>", "restricted-xml"),
        (b"<message>&lol;</message>", "restricted-xml"),
        (b"<message to='&lol;'/>", "restricted-xml"),
        (b"<message><body></message>", "not-well-formed"),
        (b"<message to='<'/>", "not-well-formed"),
        (b"<message a='1' a='2'/>", "not-well-formed"),
        (b"<message>\x00</message>", "not-well-formed"),
        (b"<message>\xff</message>", "not-well-formed"),
        (b"<message>\xc0\xaf</message>", "not-well-formed"),
        (b"<message>\xed\xa0\x80</message>", "not-well-formed"),
        (b"<message>&#0;</message>", "not-well-formed"),
        (b"<message>&#xD800;</message>", "not-well-formed"),
        (b"<message>]]></message>", "not-well-formed"),
        (b"<?xml version='1.0'?>", "not-well-formed"),
        (b"<y:message/>", "bad-namespace-prefix"),
        (b"<message y:a='1'/>", "bad-namespace-prefix"),
        (b"hello", "bad-format"),
        (b"<presence/> hello", "bad-format"),
        (b"&#32;", "bad-format"),
        (b"<![CDATA[x]]><presence/>", "bad-format"),
        (b"<presence/>" + HEADER.partition(b"?>")[2] + b"<presence/>", "bad-format"),
        (b"<s:stream xmlns:s='http://etherx.jabber.org/streams'/>", "bad-format"),
        (FOOTER + b"<presence/>", "not-well-formed"),
        (FOOTER + b" x", "not-well-formed"),
    ],
)
def test_what_a_stream_must_not_hold_is_refused(hostile: bytes, condition: str) -> None:
    for size in (1, 7, 10_000):
        splitter = opened()
        with pytest.raises(StreamViolation) as caught:
            for at in range(0, len(hostile), size):
                splitter.feed(hostile[at : at + size])
        assert caught.value.condition == condition, size


@pytest.mark.parametrize(
    "document",
    [
        b"<!DOCTYPE s [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><s>&b;</s>",
        b"<!DOCTYPE s SYSTEM 'file:///etc/passwd'><s/>",
        b"<!DOCTYPE s PUBLIC 'a' 'http://example.com/a'><s/>",
    ],
)
def test_a_dtd_before_the_stream_is_refused_at_its_first_line(document: bytes) -> None:
    with pytest.raises(StreamViolation) as caught:
        Splitter().feed(document)
    assert caught.value.condition == "restricted-xml"


def test_other_encodings_do_not_get_in() -> None:
    for header in (HEADER.decode().encode("utf-16"), HEADER.decode().encode("utf-32")):
        with pytest.raises(StreamViolation):
            Splitter().feed(header)


def test_frames_before_a_violation_are_not_lost_and_the_violation_stays() -> None:
    splitter = opened()
    with pytest.raises(StreamViolation) as first:
        splitter.feed(b"<presence/><iq/><!-- x -->")
    assert [frame.raw for frame in splitter.take_frames()] == [b"<presence/>", b"<iq/>"]
    with pytest.raises(StreamViolation) as second:
        splitter.feed(b"<presence/>")
    assert second.value.condition == first.value.condition == "restricted-xml"
    assert splitter.take_frames() == []


@pytest.mark.parametrize(
    ("hostile", "at"),
    [
        (b"<presence/> hello", 12),
        (b"<presence/><!-- x -->", 11),
        (b"<a><?x y?></a>", 3),
        (b"<a><b></a>", 8),
        (b"<presence/><!DOCTYPE a>", 11),
        (b"<a><y:b/></a>", 3),
    ],
)
def test_a_violation_tells_where(hostile: bytes, at: int) -> None:
    with pytest.raises(StreamViolation) as caught:
        opened().feed(hostile)
    assert caught.value.offset == len(HEADER) + at


def test_a_stanza_may_be_as_large_as_the_cap_and_no_larger() -> None:
    frame = b"<message>%s</message>"
    room = 5000 - len(frame) + 2
    for size in (100, 10_000):
        fits = frame % (b"x" * room)
        splitter = opened(max_bytes=5000)
        found = [f for at in range(0, 5000, size) for f in splitter.feed(fits[at : at + size])]
        assert [f.raw for f in found] == [fits]
        with pytest.raises(StreamViolation) as caught:
            for at in range(0, 5001, size):
                splitter.feed((frame % (b"x" * (room + 1)))[at : at + size])
        assert caught.value.condition == "policy-violation"


def test_an_endless_stanza_does_not_fill_the_memory() -> None:
    splitter = opened(max_bytes=100_000)
    splitter.feed(b"<message>")
    with pytest.raises(StreamViolation, match="larger than 100000 bytes"):
        for _ in range(1000):
            splitter.feed(b"x" * 1000)
    rest = splitter.rest()
    assert rest is not None
    assert len(rest.raw) < 110_000


def test_depth_has_a_cap() -> None:
    fits = b"<a>" * 20 + b"</a>" * 20
    assert opened(max_depth=20).feed(fits)[0].raw == fits
    with pytest.raises(StreamViolation, match="nested more than 20 deep"):
        opened(max_depth=20).feed(b"<a>" * 21)


def test_attributes_have_a_cap() -> None:
    def tag(count: int) -> bytes:
        return b"<a %s/>" % b" ".join(b"a%d=''" % number for number in range(count))

    assert len(opened(max_attributes=10).feed(tag(10))[0].attributes) == 10
    for hostile in (tag(11), b"<b>" + tag(11)):
        with pytest.raises(StreamViolation, match="more than 10 attributes"):
            opened(max_attributes=10).feed(hostile)
    with pytest.raises(StreamViolation, match="more than 10 attributes"):
        Splitter(max_attributes=10).feed(tag(11))


def tag_of(size: int) -> bytes:
    return b"<a b='%s'/>" % (b"x" * (size - len(b"<a b=''/>")))


@pytest.mark.parametrize("size", [1500, 16_384, 300_000, 2_000_000])
def test_whether_a_large_tag_passes_does_not_depend_on_the_reads(size: int) -> None:
    splitter = opened()
    fits, hostile = tag_of(MAX_TOKEN_BYTES), tag_of(MAX_TOKEN_BYTES + 1)
    found = [f for at in range(0, len(fits), size) for f in splitter.feed(fits[at : at + size])]
    assert [f.raw for f in found] == [fits]
    with pytest.raises(StreamViolation, match="a tag is larger"):
        for at in range(0, len(hostile), size):
            splitter.feed(hostile[at : at + size])


@pytest.mark.parametrize(
    "dripped",
    [
        b"<a b='" + b">" * 200_000 + b"'/>",
        b"<a b='" + b'"<a>"'.replace(b"<", b"&lt;") * 20_000 + b"'/>",
        b"<a>&#" + b"0" * 200_000 + b"65;</a>",
        b"<a" + b" " * 200_000 + b"></a" + b" " * 50_000 + b">",
        b"<a><![CDATA[" + b"]>" * 100_000 + b"]]></a>",
        b"<a>" + b"]" * 100_000 + b"</a>",
    ],
)
def test_dripping_one_byte_at_a_time_costs_linear_time(dripped: bytes) -> None:
    splitter = opened()
    begin = time.process_time()
    found = [frame for at in range(len(dripped)) for frame in splitter.feed(dripped[at : at + 1])]
    # Quadratic work takes minutes here; the bound has room for a slow machine.
    assert time.process_time() - begin < 10
    assert [frame.raw for frame in found] == [dripped]


@pytest.mark.parametrize("begin", [b"<!-- ", b"<?pi "])
def test_a_comment_that_never_ends_is_refused_before_it_ends(begin: bytes) -> None:
    splitter = opened()
    with pytest.raises(StreamViolation) as caught:
        for _ in range(100):
            splitter.feed(begin.ljust(100, b"x"))
            begin = b""
    assert caught.value.condition == "restricted-xml"


def test_large_text_and_cdata_pass() -> None:
    text = b"<message><body>" + b"x" * 3_000_000 + b"</body></message>"
    cdata = b"<message><body><![CDATA[" + b"<>&" * 1_000_000 + b"]]></body></message>"
    splitter = opened()
    for stanza in (text, cdata):
        found = [f for at in range(0, len(stanza), 4096) for f in splitter.feed(stanza[at : at + 4096])]
        assert [f.raw for f in found] == [stanza]


@given(
    st.lists(
        st.sampled_from(
            [
                b"<a>",
                b"</a>",
                b"<b c='",
                b"'",
                b"/>",
                b">",
                b"<",
                b"&",
                b";",
                b"&lt;",
                b"]]>",
                b"<![CDATA[",
                b" ",
                b"x",
                b"<!--",
                b"-->",
                b"<?",
                b"?>",
                b"\xc3",
                b"\xa9",
                b"\x00",
                b"x:",
                b"xmlns='u'",
                FOOTER,
            ]
        ),
        max_size=30,
    ),
    st.integers(1, 9),
)
@settings(max_examples=300, deadline=None)
def test_garbage_is_only_ever_a_violation_and_never_loses_a_byte(parts: list[bytes], size: int) -> None:
    garbage = b"".join(parts)
    splitter = opened()
    seen: list[Frame] = []
    fed = 0
    try:
        for at in range(0, len(garbage), size):
            fed = min(at + size, len(garbage))
            seen += splitter.feed(garbage[at:fed])
    except StreamViolation:
        seen += splitter.take_frames()
    rest = splitter.rest()
    assert b"".join(frame.raw for frame in [*seen, *([rest] if rest else [])]) == garbage[:fed]
