"""What is offered at the cursor: the right things at each place, the best first, harmless whoever named them."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import EXAMPLES, ODD, UNLAWFUL
from tests.shell.test_knowledge import ROSTER, learned, roster
from xmppctl.output.safe import safe
from xmppctl.shell import completion
from xmppctl.shell.completion import Candidate, Sources, candidates, lookup
from xmppctl.shell.knowledge import Knowledge
from xmppctl.shell.slash import OWN as COMMANDS
from xmppctl.shell.templates import Template

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
PUBSUB = "http://jabber.org/protocol/pubsub"
FORM = "<x xmlns='jabber:x:data' type='form'>"
SEEN = (
    ROSTER,
    "<iq type='get' id='q1' from='romeo@montague.example/orchard'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<message id='m1' from='romeo@montague.example/orchard'><body>hi</body></message>",
    f"<iq type='result' from='pubsub.example'><query xmlns='{ITEMS}'><item jid='pubsub.example' node='news'/></query>"
    "</iq>",
    f"<iq type='result' from='other.example'><query xmlns='{ITEMS}'><item jid='other.example' node='notes'/></query>"
    "</iq>",
    f"<iq type='result' from='pubsub.example'><pubsub xmlns='{PUBSUB}'><items node='news'><item id='i1'/></items>"
    "</pubsub></iq>",
    f"<iq type='result' from='capulet.example'><query xmlns='{INFO}'><feature var='urn:xmpp:ping'/></query></iq>",
    f"<iq type='result' from='chat.example'><query xmlns='urn:example:q'>{FORM}"
    "<field var='FORM_TYPE' type='hidden'><value>urn:example:config</value></field>"
    "<field var='roomname' label='Name'/><field var='whois'><option label='All'><value>any one</value></option></field>"
    f"</x></query></iq><iq type='result'><query xmlns='urn:example:q'>{FORM}<field var='alone'/></x></query></iq>",
)


class Commands:
    """Two commands of xmppctl; what is completed is the line that was asked for, but for one that knows nothing."""

    def names(self) -> dict[str, str]:
        return {"ping": "Ask whether somebody is there.", "help": "Not the shell's."}

    def check(self, name: str, rest: str) -> None:
        raise NotImplementedError

    def run(self, name, rest, open_session):
        raise NotImplementedError

    def complete(self, line: str) -> list[tuple[str, str]]:
        return [] if line.startswith("version") else [(line.replace(" ", "_"), "told")]


TEMPLATES = [
    Template("ping", "Is somebody there?", "<iq to='${to}'><x a='${level}'/></iq>", "built in"),
    Template("muc-join", "Join a room.", "<presence to='${room}/${nick=me}'/>", "built in"),
]


def sources(*stanzas: str, knowledge: Knowledge | None = None) -> Sources:
    return Sources(knowledge or learned(*stanzas), lambda: TEMPLATES, Commands(), COMMANDS)


KNOWN = sources(*SEEN)


def texts(text: str, known: Sources = KNOWN) -> list[str]:
    return [each.text for each in candidates(text, known)]


def completed(text: str, candidate: Candidate) -> str:
    return text[: len(text) - candidate.replaces] + candidate.text


# -- markup -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " \n", "<presence/>", "<a></a>\n"])
def test_a_stanza_may_begin_where_nothing_is_open(text: str) -> None:
    assert texts(text) == ["<message ", "<presence", "<iq "]
    assert {each.replaces for each in candidates(text, KNOWN)} == {0}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("<", ["message", "presence", "iq"]),
        ("<MES", ["message"]),
        ("<iq type='get'><", ["query xmlns='jabber:iq:roster'", "query xmlns='jabber:iq:last'"]),
        ("<iq type='get'><roster", ["query xmlns='jabber:iq:roster'"]),
        ("<iq type='get'><disco", [f"query xmlns='{INFO}'", f"query xmlns='{ITEMS}'"]),
        ("<iq type='get'><0030", [f"query xmlns='{INFO}'", f"query xmlns='{ITEMS}'"]),
        ("<iq type='get'><0199", ["ping xmlns='urn:xmpp:ping'"]),
        ("<iq type='get'><pin", ["ping xmlns='urn:xmpp:ping'"]),
        ("<message><bo", ["body", "data xmlns='urn:xmpp:bob'"]),
        ("<message><body/><bo", ["body"]),
        (f"<iq type='set'><pubsub xmlns='{PUBSUB}'><publ", ["publish", "publish-options"]),
        (f"<iq><p:pubsub xmlns:p='{PUBSUB}'><p:publ", ["p:publish", "p:publish-options"]),
        (f"<iq xmlns:p='{PUBSUB}'><publ", ["p:pubsub"]),
        ("<iq type='get'><p:ping", ["p:ping xmlns:p='urn:xmpp:ping'"]),
        ("<iq type='get'><stream:ping", []),
        ("<iq type='get'><:ping", []),
        ("<unknown><", []),
        ("<iq type='get'><nothing", []),
        ("<stream:fea", ["stream:features"]),
        ("</", []),
        ("<iq></", ["iq>"]),
        ("<iq><p:a xmlns:p='u'></p", ["p:a>"]),
        ("<iq><a></wrong", ["a>"]),
        ("<iq><a/></i", ["iq>"]),
        ("<message ", ["to='", "type='", "id='", "from='", "xml:lang='"]),
        ("<message to='a' ", ["type='", "id='"]),
        ('<message to="a" ty', ['type="']),
        ('<message a = "=\'" ty', ['type="']),
        ("<iq\nt", ["type='", "to='"]),
        ("<iq type='get'/><iq ty", ["type='"]),
        ("<iq><query ", ["xmlns='"]),
        ("<iq><p:query xm", ["xmlns:p='"]),
        ("<iq><query xmlns='jabber:iq:roster' ", ["ver='"]),
        ("<unknown ", []),
        ("<iq type='get'", []),
        ("<iq type=", []),
        ("<!-- <", []),
        ("<iq/> x", []),
        ("<message><body><![CDATA[<", []),
    ],
)
def test_names(text: str, first: list[str]) -> None:
    found = texts(text)
    assert found[: len(first)] == first
    assert bool(found) == bool(first)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<iq type='", ["get", "set", "result", "error"]),
        ("<iq type='e", ["error", "get", "set", "result"]),
        ("<iq type='ES", ["result"]),
        ("<message xml:lang='d", ["de"]),
        ("<iq type='get'><query xmlns='disco#in", [INFO]),
        ("<iq type='get'><p:ping xmlns:p='", ["urn:xmpp:ping"]),
        ("<iq type='get'><p:ping xmlns:q='", []),
        ("<message to='ROM", ["romeo@montague.example/orchard", "romeo@montague.example"]),
        ("<message to='nobody", []),
        ("<message to=", []),
        ("<message id='", []),
        ("<iq type='get' id='", []),
        ("<iq type='result' id='", ["q1"]),
        ("<iq type='error' id='q", ["q1"]),
        ("<message type='error' id='", ["m1"]),
        ("<presence type='error' id='", []),
        ("<message><received xmlns='urn:xmpp:receipts' id='", ["m1"]),
        (f"<iq to='pubsub.example'><query xmlns='{ITEMS}' node='n", ["news", "notes"]),
        (f"<iq to='other.example'><query xmlns='{ITEMS}' node='n", ["notes", "news"]),
        (f"<iq><pubsub xmlns='{PUBSUB}'><publish node='news'><item id='", ["i1"]),
        (f"<iq><query xmlns='{INFO}'><feature var='", ["urn:xmpp:ping"]),
        (f"<iq>{FORM}<field var='", ["FORM_TYPE", "alone", "roomname", "whois"]),
        (
            f"<iq>{FORM}<field type='hidden' var=\"FORM_TYPE\"><value>urn:example:config</value></field><field var='",
            ["roomname", "whois", "alone"],
        ),
        ("<presence><show>", ["away", "chat", "dnd", "xa"]),
        ("<presence>\n<show>x", ["xa"]),
        ("<presence><show>a w", []),
        ("<presence><show> ", []),
        ("<presence><show><a/>", []),
        ("<presence><show>a<![CDATA[b]]>", []),
        ("<presence/>", ["<message ", "<presence", "<iq "]),
        ("<message><body>a", []),
        (f"<iq>{FORM}<field var='whois'><value>", ["any one"]),
        (f"<iq>{FORM}<field var='whois'><option><value>", []),
        ("<iq><query xmlns='http://jabber.org/protocol/bytestreams'><activate>rom", [
            "romeo@montague.example/orchard", "romeo@montague.example",
        ]),
    ],
)  # fmt: skip
def test_values_and_texts(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_every_element_offered_is_in_its_namespace_where_it_is_inserted() -> None:
    stanzas = ("<iq type='get'>", "<iq type='set'>", "<message>", "<presence>")
    for stanza in (*stanzas, "<iq xmlns:p='urn:xmpp:ping' type='get'>"):
        found = candidates(f"{stanza}<", KNOWN)
        assert len(found) > 15
        for each in found:
            name = stanza[1:].partition(" ")[0].rstrip(">")
            whole = f"<w xmlns='jabber:client'>{completed(f'{stanza}<', each)}/></{name}></w>"
            tag = ET.fromstring(whole)[0][0].tag
            assert tag.rpartition("}")[2] == each.display
            assert each.help


def test_what_is_shown_tells_elements_of_one_name_apart() -> None:
    found = candidates("<iq type='get'><disco", KNOWN)[:2]
    assert found == [
        Candidate(f"query xmlns='{INFO}'", 5, "query", "XEP-0030 Service Discovery (disco#info)"),
        Candidate(f"query xmlns='{ITEMS}'", 5, "query", "XEP-0030 Service Discovery (disco#items)"),
    ]
    assert candidates("<message to='nu", KNOWN) == [
        Candidate("nurse@capulet.example", 2, "nurse@capulet.example", "roster")
    ]
    assert candidates("<iq ty", KNOWN) == [Candidate("type='", 2, "type", "get|set|result|error")]


def test_what_is_typed_is_replaced_as_it_stands() -> None:
    known = sources("<message from='o&apos;hara@x.example'/>")
    text = "<message to='o&apos;h"
    (found,) = candidates(text, known)
    assert completed(text, found) == "<message to='o&apos;hara@x.example"
    assert texts("<message to='o&am", known) == []


# -- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("/", ["/help", "/t"]),
        ("/pi", ["/ping"]),
        ("<presence/>\n/FIL", ["/filter"]),
        ("/nothing", []),
        ("# /pi", []),
        ("/t ", ["ping", "muc-join", "save"]),
        ("/t s", ["save"]),
        ("/t join", ["muc-join"]),
        ("/t ping ", ["to=", "level="]),
        ("/t ping l", ["level="]),
        ("/t ping to=nurse@capulet.example ", ["level="]),
        ("/t ping nurse@capulet.example ", ["level="]),
        ("/t ping nurse", ["nurse@capulet.example"]),
        ("/t ping to=nur", ["to=nurse@capulet.example"]),
        ("/t muc-join room=nur", ["room=nurse@capulet.example"]),
        ("/t ping level=nur", []),
        ("/t nothing ", []),
        ("/t ping 'nur", []),
        ("/t ping 'a b", []),
        ("/filter ", ["kind:", "type:", "dir:", "id:", "from:"]),
        ("/filter o", ["off"]),
        ("/filter kind:message o", []),
        ("/filter -k", ["-kind:"]),
        ("/filter kind:message,pre", ["kind:message,presence"]),
        ("/wait 5 type:un", ["type:unavailable"]),
        ("/expect -from:nur", ["-from:nurse@capulet.example"]),
        ("/filter to:a@b,nur", ["to:a@b,nurse@capulet.example"]),
        ("/filter body:a", []),
        ("/help fil", ["filter"]),
        ("/help /fil", ["/filter"]),
        ("/reply ", ["m1", "q1"]),
        ("/edit ", []),
        ("/resend 1", []),
        ("/save f", []),
        ("/record f kind:", []),
        ("/quiet ", []),
        ("/ping --ver", ["ping_--ver"]),
        ("/version nur", ["nurse@capulet.example"]),
        ("/version urse@cap", []),
        ("/version -n", []),
        ("/ping a 'b", []),
        ("/ping " + "x" * 5000, []),
        ("/nothing x", ["nothing_x"]),
    ],
)
def test_commands(text: str, first: list[str]) -> None:
    found = texts(text)
    assert found[: len(first)] == first
    assert bool(found) == bool(first)
    assert {each.replaces for each in candidates(text, KNOWN)} <= {len(text.split("\n")[-1].split(" ")[-1])}


def test_commands_of_the_shell_go_before_those_of_the_same_name() -> None:
    told = {each.display: each.help for each in candidates("/", KNOWN)}
    assert told["/help"] == "What can be typed; what a command does."
    assert told["/ping"] == "Ask whether somebody is there."


def test_where_files_are_in_trouble_nothing_is_offered() -> None:
    def broken() -> list[Template]:
        raise OSError("gone")

    assert candidates("/t pi", KNOWN._replace(templates=broken)) == []


@pytest.mark.parametrize(
    "resource", ["a b", "a'b", 'a"b', "a\\b", "a&amp;", "a,b", "a*", "a\u202eb", "\u3164"]
)
def test_a_jid_that_is_no_plain_word_is_not_offered_to_a_command(resource: str) -> None:
    known = sources(f"<message from='r@x.example/{resource.replace(chr(39), '&apos;')}'/>")
    assert [each for each in texts("/filter from:r@", known) if "/" in each] == []
    assert len(texts("<message to='r@", known)) == 1


# -- hostile, many ------------------------------------------------------------------------------------------------

HOSTILE = "a'\"<>&\u202e\u200b\x9b31m&amp;\t\n]]>" + "\U000e0041" * 100


def quoted(text: str) -> str:
    return "".join(f"&#x{ord(char):x};" for char in text)


def hostile() -> Sources:
    text = quoted(HOSTILE)
    return sources(
        f"<message id='{text}' from='{text}'/>",
        f"<iq type='get' id='{text}' from='{text}'><x xmlns='{text}'/></iq>",
        roster(f"<item jid='a@{text}' name='{text}'/>"),
        f"<iq type='result' from='p.example'><query xmlns='{ITEMS}'><item jid='p.example' node='{text}' name='{text}'/>"
        f"</query></iq><iq type='result'><query xmlns='{INFO}'><feature var='{text}'/></query></iq>",
        f"<iq type='result'><pubsub xmlns='{PUBSUB}'><items node='{text}'><item id='{text}'/></items></pubsub></iq>",
        f"<iq type='result'><q xmlns='u'>{FORM}<field var='{text}' label='{text}'/><field var='o'>"
        f"<option label='{text}'><value>{text}</value></option></field></x></q></iq>",
    )


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize(
    "text",
    [
        "<message to='", "<message><received xmlns='urn:xmpp:receipts' id='", "<iq type='result' id='",
        f"<iq><query xmlns='{ITEMS}' node='", f"<iq><pubsub xmlns='{PUBSUB}'><publish node='",
        f"<iq><pubsub xmlns='{PUBSUB}'><publish><item id='", f"<iq><query xmlns='{INFO}'><feature var='",
        f"<iq>{FORM}<field var='", f"<iq>{FORM}<field var='o'><value>",
    ],
)  # fmt: skip
def test_hostile_values_are_escaped_and_shown_safely(text: str, quote: str) -> None:
    known = hostile()
    text = text.replace("'", quote)
    found = [each for each in candidates(text, known) if "]]" in each.text]
    assert found
    for each in found:
        # Nothing that is not seen gets onto the line, and what is inserted means what was sent.
        assert safe(each.text) == each.text
        typed = each.text if text.endswith(">") else f"<v a={quote}{each.text}{quote}/>"
        value = ET.fromstring(f"<w>{typed}</w>")
        assert HOSTILE in (value.text or value[0].get("a", "")) or text.endswith(f"to={quote}")
        for shown in (each.display, each.help):
            assert safe(shown) == shown
            assert len(shown) <= 61


def test_a_quote_that_does_no_harm_stays() -> None:
    known = sources('<message from="q\'1@x.example"/>', "<message from='q&quot;2@x.example'/>")
    assert texts("<message to='q", known) == ['q"2@x.example', "q&apos;1@x.example"]
    assert texts('<message to="q', known) == ["q&quot;2@x.example", "q'1@x.example"]


def test_what_xml_cannot_hold_is_not_offered() -> None:
    knowledge = Knowledge()
    for jid in ("x\0@a.org", "x\ud800@a.org", "x\ufffe@a.org", "xy@a.org"):
        knowledge.found_jid(jid, "seen")
    assert texts("<message to='x", sources(knowledge=knowledge)) == ["xy@a.org"]


def test_of_a_large_roster_no_more_is_looked_at_closely_than_is_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = sources(roster(*(f"<item jid='user{number}@x.example'/>" for number in range(35_000))))
    looked: list[str] = []

    def counting(text: str, **how: int) -> str:
        looked.append(text)
        return safe(text, **how)

    monkeypatch.setattr(completion, "safe", counting)
    for prefix in ("", "u", "user1", "9", "@", "x.ex", "nobody"):
        for text in (f"<message to='{prefix}", f"/filter from:{prefix}", f"/t ping to={prefix}"):
            looked.clear()
            assert len(candidates(text, known, 50)) <= 50
            assert len(looked) <= 150
    assert len(candidates("<message to='", known)) == 200
    assert [candidates("<message to='", known, limit) for limit in (0, -1)] == [[], []]


def never_raises(text: str) -> None:
    for each in candidates(text, KNOWN, 5):
        assert 0 <= each.replaces <= len(text)
    lookup(text, KNOWN)


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_prefix_of_an_example_raises(name: str) -> None:
    text = EXAMPLES[name].decode()
    for cut in range(len(text) + 1):
        never_raises(text[:cut])


@pytest.mark.parametrize("name", [*ODD, *UNLAWFUL])
def test_nothing_odd_raises(name: str) -> None:
    text = (ODD | UNLAWFUL)[name].decode(errors="surrogateescape")[:2000]
    for cut in range(0, len(text) + 1, 1 + len(text) // 200):
        never_raises(text[:cut])


@given(
    st.lists(
        st.sampled_from(
            ["<", ">", "</", "/>", "<iq", "<p:x", " to='", '"', "'", " xmlns:p='", "=", "&", "&#xd800;", " node='",
             "\n/filter from:", "/t ping ", "/", "\\", ":", "\0", "\ud800", "0030", FORM, "<field var='", "<value>",
             "FORM_TYPE", "<!--", "]]>", "<![CDATA[", "-", ","]
        ),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_nothing_that_is_typed_raises(text: str) -> None:
    never_raises(text)


@pytest.mark.parametrize(
    "text",
    ["<a b='" * 20_000 + "<x ", "<iq " + "a='b' " * 20_000, FORM + "var='FORM_TYPE' " * 20_000 + "<field var='",
     "<iq to='" + "x" * 100_000, "/ping " + "'" * 100_000, "<message to='" + "&" * 100_000,
     "<iq " + "=" + " " * 90_000, "<presence><show>" + "x" * 100_000, "<0" * 50_000],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_long_input_costs_little(text: str) -> None:
    assert len(candidates(text, KNOWN)) <= 200
    assert lookup(text, KNOWN) is None or text.startswith("<")
