"""Rosters: what is read from the server's answer, and what is written."""

from __future__ import annotations

from xmppctl.protocols import roster
from xmppctl.protocols.contacts import Contact
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession

NS = "jabber:iq:roster"


def holding(inside: str) -> MemorySession:
    """A server with this roster."""
    return MemorySession(
        lambda frame: [f"<iq type='result' id='{frame.id}'><query xmlns='{NS}'>{inside}</query></iq>"]
    )


def test_items_are_prepared_and_sorted():
    session = holding(
        "<item jid='Nurse@Capulet.example' subscription='from' approved='true'/>"
        "<item jid='juliet@capulet.example' name='J' ask='subscribe'>"
        "<group>B</group><group>A</group><group>B</group></item>"
    )
    assert list(drive(roster.fetch(session)).items()) == [
        (
            "juliet@capulet.example",
            Contact("juliet@capulet.example", "J", ("A", "B"), "none", "subscribe"),
        ),
        ("nurse@capulet.example", Contact("nurse@capulet.example", None, (), "from", None, approved=True)),
    ]


def test_the_same_contact_twice_or_none_does_no_harm():
    session = holding("<item jid='a@b'/><item jid='A@b' name='x'/><item/>")
    assert list(drive(roster.fetch(session))) == ["a@b"]


def test_an_answer_without_a_roster_is_an_empty_one():
    session = MemorySession(lambda frame: [f"<iq type='result' id='{frame.id}'/>"])
    assert drive(roster.fetch(session)) == {}


def test_progress_tells_what_has_come_of_a_large_one():
    class Slow(MemorySession):
        """Its answer comes in three reads."""

        unfinished = 0

        async def _pump(self, deadline, doing):
            if self.unfinished < 3_000_000:
                self.unfinished += 1_500_000
                return
            self.unfinished = 0
            await super()._pump(deadline, doing)

    told = []
    session = Slow(lambda frame: [f"<iq type='result' id='{frame.id}'><query xmlns='{NS}'/></iq>"])
    assert drive(roster.fetch(session, told.append)) == {}
    assert told == ["1,464 KiB", "2,929 KiB"]


def test_what_is_written_is_escaped():
    session = holding("")
    drive(roster.put(session, "a@b", "'<&", ["x<y", "x<y", "z"]))
    drive(roster.remove(session, "a@b"))
    put, remove = (frame.element()[0][0] for frame in session.sent)
    assert (put.get("jid"), put.get("name"), [group.text for group in put]) == ("a@b", "'<&", ["x<y", "z"])
    assert (remove.get("jid"), remove.get("subscription")) == ("a@b", "remove")
