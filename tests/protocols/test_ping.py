"""Pings: what counts as an answer."""

from __future__ import annotations

import pytest

from xmppctl.errors import DeadlineExceeded, StanzaRefused
from xmppctl.protocols.ping import ping
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession


def refusing(condition):
    return lambda frame: [
        f"<iq type='error' id='{frame.id}' from='{frame.to}'><error type='cancel'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ]


def test_a_result_is_a_ping_that_is_known():
    session = MemorySession(lambda frame: [f"<iq type='result' id='{frame.id}' from='{frame.to}'/>"])
    seconds, known = drive(ping(session, "a@b"))
    assert known and 0 <= seconds < 5
    assert session.sent[0].element()[0].tag == "{urn:xmpp:ping}ping"


@pytest.mark.parametrize(
    ("to", "condition"), [("a@b", "feature-not-implemented"), ("montague.example", "service-unavailable")]
)
def test_some_errors_are_answers(to, condition):
    assert drive(ping(MemorySession(refusing(condition)), to))[1] is False


@pytest.mark.parametrize(
    ("to", "condition"), [("a@b", "service-unavailable"), ("x", "remote-server-not-found")]
)
def test_others_are_refusals(to, condition):
    with pytest.raises(StanzaRefused, match=condition):
        drive(ping(MemorySession(refusing(condition)), to))


def test_silence():
    with pytest.raises(DeadlineExceeded):
        drive(ping(MemorySession(lambda frame: []), "a@b", 1))
