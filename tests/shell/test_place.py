"""What is at the cursor, what closes it, how the next line begins."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import EXAMPLES, ODD, UNLAWFUL
from xmppctl.shell.place import MAX_DEPTH, MAX_VALUE, MAX_WORD, element
from xmppctl.shell.scan import closing_after, closing_tag, indent_of, place, states
from xmppctl.stanza.check import split_input


def outline(text: str) -> tuple[str, str, str | None, list[str]]:
    """Where it is, the word, the element's name, the parents' names."""
    found = place(text)
    name = None if found.element is None else found.element.name
    return found.where, found.word, name, [each.name for each in found.parents]


@pytest.mark.parametrize(
    ("text", "where", "word", "element", "parents"),
    [
        ("", "start", "", None, []),
        (" \n ", "start", "", None, []),
        ("<a/> ", "start", "", None, []),
        ("</a>", "start", "", None, []),
        ("hello\n", "start", "", None, []),
        ("<?xml version='1.0'?>", "start", "", None, []),
        ("<stream:stream>", "start", "", None, []),
        ("hello", "other", "", None, []),
        ("<a/> hello ", "other", "", None, []),
        ("/", "command", "/", None, []),
        ("<a/>\n /pi", "command", "/pi", None, []),
        ("/ping ", "argument", "", None, []),
        ("/ping  -c 1 ", "argument", "-c 1 ", None, []),
        ("# x", "comment", "", None, []),
        ("<!-- x\ny", "comment", "", None, []),
        ("<", "name", "", "", []),
        ("<me", "name", "me", "me", []),
        ("<a><b>x <p:", "name", "p:", "p:", ["a", "b"]),
        ("<a <b", "name", "b", "b", ["a"]),
        ("<a></", "closing", "", "a", []),
        ("<a><b></b", "closing", "b", "b", ["a"]),
        ("</", "closing", "", None, []),
        ("<a ", "attribute", "", "a", []),
        ("<a\n", "attribute", "", "a", []),
        ("<a><b c='d' xml:l", "attribute", "xml:l", "b", ["a"]),
        ("<a b='", "value", "", "a", []),
        ("<a><b c=\"'d e&amp;", "value", "'d e&amp;", "b", ["a"]),
        ("<a b='c\nd", "value", "c\nd", "a", []),
        ("<a>", "text", "", "a", []),
        ("<a>x\n\n y", "text", "x\n\n y", "a", []),
        ("<a>x<b/>y &lt; & z", "text", "y &lt; & z", "a", []),
        ("<a><b>x</b>", "text", "", "a", []),
        ("<a><b>\n<![CDATA[c]]>\nd", "text", "\nd", "b", ["a"]),
        ("<a>1 < 2", "text", "1 < 2", "a", []),
        ("<a>/x", "text", "/x", "a", []),
        ("<a b", "attribute", "b", "a", []),
        ("<a b ", "other", "", "a", []),
        ("<a b=", "other", "", "a", []),
        ("<a b='c'", "other", "", "a", []),
        ("<a b=c", "other", "", "a", []),
        ("<a/", "other", "", "a", []),
        ("<a></a ", "other", "", "a", []),
        ("<a><![CD", "other", "", "a", []),
        ("<a><![CDATA[x", "other", "", "a", []),
        ("<?xml ", "other", "", None, []),
        ("<!DOCTYPE ", "other", "", None, []),
    ],
)
def test_places(text: str, where: str, word: str, element: str | None, parents: list[str]) -> None:
    assert outline(text) == (where, word, element, parents)


def test_a_tag_that_is_typed_is_known_as_far_as_it_goes() -> None:
    found = place("<iq type='get'><p:x xmlns:p='urn:p' node='a&lt;' var=\"b")
    assert (found.where, found.attribute, found.word, found.quote) == ("value", "var", "b", '"')
    assert found.element is not None
    assert (found.element.name, found.element.namespace) == ("p:x", "urn:p")
    assert found.element.attributes == (("xmlns:p", "urn:p"), ("node", "a<"))
    assert found.parents[0].attributes == (("type", "get"),)
    assert place("<a to=").attribute == "to"


@pytest.mark.parametrize(
    ("text", "command"), [("/", ""), ("/ping", ""), ("/ping ", "/ping"), (" /t x y", "/t"), ("<a>/t x", "")]
)
def test_the_command_of_an_argument(text: str, command: str) -> None:
    assert place(text).command == command


def test_long_words_are_cut_on_the_left() -> None:
    words = "".join(f"{number} " for number in range(2 * MAX_VALUE))
    for before in ("<a>", "<a b='"):
        for text in (words, words.replace(" ", "\n")):
            assert place(before + text).word == text[-MAX_WORD:]


@pytest.mark.parametrize(
    ("attributes", "name", "namespace"),
    [
        ((), "b", "urn:o"),
        ((), "p:b", "urn:p"),
        ((), "q:b", ""),
        ((("xmlns", "urn:n"),), "b", "urn:n"),
        ((("xmlns", ""),), "b", ""),
        ((("xmlns:p", "urn:n"),), "p:b", "urn:n"),
        ((("xmlns:q", "urn:n"),), "b", "urn:o"),
    ],
)
def test_namespaces_are_those_in_force(
    attributes: tuple[tuple[str, str], ...], name: str, namespace: str
) -> None:
    outer = element("a", (("xmlns", "urn:o"), ("xmlns:p", "urn:p")), ())
    assert element(name, attributes, (outer,)).namespace == namespace
    assert element("iq", (), ()).namespace == "jabber:client"


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("", ""),
        ("<a/>", ""),
        ("<a>", "</a>"),
        ("<a><p:b>x &am", "</p:b>"),
        ("<a><b></b>\n", "</a>"),
        ("<a>x<", "/a>"),
        ("<a><b></", "b>"),
        ("<a><body></bo", "dy>"),
        ("<a></a", ">"),
        ("<a></a ", ">"),
        ("<a></a\n", ">"),
        ("<a></b", ""),
        ("<a></ab", ""),
        ("<a></b ", ""),
        ("<a><b", ""),
        ("<a", ""),
        ("<", ""),
        ("</", ""),
        ("<a><b ", ""),
        ("<a><b c='", ""),
        ("<a/", ""),
        ("<a><![CDATA[", ""),
        ("<a><!-- ", ""),
        ("<stream:stream>", ""),
        ("/x <a>", ""),
        ("<a>" * (MAX_DEPTH + 1), ""),
    ],
)
def test_closing_tags(text: str, closing: str) -> None:
    assert closing_tag(text) == closing


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("<a>", "</a>"),
        ("<a><p:b c='>'>", "</p:b>"),
        ("<a\nb='c'\n>", "</a>"),
        ("<a <b>", "</b>"),
        ("<a> ", ""),
        ("<a/>", ""),
        ("<a></a>", ""),
        ("<a><b></b>", ""),
        ("<a b='>", ""),
        ("<a>>", ""),
        ("<a></>", ""),
        ("<a><![CDATA[<b>", ""),
        ("<a><!--<b>", ""),
        ("<?xml?>", ""),
        ("<stream:stream>", ""),
        ("/x <a>", ""),
        (">", ""),
        ("", ""),
    ],
)
def test_what_a_start_tag_wants_behind_it(text: str, closing: str) -> None:
    assert closing_after(text) == closing


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ("", 0),
        ("  <a/>", 0),
        ("<a>", 2),
        ("<a>\n  <b>", 4),
        ("<a>\n  <b/>", 2),
        ("<a>\n  <b>x</b>", 2),
        ("<a><b></b></a>", 0),
        ("<stream:stream>", 0),
        ("/x <a>", 0),
        ("# <a>", 0),
        ("<a>some words", 0),
        ("<a>x<b/>", 0),
        ("<a>x<b>", 0),
        ("<a>&lt;", 0),
        ("<a><![CDATA[x]]>", 0),
        ("<a>x<b>y</b></a>\n<c>", 2),
        ("<a", 2),
        ("<a>\n  <b", 4),
        ("<a>\n  <b c='d'\n          e='f'", 4),
        ("<a>\n <b c='d'\n   e='f'>", 4),
        ("<a>\n<b\n    c='d'><e ", 6),
        ("<a b=", 2),
        ("  <a b='c", 0),
        ("<a></a", 0),
        ("<a>\n   <![CDATA[x", 3),
        ("<!-- x\n     y", 5),
        ("<a>" * 3 * MAX_DEPTH, 2 * MAX_DEPTH),
    ],
)
def test_indentation(text: str, indent: int) -> None:
    assert indent_of(text) == " " * indent


def test_indentation_keeps_tabs_of_the_tag() -> None:
    assert indent_of("<a>\n\t<b") == "\t  "


@given(st.text(alphabet="<>/ab:='\" \n&;!-[]?#\t", max_size=40))
@settings(max_examples=500)
def test_every_place_can_be_told(text: str) -> None:
    found = place(text)
    if found.where in ("name", "closing", "attribute", "value", "command", "argument", "text"):
        assert text.endswith(found.word)
    assert not indent_of(text).strip(" \t")
    closing = closing_tag(text)
    if closing:
        assert len(states(f"{text}{closing}\n")[-1].open) == len(states(f"{text}\n")[-1].open) - 1
    after = closing_after(text)
    assert after in ("", closing)


LAWFUL = {**EXAMPLES, **ODD}


@pytest.mark.parametrize("name", [*LAWFUL, *(f"unlawful {name}" for name in UNLAWFUL)])
def test_every_beginning_has_a_place(name: str) -> None:
    data = LAWFUL.get(name) or UNLAWFUL[name.removeprefix("unlawful ")]
    text = data.decode("utf-8", "surrogateescape")
    for cut in range(0, len(text), 1 if len(text) < 3000 else len(text) // 20):
        found = place(text[:cut])
        assert found.where != "text" or found.element is not None
        assert text[:cut].endswith(found.word)


@pytest.mark.parametrize("name", sorted(LAWFUL.keys() - {"depth"}))
def test_every_beginning_can_be_closed(name: str) -> None:
    text = LAWFUL[name].decode()
    closed = 0
    for cut in range(1, len(text), 7 if len(text) < 5000 else len(text) // 10):
        typed = text[: text.rfind(">", 0, cut) + 1]
        if place(typed).where != "text":
            continue
        while closing := closing_tag(typed):
            typed += closing
        assert len(split_input(typed)) == 1
        closed += 1
    assert closed or text.count(">") < 2
