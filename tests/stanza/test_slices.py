"""Parts of a stanza are the bytes of the wire."""

from __future__ import annotations

import pytest

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.slices import slices
from xmppctl.stanza.tree import parse

EVENT = "http://jabber.org/protocol/pubsub#event"
PATH = [f"{EVENT} event", f"{EVENT} items", f"{EVENT} item"]


def items(inside: str, extra: str = "") -> Frame:
    return Frame(
        f"<message xmlns:top='urn:top'><event xmlns='{EVENT}'{extra}><items node='n'>{inside}</items></event>"
        f"</message>".encode()
    )


def payloads(frame: Frame) -> list[list[bytes]]:
    return [[child.raw for child in item.children] for item in slices(frame, PATH)]


@pytest.mark.parametrize(
    "payload",
    [
        "<a xmlns='urn:a'/>",
        '<a  xmlns="urn:a"\tb = "1>2" ></a >',
        "<p:a xmlns:p='urn:a' p:x='1'><p:b/></p:a>",
        "<a xmlns='urn:a'>é &amp; <![CDATA[<x>]]><b><c/></b>\n</a>",
        f"<a xmlns='urn:a'><item xmlns='{EVENT}'><inner/></item></a>",
        "<a xmlns=''/>",
        "<a xmlns='urn:a' xml:lang='de'/>",
    ],
)
def test_a_payload_comes_byte_for_byte(payload):
    frame = items(f"<item id='1'>{payload}</item><item id='2'/>")
    assert payloads(frame) == [[payload.encode()], []]


def test_items_come_with_their_attributes_in_order():
    frame = items("<item id='1'/><retract id='2'/><item id='3' publisher='a@b'></item>")
    assert [dict(item.attributes) for item in slices(frame, PATH)] == [
        {"id": "1"},
        {"id": "3", "publisher": "a@b"},
    ]
    assert [each.name for each in slices(frame, [*PATH[:2], "*"])] == [
        f"{EVENT} item",
        f"{EVENT} retract",
        f"{EVENT} item",
    ]


@pytest.mark.parametrize(
    ("payload", "extra"),
    [
        ("<p:a x='1'><p:b/></p:a>", " xmlns:p='urn:p'"),
        ("<top:a/>", ""),
        ("<a xmlns='urn:a' top:x='1'/>", ""),
        ("<inherits><b/></inherits>", ""),
        ("<a xmlns='urn:a'><p:b/></a>", " xmlns:p='urn:p&amp;q'"),
    ],
)
def test_a_payload_that_borrows_a_prefix_stands_alone(payload, extra):
    frame = items(f"<item>{payload}</item>", extra)
    ((raw,),) = payloads(frame)
    inside = frame.element().find(f".//{{{EVENT}}}item")[0]
    alone = parse(raw, {})
    assert [(each.tag, each.attrib) for each in alone.iter()] == [
        (each.tag, each.attrib) for each in inside.iter()
    ]


def test_only_what_is_borrowed_is_added():
    frame = items("<item><a xmlns='urn:a'><p:b xmlns:p='urn:own'/></a></item>", " xmlns:p='urn:p'")
    assert payloads(frame) == [[b"<a xmlns='urn:a'><p:b xmlns:p='urn:own'/></a>"]]


def test_more_levels_come_with_their_own_bytes():
    frame = items("<item id='1'><a xmlns='urn:a'><b><c/></b></a></item>")
    (found,) = slices(frame, PATH[:2], levels=3)
    (item,) = found.children
    (a,) = item.children
    (b,) = a.children
    assert (a.raw, b.raw) == (b"<a xmlns='urn:a'><b><c/></b></a>", b"<b xmlns='urn:a'><c/></b>")
    assert b.children == []


def test_elsewhere_nothing_is_found():
    frame = Frame(f"<message><x><event xmlns='{EVENT}'><items><item/></items></event></x></message>".encode())
    assert slices(frame, PATH) == []


@pytest.mark.parametrize("raw", [b"<message><event", b"<message></x>", b"<message>"])
def test_what_does_not_parse_is_refused(raw):
    with pytest.raises(ValueError, match="not an element"):
        slices(Frame(raw), ["*"])
