"""Each attribute value and text is found, with its place in the bytes."""

from __future__ import annotations

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.stanza.frame import NS_CLIENT, NS_XML, Frame
from xmppctl.stanza.outline import outline
from xmppctl.stanza.pieces import pieces
from xmppctl.stanza.splitter import Splitter


def one(stanza: bytes) -> Frame:
    (_, frame) = Splitter().feed(HEADER + stanza)
    return frame


def found(stanza: bytes) -> list[tuple[str, str, bytes, str]]:
    return [
        (piece.element.name.rpartition(" ")[2], piece.attribute, stanza[piece.begin : piece.end], piece.value)
        for piece in pieces(one(stanza))
    ]


def test_values_and_texts_come_in_order_with_their_bytes() -> None:
    assert found(
        b"<message xml:lang = 'e&#110;'\n to=\"a'>b\" xmlns:p='urn:p' p:x='&lt;'><body> a&amp;<b xmlns='x'/>\n"
        b"<![CDATA[<c>]]> </body >d</message>"
    ) == [
        ("message", f"{NS_XML} lang", b"e&#110;", "en"),
        ("message", "to", b"a'>b", "a'>b"),
        ("message", "urn:p x", b"&lt;", "<"),
        ("body", "", b"a&amp;", "a&"),
        ("body", "", b"<![CDATA[<c>]]>", "<c>"),
        ("message", "", b"d", "d"),
    ]


def test_an_element_knows_what_it_stands_in() -> None:
    first, second = pieces(one(b"<message id='1'><x xmlns='urn:x'><y>z</y></x></message>"))
    assert first.element.parent is None
    element = second.element
    names = []
    while element.parent is not None:
        element = element.parent
        names.append(element.name)
    assert names == ["urn:x x", f"{NS_CLIENT} message"]
    assert element is first.element
    assert element.attributes == {"id": "1"}


@pytest.mark.parametrize("stanza", (EXAMPLES | ODD).values(), ids=EXAMPLES | ODD)
def test_nothing_is_missed(stanza: bytes) -> None:
    everything = pieces(one(stanza))
    values = [value for part in outline(stanza) for value in part.attributes.values()]
    assert [piece.value for piece in everything if piece.attribute] == values
    texts = "".join("".join(part.text.split()) for part in outline(stanza))
    # An outline joins the texts of an element that stand around others.
    assert sorted(
        "".join("".join(piece.value.split()) for piece in everything if not piece.attribute)
    ) == sorted(texts)


def test_a_header_has_values_only() -> None:
    (header,) = Splitter().feed(HEADER)
    assert [(piece.attribute, piece.value) for piece in pieces(header)] == [
        ("from", "capulet.example"),
        ("id", "s1"),
        ("version", "1.0"),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x",
        b"<a>",
        b"<a/>b",
        b"b<a/>",
        b"<a/><b/>",
        b"<a/><b",
        b"<a><!-- b --></a>",
        b"<a/></w>",
        b"<a></b>",
    ],
)
def test_what_is_not_one_element_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        pieces(Frame(raw, ["jabber:client a"]))
