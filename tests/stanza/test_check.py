"""What a user types: bytes kept as typed, each mistake told with its place, incomplete told from wrong."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmppctl.errors import IncompleteInput, MalformedInput
from xmppctl.stanza.check import ensure_id, split_input
from xmppctl.stanza.splitter import MAX_DEPTH, MAX_STANZA_BYTES


@pytest.mark.parametrize(
    ("text", "stanzas"),
    [
        ("<presence/>", ["<presence/>"]),
        ("\n <presence />\r\n\t<iq\n type = 'get' ></iq >\n", ["<presence />", "<iq\n type = 'get' ></iq >"]),
        ("<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<a/>", ["<a/>"]),
        ('\ufeff<?xml version="1.0" encoding="utf-8"?><a/>', ["<a/>"]),
        ("\n  <?xml version='1.0'?><a/>", ["<a/>"]),
        ("\ufeff<a/>", ["<a/>"]),
        ("<message><body><![CDATA[<a>]]> &#233;é</body></message>", None),
        ("<stream:error><gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", None),
        ("<x:y xmlns:x='urn:x' x:a=\"'>'\"/>", None),
        ("<a xml:lang='en'/>", None),
    ],
)
def test_stanzas_keep_their_bytes(text: str, stanzas: list[str] | None) -> None:
    for form in (text, text.encode()):
        frames = split_input(form)
        assert [frame.raw.decode() for frame in frames] == (stanzas or [text])
        assert {frame.direction for frame in frames} == {"out"}


def test_frames_are_in_the_context_of_a_client_stream() -> None:
    message, other = split_input("<message><body>x</body></message><stream:error/>")
    assert (message.kind, message.body) == ("message", "x")
    assert other.names == ["http://etherx.jabber.org/streams error"]


@pytest.mark.parametrize(
    ("text", "line", "column", "says", "hint"),
    [
        (
            "<iq>\n <query></iq>",
            2,
            9,
            "</iq> does not close <query>, which was opened in line 2, column 2",
            "</query>",
        ),
        ("</iq>", 1, 1, "</iq> closes nothing", ""),
        ("<iq/>\n</iq>", 2, 1, "</iq> closes nothing", ""),
        ("<a/> hello <b/>", 1, 6, "text between stanzas", "<body/>"),
        ("hello", 1, 1, "text between stanzas", "<body/>"),
        ("<a/>\n é", 2, 2, "text between stanzas", ""),
        ("<a>&nbsp;</a>", 1, 4, "&nbsp; is not defined", "&amp;"),
        ("<a b='&nbsp;'/>", 1, 7, "&nbsp; is not defined", "&amp;"),
        ("<a>fish & chips</a>", 1, 9, "not well-formed at '&'", "&amp;"),
        ("<a b='x<y'/>", 1, 8, "not well-formed at '<'", "&lt;"),
        ("<a>1 < 2</a>", 1, 6, "not well-formed at '<'", "&lt;"),
        ("<a>]]></a>", 1, 4, "]]> cannot stand in text", "]]&gt;"),
        ("<a>\n<!-- c --></a>", 2, 1, "a comment is not allowed", ""),
        ("<!-- c --><a/>", 1, 1, "a comment is not allowed", ""),
        ("<a/><?pi x?>", 1, 5, "a processing instruction is not allowed", ""),
        ("<!DOCTYPE a>\n<a/>", 1, 1, "a document type declaration is not allowed", ""),
        ("<a/>\n<?xml version='1.0'?>", 2, 1, "an XML declaration is not allowed here", "at the very start"),
        ("<?xml version='1.1'?><a/>", 1, 1, "an XML declaration is not allowed here", "1.0"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", 1, 31, "ISO-8859-1 is not allowed", ""),
        ("<ä:b/>", 1, 1, "the prefix ä: is not bound", "xmlns:ä="),
        ("<a>\n  <b x:c='1'/></a>", 2, 3, "the prefix x: is not bound", "xmlns:x="),
        ("<a xmlns:y='u'><b d='x:c' y:e='1'><x:f/></b></a>", 1, 35, "the prefix x: is not bound", ""),
        ("<a b='1' b='2'/>", 1, 10, "duplicate attribute", ""),
        ("<a>\x00</a>", 1, 4, "U+0000 cannot stand in XML", ""),
        ("<a>\n\x1b[31m</a>", 2, 1, "U+001B cannot stand in XML", ""),
        ("<a>&#1;</a>", 1, 4, "invalid character number", ""),
        ("<a>é\nü<b c=d/></a>", 2, 7, "not well-formed at 'd'", ""),
        ("<a/></stream:stream>", 1, 5, "the stream itself cannot be typed", "only the stanzas"),
        ("</stream:stream> <a/>", 1, 1, "the stream itself cannot be typed", ""),
        ("\n<stream:stream to='x'>", 2, 1, "the stream itself cannot be typed", ""),
        ("<stream:stream></stream:stream>", 1, 1, "the stream itself cannot be typed", ""),
        ("<a/>" + "<b>" * (MAX_DEPTH + 1), 1, 5 + 3 * MAX_DEPTH, f"more than {MAX_DEPTH} deep", ""),
        ("<a\udcff/>", 1, 3, "the byte 0xFF is not UTF-8", "iconv"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, line: int, column: int, says: str, hint: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        split_input(text, source="stanza.xml")
    error = caught.value
    assert not isinstance(error, IncompleteInput)
    assert says in error.message
    assert hint in error.hint
    assert (error.line, error.column) == (line, column)
    assert error.message.startswith(f"stanza.xml, line {line}, column {column}: ")
    assert error.code == 8


@pytest.mark.parametrize(
    "text",
    [
        "<auth>AAAA</auth>pl4nted",
        "pl4nted",
        "<password>x&pl4nted;</password>",
        "<password>x&pl4nted</password>",
        "<a b='x&pl4nted;'/>",
        "<password>x</y<pl4nted</password>",
    ],
)
def test_what_is_wrong_is_not_quoted(text: str) -> None:
    """It may be a piece of a secret: a password with a plain & or < in it, a SASL payload on a line of its own."""
    with pytest.raises(MalformedInput) as caught:
        split_input(text)
    assert "pl4nted" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("data", "line", "column", "byte"),
    [
        (b"<a>\n\xc3\xa9\xff</a>", 2, 2, "0xFF"),
        (b"\xff\xfe<\0a\0", 1, 1, "0xFF"),
        (b"<a>\xe2\x82", 1, 4, "0xE2"),
    ],
)
def test_what_is_not_utf8_is_told_with_its_place(data: bytes, line: int, column: int, byte: str) -> None:
    with pytest.raises(MalformedInput, match=f"the byte {byte} is not UTF-8") as caught:
        split_input(data)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "there is no stanza", "<presence/>"),
        (" \n", "there is no stanza", ""),
        ("<?xml version='1.0'?>", "there is no stanza", ""),
        ("<", "ends in the middle of a tag", ""),
        ("<iq", "ends in the middle of a tag", ""),
        ("<iq to='a", "ends in the middle of a tag", ""),
        ("<iq/", "ends in the middle of a tag", ""),
        ("<iq/>\n<iq>", "ends in <iq> (line 2)", "missing at the end: </iq>"),
        ("<iq>\n<q>", "ends while still open: <iq> (line 1), <q> (line 2)", "missing at the end: </q></iq>"),
        ("<iq><q></q>", "ends in <iq> (line 1)", "</iq>"),
        ("<iq><q></q", "in the middle of a tag while still open: <iq> (line 1), <q> (line 1)", ""),
        ("<a>&am", "ends in the middle of a reference in <a>", ""),
        ("<a><![CDATA[</a>", "ends in a CDATA section in <a>", ""),
        ("<a>" * 20, "12 elements, <a> (line 1)", ""),
    ],
)
def test_what_only_ends_too_early_is_incomplete(text: str, says: str, hint: str) -> None:
    with pytest.raises(IncompleteInput) as caught:
        split_input(text)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_stanza_that_is_too_large() -> None:
    with pytest.raises(MalformedInput, match="larger than") as caught:
        split_input("<a/>\n<message>" + "x" * MAX_STANZA_BYTES + "</message>")
    assert (caught.value.line, caught.value.column) == (2, 1)


pieces = st.sampled_from(
    [
        "<iq>",
        "</iq>",
        "<b c='",
        "'",
        "/>",
        ">",
        "<",
        "&",
        "&lt;",
        " ",
        "\n",
        "x",
        "é",
        "<!--",
        "<?",
        "xmlns:p='u'",
        "<p:q/>",
        "]]>",
        "<![CDATA[",
        "</stream:stream>",
        "<stream:stream>",
        "<message/>",
        "\x00",
        "\ud800",
    ]
)


@given(st.lists(pieces, max_size=14).map("".join))
@settings(max_examples=400, deadline=None)
def test_whatever_is_typed_is_either_split_or_told_where_it_is_wrong(text: str) -> None:
    try:
        frames = split_input(text)
    except MalformedInput as error:
        lines = text.split("\n")
        if error.line:
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert error.message
    else:
        rest = text
        for frame in frames:
            before, _, rest = rest.partition(frame.text)
            assert not before.strip()
        assert not rest.strip()


@given(
    st.sampled_from(
        ["<message to='a@b'>\n<body>x &amp; y<![CDATA[z]]></body></message>", "<a/>\n<b><c d='e'/></b>"]
    )
)
def test_every_beginning_of_good_input_is_good_or_incomplete(text: str) -> None:
    for cut in range(len(text)):
        with suppress(IncompleteInput):
            split_input(text[:cut])


def test_an_iq_request_gets_an_id_and_nothing_else_changes() -> None:
    (frame,) = split_input("<iq\n\ttype='get' to=\"a\"><ping xmlns='urn:xmpp:ping' /></iq >")
    given_id = ensure_id(frame)
    assert given_id.id
    assert given_id.raw == frame.raw.replace(b"<iq", f"<iq id='{given_id.id}'".encode(), 1)
    assert split_input(given_id.raw)[0].id == given_id.id
    assert (given_id.names, given_id.payloads, given_id.direction) == (frame.names, frame.payloads, "out")
    assert {**given_id.attributes} == {**frame.attributes, "id": given_id.id}
    assert ensure_id(frame).id != given_id.id


@pytest.mark.parametrize(
    "text", ["<c:iq xmlns:c='jabber:client' type='set'/>", "<iq type='set'/>", "<iq type='get'></iq>"]
)
def test_an_id_fits_every_form_of_tag(text: str) -> None:
    (frame,) = split_input(ensure_id(split_input(text)[0]).raw)
    assert frame.id
    assert frame.kind == "iq"


@pytest.mark.parametrize(
    "text",
    [
        "<iq type='get' id='1'/>",
        "<iq type='get' id=''/>",
        "<iq type='result'/>",
        "<iq type='error'/>",
        "<iq/>",
        "<message/>",
        "<presence/>",
        "<iq xmlns='urn:x' type='get'/>",
    ],
)
def test_everything_else_stays_as_typed(text: str) -> None:
    (frame,) = split_input(text)
    assert ensure_id(frame) is frame


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("<a></b>", (5, 10)),
        ("\n<a></b>", (6, 4)),
        ("hello", (5, 7)),
        ("<a>\n \x00</a>", (6, 2)),
        ("<a", (5, 9)),
        (b"<a>\xff</a>", (5, 10)),
        (b"\n<a>\xff</a>", (6, 4)),
        ('<a b="\udcff"/>', (5, 13)),
    ],
)
def test_places_are_those_of_the_whole_source(text: str | bytes, place: tuple[int, int]) -> None:
    with pytest.raises(MalformedInput) as caught:
        split_input(text, source="a script", begin=(5, 7))
    assert (caught.value.line, caught.value.column) == place
    assert f"a script, line {place[0]}, column {place[1]}" in caught.value.message
