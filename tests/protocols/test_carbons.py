"""Carbons: asked for, and what a server without them says."""

from __future__ import annotations

import pytest

from xmppctl.errors import StanzaRefused
from xmppctl.protocols.carbons import enable
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.frame import Frame


def test_they_are_asked_for() -> None:
    session = MemorySession(lambda frame: [f"<iq type='result' id='{frame.id}'/>"])
    drive(enable(session))
    (request,) = session.sent
    assert request.type == "set" and request.to is None
    assert request.payloads == ["urn:xmpp:carbons:2 enable"]


def test_a_server_without_them_refuses() -> None:
    def refuse(frame: Frame) -> list[str]:
        error = "<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        return [f"<iq type='error' id='{frame.id}'><error type='cancel'>{error}</error></iq>"]

    with pytest.raises(StanzaRefused):
        drive(enable(MemorySession(refuse)))
