"""How the typed line looks: the tokens' colours, the prompt before each line, and nothing that acts on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.document import Document
from wcwidth import wcswidth

from xmppctl.output.safe import safe
from xmppctl.shell import lexing
from xmppctl.shell.lexing import STYLE, Lines, XmlLexer, continuation, visible
from xmppctl.shell.scan import states


def lexed(text: str, *, plain: bool = False) -> list[list[tuple[str, str]]]:
    line = XmlLexer(Lines(), plain=plain).lex_document(Document(text))
    return [line(number) for number in range(text.count("\n") + 1)]


def test_each_part_has_its_style():
    first, second = lexed("<a b='c'>x &amp;\n</a>")
    assert [(style.removeprefix("class:xml."), text) for style, text in first] == [
        ("punctuation", "<"),
        ("name", "a"),
        ("text", " "),
        ("attribute", "b"),
        ("punctuation", "='"),
        ("value", "c"),
        ("punctuation", "'>"),
        ("text", "x "),
        ("entity", "&amp;"),
    ]
    assert [text for _, text in second] == ["</", "a", ">"]


@pytest.mark.parametrize(
    "text", ["<a", "/help x", "<a>\n</b>", "<!-- c -->", "<![CDATA[x]]>", "<?xml version='1.0'?>"]
)
def test_each_style_is_known(text):
    names = {name for rule in STYLE.style_rules for name in rule[0].split()}
    assert {style.removeprefix("class:") for line in lexed(text) for style, _ in line} <= names


def test_plain_and_very_long_text_is_shown_as_it_is(monkeypatch):
    assert lexed("<a>\n\x1b", plain=True) == [[("", "<a>")], [("", "\ufffd")]]
    monkeypatch.setattr(lexing, "MAX_COLOURED", 3)
    assert lexed("<a>x") == [[("", "<a>x")]]


@pytest.mark.parametrize("plain", [False, True])
def test_a_line_that_there_is_not_is_empty(plain):
    assert XmlLexer(Lines(), plain=plain).lex_document(Document("<a>"))(7) == []


@given(st.text())
def test_what_is_shown_has_the_length_of_what_is_typed(text):
    shown = visible(text)
    assert len(shown) == len(text)
    for char in shown:
        assert char in "\t\ufffd" or safe(char) == char
    for line, parts in zip(text.split("\n"), lexed(text), strict=True):
        assert len("".join(part for _, part in parts)) == len(line)


@pytest.mark.parametrize("char", ["\x1b", "\x9b", "\u202e", "\u200b", "\x07", "\ufeff", "\x00"])
def test_what_acts_on_a_terminal_is_hidden(char):
    assert visible(f"a{char}b") == "a\ufffdb"


@pytest.mark.parametrize("text", ["日本語 é", "a\tb", "plain"])
def test_what_can_be_seen_stays(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("", 8, "      > "),
        ("<iq>\n", 8, "    iq> "),
        ("<iq>\n<query>\n", 12, "  iq/query> "),
        ("<message>\n<pubsub>\n", 10, "…/pubsub> "),
        ("<iq>\n<query>\n</query>\n", 8, "    iq> "),
        ("<\u202e>\n", 8, None),
    ],
)
def test_the_prompt_of_a_further_line_names_what_is_open(text, width, shown):
    told = continuation(states(text)[-1], width)
    assert len(told) == width and told.endswith("> ")
    assert "\u202e" not in told
    if shown is not None:
        assert told == shown


@given(st.text("<>/ab\n "), st.integers(3, 20))
def test_that_prompt_fits_into_its_width(text, width):
    assert wcswidth(continuation(states(text)[-1], width)) == width


def test_the_states_of_a_text_are_those_of_its_lines():
    lines = Lines()
    assert lines.of("<a>\n<b>") == states("<a>\n<b>")
    assert lines.of("<a>") == states("<a>")
    assert lines.of("<a>") is lines.of("<a>")
