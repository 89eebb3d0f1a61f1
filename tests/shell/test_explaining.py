"""`/explain`, as it is shown: rows of elements, what they mean below, and nothing hostile in it."""

from __future__ import annotations

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.output.safe import safe
from xmppctl.output.wrap import cells
from xmppctl.shell.explaining import explained
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
INFO = "http://jabber.org/protocol/disco#info"


def frames(data: bytes) -> list[Frame]:
    splitter = Splitter("in")
    splitter.feed(HEADER)
    return [frame for frame in splitter.feed(data) if frame.names]


def told(xml: str) -> list[str]:
    (frame,) = frames(xml.encode())
    return list(explained(frame))


def test_the_layout() -> None:
    xml = (
        "<iq type='result' id='7f' from='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<publish node='news'><item id='de06'/><item id='de07'/></publish></pubsub></iq>"
    )
    assert told(xml) == [
        "iq  type='result'  id='7f'  from='pubsub.localhost'",
        "    - the answer to a request that worked (RFC 6120 section 8.2.3)",
        "  pubsub  XEP-0060 Publish-Subscribe  http://jabber.org/protocol/pubsub",
        "      - the answer of a pubsub service",
        "    publish  node='news'",
        "        - items were published to this node (7.1)",
        "        - node: the name of the node",
        "      item  id='de06'",
        "          - the id of the item that was published (7.1)",
        "      item  id='de07'",
    ]


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<presence/>", ["presence", "available (RFC 6121 section 4.2)"]),
        (
            "<message type='chat' xml:lang='en'><body>x</body></message>",
            ["type='chat'", "xml:lang='en'", "one-to-one chat", "body", "the text for people"],
        ),
        ("<iq type='odd'/>", ["type='odd'", "an iq of a type that RFC 6120 does not know"]),
        ("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", ["request", "ping", "XEP-0199 XMPP Ping"]),
        ("<iq type='get'><x xmlns='no:such'/></iq>", ["no:such", "no RFC or XEP known here defines it"]),
        (
            "<iq type='error' from='a@b'><error type='cancel'>"
            f"<service-unavailable xmlns='{STANZAS}'/></error></iq>",
            ["that failed", "There is no account a@b", "try: Check", "do not retry", "service-unavailable"],
        ),
        (
            "<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            ["the stream ends with an error", "host-gone", "no longer serves that domain", "try: Ask"],
        ),
        (
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
            ["the login failed", "not-authorized", "password is wrong", "try: Check"],
        ),
    ],
)
def test_each_part_is_explained(xml: str, words: list[str]) -> None:
    text = " ".join(row.strip() for row in told(xml))
    places = [text.find(word) for word in words]
    assert -1 not in places
    assert places == sorted(places)


def test_values_that_mean_something_have_a_row_each() -> None:
    rows = told(
        "<iq type='result' id='1'><query xmlns='jabber:iq:roster'>"
        "<item jid='a@b' subscription='both'/><item jid='c@d' subscription='none' ask='subscribe'/></query></iq>"
    )
    assert "        - subscription=both: you see each other's presence" in rows
    assert "        - subscription=none: neither sees the other's presence" in rows
    assert any(row.startswith("        - ask=subscribe: ") for row in rows)
    assert sum("a contact (2.1.2)" in row for row in rows) == 1


@pytest.mark.parametrize(
    ("xml", "row"),
    [
        (
            "<presence type='unavailable'/>",
            "    - who sends it is not available any more (RFC 6121 section 4.5)",
        ),
        ("<presence><show>\n dnd </show></presence>", '  show  "dnd"'),
        ("<presence><show>dnd</show></presence>", "      - dnd: busy, not to be disturbed"),
        ("<message type='odd'/>", "    - a message of a type that RFC 6120 does not know"),
        ("<message xml:lang='en'/>", "message  xml:lang='en'"),
        ("<r xmlns='urn:xmpp:sm:3'/>", "r  XEP-0198 Stream Management  urn:xmpp:sm:3"),
        (
            "<message><x xmlns='urn:example:x'/></message>",
            "  x  urn:example:x  (no RFC or XEP known here defines it)",
        ),
        ("<message><x xmlns=''/></message>", "  x  no namespace"),
        (
            "<iq type='result'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>",
            "    storage  XEP-0048 Bookmarks (Deprecated)  storage:bookmarks",
        ),
        (
            f"<iq type='result'><query xmlns='{INFO}'><feature var='urn:xmpp:ping'/></query></iq>",
            "    feature  var='urn:xmpp:ping'  (XEP-0199 XMPP Ping)",
        ),
        (
            f"<iq type='result'><query xmlns='{INFO}'><feature var='urn:xmpp:ping+notify'/></query></iq>",
            "    feature  var='urn:xmpp:ping+notify'  (news of XEP-0199 XMPP Ping)",
        ),
        (
            "<message><x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field></x>"
            "</message>",
            '      value  "urn:xmpp:mam:2"  (XEP-0313 Message Archive Management)',
        ),
        (
            "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            "      - This server does not serve the domain of the account.",
        ),
        (
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>",
            "      - try: Ask the server's administrator to unlock it.",
        ),
        (
            f"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='{STANZAS}'/></failed>",
            "      - there is no such session to resume: it has expired (XEP-0198 section 5)",
        ),
        (
            "<message><forwarded xmlns='urn:xmpp:forward:0'><presence xmlns='jabber:client' type='subscribe'/>"
            "</forwarded></message>",
            "        - a wish to see somebody's presence (RFC 6121 section 3.1)",
        ),
    ],
)
def test_rows(xml: str, row: str) -> None:
    assert row in told(xml)


def test_a_namespace_stands_only_where_it_changes() -> None:
    rows = told(
        f"<iq type='error' id='1'><error type='cancel'><gone xmlns='{STANZAS}'/>"
        f"<text xmlns='{STANZAS}'>no</text></error></iq>"
    )
    assert [row for row in rows if STANZAS in row] == [
        f"    gone  RFC 6120 Stanza Errors  {STANZAS}",
        f'    text  "no"  {STANZAS}',
    ]
    assert not [row for row in rows if "jabber:client" in row]


def test_an_error_is_explained_with_what_to_try() -> None:
    rows = told(
        "<iq type='error' id='1' from='pubsub.b'><pubsub xmlns='http://jabber.org/protocol/pubsub'/>"
        f"<error type='modify'><bad-request xmlns='{STANZAS}'/>"
        "<invalid-jid xmlns='http://jabber.org/protocol/pubsub#errors'/></error></iq>"
    )
    assert rows[1:4] == [
        "    - the answer to a request that failed (RFC 6120 section 8.3)",
        "    - The subscriber is not the account that asks.",
        "    - try: Subscribe the JID of this session.",
    ]
    assert "        - the condition: what went wrong, for programs (8.3.3)" in rows
    assert "        - the condition in the protocol's own terms (RFC 6120 section 8.3.4)" in rows
    assert sum("try:" in row for row in rows) == 1


def test_a_condition_in_what_is_no_error_stanza_is_explained_where_it_stands() -> None:
    rows = told(f"<message><error><gone xmlns='{STANZAS}'/></error></message>")
    assert "        - The address is no longer in use." in rows


def test_the_header_of_a_stream() -> None:
    (frame,) = (frame for frame in Splitter("in").feed(HEADER) if frame.names)
    rows = list(explained(frame))
    assert rows[0].startswith("stream  from='capulet.example'  id='s1'  version='1.0'")
    assert any("opens the stream" in row for row in rows)
    assert any("the version of XMPP" in row for row in rows)


@pytest.mark.parametrize(
    ("frame", "row"),
    [
        (Frame(b" "), "a part of the stream that is no element"),
        (Frame(b"<x><y", ["urn:x x"]), "this is no XML that can be read"),
    ],
)
def test_what_is_no_element(frame: Frame, row: str) -> None:
    assert list(explained(frame)) == [row]


def check(rows: list[str]) -> None:
    assert rows
    assert len(rows) <= 201
    assert [row for row in rows if cells(row) > 80 or row != row.rstrip()] == []
    assert [row for row in rows if safe(row) != row] == []


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_or_hostile_is_shown_safe_and_short(name: str) -> None:
    for frame in frames(ODD[name]):
        check(list(explained(frame)))


def test_a_hostile_sender_is_not_told_as_it_is() -> None:
    (frame,) = frames(ODD["hostile errors"])
    text = "\n".join(explained(frame))
    assert "\\u202ea\\x9b31m" in text
    assert not set("\u202e\x9b\x7f\u2028") & set(text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_fits_the_terminal_and_is_explained(name: str) -> None:
    (frame,) = frames(EXAMPLES[name])
    rows = list(explained(frame))
    check(rows)
    assert any(row.lstrip().startswith("- ") for row in rows) or frame.namespace == "urn:example:nonza"


def test_long_values_and_texts_are_cut() -> None:
    rows = told(f"<message id='{'i' * 5000}'><body>{'b' * 5000}</body></message>")
    assert len(rows) < 10
    assert sum(row.count("…") for row in rows) == 2


def test_many_attributes_are_counted() -> None:
    (frame,) = frames(ODD["attribute count"])
    assert "... 480 more attributes" in "\n".join(explained(frame))


def test_depth_ends() -> None:
    rows = told(f"<message>{'<a>' * 50}{'</a>' * 50}</message>")
    assert rows[-1].strip() == "... deeper than 12 elements"
    assert max(len(row) - len(row.lstrip()) for row in rows) < 40


def test_many_elements_end() -> None:
    items = "".join(f"<item jid='u{number}@example.org'/>" for number in range(5000))
    rows = told(f"<iq type='result' id='1'><query xmlns='jabber:iq:roster'>{items}</query></iq>")
    assert len(rows) == 201
    assert rows[-1] == "..."
