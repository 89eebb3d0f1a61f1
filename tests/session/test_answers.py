from __future__ import annotations

import pytest

from xmppctl.session.answers import answer, is_roster_push
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

JID = Jid.parse("romeo@montague.example/orchard")
PUSH = "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>"
REFUSED = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def request(text: str) -> Frame:
    splitter = Splitter("in")
    splitter.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    (frame,) = splitter.feed(text.encode())
    return frame


@pytest.mark.parametrize("sender", ["", " from='romeo@montague.example'", " from='ROMEO@montague.example'"])
def test_a_push_of_the_own_server_is_acknowledged(sender: str) -> None:
    frame = request(f"<iq type='set' id='p'{sender}>{PUSH}</iq>")
    assert is_roster_push(frame, JID)
    assert answer(frame, JID).decode().startswith("<iq type='result' id='p'")
    assert "error" not in answer(frame, JID).decode()


@pytest.mark.parametrize(
    "sender",
    ["juliet@capulet.example", "montague.example", "romeo@montague.example/other", "romeo@evil.example"],
)
def test_a_push_of_anybody_else_is_refused(sender: str) -> None:
    frame = request(f"<iq type='set' id='p' from='{sender}'>{PUSH}</iq>")
    assert not is_roster_push(frame, JID)
    assert answer(frame, JID).decode() == f"<iq type='error' id='p' to='{sender}'>{REFUSED}</iq>"


def test_what_nobody_serves_is_refused() -> None:
    frame = request("<iq type='get' id='&lt;' from='a@b/&apos;'><query xmlns='jabber:iq:version'/></iq>")
    assert answer(frame, JID).decode() == f"<iq type='error' id='&lt;' to='a@b/&apos;'>{REFUSED}</iq>"
    assert not is_roster_push(request(f"<iq type='get' id='p'>{PUSH}</iq>"), JID), "it is a question"


@pytest.mark.parametrize("to", ["gateway.example", "romeo@gateway.example", "romeo@gateway.example/orchard"])
@pytest.mark.parametrize("payload", ["<query xmlns='jabber:iq:version'/>", PUSH])
def test_a_component_refuses_in_the_name_of_whom_was_asked(to: str, payload: str) -> None:
    frame = request(f"<iq type='set' id='p' from='a@b/c' to='{to}'>{payload}</iq>")
    jid = Jid.parse("gateway.example")
    told = answer(frame, jid, component=True).decode()
    assert told == f"<iq type='error' id='p' from='{to}' to='a@b/c'>{REFUSED}</iq>"


def test_a_component_that_asks_itself_for_its_roster_has_none() -> None:
    frame = request(f"<iq type='set' id='p' from='gateway.example'>{PUSH}</iq>")
    told = answer(frame, Jid.parse("gateway.example"), component=True).decode()
    assert told == f"<iq type='error' id='p' from='gateway.example' to='gateway.example'>{REFUSED}</iq>"
