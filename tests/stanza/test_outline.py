"""An outline says of each element what a tree says of it."""

from __future__ import annotations

import pytest

from xmppctl.stanza.outline import Part, outline
from xmppctl.stanza.tree import parse

RICH = (
    "<iq type='result' id='a&amp;&#39;b' xml:lang='en' xmlns:p='urn:p' p:x='1'>before"
    "<query xmlns='urn:q' ver=''>x &lt;&#13;<p:item>é<![CDATA[<&]]></p:item> y</query>after</iq>"
)


def test_what_is_told() -> None:
    iq, query, item = outline(RICH)
    assert iq == Part(
        "jabber:client iq",
        {
            "type": "result",
            "id": "a&'b",
            "http://www.w3.org/XML/1998/namespace lang": "en",
            "urn:p x": "1",
        },
        "beforeafter",
    )
    assert query == Part("urn:q query", {"ver": ""}, "x <\r y")
    assert item == Part("urn:p item", {}, "é<&")


@pytest.mark.parametrize("raw", [RICH, RICH.encode(), "<message/>", "<a xmlns=''><b/><c><d/></c></a>"])
def test_it_agrees_with_the_tree(raw: str | bytes) -> None:
    elements = list(parse(raw).iter())
    assert [part.name.replace(" ", "}") for part in outline(raw)] == [
        str(element.tag).lstrip("{") for element in elements
    ]
    assert [len(part.attributes) for part in outline(raw)] == [len(element.attrib) for element in elements]


def test_prefixes_of_the_stream_are_bound() -> None:
    assert outline("<stream:features/>")[0].name == "http://etherx.jabber.org/streams features"
    assert outline("<x:a/>", {"x": "urn:x"})[0].name == "urn:x a"


@pytest.mark.parametrize(
    "raw", ["", " ", "text", "<a/><b/>", "<a>", "</a>", "<a/></w><w>", "<x:a/>", "<!-- a -->"]
)
def test_what_is_not_one_element_is_an_error(raw: str) -> None:
    with pytest.raises(ValueError, match="element"):
        outline(raw)
