"""Contacts in the daemon's memory: what the server says of them, and what clients are told."""

from __future__ import annotations

from collections import deque

import pytest

from xmppctl.daemon import contacts as module
from xmppctl.daemon.contacts import Contacts
from xmppctl.errors import AuthError, DaemonError
from xmppctl.protocols.contacts import Contact, Resource
from xmppctl.protocols.roster import Listing, listing
from xmppctl.session.drive import drive
from xmppctl.session.local import DAEMON, failure
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

NS = "jabber:iq:roster"
HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
ME = Jid.parse("romeo@montague.example/orchard")
JULIET = "juliet@capulet.example"
NURSE = "nurse@capulet.example"
ITEMS = (
    f"<item jid='{NURSE}' subscription='from' ask='subscribe'/>"
    f"<item jid='{JULIET}' name='J &lt; R' subscription='both' approved='true'><group>A&amp;B</group></item>"
)
LISTED = [
    Contact(JULIET, "J < R", ("A&B",), "both", None, approved=True),
    Contact(NURSE, None, (), "from", "subscribe"),
]


class Link:
    def __init__(self):
        self.state = "connecting"
        self.jid = None
        self.failure = None


class Showing:
    def __init__(self):
        self.shows = True


class Request:
    def __init__(self, frame):
        self.frame = frame
        self.client = None
        self.answers = []

    def reply(self, payload=""):
        self.answers.append(f"<iq type='result' id='{self.frame.id}' from='{DAEMON}'>{payload}</iq>")

    def refuse(self, error):
        self.answers.append(f"<iq type='error' id='{self.frame.id}' from='{DAEMON}'>{failure(error)}</iq>")


class Hub:
    """The server's side and the clients' side of Contacts, by hand. Turns of the event loop are `turn`."""

    def __init__(self):
        self.link = Link()
        self.presence = Showing()
        self.services = {}
        self.asked = []
        self.turns = deque()
        self._splitter = Splitter()
        self._splitter.feed(HEADER)
        self.contacts = Contacts(self, self.turns.append)

    def service(self, name, service):
        self.services[name] = service

    def on_online(self, call):
        self.online_call = call

    def on_stanza(self, call):
        self.stanza_call = call

    def on_state(self, call):
        self.state_call = call

    def own_request(self, type, payload, to, done, seconds):
        assert (type, to, seconds) == ("get", None, 600)
        return payload, done

    def send(self, stanza):
        self.asked.append(stanza)

    # -- the script --

    def online(self, resumed=False):
        self.link.state, self.link.jid = "online", ME
        self.asked += self.online_call(resumed)
        self.state_call()

    def goes(self, state, error=None):
        self.link.state, self.link.failure = state, error
        self.state_call()

    def frames(self, *stanzas):
        return [frame for each in stanzas for frame in self._splitter.feed(each.encode())]

    def answer(self, inside=ITEMS, attributes="", turns=None):
        """The server's answer to the latest request for the roster, read to its end, or for so many turns."""
        (frame,) = self.frames(
            f"<iq type='result' id='r'><query xmlns='{NS}'{attributes}>{inside}</query></iq>"
        )
        self.asked[-1][1](frame)
        self.turn(turns)

    def turn(self, times=None):
        while self.turns and times != 0:
            self.turns.popleft()()
            times = None if times is None else times - 1

    def server(self, *stanzas):
        for frame in self.frames(*stanzas):
            self.stanza_call(frame)

    def push(self, item, attributes="", sender=""):
        self.server(f"<iq type='set' id='p'{sender}><query xmlns='{NS}'{attributes}>{item}</query></iq>")

    def request_of_client(self, attributes=""):
        (frame,) = self.frames(
            f"<iq type='get' id='q' to='{DAEMON}'><contacts xmlns='urn:xmppctl:daemon:1'{attributes}/></iq>"
        )
        request = Request(frame)
        self.services["contacts"](request)
        return request

    def session(self):
        """A client's session."""

        def respond(frame):
            if frame.to != DAEMON:
                self.asked_directly = frame
                return [f"<iq type='result' id='{frame.id}'><query xmlns='{NS}'>{ITEMS}</query></iq>"]
            request = Request(frame)
            try:
                self.services["contacts"](request)
            except DaemonError as error:
                request.refuse(error)
            return request.answers

        session = MemorySession(respond)
        session.attached = True
        return session

    def listed(self, progress=lambda _: None):
        return drive(listing(self.session(), progress))


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def filled(hub):
    """A hub whose server has told the roster."""
    hub.online()
    hub.answer(attributes=" ver='1'")
    return hub


# -- what clients are told --


def test_the_roster_as_it_is_listed_directly(filled):
    direct = MemorySession(
        lambda frame: [f"<iq type='result' id='{frame.id}'><query xmlns='{NS}'>{ITEMS}</query></iq>"]
    )
    assert filled.listed() == Listing(LISTED, {})
    assert drive(listing(direct)) == Listing(LISTED, None)


def test_who_is_online(filled):
    filled.server(
        f"<presence from='{JULIET}/balcony'><show>away</show><status>&lt;3 &amp; é</status></presence>",
        f"<presence from='{JULIET}/cell \"x\"'><priority>-1</priority></presence>",
        "<presence from='mallory@evil.example/x'/>",
    )
    assert filled.listed().resources == {
        JULIET: (Resource("balcony", "away", "<3 & é"), Resource('cell "x"', priority=-1))
    }
    assert filled.contacts.facts() == {"contacts": 2, "online": 1, "resources": 2}


def test_it_is_told_where_nobodys_presence_comes(filled):
    filled.presence.shows = False
    assert filled.listed() == Listing(LISTED, None)
    filled.server(f"<presence from='{JULIET}/balcony'/>")
    filled.presence.shows = True
    assert filled.listed() == Listing(LISTED, {})
    filled.goes("waiting")
    assert filled.listed() == Listing(LISTED, None)


def test_who_was_online_before_we_were_hidden_must_say_so_again(filled):
    filled.server(f"<presence from='{JULIET}/balcony'/>")
    filled.presence.on_hidden()
    assert filled.listed() == Listing(LISTED, {})


def test_an_empty_roster(hub):
    hub.online()
    hub.answer("")
    assert hub.listed() == Listing([], {})


def test_a_long_roster_comes_in_pages(hub, monkeypatch):
    monkeypatch.setattr(module, "PAGE_CONTACTS", 10)
    hub.online()
    hub.answer("".join(f"<item jid='u{n}@x'/>" for n in range(25)))
    hub.server("<presence from='u17@x/r'/>")
    told = []
    contacts, resources = hub.listed(told.append)
    assert [each.jid for each in contacts] == sorted(f"u{n}@x" for n in range(25))
    assert resources == {"u17@x": (Resource("r"),)}
    assert told == ["10 of 25 contacts", "20 of 25 contacts", "25 of 25 contacts"]


def test_a_page_with_long_texts_is_shorter(hub, monkeypatch):
    monkeypatch.setattr(module, "PAGE_CHARACTERS", 1000)
    hub.online()
    hub.answer("".join(f"<item jid='u{n}@x' name='{'n' * 600}'/>" for n in range(5)))
    told = []
    assert len(hub.listed(told.append).contacts) == 5
    assert len(told) == 3


def test_contacts_that_come_and_go_between_pages(hub, monkeypatch):
    monkeypatch.setattr(module, "PAGE_CONTACTS", 2)
    hub.online()
    hub.answer("".join(f"<item jid='{name}@x'/>" for name in "bdfh"))
    seen = []

    def meanwhile(_):
        if not seen:
            hub.push("<item jid='d@x' subscription='remove'/>")  # the last one of the page
            hub.push("<item jid='a@x'/>")
            hub.push("<item jid='e@x'/>")
        seen.append(1)

    assert [each.jid for each in hub.listed(meanwhile).contacts] == ["b@x", "d@x", "e@x", "f@x", "h@x"]


def test_who_asks_too_early_waits(hub):
    early = hub.request_of_client()
    hub.online()
    waiting = hub.request_of_client()
    assert early.answers == waiting.answers == []
    hub.answer()
    for request in (early, waiting):
        (told,) = request.answers
        assert JULIET in told


def test_who_waits_when_it_fails_is_told_why(hub):
    waiting = hub.request_of_client()
    hub.goes("failed", AuthError("no such account"))
    (told,) = waiting.answers
    assert "name='auth'" in told and "no such account" in told
    with pytest.raises(AuthError):
        hub.request_of_client()


@pytest.mark.parametrize("reply", [None, "<iq type='error' id='r'><error type='cancel'/></iq>"])
def test_a_roster_that_the_server_does_not_give_is_asked_for_by_who_wants_it(hub, reply):
    hub.online()
    waiting = hub.request_of_client()
    frame = hub.frames(reply)[0] if reply else None
    hub.asked[-1][1](frame)
    (told,) = waiting.answers
    assert "known='false'" in told
    # The next one has it tried again; the client then sees the server's own answer.
    again = hub.request_of_client()
    assert again.answers == [] and len(hub.asked) == 2
    hub.server(f"<presence from='{JULIET}/balcony'/>")
    hub.asked[-1][1](frame)
    assert "known='false'" in again.answers[0]
    assert hub.contacts.facts() == {"contacts": None, "online": 0, "resources": 0}


def test_a_client_asks_the_server_itself_where_the_daemon_does_not_know():
    def respond(frame):
        if frame.to == DAEMON:
            return [
                f"<iq type='result' id='{frame.id}' from='{DAEMON}'>"
                "<contacts xmlns='urn:xmppctl:daemon:1' known='false'/></iq>"
            ]
        return [f"<iq type='result' id='{frame.id}'><query xmlns='{NS}'>{ITEMS}</query></iq>"]

    session = MemorySession(respond)
    session.attached = True
    assert drive(listing(session)) == Listing(LISTED, None)


# -- what the server says --


def test_it_is_asked_for_once_on_each_new_stream(filled):
    assert len(filled.asked) == 1
    filled.server(f"<presence from='{JULIET}/balcony'/>")
    filled.online(resumed=True)
    assert len(filled.asked) == 1 and filled.contacts.facts()["online"] == 1
    filled.online()
    assert len(filled.asked) == 2
    assert filled.contacts.facts()["online"] == 0  # who is online says so again


def test_a_version_that_still_holds_keeps_the_roster(filled):
    assert "ver=" not in filled.asked[0][0]
    filled.online()
    assert "ver='1'" in filled.asked[1][0]
    filled.server(f"<presence from='{JULIET}/balcony'/>")
    (unchanged,) = filled.frames("<iq type='result' id='r'/>")
    filled.asked[-1][1](unchanged)
    filled.push("<item jid='new@x'/>", " ver='2'")
    assert filled.listed() == Listing(
        [*LISTED[:1], Contact("new@x"), *LISTED[1:]], {JULIET: (Resource("balcony"),)}
    )
    filled.online()
    assert "ver='2'" in filled.asked[2][0]


def test_another_roster_takes_the_place_of_the_old_one(filled):
    filled.online()
    filled.server(f"<presence from='{JULIET}/balcony'/>", "<presence from='new@x/r'/>")
    filled.answer("<item jid='new@x'/>")
    assert filled.listed() == Listing([Contact("new@x")], {"new@x": (Resource("r"),)})
    filled.online()
    assert "ver=" not in filled.asked[2][0]  # this one had no version


def test_pushes_change_it(filled):
    filled.push(f"<item jid='{JULIET}' name='Capulet' subscription='to'/>")
    filled.push("<item jid='a@x'/>", sender=" from='romeo@montague.example'")
    filled.push(f"<item jid='{NURSE}' subscription='remove'/>")
    filled.push("<item jid='unknown@x' subscription='remove'/>")
    assert filled.listed().contacts == [Contact("a@x"), Contact(JULIET, "Capulet", (), "to")]


def test_who_is_removed_is_not_online_any_more(filled):
    filled.server(f"<presence from='{JULIET}/balcony'/>")
    filled.push(f"<item jid='{JULIET}' subscription='remove'/>")
    filled.server(f"<presence from='{JULIET}/balcony'/>")
    assert filled.contacts.facts()["online"] == 0


@pytest.mark.parametrize(
    "sender", ["mallory@evil.example", "montague.example", "romeo@montague.example/other", "x y"]
)
def test_pushes_of_others_change_nothing(filled, sender):
    filled.push("<item jid='mallory@evil.example' subscription='both'/>", sender=f" from='{sender}'")
    filled.push(f"<item jid='{JULIET}' subscription='remove'/>", sender=f" from='{sender}'")
    assert filled.listed().contacts == LISTED


def test_a_push_of_more_than_one_item_is_none(filled):
    filled.push("<item jid='a@x'/><item jid='b@x'/>")
    filled.push("")
    assert filled.listed().contacts == LISTED


@pytest.mark.parametrize("loading", [False, True])
def test_a_server_that_pushes_without_end_does_not_fill_the_memory(hub, monkeypatch, loading):
    monkeypatch.setattr(module, "MAX_PUSHED", 10_000)
    hub.online()
    if loading:
        monkeypatch.setattr(module, "SLICE_BYTES", 10)
        hub.answer(turns=1)
    else:
        hub.answer(attributes=" ver='1'")
    for number in range(100):
        hub.push(f"<item jid='u{number}@x' name='{'n' * 1000}'/>")
    hub.turn()
    contacts = hub.contacts
    assert len(contacts._pushes) < 12 and len(contacts._order) < 12
    assert len(hub.asked) > 5 and "ver=" not in hub.asked[-1][0]
    waiting = hub.request_of_client()
    assert waiting.answers == []
    monkeypatch.undo()
    hub.answer()
    assert len(waiting.answers) == 1
    assert hub.listed().contacts == LISTED


def test_pushes_before_the_roster_are_in_it(hub):
    hub.online()
    hub.push(f"<item jid='{JULIET}' subscription='remove'/>")
    assert hub.request_of_client().answers == []
    hub.answer()
    assert hub.listed().contacts == LISTED


def test_a_large_roster_is_read_some_at_a_time(hub, monkeypatch):
    monkeypatch.setattr(module, "SLICE_BYTES", 100)
    hub.online()
    hub.answer("".join(f"<item jid='u{n}@x'/>" for n in range(50)), turns=3)
    waiting = hub.request_of_client()
    assert hub.turns and waiting.answers == []
    # What comes meanwhile counts after it.
    hub.push("<item jid='u0@x' subscription='remove'/>")
    hub.push("<item jid='late@x'/>")
    hub.server("<presence from='u49@x/r'/>", "<presence from='late@x/r'/>", "<presence from='mallory@x/r'/>")
    hub.turn()
    assert len(waiting.answers) == 1
    assert len(hub.listed().contacts) == 50
    assert hub.listed().resources == {"u49@x": (Resource("r"),), "late@x": (Resource("r"),)}


def test_a_stream_that_breaks_while_it_is_read_begins_anew(hub, monkeypatch):
    monkeypatch.setattr(module, "SLICE_BYTES", 10)
    hub.online()
    hub.answer("<item jid='old@x'/>", turns=1)
    hub.online()
    hub.turn()
    waiting = hub.request_of_client()
    assert waiting.answers == []
    hub.asked[0][1](None)  # what is asked on a stream that breaks gets no answer
    assert waiting.answers == []
    hub.answer("<item jid='new@x'/>")
    assert hub.listed().contacts == [Contact("new@x")]
