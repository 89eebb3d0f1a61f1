"""Presence: announced, held, taken back."""

from __future__ import annotations

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded, Interrupted, StanzaRefused
from xmppctl.protocols.presence import announce, keep
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession


def types(session):
    return [frame.type for frame in session.sent if frame.kind == "presence"]


@pytest.mark.parametrize(
    ("state", "text", "priority", "xml"),
    [
        ("online", None, 0, "<presence><priority>0</priority></presence>"),
        (
            "xa",
            "a < b",
            -5,
            "<presence><show>xa</show><status>a &lt; b</status><priority>-5</priority></presence>",
        ),
    ],
)
def test_announced(state, text, priority, xml):
    session = MemorySession()
    drive(announce(session, state, text, priority))
    assert session.sent[0].raw.decode() == xml
    assert session.subscriptions == []


@pytest.mark.parametrize(
    ("sender", "refused"),
    [("", True), (" from='romeo@montague.example/orchard'", True), (" from='a@b'", False)],
)
def test_refused_by_the_own_server_only(sender, refused):
    error = f"<presence type='error'{sender}><error type='auth'/></presence>"
    session = MemorySession(lambda frame: [error] if frame.kind == "presence" else None)
    if refused:
        with pytest.raises(StanzaRefused):
            drive(announce(session))
    else:
        drive(announce(session))
    assert session.subscriptions == []


def test_kept_for_a_while_and_taken_back():
    session = MemorySession()
    drive(keep(session, 10))
    assert types(session) == ["unavailable"]


def test_kept_until_ended():
    session = MemorySession()
    with pytest.raises(DeadlineExceeded):
        drive(keep(session, None))
    assert types(session) == ["unavailable"]


def test_taken_back_after_a_signal():
    session = MemorySession()
    session.fail(Interrupted("interrupted"))
    with pytest.raises(Interrupted):
        drive(keep(session, 10))
    assert types(session) == ["unavailable"]


def test_a_broken_stream_takes_it_back_by_itself():
    session = MemorySession()
    session.hang_up()
    with pytest.raises(ConnectionLost):
        drive(keep(session, 10))
    assert types(session) == []
