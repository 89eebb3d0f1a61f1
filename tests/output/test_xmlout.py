"""`-o xml`: one well-formed document in which every stanza is what it was."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from xmppctl.errors import UsageError
from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.build import escape
from xmppctl.stanza.frame import Frame

Render = Callable[..., str]
Frames = Callable[..., list[Frame]]


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_tail=False)


def original(frame: Frame) -> bytes:
    """The frame's canonical form, from its bytes and the declarations of its stream."""
    bound = "".join(
        f" xmlns{':' if prefix else ''}{prefix}={quoteattr(uri)}" for prefix, uri in frame.context.items()
    )
    return canonical(etree.fromstring(b"<w%s>%s</w>" % (bound.encode(), frame.raw))[0])


def check(text: str, frames: Iterable[Frame]) -> etree._Element:
    root = etree.fromstring(text.encode())
    stanzas = [child for child in root if isinstance(child.tag, str)]
    assert [canonical(child) for child in stanzas] == [original(f) for f in frames if f.kind != "stream"]
    return root


def test_stanzas_stand_in_it_as_they_were(session_frames: list[Frame], render: Render) -> None:
    text = render(session_frames, "xml")
    root = check(text, session_frames)
    for frame in session_frames:
        if frame.kind != "stream" and "\u202e" not in frame.text:
            assert frame.text in text  # byte for byte
    instructions = [node for node in root if node.tag is etree.ProcessingInstruction]
    assert [node.get("direction") for node in instructions] == [frame.direction for frame in session_frames]
    assert instructions[0].get("time") == "2023-11-14T22:13:20.000Z"
    # The header is told, too: its bytes, escaped.
    header = etree.fromstring(f'<a b="{instructions[1].attrib["xml"]}"/>').get("b") if instructions else ""
    assert header == session_frames[1].text


def test_nothing_at_all_is_well_formed_only_when_a_list_was_promised() -> None:
    stream = io.StringIO()
    with make_renderer("xml", stream=stream, has_xml=True) as renderer:
        renderer.begin_list()
    assert len(etree.fromstring(stream.getvalue().encode())) == 0


@pytest.mark.parametrize(
    "header",
    [
        b"<stream xmlns='http://etherx.jabber.org/streams'>",
        b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>",
        b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' xmlns:db='urn:x:&apos;&amp;'>",
        b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:stream='urn:other' xmlns='jabber:client'"
        b" xmlns:xmppctl='urn:mine'>",
    ],
)
def test_streams_that_bind_other_prefixes_follow_one_another(
    header: bytes, frames_of: Frames, render: Render
) -> None:
    first = frames_of("<message><body>a</body></message>")
    xml = "<message><body/></message><message xmlns='jabber:client' a=' xmlns=\"b\"'><body>b</body></message>"
    bound = frames_of(xml, "in", header)
    if b"xmlns:db" in header:
        bound += frames_of("<db:result b=' xmlns:db=\"x\"' db:a='b'/>", "in", header)
    if b"urn:mine" in header:
        bound += frames_of("<xmppctl:a><stream:b/></xmppctl:a>", "in", header)
    check(render([*first, *bound], "xml"), [*first, *bound])
    check(render([*bound, *first], "xml"), [*bound, *first])


@pytest.mark.parametrize(
    "xml",
    [
        "<message a='\x7f\x9b\u202e\"'>\u200b<body>\ufeff</body></message>",
        '<message a="it\'s > \u202e"><body>don\'t \u202e > "\u2028" x</body></message>',
        "<message><body>\u202e<![CDATA[a\u202e<b>'\"\x9b日\n]]>\x9b'</body><x xmlns='u:x' y='\u2066'/></message>",
        "<message><body><![CDATA[\u202e]]]]><![CDATA[>\u202e]]></body></message>",
        "<message><body>a\tb\r\nc\rd&#13;&#9;</body></message>",
        "<message a='x\ny\tz&#10;'><body/></message>",
        "<message><größe xmlns='urn:u'>ö \u202e</größe></message>",
        "<message><body>\ufdd0\U0001fffe\U000e0041</body></message>",
    ],
)
def test_hostile_characters_become_references(
    xml: str, frames_of: Frames, render: Render, unsafe_characters: Callable[[str], list[str]]
) -> None:
    frames = frames_of(xml)
    text = render(frames, "xml")
    check(text, frames)
    assert not set(unsafe_characters(text)) - {"U+0009", "U+000D"}  # XML's own white space
    check(render(frames, "xml", encoding="latin-1"), frames)


def test_an_encoding_that_is_not_utf8_gets_references(session_frames: list[Frame], render: Render) -> None:
    text = render(session_frames, "xml", encoding="ascii")
    assert text.isascii()
    check(text, session_frames)


XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=XML_TEXT, value=XML_TEXT, verbatim=XML_TEXT, extra=st.sampled_from(["", "\x7f", "\x85", "\x9b2J"])
)
def test_any_text_comes_out_as_it_went_in(
    frames_of: Frames, render: Render, text: str, value: str, verbatim: str, extra: str
) -> None:
    section = verbatim.replace("]]>", "")
    attribute = escape(value).replace('"', "&quot;")
    frames = frames_of(
        f'<message a="{attribute}"><body>{escape(text)}{extra}<![CDATA[{section}{extra}]]></body></message>'
    )
    check(render(frames, "xml"), frames)
    check(render(frames, "xml", encoding="ascii"), frames)


def test_results_that_are_no_stanzas_are_refused_before_anything_is_written() -> None:
    stream = io.StringIO()
    with pytest.raises(UsageError) as refused:
        make_renderer("xml", stream=stream)
    assert "jsonl" in refused.value.hint
    renderer = make_renderer("xml", stream=stream, has_xml=True)
    with pytest.raises(UsageError):
        renderer.record({"a": 1}, "a")
    with pytest.raises(UsageError):
        renderer.table(["A"], [["a"]])
    assert stream.getvalue() == ""


def test_a_carriage_return_cannot_write_over_its_line(frames_of: Frames, render: Render) -> None:
    raw = "<message a='1\r2'><body>real\rFAKE\r\nnext<![CDATA[a\rb]]></body></message>"
    frames = frames_of(raw)
    text = render(frames, "xml")
    assert "\r" not in text.replace("\r\n", "")
    check(text, frames)
