"""Rosters read from their bytes, whole and in slices, and contacts as records."""

from __future__ import annotations

import pytest

from xmppctl.protocols.contacts import Contact, Resource, RosterReader
from xmppctl.stanza.frame import Frame

NS = "jabber:iq:roster"


def reading(inside: str, *, attributes: str = "") -> RosterReader:
    return RosterReader(
        Frame(f"<iq type='result' id='r'><query xmlns='{NS}'{attributes}>{inside}</query></iq>".encode())
    )


def test_items_are_prepared():
    reader = reading(
        "<item jid='Nurse@Capulet.example' subscription='from' approved='true'/>"
        "<item jid='juliet@capulet.example' name='J &amp; R' ask='subscribe'>"
        "<group>B</group><group>A</group><group>B</group></item>"
    )
    assert reader.read()
    assert reader.found and reader.version is None
    assert list(reader.contacts.values()) == [
        Contact("nurse@capulet.example", None, (), "from", None, approved=True),
        Contact("juliet@capulet.example", "J & R", ("A", "B"), "none", "subscribe"),
    ]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_read_in_slices_it_is_the_same(size):
    items = "".join(
        f"<item jid='u{n}@x' name='Zoë {n} 🌹'><group>Föö &lt; {n % 3}</group></item>" for n in range(50)
    )
    whole, sliced = reading(items, attributes=" ver='v7'"), reading(items, attributes=" ver='v7'")
    assert whole.read()
    sliced.read(size)
    assert len(sliced.contacts) < 2
    while not sliced.read(size):
        pass
    assert sliced.contacts == whole.contacts and len(whole.contacts) == 50
    assert sliced.version == whole.version == "v7"
    assert whole.contacts["u4@x"] == Contact("u4@x", "Zoë 4 🌹", ("Föö < 1",))


def test_what_is_no_item_of_the_query_is_none():
    reader = RosterReader(
        Frame(
            f"<iq><query xmlns='urn:other'><item xmlns='{NS}' jid='a@x'/></query><query xmlns='{NS}'>"
            f"<item xmlns='urn:other' jid='b@x'/><item jid='c@x'><x><group>no</group></x><group>yes<b>no</b></group>"
            f"</item><x><item jid='d@x'/></x></query><item xmlns='{NS}' jid='e@x'/></iq>".encode()
        )
    )
    reader.read()
    assert reader.contacts == {"c@x": Contact("c@x", None, ("yes",))}


def test_prefixes_of_the_stream_are_bound():
    reader = RosterReader(
        Frame(
            b"<iq><r:query ver=''><r:item jid='a@x'/></r:query></iq>", context={"": "jabber:client", "r": NS}
        )
    )
    reader.read()
    assert list(reader.contacts) == ["a@x"] and reader.version == ""


def test_an_answer_without_a_query_has_none():
    reader = RosterReader(Frame(b"<iq type='result'/>"))
    assert reader.read(1) is False
    assert reader.read() and not reader.found and reader.contacts == {}


def test_an_item_without_a_jid_is_none_and_the_last_of_two_counts():
    reader = reading("<item/><item jid=''/><item jid='a@b'/><item jid='A@b' name='x'/>")
    reader.read()
    assert reader.contacts == {"a@b": Contact("a@b", "x")}


def test_equal_groups_are_kept_once():
    reader = reading("".join(f"<item jid='u{n}@x'><group>Friends</group></item>" for n in range(3)))
    reader.read()
    assert len({id(contact.groups) for contact in reader.contacts.values()}) == 1


def test_records():
    assert Contact("a@b").record == {"jid": "a@b", "subscription": "none", "groups": []}
    assert Contact("a@b", "N", ("g",), "to", "subscribe", True).record == {
        "jid": "a@b",
        "name": "N",
        "subscription": "to",
        "ask": "subscribe",
        "approved": True,
        "groups": ["g"],
    }
    assert Resource("").record == {"priority": 0}
    assert Resource("r", "away", "out", -1).record == {
        "resource": "r",
        "show": "away",
        "status": "out",
        "priority": -1,
    }
