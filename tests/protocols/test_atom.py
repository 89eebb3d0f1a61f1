"""Atom entries, as far as a reader of events wants them."""

from __future__ import annotations

import pytest

from xmppctl.protocols.atom import entry
from xmppctl.stanza.tree import parse

ATOM = "http://www.w3.org/2005/Atom"


def read(inside: str, name: str = "entry"):
    return entry(parse(f"<{name} xmlns='{ATOM}'>{inside}</{name}>"))


def test_everything_that_is_there():
    assert read(
        "<title> A  title </title><id>urn:1</id><updated>2003-12-13T18:30:02Z</updated>"
        "<published>2003-12-13T08:30:02Z</published>"
        "<author><name>Mark</name><uri>http://x</uri></author><author><name>Joe</name></author>"
        "<summary>short</summary><content type='text'>long</content>"
        "<link href='http://x/1'/><link rel='edit' type='a/b' title='T' href='/2' length='3'/>"
    ) == {
        "title": "A  title",
        "id": "urn:1",
        "updated": "2003-12-13T18:30:02Z",
        "published": "2003-12-13T08:30:02Z",
        "author": "Mark, Joe",
        "summary": "short",
        "content": "long",
        "links": [
            {"href": "http://x/1", "rel": "alternate"},
            {"href": "/2", "rel": "edit", "type": "a/b", "title": "T"},
        ],
    }


def test_what_is_not_there_is_left_out():
    assert read("") == {}
    assert read("<title/><author/>") == {}


@pytest.mark.parametrize(
    "content",
    [
        "<content type='html'>&lt;p&gt;AT&amp;amp;T &lt;b&gt;bold&lt;/b&gt;&lt;/p&gt;</content>",
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>AT&amp;T <b>bold</b></p></div></content>",
        "<content>AT&amp;T bold</content>",
    ],
)
def test_content_is_text_without_its_markup(content):
    assert read(content)["content"] == "AT&T bold"


def test_only_what_is_the_entrys_own():
    assert read("<source><title>feed</title></source><x xmlns='urn:x'><title>other</title></x>") == {}


def test_anything_else_is_no_entry():
    assert read("<title>t</title>", name="feed") is None
    assert entry(parse("<entry xmlns='urn:other'/>")) is None
