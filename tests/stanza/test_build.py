"""Stanzas as text: what a receiver's parser gets out is what was put in."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.errors import MalformedInput
from xmppctl.stanza import build

#: XML 1.0 section 2.2.
xml_text = st.text(
    st.one_of(
        st.sampled_from("\t\n\r<>&'\"]"),
        st.characters(min_codepoint=0x20, exclude_categories=("Cs",), exclude_characters="\ufffe\uffff"),
    )
)


@given(xml_text, xml_text)
def test_text_and_attributes_arrive_as_given(body: str, id: str) -> None:
    stanza = ET.fromstring(build.message("a@b", body, id=id or "x", subject=body, thread=body))
    assert [stanza.findtext(name) for name in ("subject", "body", "thread")] == [body] * 3
    assert dict(stanza.attrib) == {"to": "a@b", "type": "chat", "id": id or "x"}


@given(xml_text)
def test_status_arrives_as_given(status: str) -> None:
    assert ET.fromstring(build.presence("away", status)).findtext("status") == status


def test_escaped_attributes_stand_in_either_quote() -> None:
    value = build.escape_attribute("a'b\"c\n\t\r<&>")
    for quote in "'\"":
        assert ET.fromstring(f"<a b={quote}{value}{quote}/>").get("b") == "a'b\"c\n\t\r<&>"


@pytest.mark.parametrize(
    ("text", "line", "column", "code"),
    [
        ("\x00", 1, 1, "U+0000"),
        ("ab\x1b[31m", 1, 3, "U+001B"),
        ("a\nb\n\x08", 3, 1, "U+0008"),
        ("é\ufffe", 1, 2, "U+FFFE"),
        ("a\ud800", 1, 2, "U+D800"),
    ],
)
def test_what_xml_cannot_hold_is_refused_with_its_place(text: str, line: int, column: int, code: str) -> None:
    for make in (
        lambda: build.message("a@b", text),
        lambda: build.message(text, "x"),
        lambda: build.message("a@b", None, subject=text),
        lambda: build.presence(status=text),
        lambda: build.iq("get", to=text),
    ):
        with pytest.raises(MalformedInput, match=re.escape(code)) as caught:
            make()
        assert (caught.value.line, caught.value.column) == (line, column)
        assert caught.value.code == 8


def test_what_is_none_is_left_out() -> None:
    assert build.message("a@b", type=None, id="1") == "<message to='a@b' id='1'></message>"
    assert build.presence() == "<presence/>"
    assert build.presence(type="unavailable", to="a") == "<presence to='a' type='unavailable'/>"
    assert build.iq("get", id="1") == "<iq type='get' id='1'></iq>"


def test_an_empty_body_is_a_body() -> None:
    assert "<body></body>" in build.message("a@b", "")


def test_payload_and_priority() -> None:
    stanza = ET.fromstring(build.presence("xa", priority=-5, payload="<x xmlns='u'/>"))
    assert [child.tag for child in stanza] == ["show", "priority", "{u}x"]
    assert stanza.findtext("priority") == "-5"
    assert build.iq("set", "<q/>", to="a", id="1") == "<iq type='set' id='1' to='a'><q/></iq>"


def test_ids_are_not_guessed_and_always_there() -> None:
    ids = {build.new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("[0-9a-f]{24}", id) for id in ids)
    assert re.search(r" id='[0-9a-f]{24}'", build.message("a@b", "x"))
    assert re.search(r" id='[0-9a-f]{24}'", build.iq("get"))


def test_declarations_bind_the_prefixes_of_a_context() -> None:
    text = build.declarations({"": "urn:a", "x": "urn:'b\"&"})
    assert ET.fromstring(f"<x:w{text}><c/></x:w>").tag == "{urn:'b\"&}w"
    assert ET.fromstring(f"<x:w{text}><c/></x:w>")[0].tag == "{urn:a}c"
