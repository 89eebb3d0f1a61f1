"""What is typed, as tokens and states: every line in full, wrong things marked, the rest read as it is meant."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import EXAMPLES, ODD, UNLAWFUL
from xmppctl.errors import MalformedInput
from xmppctl.shell.place import MAX_ATTRIBUTES, MAX_DEPTH, MAX_VALUE, State
from xmppctl.shell.scan import START, Token, is_between, open_elements, scan_line, states
from xmppctl.stanza.check import split_input

_STYLES = (
    "punctuation name attribute value namespace text entity cdata comment command argument declaration error"
)


def scanned(text: str) -> tuple[list[list[Token]], State]:
    """The tokens of each line, and the state after the last."""
    state, lines = START, []
    for line in text.split("\n"):
        tokens, state = scan_line(state, line)
        lines.append([*tokens])
    return lines, state


def shown(text: str) -> str:
    return "||".join("|".join(f"{style} {part}" for style, part in line) for line in scanned(text)[0])


def names(text: str) -> list[str]:
    return [each.name for each in open_elements(scanned(text)[1])]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ""),
        ("<a>x</a>", "punctuation <|name a|punctuation >|text x|punctuation </|name a|punctuation >"),
        ("<p:a />", "punctuation <|name p:a|text  |punctuation />"),
        (
            "<a b='c' d = \"'\"/>",
            "punctuation <|name a|text  |attribute b|punctuation ='|value c|punctuation '|text  |attribute d|text  "
            '|punctuation =|text  |punctuation "|value \'|punctuation "/>',
        ),
        (
            "<a xmlns='u&amp;v' xmlns:p=''/>",
            "punctuation <|name a|text  |attribute xmlns|punctuation ='|namespace u|entity &amp;|namespace v"
            "|punctuation '|text  |attribute xmlns:p|punctuation =''/>",
        ),
        (
            "<a\nb\n=\n'1\n2'\n>",
            "punctuation <|name a||attribute b||punctuation =||punctuation '|value 1||value 2|punctuation '"
            "||punctuation >",
        ),
        (
            "<a>\r\n<![CDATA[<b>\n]]>y",
            "punctuation <|name a|punctuation >|text \r||cdata <![CDATA[<b>||cdata ]]>|text y",
        ),
        ("<?xml version='1.0'?><a", "declaration <?xml version='1.0'?>|punctuation <|name a"),
        ("<!-- x\n<a> --><a", "comment <!-- x||comment <a> -->|punctuation <|name a"),
        (
            "# <a>\n /ping  a\n/quit\n/x\ty\n",
            "comment # <a>||text  |command /ping|argument   a||command /quit||command /x|argument \ty||",
        ),
        ("<a>\n/b\n#c", "punctuation <|name a|punctuation >||text /b||text #c"),
        ("<a/>\n/b", "punctuation <|name a|punctuation />||command /b"),
        ("<a/> /b", "punctuation <|name a|punctuation />|text  |error /b"),
    ],
)
def test_tokens(text: str, tokens: str) -> None:
    assert shown(text) == tokens


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("&lt;&gt;&amp;&apos;&quot;", "entity &lt;&gt;&amp;&apos;&quot;"),
        ("&#9;&#x1F600;&#38;&#0060;", "entity &#9;&#x1F600;&#38;&#0060;"),
        ("&nbsp;x", "error &nbsp;|text x"),
        ("a & b", "text a |error &|text  b"),
        ("&am", "error &|text am"),
        ("&#0;&#x1b;&#xd800;&#xffff;&#1114112;", "error &#0;&#x1b;&#xd800;&#xffff;&#1114112;"),
        ("a]]>b]", "text a|error ]]>|text b]"),
        ("\x1b[31m", "error \x1b|text [31m"),
        ("I <3 u", "text I |error <|text 3 u"),
        ("1 < 2", "text 1 |error <|text  2"),
        ("<>", "error <|text >"),
        ("<!-- no -->x", "error <!--|comment  no -->|text x"),
        ("<?x y?>z", "error <?|declaration x y?>|text z"),
        ("</b>", "punctuation </|error b|punctuation >"),
        ("</>", "error </|punctuation >"),
        ("</a b>", "punctuation </|name a|text  |error b|punctuation >"),
        ("</a <c>", "punctuation </|name a|text  |error <|name c|punctuation >"),
        (
            "<b c d='1'/>",
            "punctuation <|name b|text  |error c|text  |attribute d|punctuation ='|value 1|punctuation '/>",
        ),
        ("<b c=a@b/d>", "punctuation <|name b|text  |attribute c|punctuation =|error a@b/d|punctuation >"),
        ("<b c=d/>", "punctuation <|name b|text  |attribute c|punctuation =|error d|punctuation />"),
        ("<b c=/>", "punctuation <|name b|text  |attribute c|punctuation =|error />"),
        ("<b c=>", "punctuation <|name b|text  |attribute c|punctuation =|error >"),
        ("<b c\n d/>", "punctuation <|name b|text  |attribute c||text  |error d|punctuation />"),
        ("<b c='<'/>", "punctuation <|name b|text  |attribute c|punctuation ='|error <|punctuation '/>"),
        ("<b c=']]>'/>", "punctuation <|name b|text  |attribute c|punctuation ='|value ]]>|punctuation '/>"),
        (
            "<b c=''d=''/>",
            "punctuation <|name b|text  |attribute c|punctuation =''|error d|punctuation =''/>",
        ),
        (
            "<b c='' c=''/>",
            "punctuation <|name b|text  |attribute c|punctuation =''|text  |error c|punctuation =''/>",
        ),
        ("<b 1='' />", "punctuation <|name b|text  |error 1|punctuation =''|text  |punctuation />"),
        ("<b / '>", "punctuation <|name b|text  |error /|text  |error '|punctuation >"),
        ("<b:c:d/>", "punctuation <|error b:c:d|punctuation />"),
        ("<b <c/>", "punctuation <|name b|text  |error <|name c|punctuation />"),
    ],
)
def test_what_is_in_an_element(content: str, tokens: str) -> None:
    assert shown(f"<a>\n{content}") == f"{shown('<a>')}||{tokens}"


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "&amp;",
        "</a>",
        "<a/></a>",
        "<![CDATA[x]]>",
        "<!DOCTYPE a>",
        "<a/>>",
        "<a></b></a>",
        "\xa0",
        "<é:/>",
    ],
)
def test_what_cannot_stand_between_stanzas_is_marked(text: str) -> None:
    lines, state = scanned(text)
    assert "error" in {token.style for line in lines for token in line}
    assert is_between(state)


@pytest.mark.parametrize(
    ("text", "still_open"),
    [
        ("<a><b>", ["a", "b"]),
        ("<a><b/>", ["a"]),
        ("<a><b></b>", ["a"]),
        ("<a\n", []),
        ("<a><b></a>", []),
        ("<a><b></c>", ["a", "b"]),
        ("<a><b></b\n>", ["a"]),
        ("<a><b></b <c>", ["a", "c"]),
        ("<a <b>", ["a", "b"]),
        ("<a b='>'><c b=\"/>\">", ["a", "c"]),
        ("<a><![CDATA[<b>]]><!--<c>--><?<d>?>", ["a"]),
        ("<a><!DOCTYPE b><c>", ["a", "c"]),
        ("<a><![CDAT\n<b>", ["a", "b"]),
        ("<a>\n<\n<b>", ["a", "b"]),
        ("<a>\n</\n<b>", ["a", "b"]),
        ("<stream:stream to='x'>\n<a>", ["a"]),
        ("<stream:stream>\n</stream:stream>", []),
        ("<a><stream:stream>", ["a", "stream:stream"]),
        ("/x <a>\n# <b>", []),
        ("x <a>", ["a"]),
    ],
)
def test_open_elements(text: str, still_open: list[str]) -> None:
    assert names(text) == still_open


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ("", True),
        (" \n", True),
        ("<a/>", True),
        ("<a></a>", True),
        ("/x y", True),
        ("# x", True),
        ("hello", True),
        ("<!-- x -->", True),
        ("<stream:stream>", True),
        ("<?xml version='1.0'?>", True),
        ("<a>", False),
        ("<a", False),
        ("<a></a", False),
        ("<a b='", False),
        ("<!-- x", False),
        ("<?xml", False),
        ("<a>" * (MAX_DEPTH + 2) + "</a>" * (MAX_DEPTH + 1), False),
        ("<a>" * (MAX_DEPTH + 2) + "</a>" * (MAX_DEPTH + 2), True),
    ],
)
def test_whether_a_stanza_may_begin(text: str, between: bool) -> None:
    assert is_between(scanned(text)[1]) is between


def test_elements_are_known_with_namespace_and_attributes() -> None:
    text = (
        "<iq to='a&amp;b&#x21;&no;'><query xmlns='urn:q' xmlns:p='urn:p'>\n<p:x p:y='1'\nz=2><stream:error>"
        "<q:a><xml:b xmlns=''><c>"
    )
    found = open_elements(scanned(text)[1])
    assert [(each.name, each.namespace) for each in found] == [
        ("iq", "jabber:client"),
        ("query", "urn:q"),
        ("p:x", "urn:p"),
        ("stream:error", "http://etherx.jabber.org/streams"),
        ("q:a", ""),
        ("xml:b", "http://www.w3.org/XML/1998/namespace"),
        ("c", ""),
    ]
    assert found[0].attributes == (("to", "a&b!&no;"),)
    assert found[2].attributes == (("p:y", "1"), ("z", "2"))


def test_what_is_kept_is_bounded() -> None:
    many = "".join(f" a{number}='{'x' * 3 * MAX_VALUE}'" for number in range(3 * MAX_ATTRIBUTES))
    (element,) = open_elements(scanned(f"<a{many}>")[1])
    assert element.attributes == tuple((f"a{number}", "x" * MAX_VALUE) for number in range(MAX_ATTRIBUTES))
    (element,) = open_elements(scanned("<a b='" + "\n".join("xy" for _ in range(MAX_VALUE)) + "'>")[1])
    assert element.attributes == (("b", ("xy\n" * MAX_VALUE)[:MAX_VALUE]),)
    declared = "".join(f" xmlns:a{number}='u'" for number in range(MAX_ATTRIBUTES - 4))
    found = open_elements(scanned(f"<a{declared}><b{declared.replace(':a', ':b')}>")[1])
    assert len(found[1].bindings) == MAX_ATTRIBUTES
    assert len(open_elements(scanned("<a>" * 3 * MAX_DEPTH)[1])) == MAX_DEPTH


def test_states_are_those_at_the_beginning_of_lines() -> None:
    text = "<a>\n<b\nc='d'>\n</b></a>\n"
    found = states(text)
    assert [len(open_elements(state)) for state in found] == [0, 1, 1, 2, 0]
    assert [is_between(state) for state in found] == [True, False, False, False, True]
    assert found[0] == found[-1] == START
    assert [
        scan_line(state, line)[1] for state, line in zip(found[:-1], text.split("\n"), strict=False)
    ] == found[1:]


def test_equal_states_are_one_key_and_others_are_not() -> None:
    def end(text: str) -> State:
        return scanned(text)[1]

    assert {end("<a b='1'>\nx"), end('y\n<a  b = "1">\n\nz')} == {end("<a b='1'>x")}
    assert len({end(f"<a b='{number}'><c>") for number in range(50)}) == 50


def test_what_is_read_again_is_the_same_object() -> None:
    text = "<message>\n<body>hello</body>\n</message>"
    assert scan_line(START, text.split("\n")[0]) is scan_line(states(text)[0], "<message>")
    assert all(one is other for one, other in zip(states(text)[1:], states(text)[1:], strict=True))


@pytest.mark.parametrize("name", [*EXAMPLES, *ODD])
def test_nothing_lawful_is_marked(name: str) -> None:
    text = ({**EXAMPLES, **ODD})[name].decode()
    lines, state = scanned(text)
    assert [token for line in lines for token in line if token.style == "error"] == []
    assert is_between(state)


#: Wrong only by what is around it, by namespaces, or by number.
UNMARKED = {
    *("second header", "second header without declaration", "unbound prefix", "double attribute", "depth"),
    *("bound xmlns", "prefix undeclared", "attribute count", "after the end"),
}


@pytest.mark.parametrize("name", sorted(UNLAWFUL.keys() - UNMARKED))
def test_what_is_unlawful_is_marked(name: str) -> None:
    lines, _ = scanned(UNLAWFUL[name].decode("utf-8", "surrogateescape"))
    assert "error" in {token.style for line in lines for token in line}


_PIECES = (
    "<~</~>~/>~a~b:c~xmlns~xmlns:b~=~'~\"~ ~\t~\r~\n~&~&lt;~&#x0;~&nbsp;~]]>~<![CDATA[~<!--~-->~<?~?>~<!~/ping~#~é"
    "~\x00~\ud800~<a>~</a>~<a b='c'>~<stream:stream>~</stream:stream>~\u2028~\x85"
)
PIECES = st.sampled_from(_PIECES.split("~"))
TYPED = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=60))


@given(TYPED)
@example("<a\n<b\n'\n")
@settings(max_examples=500)
def test_whatever_is_typed_is_tokens(text: str) -> None:
    lines, state = scanned(text)
    for line, tokens in zip(text.split("\n"), lines, strict=True):
        assert "".join(token.text for token in tokens) == line
        assert {token.style for token in tokens} <= {*_STYLES.split()}
        assert all(token.text for token in tokens)
    assert states(f"{text}\n")[-1] == state


_CONTENT = (
    "x~ ~x\ny~]~'~>~é~&lt;~&#65;~<b>~</b>~</b >~<b c='1' d=\"'\"\n/>~<b c='&gt;>'>~<é/>~<![CDATA[<&]]>"
    "~&~&#0;~&nbsp;~]]>~<~<b c=1/>~<b c=>~</ b>~<b c='<'/>~<b c='1'd=''/>~<b c/>~<b c\n>~<b c='' c=''/>"
    "~<!-- -->~<?x y?>~\x00~<1/>~<b / >~</a>~<b~]]~<b:c:d/>"
)
CONTENT = st.sampled_from(_CONTENT.split("~"))


@given(st.lists(CONTENT, max_size=6).map("".join))
@settings(max_examples=1000)
def test_what_has_nothing_marked_can_be_sent_and_nothing_else(content: str) -> None:
    text = f"<a>{content}</a>"
    try:
        lawful = bool(split_input(text))
    except MalformedInput:
        lawful = False
    lines, state = scanned(text)
    unmarked = "error" not in {token.style for line in lines for token in line}
    assert (unmarked and is_between(state)) is lawful
