"""XML laid out as it was on the wire."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.output.markup import FOLD_KEEP, FOLD_OVER, MAX_PARTS, Markup
from xmppctl.output.palette import COLORS, PLAIN
from xmppctl.stanza.build import escape, escape_attribute

SGR = re.compile("\x1b\\[[0-9;]*m")


def laid_out(xml: str, **choices: bool) -> list[str]:
    return ["  " * depth + text for depth, text in Markup(PLAIN, **choices).lines(xml)]


def test_elements_are_spread_and_text_stays_where_it_is() -> None:
    xml = "<a x='1' y=\"2\"><b> t </b><c/><d><e></e>\n </d><f> \n</f></a>"
    assert laid_out(xml) == [
        "<a x='1' y=\"2\">",
        "  <b> t </b>",
        "  <c/>",
        "  <d>",
        "    <e></e>",
        "  </d>",
        "  <f> ↵\n</f>",
        "</a>",
    ]


def test_mixed_content_stays_in_one_line() -> None:
    xml = "<a><p>one <b>two</b> <i>three</i><![CDATA[<x>]]></p><q><b>two</b> tail</q></a>"
    assert laid_out(xml) == ["<a>", "  " + xml[3 : xml.index("<q>")], "  <q><b>two</b> tail</q>", "</a>"]


def test_the_spelling_of_the_wire_is_kept() -> None:
    xml = "<s:a xmlns:s = 'u' b=\"it's &#x27; &lt;\" c='>'>&amp;&#38;</s:a >"
    assert laid_out(xml) == [xml]


def test_white_space_of_values_and_text_is_shown() -> None:
    assert laid_out("<a\n  b='x\ny\tz'\r\n/>") == ["<a   b='x\\ny\\tz'  />"]
    assert laid_out("<a>x\ty\r</a>") == ["<a>x\\ty\\r</a>"]
    assert laid_out("<a>one\ntwo</a>") == ["<a>one↵\ntwo</a>"]


def test_long_text_and_values_are_folded_and_counted() -> None:
    long = "x" * (FOLD_OVER + 1)
    note = f"…[{FOLD_OVER + 1 - FOLD_KEEP:,} more characters]"
    assert laid_out(f"<a><b>{long}</b></a>")[1] == f"  <b>{'x' * FOLD_KEEP}{note}</b>"
    assert laid_out(f"<a b='{long}' c='y'/>") == [f"<a b='{'x' * FOLD_KEEP}{note}' c='y'/>"]
    assert laid_out(f"<a><![CDATA[{long}]]></a>")[0].count("more characters") == 1
    assert laid_out(f"<a b='{long}'>{long}</a>", full=True) == [f"<a b='{long}'>{long}</a>"]
    exact = f"<a b='{'x' * FOLD_OVER}'>{'x' * FOLD_OVER}</a>"
    assert laid_out(exact) == [exact]


def test_long_mixed_content_is_folded_as_a_whole() -> None:
    inner = "text <b>bold</b>" * 1000
    (line,) = laid_out(f"<p>{inner}</p>")
    kept, _, rest = line.partition("…[")
    assert kept.startswith("<p>text <b>bold</b>") and rest.endswith(" more characters]</p>")
    hidden = int(rest.split()[0].replace(",", ""))
    assert len(kept) - len("<p>") + hidden == len(inner)


def test_too_many_elements_are_folded() -> None:
    xml = "<a>" + "<b/>" * (MAX_PARTS + 500) + "</a>"
    lines = laid_out(xml)
    assert len(lines) == MAX_PARTS + 1
    assert lines[-1].strip() == f"…[{501 * 4 + 4:,} more characters]"
    assert len(laid_out(xml, full=True)) == MAX_PARTS + 502


@pytest.mark.parametrize(
    "torn",
    [
        "<a><b>x",
        "<a b='",
        "<a b='x",
        "<a",
        "<",
        "<a></",
        "<a></b",
        "x",
        "]]>",
        "<![CDATA[x",
        "<a><![CDATA[x>y",
        "<?x",
        "</a></b></c>",
    ],
)
def test_what_is_no_xml_comes_out_whole(torn: str) -> None:
    assert "".join(line.strip() for line in laid_out(torn)) == torn


NAMES = st.sampled_from(["a", "b:c", "größe"])
TEXTS = st.text(st.sampled_from("xy \n<&>'\"]\u05d0日"), max_size=12)
ATTRIBUTES = st.lists(st.tuples(st.sampled_from(["p", "xmlns", "xml:lang"]), TEXTS), max_size=2)


def _element(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def build(name: str, attributes: list[tuple[str, str]], children: list[str]) -> str:
        head = name + "".join(f" {key}='{escape_attribute(value)}'" for key, value in attributes)
        return f"<{head}>{''.join(children)}</{name}>" if children else f"<{head}/>"

    return st.builds(build, NAMES, ATTRIBUTES, st.lists(inner, max_size=4))


CHARACTERS = TEXTS.map(escape) | TEXTS.map(lambda text: f"<![CDATA[{text.replace(']', '')}]]>")
ELEMENTS = _element(st.recursive(CHARACTERS, lambda inner: _element(inner) | CHARACTERS, max_leaves=12))


@given(ELEMENTS)
def test_nothing_is_lost_but_white_space_between_tags(xml: str) -> None:
    between_tags = re.compile(r"(?<=>)\s+(?=<)")
    for palette in (PLAIN, COLORS):
        lines = [text for _, text in Markup(palette, full=True).lines(xml)]
        shown = re.sub("\x1b\\[[0-9;]*m", "", "".join(lines)).replace("↵\n", "\n")
        assert between_tags.sub("", shown) == between_tags.sub("", xml)
        for line in lines:
            assert line.count("\x1b[0m") == len(re.findall("\x1b\\[[1-9]", line))


def test_a_default_namespace_that_changes_nothing_is_dim() -> None:
    lines = [
        t for _, t in Markup(COLORS, full=True).lines("<a xmlns='u'><b xmlns='u'><c xmlns='v'/></b></a>", "u")
    ]
    same, other = f"{COLORS.dim}'u'", f"{COLORS.namespace}'v'"
    assert same in lines[0] and same in lines[1] and other in lines[2]


def test_errors_are_red_and_only_they() -> None:
    lines = [t for _, t in Markup(COLORS).lines("<iq><q/><error><gone/></error><z/></iq>")]
    red = [COLORS.error in line for line in lines]
    assert red == [False, False, True, True, True, False, False]


@pytest.mark.timeout(20)
def test_work_is_in_proportion_to_the_size() -> None:
    deep = "<a>" * 200_000 + "</a>" * 200_000
    assert sum(1 for _ in Markup(PLAIN, full=True).lines(deep)) == 399_999
    for torn in ("<a b='" + "x" * 5_000_000, "<" * 100_000, "<a " + "b='c' " * 200_000, "<![CDATA[" * 50_000):
        assert laid_out(torn, full=True)
    for tag in (
        "<{0} xmlns='u'/>",
        "<a {0}='' xmlns='u'/>",
        "<a b='{0}' xmlns='u'/>",
        "<a b{1}='' xmlns='u'/>",
    ):
        xml = tag.format("n" * 500_000, " " * 500_000)
        assert laid_out(f"<a xmlns='u'>{xml}</a>")
        assert list(Markup(COLORS).lines(xml))


@pytest.mark.parametrize(
    ("xml", "shown"),
    [
        ("<message xmlns='jabber:client' id='1'/>", ["<message id='1'/>"]),
        ('<message id="1"  xmlns="jabber:client"/>', ['<message id="1"/>']),
        ("<a xmlns='urn:a'><b xmlns='urn:a'/></a>", ["<a xmlns='urn:a'>", "<b/>", "</a>"]),
        ("<a xmlns='urn:a'><b xmlns='urn:b'/></a>", ["<a xmlns='urn:a'>", "<b xmlns='urn:b'/>", "</a>"]),
        ("<a x=\" xmlns='jabber:client'\"/>", ["<a x=\" xmlns='jabber:client'\"/>"]),
        ("<a y='b' x=\" xmlns='jabber:client' \"/>", ["<a y='b' x=\" xmlns='jabber:client' \"/>"]),
        ("<a xmlns=''/>", ["<a xmlns=''/>"]),
        (
            "<a xmlns='urn:a'>t<b xmlns='jabber:client'>u</b></a>",
            ["<a xmlns='urn:a'>t<b xmlns='jabber:client'>u</b></a>"],
        ),
    ],
)
def test_a_namespace_is_shown_once_where_it_changes(xml: str, shown: list[str]) -> None:
    assert [line.text for line in Markup(PLAIN).lines(xml, "jabber:client")] == shown
    colored = [SGR.sub("", line.text) for line in Markup(COLORS).lines(xml, "jabber:client")]
    assert colored == shown
    whole = "".join(line.text for line in Markup(PLAIN, full=True).lines(xml, "jabber:client"))
    assert whole == xml
