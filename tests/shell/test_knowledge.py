"""What was seen, as it is offered: the best first, bounded, the roster only from whom it may come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import EXAMPLES, ODD
from xmppctl.shell.knowledge import Knowledge
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.splitter import Splitter

OWN = "juliet@capulet.example/balcony"
HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def frames(text: str | bytes, direction: Direction = "in") -> list[Frame]:
    splitter = Splitter(direction)
    splitter.feed(HEADER)
    return splitter.feed(text.encode() if isinstance(text, str) else text)


def learned(*stanzas: str, own: str | None = OWN) -> Knowledge:
    """What is known after these; one that begins with `>` went out."""
    knowledge = Knowledge(own)
    for stanza in stanzas:
        for frame in frames(stanza.removeprefix(">"), "out" if stanza.startswith(">") else "in"):
            knowledge.take(frame)
    return knowledge


def roster(*items: str, type: str = "result", sender: str | None = None) -> str:
    source = f" from='{sender}'" if sender else ""
    return f"<iq type='{type}' id='r'{source}><query xmlns='jabber:iq:roster'>{''.join(items)}</query></iq>"


ROSTER = roster(
    "<item jid='romeo@montague.example' name='Romeo' subscription='both'><group>Friends</group></item>",
    "<item jid='Nurse@capulet.example' subscription='both'/>",
)


def test_jids_that_begin_so_come_first_and_the_latest_before_the_roster() -> None:
    knowledge = learned(
        ROSTER,
        "<message from='rosaline@capulet.example/x'/>",
        "><presence to='room@chat.example/Rom'/>",
        "<iq type='get' from='rosaline@capulet.example/x'/>",
    )
    assert knowledge.jids("ro") == [
        ("rosaline@capulet.example/x", "seen"),
        ("room@chat.example/Rom", "seen"),
        ("romeo@montague.example", "Romeo"),
    ]
    assert knowledge.jids("RO", limit=1) == [("rosaline@capulet.example/x", "seen")]
    assert knowledge.jids("rom") == [("romeo@montague.example", "Romeo"), ("room@chat.example/Rom", "seen")]
    assert knowledge.jids("nurse") == [("nurse@capulet.example", "roster")]
    assert knowledge.jids("nobody") == []


def test_our_own_jid_and_contacts_with_a_resource_are_told_as_such() -> None:
    knowledge = learned(ROSTER, "<presence from='romeo@montague.example/orchard'/>", f"<iq from='{OWN}'/>")
    assert knowledge.jids("jul") == [(OWN, "own"), ("juliet@capulet.example", "own")]
    assert ("romeo@montague.example/orchard", "Romeo") in knowledge.jids("romeo")
    knowledge.own = "juliet@capulet.example/hall"
    assert ("juliet@capulet.example/hall", "own") in knowledge.jids("")


def test_pushes_change_the_roster() -> None:
    knowledge = learned(
        ROSTER,
        roster("<item jid='romeo@montague.example' name='My Romeo'/>", type="set"),
        roster("<item jid='nurse@capulet.example' subscription='remove'/>", type="set"),
        roster("<item jid='nobody@capulet.example' subscription='remove'/>", type="set"),
        roster("<item jid='benvolio@montague.example'/>", type="set"),
    )
    found = [entry for entry in knowledge.jids("") if entry[1] not in ("own", "your server")]
    assert found == [("benvolio@montague.example", "roster"), ("romeo@montague.example", "My Romeo")]
    assert learned(ROSTER, roster("<item jid='a@b.example'/>")).jids("romeo") == []  # a new one replaces it


@pytest.mark.parametrize("type", ["result", "set"])
@pytest.mark.parametrize(
    ("sender", "own", "believed"),
    [
        (None, OWN, True),
        (None, None, True),
        ("juliet@capulet.example", OWN, True),
        ("Juliet@CAPULET.example", OWN, True),
        ("capulet.example", OWN, True),
        ("romeo@montague.example", OWN, False),
        ("juliet@capulet.example.evil.example", OWN, False),
        ("juliet@capulet.example/other", OWN, False),
        ("montague.example", OWN, False),
        ("capulet.example", None, False),
    ],
)
def test_a_roster_counts_from_the_account_and_its_server_only(
    sender: str | None, own: str | None, believed: bool, type: str
) -> None:
    knowledge = learned(roster("<item jid='tybalt@x.example'/>", type=type, sender=sender), own=own)
    assert knowledge.jids("tybalt") == ([("tybalt@x.example", "roster")] if believed else [])


@pytest.mark.parametrize(
    "stanza",
    [
        "><iq type='set'><query xmlns='jabber:iq:roster'><item jid='tybalt@x.example'/></query></iq>",
        "<message><query xmlns='jabber:iq:roster'><item jid='tybalt@x.example'/></query></message>",
        "<iq type='result'><x><query xmlns='jabber:iq:roster'><item jid='tybalt@x.example'/></query></x></iq>",
        "<iq type='result'><query xmlns='jabber:iq:roster'><x><item jid='tybalt@x.example'/></x></query></iq>",
        "<iq type='get'><query xmlns='jabber:iq:roster'><item jid='tybalt@x.example'/></query></iq>",
        "<iq type='error'><query xmlns='jabber:iq:roster'><item jid='tybalt@x.example'/></query></iq>",
    ],
)
def test_what_only_looks_like_a_roster_does_not_count(stanza: str) -> None:
    assert learned(stanza).jids("tybalt") == []


def test_services_and_rooms_are_told_as_such() -> None:
    knowledge = learned(
        "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#items'>"
        "<item jid='pubsub.capulet.example'/><item jid='chat.capulet.example' name='Chats'/></query></iq>",
        "<iq type='result' from='pubsub.capulet.example'><query xmlns='http://jabber.org/protocol/disco#info'>"
        "<identity category='pubsub' type='service'/><identity category='account' type='x'/>"
        "<feature var='urn:xmpp:ping'/><feature var='http://jabber.org/protocol/pubsub#publish'/></query></iq>",
        "<iq type='result'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
        "<conference jid='council@chat.capulet.example' name='The Council'/></storage></query></iq>",
        "<message from='juliet@capulet.example'><event xmlns='http://jabber.org/protocol/pubsub#event'>"
        "<items node='urn:xmpp:bookmarks:1'><item id='play@chat.capulet.example'>"
        "<conference xmlns='urn:xmpp:bookmarks:1'/></item></items></event></message>",
    )
    known = dict(knowledge.jids("capulet"))
    assert known["pubsub.capulet.example"] == "service: pubsub"
    assert known["chat.capulet.example"] == "Chats"
    assert known["council@chat.capulet.example"] == "room: The Council"
    assert known["play@chat.capulet.example"] == "room"
    assert knowledge.features("urn") == ["urn:xmpp:ping"]
    assert knowledge.features("p")[0] == "http://jabber.org/protocol/pubsub#publish"


def test_nodes_of_the_address_come_first() -> None:
    knowledge = learned(
        "<iq type='result' from='s.example'><query xmlns='http://jabber.org/protocol/disco#items'>"
        "<item jid='s.example' node='news' name='The news'/><item jid='s.example' node='old/news'/></query></iq>",
        "<message from='t.example'><event xmlns='http://jabber.org/protocol/pubsub#event'>"
        "<items node='newest'><item id='i1'/><retract id='i2'/></items></event></message>",
        "><iq type='set' to='u.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<publish node='typed'/></pubsub></iq>",
        "><iq type='get'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='mine'/></pubsub></iq>",
    )
    assert knowledge.nodes("new", "s.example") == [
        ("news", "The news"),
        ("old/news", "s.example"),
        ("newest", "t.example"),
    ]
    assert [node for node, _ in knowledge.nodes("new", None)] == ["newest", "news", "old/news"]
    assert knowledge.nodes("typed", "s.example") == [("typed", "u.example")]
    assert knowledge.nodes("", "Juliet@capulet.example/x", limit=1) == [("mine", "juliet@capulet.example")]
    assert knowledge.item_ids("i", None) == [("i2", "newest"), ("i1", "newest")]
    assert knowledge.item_ids("", "other") == [("i2", "newest"), ("i1", "newest")]


@pytest.mark.parametrize("type", ["get", "set", "error"])
def test_a_node_that_others_ask_for_is_none_of_theirs(type: str) -> None:
    asked = (
        f"<iq type='{type}' from='romeo@montague.example/x'>"
        "<query xmlns='http://jabber.org/protocol/disco#info' node='http://xmppctl.example#1'/></iq>"
    )
    assert learned(asked).nodes("", None) == []


def test_ids_worth_an_answer() -> None:
    knowledge = learned(
        "<iq type='get' id='q1' from='a@b.example/c'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='set' id='q2'/>",
        "<iq type='result' id='q3'/>",
        "<message id='m1' from='a@b.example/c'/><message id='m2'/>",
        "><iq type='get' id='mine'/>",
        "<presence id='p1'/>",
    )
    assert knowledge.ids("", "iq") == [
        ("q2", "set nothing from the server"),
        ("q1", "get ping from a@b.example/c"),
    ]
    assert knowledge.ids("m", "message") == [
        ("m2", "message from the server"),
        ("m1", "message from a@b.example/c"),
    ]
    assert knowledge.ids("", "message", limit=1) == [("m2", "message from the server")]
    assert knowledge.ids("", "other") == []
    for frame in frames("<iq type='result' id='q2'/><iq type='error' id='q1'/>", "out"):
        knowledge.take(frame)
    assert knowledge.ids("", "iq") == []


def form(form_type: str, *fields: str) -> str:
    hidden = f"<field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>" if form_type else ""
    return (
        "<iq type='result'><query xmlns='jabber:iq:register'>"
        f"<x xmlns='jabber:x:data' type='form'>{hidden}{''.join(fields)}</x></query></iq>"
    )


def test_fields_of_the_form_type_come_first() -> None:
    knowledge = learned(
        form("urn:a", "<field var='one' label='One'/>", "<field var='both'/>"),
        form(
            "urn:b",
            "<field var='both' label='Both'/>",
            "<field var='mode' type='list-single'><value>x</value><option label='An X'><value>x</value></option>"
            "<option><value>y&amp;z</value></option></field>",
        ),
        form("", "<field var='bare'/>"),
    )
    assert knowledge.fields("urn:b")[:2] == [("both", "Both"), ("mode", "")]
    assert knowledge.fields("urn:a")[:2] == [("one", "One"), ("both", "Both")]
    assert knowledge.fields(None)[0] == ("bare", "")
    assert len(knowledge.fields("urn:c")) == 4
    assert knowledge.options("mode") == [("x", "An X"), ("y&z", "")]
    assert knowledge.options("one") == []


def test_a_label_stays_when_the_form_is_submitted() -> None:
    submitted = form("urn:a", "<field var='one'/>").replace("'result'", "'set'")
    knowledge = learned(form("urn:a", "<field var='one' label='One'/>"), f">{submitted}")
    assert knowledge.fields("urn:a") == [("one", "One")]


def test_it_stays_bounded() -> None:
    many = 2500
    long = "x" * 2000
    disco = "".join(f"<item jid='s.example' node='n{n}'/><item jid='{n}.example'/>" for n in range(many))
    features = "".join(f"<feature var='f{n}'/>" for n in range(many))
    options = "".join(f"<option><value>{n}</value></option>" for n in range(many))
    knowledge = learned(
        "".join(f"<message id='{n}' from='{n}@a.example'/>" for n in range(many)),
        f"<message id='{long}' from='{long}@a.example'/><iq type='get' id='l'><{long} xmlns='y'/></iq>",
        f"<iq type='result'><query xmlns='http://jabber.org/protocol/disco#items'>{disco}</query></iq>",
        f"<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'>{features}"
        f"<feature var='{long}'/></query></iq>",
        form(long, f"<field var='{long}'/>", f"<field var='f' label='{long}'>{options}</field>"),
        form("", *(f"<field var='v{n}'/>" for n in range(many))),
        roster(f"<item jid='{long}@b.example'/>", f"<item jid='long@b.example' name='{long}'/>"),
    )
    everything = [
        knowledge.jids("", limit=many * 4),
        knowledge.ids("", "message", limit=many),
        knowledge.ids("", "iq"),
        knowledge.nodes("", None, limit=many),
        [(feature, "") for feature in knowledge.features("")],
        knowledge.fields(None),
        knowledge.options("f"),
    ]
    assert [len(part) for part in everything] == [4004, 200, 1, 1000, 1000, 501, 200]
    assert max(len(text) for part in everything for entry in part for text in entry) < 1200
    assert knowledge.ids("", "message", limit=1) == [(str(many - 1), f"message from {many - 1}@a.example")]


def test_in_a_roster_of_many_the_few_that_match_are_found() -> None:
    names = [f"user{n * 7919 % 35_000:05}@capulet.example" for n in range(35_000)]
    knowledge = learned(roster(*(f"<item jid='{name}'/>" for name in names)))
    assert knowledge.jids("user0001", limit=4) == [
        (f"user0001{n}@capulet.example", "roster") for n in range(4)
    ]
    assert knowledge.jids("34999@") == [("user34999@capulet.example", "roster")]
    assert len(knowledge.jids("user")) == 100


@pytest.mark.parametrize("example", [*EXAMPLES.values(), *ODD.values()], ids=[*EXAMPLES, *ODD])
def test_no_stanza_is_too_odd(example: bytes) -> None:
    for direction in ("in", "out"):
        knowledge = Knowledge(OWN)
        for frame in frames(example, direction):
            knowledge.take(frame)
        assert {jid for jid, _ in knowledge.jids("")} >= {OWN}


@given(
    st.binary(max_size=80), st.lists(st.sampled_from(["jabber:x:data x", "jabber:iq:roster query", "a b"]))
)
def test_not_even_a_frame_that_does_not_parse_is_refused(raw: bytes, names: list[str]) -> None:
    frame = Frame(raw, ["jabber:client iq", *names], names, {"type": "result", "from": "\ud800@/"})
    knowledge = Knowledge(OWN)
    knowledge.take(frame)
    assert knowledge.jids("\ud800") == [("\ud800@/", "seen")]


def test_the_own_server_is_known_from_the_start() -> None:
    knowledge = Knowledge("juliet@capulet.example/balcony")
    assert ("capulet.example", "your server") in knowledge.jids("cap")
