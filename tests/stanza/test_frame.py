"""Frames: what is read off a stanza's head."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.stanza.frame import Frame


@pytest.mark.parametrize(
    ("xml", "kind", "name", "namespace"),
    [
        ("<message/>", "message", "message", "jabber:client"),
        ("<presence/>", "presence", "presence", "jabber:client"),
        ("<iq/>", "iq", "iq", "jabber:client"),
        ("<message xmlns='jabber:server'/>", "message", "message", "jabber:server"),
        ("<iq xmlns='jabber:component:accept'/>", "iq", "iq", "jabber:component:accept"),
        ("<c:iq xmlns:c='jabber:client'/>", "iq", "iq", "jabber:client"),
        ("<message xmlns='urn:x'/>", "nonza", "message", "urn:x"),
        ("<message xmlns=''/>", "nonza", "message", ""),
        ("<messages/>", "nonza", "messages", "jabber:client"),
        ("<stream:features/>", "nonza", "features", "http://etherx.jabber.org/streams"),
        ("<stream:error/>", "nonza", "error", "http://etherx.jabber.org/streams"),
        ("<r xmlns='urn:xmpp:sm:3'/>", "nonza", "r", "urn:xmpp:sm:3"),
        (" ", "stream", "", ""),
    ],
)
def test_kind_and_name(frame: Callable[..., Frame], xml: str, kind: str, name: str, namespace: str) -> None:
    found = frame(xml)
    assert (found.kind, found.name, found.namespace) == (kind, name, namespace)


def test_the_head(frame: Callable[..., Frame]) -> None:
    found = frame(
        "<message xml:lang='en' type='chat' id='&lt;1' from='a@b/c' to='d@e' x='&#9;'>"
        "<body>x</body><event xmlns='urn:e'><items><item/></items></event></message>"
    )
    assert (found.type, found.id, found.sender, found.to) == ("chat", "<1", "a@b/c", "d@e")
    assert found.attributes["http://www.w3.org/XML/1998/namespace lang"] == "en"
    assert found.attributes["x"] == "\t"
    assert found.payloads == ["jabber:client body", "urn:e event"]
    assert found.names[2:] == ["urn:e event", "urn:e items", "urn:e item"]


def test_what_is_absent_is_none(frame: Callable[..., Frame]) -> None:
    found = frame("<message/>")
    assert (found.type, found.id, found.sender, found.to, found.body) == (None,) * 5


@pytest.mark.parametrize(
    ("xml", "body"),
    [
        ("<message><body>a &amp; <![CDATA[<b>]]>&#233;</body></message>", "a & <b>é"),
        ("<message><body/></message>", ""),
        ("<message><body>first</body><body>second</body></message>", "first"),
        ("<message><x xmlns='u'><body>no</body></x></message>", None),
        ("<message><body xmlns='u'>no</body></message>", None),
        ("<message><c:body xmlns:c='jabber:client'>yes</c:body></message>", "yes"),
        ("<iq><body>no</body></iq>", None),
    ],
)
def test_body(frame: Callable[..., Frame], xml: str, body: str | None) -> None:
    assert frame(xml).body == body


def test_body_of_a_component_stream(frame: Callable[..., Frame]) -> None:
    assert frame("<message><body>x</body></message>", namespace=b"jabber:component:accept").body == "x"


def test_element_knows_the_prefixes_of_the_stream(frame: Callable[..., Frame]) -> None:
    found = frame("<message><stream:x a='1'/></message>")
    assert found.element()[0].tag == "{http://etherx.jabber.org/streams}x"
    assert found.element() is found.element()


def test_stream_parts_have_no_element(frame: Callable[..., Frame]) -> None:
    with pytest.raises(ValueError, match="expected one element"):
        frame(" ").element()


def test_text_shows_bytes_that_are_not_utf8() -> None:
    assert Frame(b"a\xffb").text == "a\ufffdb"


def test_other_bytes_in_the_same_place() -> None:
    there = Frame(b"<a/>", ["x a"], attributes={"b": "c"}, direction="out", time=2.0, context={"": "x"})
    other = there.with_raw(b"<d/>", ["x d"])
    assert (other.raw, other.names, other.payloads, other.attributes) == (b"<d/>", ["x d"], (), {})
    assert (other.direction, other.time, other.context) == ("out", 2.0, {"": "x"})


def test_repr_does_not_hold_the_content() -> None:
    frame = Frame(b"<auth>secret</auth>", ["urn:ietf:params:xml:ns:xmpp-sasl auth"])
    assert repr(frame) == "<Frame in nonza 'auth' 19 bytes>"
