"""XPath terms: whatever compiles can be evaluated on every frame; what cannot is told with its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmppctl.stanza.check import split_input
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.namespaces import PREFIXES
from xmppctl.stanza.xpath import BadXPath, XPath

FRAMES = split_input(
    "<message to='a@b' type='chat'><body>x</body><a b='1'><a/>2</a></message>"
    "<presence/><iq type='get'><ping xmlns='urn:xmpp:ping'/></iq><r xmlns='urn:xmpp:sm:3'/>"
)

tokens = st.sampled_from(
    [
        *(
            "a",
            "c:body",
            "@b",
            "*",
            "//",
            "/",
            ".",
            "..",
            "[",
            "]",
            "(",
            ")",
            ",",
            "|",
            "=",
            "!=",
            "<",
            "+",
            "-",
        ),
        *("and", "or", "div", "mod", "1", "0.5", "'x'", "count(", "not(", "concat(", "string(", "position()"),
        *(
            "last()",
            "self::",
            "ancestor::",
            "text()",
            "node()",
            "::",
            "id('a')",
            "sum(",
            "translate(",
            "ping:ping",
        ),
    ]
)


@given(st.lists(tokens, max_size=9).map(" ".join))
@settings(max_examples=1500, deadline=None)
def test_what_compiles_never_fails_on_a_frame(expression: str) -> None:
    try:
        holds = XPath(expression)
    except BadXPath as error:
        assert error.message
        assert error.at <= len(expression)
        return
    for frame in FRAMES:
        assert holds(frame) in (True, False)


@pytest.mark.parametrize(
    "expression",
    [
        "and and and",
        "or or or",
        "div div div",
        "* * *",
        "a-b",
        "a - b",
        "@* | *",
        "self::node()",
        "processing-instruction('x')",
        "descendant-or-self::c:body",
        "(a)[1][2]",
        "a[b[c or d] and e]",
        "a[substring-before(concat(a, b), ',') = '[']",
        "//*[@* = ')']",
        "-1",
        "a[-(1)]",
        "@xml:lang = 'en'",
        "c:*",
        ".5 + 1. > 1",
    ],
)
def test_the_whole_grammar_is_understood(expression: str) -> None:
    assert XPath(expression)(FRAMES[0]) in (True, False)


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
def test_every_prefix_is_bound(frame: Callable[..., Frame], prefix: str) -> None:
    found = frame(f"<message><x xmlns='{PREFIXES[prefix]}'/></message>")
    assert XPath(f"{prefix}:x")(found)
    assert not XPath(f"{prefix}:x")(frame("<message><x xmlns='urn:other'/></message>"))


@pytest.mark.parametrize(
    ("expression", "at"),
    [
        ("a[$b]", 2),
        ("a[b()]", 2),
        ("a[b", 1),
        ("a['", 2),
        ("x:y", 0),
        ("true() or count('1')", 9),
        ("a or", 4),
    ],
)
def test_where_it_is_wrong(expression: str, at: int) -> None:
    with pytest.raises(BadXPath) as caught:
        XPath(expression)
    assert caught.value.at == at


def test_no_expression_reaches_outside_of_the_stanza() -> None:
    for expression in ("/c:message/..", "/w", "//w", "ancestor::*", "following::*", "preceding::*"):
        assert not XPath(expression)(FRAMES[0])
