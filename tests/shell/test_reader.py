"""What is made of text that is typed, pasted or piped."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.errors import IncompleteInput, MalformedInput
from xmppctl.shell.reader import Raw, Reader, Slash, Stanza, place_of, read

DOCUMENT = """<?xml version='1.0'?>
# who is there
<presence><show>away</show></presence> <message to='a@b'>
  <body>1 > 0 <![CDATA[</body> & # no comment
/no command]]></body>
</message>
<!-- passed over: <iq/> -->
/expect kind:iq  type:error
  /roster list
<iq type='get' id='1' to="x>y"/><r xmlns='urn:xmpp:sm:3'/>
"""


def fed(text):
    """What comes of it, a character at a time."""
    reader = Reader()
    return [item for char in text for item in reader.feed(char)] + reader.finish()


def texts(items):
    return [item.text for item in items]


def test_a_document_is_read_in_order_with_the_lines_where_things_stand():
    items = read(DOCUMENT.partition("\n")[2])
    assert [type(item) for item in items] == [Stanza, Stanza, Slash, Slash, Stanza, Stanza]
    assert [item.line for item in items] == [2, 2, 7, 8, 9, 9]
    assert items[1].text == DOCUMENT[DOCUMENT.index("<message") : DOCUMENT.index("</message>") + 10]
    assert items[1].frame.raw == items[1].text.encode()
    assert (items[2].name, items[2].rest) == ("expect", "kind:iq  type:error")
    assert items[3].text == "/roster list"
    assert [item.frame.kind for item in items if isinstance(item, Stanza)] == [
        "presence",
        "message",
        "iq",
        "nonza",
    ]


@given(st.lists(st.integers(0, len(DOCUMENT)), max_size=8))
def test_how_the_text_is_cut_makes_no_difference(cuts):
    document = DOCUMENT.partition("\n")[2]
    places = [0, *sorted(min(cut, len(document)) for cut in cuts), len(document)]
    reader, items = Reader(), []
    for begin, end in itertools.pairwise(places):
        items += reader.feed(document[begin:end])
    items += reader.finish()
    assert texts(items) == texts(read(document))


def test_one_character_at_a_time():
    document = DOCUMENT.partition("\n")[2]
    reader = Reader()
    items = [item for char in document for item in reader.feed(char)]
    assert texts(items) == texts(read(document))
    assert not reader.pending


@pytest.mark.parametrize(
    "text",
    [
        "<?xml version='1.0' encoding='UTF-8'?>\n<presence/>",
        "<?xml version='1.0'?><presence/>",
        "<?xml version='1.0'?>\n<!-- a comment --><presence/>",
    ],
)
def test_a_declaration_before_a_stanza_is_not_sent(text):
    for items in (read(text), fed(text)):
        (item,) = items
        assert item.frame.raw.strip() == b"<presence/>"


def test_only_a_request_without_an_id_gets_one():
    first, second, third = read("<iq type='get'/><iq type='get' id='mine'/><message/>")
    assert first.frame.id and first.text == "<iq type='get'/>"
    assert (second.frame.id, third.frame.id) == ("mine", None)


@pytest.mark.parametrize(
    "text",
    [
        "<message>",
        "<message to='a@b'",
        "<message to='a > b",
        "<message><body>hi</body>",
        "<!-- no end",
        "<",
        "<!-",
        "<?xml version='1.0'?>",
    ],
)
def test_what_could_become_whole_is_incomplete(text):
    reader = Reader()
    assert reader.feed(text) == []
    assert reader.pending
    with pytest.raises(IncompleteInput):
        Reader().feed(text) or read(text)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("hello\n", 1, 1),
        ("<presence/>\n\n  hello there\n", 3, 3),
        ("<message>\n <body>a</bdy>", 2, 9),
        ("<presence/>\n<message><body>a & b</body></message>", 2, 18),
        ("# one\n\n<iq a='1' a='2'/>", 3, 11),
        ("<presence/>\n<x:y/>", 2, 1),
        ("\n<stream:stream>", 2, 1),
        ("\n</stream:stream>", 2, 1),
        ("<presence/>\n<!DOCTYPE x><presence/>", 2, 1),
        ("\n<message><body>\x07</body></message>", 2, 16),
        ("\n<message><!-- in it --></message>", 2, 10),
        ("\n<?php x ?>", 2, 1),
        ("<presence/> /help", 1, 13),
        ("<presence/>\n<presence/> # no comment\n", 2, 13),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, line, column):
    with pytest.raises(MalformedInput) as caught:
        read(text, source="standard input")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert not isinstance(caught.value, IncompleteInput)
    assert caught.value.message.startswith("standard input, line")
    assert place_of(text, caught.value) == len("".join(text.splitlines(True)[: line - 1])) + column - 1


def test_by_hand_the_stream_itself_can_be_typed():
    header = "<?xml version='1.0'?>\n<stream:stream to='a>b' xmlns='jabber:client'>"
    text = f"{header}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n</stream:stream>"
    first, second, third = read(text, by_hand=True)
    assert first == Raw(header, 1)
    assert second.frame.name == "starttls"
    assert third == Raw("</stream:stream>", 3)
    reader = Reader(by_hand=True)
    assert reader.feed("<stream:stream to='b") == []
    assert reader.feed("'>\n") == [Raw("<stream:stream to='b'>", 1)]


def test_a_stanza_that_never_ends_is_refused():
    reader = Reader()
    reader.feed("<message><body>")
    with pytest.raises(MalformedInput, match="larger than"):
        for _ in range(20):
            reader.feed("x" * 1024 * 1024)


def test_much_text_costs_linear_work():
    """A quadratic reader would take minutes for it."""
    items = read("<message to='a@b'><body>hello</body></message>\n" * 40_000)
    assert len(items) == 40_000


def test_what_is_whole_before_an_error_is_given_first():
    reader, items = Reader(), []
    with pytest.raises(MalformedInput):
        for item in reader.items("<presence/>\n/last\n</oops>"):
            items.append(item)
    assert texts(items) == ["<presence/>", "/last"]


@pytest.mark.parametrize("begin", ["# ", "/last ", "<!-- ", "hello ", "<message>", "<?xml "])
def test_a_line_that_never_ends_is_refused(begin, monkeypatch):
    monkeypatch.setattr("xmppctl.shell.reader.MAX_STANZA_BYTES", 1000)
    reader = Reader()
    with pytest.raises(MalformedInput, match="larger than 1000 bytes"):
        for _ in range(20):
            reader.feed(begin + "x" * 100)
            begin = ""
