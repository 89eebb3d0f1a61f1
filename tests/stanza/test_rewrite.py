from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.errors import MalformedInput
from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_CLIENT, NS_STREAM
from xmppctl.stanza.rewrite import foreign, with_attribute, with_child, with_declarations
from xmppctl.stanza.tree import parse

CASES = [
    (b"<iq id='a' type='get'/>", b"<iq id='N' type='get'/>"),
    (b'<iq type="get" id="a"/>', b"<iq type=\"get\" id='N'/>"),
    (
        b"<iq\n\tid = \"it's\"\r\n type='get' ><x id='a'/></iq >",
        b"<iq id='N'\r\n type='get' ><x id='a'/></iq >",
    ),
    (b"<iq type='get'/>", b"<iq id='N' type='get'/>"),
    (b"<iq><x id='a'/></iq>", b"<iq id='N'><x id='a'/></iq>"),
    (b"<iq/>", b"<iq id='N'/>"),
    (
        b"<iq xml:id='a' p:id='b' xmlns:p='x' myid='c'/>",
        b"<iq id='N' xml:id='a' p:id='b' xmlns:p='x' myid='c'/>",
    ),
    (b"<iq to='a > id=&quot;' id=''/>", b"<iq to='a > id=&quot;' id='N'/>"),
    (b"<iq to=\"x id='1'\"/>", b"<iq id='N' to=\"x id='1'\"/>"),
    (
        b"<c:iq xmlns:c='jabber:client' id='a'>\xc3\xbc</c:iq>",
        b"<c:iq xmlns:c='jabber:client' id='N'>\xc3\xbc</c:iq>",
    ),
]


@pytest.mark.parametrize(("raw", "expected"), CASES)
def test_one_attribute_changes_and_no_other_byte(raw: bytes, expected: bytes) -> None:
    assert with_attribute(raw, "id", "N") == expected


def test_an_attribute_is_taken_out() -> None:
    assert with_attribute(b"<iq id='a' type='get'/>", "id", None) == b"<iq type='get'/>"
    assert with_attribute(b"<iq type='get'/>", "id", None) == b"<iq type='get'/>"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])))
def test_any_value_comes_back_as_it_was(value: str) -> None:
    raw = with_attribute(b"<iq type='get' id='a'><x/></iq>", "id", value)
    assert parse(raw).get("id") == value


def test_a_value_that_xml_cannot_hold_is_refused() -> None:
    with pytest.raises(MalformedInput):
        with_attribute(b"<iq/>", "id", "\x00")


def test_what_a_foreign_header_binds_is_known() -> None:
    assert not foreign(CLIENT_CONTEXT)
    assert foreign({"": NS_CLIENT, "s": NS_STREAM}) == {"s": NS_STREAM}
    assert foreign({"c": NS_CLIENT, "stream": NS_STREAM}) == {"c": NS_CLIENT, "": ""}
    assert foreign({"": NS_CLIENT, "stream": "other"}) == {"stream": "other"}


def test_declarations_are_added_where_the_element_has_none_of_its_own() -> None:
    context = {"x": "urn:x", "y": "urn:y", "": ""}
    raw = with_declarations(b"<x:message xmlns:y='own'><y:a/><b/></x:message>", context)
    assert raw == b"<x:message xmlns:x='urn:x' xmlns='' xmlns:y='own'><y:a/><b/></x:message>"
    element = parse(raw)
    assert [element.tag, *(child.tag for child in element)] == ["{urn:x}message", "{own}a", "b"]


def test_only_what_may_be_used_is_declared() -> None:
    """A header may declare so much that a flood of small stanzas would become one of large ones."""
    context = {f"p{number}": "urn:" + "x" * 500 for number in range(400)}
    raw = b"<message><body>p2: p1</body><p3:a/><x xmlns:p4='own' p5:b='p6:type'/></message>"
    made = with_declarations(raw, context)
    declared = parse(made)
    assert len(declared) == 3
    for prefix, expected in (("p3", True), ("p5", True), ("p6", True), ("p1", False), ("p44", False)):
        assert (f" xmlns:{prefix}='urn:".encode() in made) is expected
    assert with_declarations(b"<presence from='a@b'/>", context) == b"<presence from='a@b'/>"


def test_a_long_word_is_no_reason_to_take_long() -> None:
    raw = b"<message><body>:" + b"x" * 1_000_000 + b"</body></message>"
    assert with_declarations(raw, {"y": "urn:y"}) == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<presence/>", b"<presence>NEW</presence>"),
        (b"<presence id='a'  />", b"<presence id='a'>NEW</presence>"),
        (b"<presence><show>away</show></presence>", b"<presence><show>away</show>NEW</presence>"),
        (b"<presence> <priority>5</priority>\n<show/></presence>", b"<presence> NEW\n<show/></presence>"),
        (b"<presence><priority/></presence>", b"<presence>NEW</presence>"),
        (b"<presence><priority >1</priority ></presence>", b"<presence>NEW</presence>"),
        (
            b"<presence><x xmlns='a'><priority>5</priority></x></presence>",
            b"<presence><x xmlns='a'><priority>5</priority></x>NEW</presence>",
        ),
        (
            b"<presence><priority xmlns='a'>5</priority></presence>",
            b"<presence><priority xmlns='a'>5</priority>NEW</presence>",
        ),
        (
            b"<presence><priority>1</priority><priority>2</priority></presence>",
            b"<presence>NEW<priority>2</priority></presence>",
        ),
        (
            b"<c:presence xmlns:c='jabber:client'><c:priority>1</c:priority></c:presence>",
            b"<c:presence xmlns:c='jabber:client'>NEW</c:presence>",
        ),
        (b"<c:presence xmlns:c='jabber:client'/>", b"<c:presence xmlns:c='jabber:client'>NEW</c:presence>"),
    ],
)
def test_a_child_is_replaced_or_added_and_no_other_byte_changes(raw: bytes, expected: bytes) -> None:
    assert with_child(raw, f"{NS_CLIENT} priority", b"NEW") == expected


def test_what_stands_deeper_is_no_child() -> None:
    raw = b"<presence><x xmlns='urn:x'><priority xmlns='jabber:client'>9</priority></x></presence>"
    made = with_child(raw, f"{NS_CLIENT} priority", b"<priority>5</priority>")
    assert made == raw.replace(b"</presence>", b"<priority>5</priority></presence>")
