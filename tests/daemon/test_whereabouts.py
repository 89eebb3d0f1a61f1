"""Who is online where: what presences say, and what a flood of them can take."""

from __future__ import annotations

import pytest

from xmppctl.daemon import whereabouts
from xmppctl.daemon.whereabouts import MAX_RESOURCES, MAX_STATUS, Whereabouts
from xmppctl.protocols.contacts import Resource
from xmppctl.stanza.splitter import Splitter

JULIET = "juliet@capulet.example"
HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def presences(*stanzas: str):
    splitter = Splitter()
    splitter.feed(HEADER)
    return [frame for stanza in stanzas for frame in splitter.feed(stanza.encode())]


def told(*stanzas: str, contacts=(JULIET,)) -> Whereabouts:
    known = Whereabouts()
    for frame in presences(*stanzas):
        known.take(frame, contacts)
    return known


def at(resource: str, inner: str = "", type: str = "") -> str:
    kind = f" type='{type}'" if type else ""
    return f"<presence from='{JULIET}/{resource}'{kind}>{inner}</presence>"


def test_what_a_presence_says():
    known = told(
        "<presence from='Juliet@Capulet.example/balcony'><show> away </show><status>out &lt;3</status>"
        "<priority> -5 </priority><c xmlns='x'><show>dnd</show></c></presence>",
        at("chamber"),
    )
    assert known.of(JULIET) == (Resource("balcony", "away", "out <3", -5), Resource("chamber"))
    assert (len(known), known.resources) == (1, 2)


@pytest.mark.parametrize(
    "inner", ["<show>dancing</show>", "<priority>many</priority>", "<priority>128</priority>"]
)
def test_what_the_rfc_does_not_know_is_not_believed(inner):
    assert told(at("r", inner)).of(JULIET) == (Resource("r"),)


def test_the_first_of_more_languages_is_shown():
    known = told(at("r", "<status>one</status><status xml:lang='de'>zwei</status>"))
    assert known.of(JULIET)[0].status == "one"


def test_a_resource_that_speaks_again_is_the_latest():
    known = told(at("a"), at("b"), at("a", "<show>xa</show>"))
    assert known.of(JULIET) == (Resource("b"), Resource("a", "xa"))
    assert known.resources == 2


def test_unavailable_takes_one_resource_or_all():
    assert told(at("a"), at("b"), at("a", type="unavailable")).of(JULIET) == (Resource("b"),)
    gone = told(at("a"), at("b"), f"<presence from='{JULIET}' type='unavailable'/>")
    assert gone.of(JULIET) == () and (len(gone), gone.resources) == (0, 0)


@pytest.mark.parametrize(
    "kind", ["error", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "x"]
)
def test_other_types_say_nothing_of_it(kind):
    assert told(at("a"), at("a", "<show>dnd</show>", kind)).of(JULIET) == (Resource("a"),)


def test_a_contact_can_have_no_resource():
    assert told(f"<presence from='{JULIET}'/>").of(JULIET) == (Resource(""),)


@pytest.mark.parametrize("sender", ["from='mallory@evil.example/x'", "", "from=''", "from='@/x'"])
def test_strangers_are_not_kept(sender):
    known = told(f"<presence {sender}/>")
    assert len(known) == 0


def test_before_the_roster_is_known_all_are_kept_until_it_is():
    known = told(at("a"), "<presence from='mallory@evil.example/x'/>", contacts=None)
    assert len(known) == 2
    known.keep({JULIET})
    assert len(known) == 1 and known.of(JULIET) == (Resource("a"),)
    known.clear()
    assert (len(known), known.resources) == (0, 0)


def test_a_flood_of_resources_leaves_the_latest():
    known = told(*(at(f"r{n}") for n in range(1000)))
    assert [each.name for each in known.of(JULIET)] == [f"r{n}" for n in range(1000 - MAX_RESOURCES, 1000)]
    assert known.resources == MAX_RESOURCES


def test_a_long_status_is_cut():
    (resource,) = told(at("r", f"<status>{'x' * 100_000}</status>")).of(JULIET)
    assert resource.status == "x" * (MAX_STATUS - 1) + "…"


def test_all_of_it_is_bounded(monkeypatch):
    monkeypatch.setattr(whereabouts, "MAX_BYTES", 10_000)
    known = told(
        *(f"<presence from='u{n}@x/r'><status>{'é' * 100}</status></presence>" for n in range(100)),
        contacts=None,
    )
    kept = len(known)
    assert 5 < kept < 20
    # What it says now cannot be kept: what it said before is not true any more.
    for frame in presences(
        f"<presence from='u0@x/r'><show>dnd</show><status>{'é' * 500}</status></presence>"
    ):
        known.take(frame, None)
    assert known.of("u0@x") == () and len(known) == kept - 1
    # What goes makes room.
    for frame in presences("<presence from='u1@x/r' type='unavailable'/>", at("new")):
        known.take(frame, None)
    assert known.of(JULIET) == (Resource("new"),)


def test_texts_that_many_share_are_kept_once():
    known = told(
        *(f"<presence from='u{n}@x/phone'><status>At work</status></presence>" for n in range(3)),
        contacts=None,
    )
    assert len({id(known.of(f"u{n}@x")[0].status) for n in range(3)}) == 1
