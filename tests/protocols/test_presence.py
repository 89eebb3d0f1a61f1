"""Presence: announced, held, taken back."""

from __future__ import annotations

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded, Interrupted, StanzaRefused
from xmppctl.protocols.presence import announce, appear, keep
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


# -- through a daemon --


def attached(answer="<iq type='result' id='{id}' from='daemon.xmppctl.invalid'/>"):
    session = MemorySession(
        lambda frame: [answer.replace("{id}", frame.id)] if frame.to == "daemon.xmppctl.invalid" else None
    )
    session.attached = True
    return session


def requests(session):
    """What the daemon was asked: the request's name, its attributes, the presence in it."""
    asked = []
    for frame in session.sent:
        if frame.to == session.jid.domain:
            continue  # a barrier's ping
        assert (frame.kind, frame.type, frame.to) == ("iq", "set", "daemon.xmppctl.invalid")
        (request,) = frame.element()
        (presence,) = request
        assert presence.tag == "{jabber:client}presence"
        inside = {child.tag.removeprefix("{jabber:client}"): child.text for child in presence}
        name = request.tag.removeprefix("{urn:xmppctl:daemon:1}")
        asked.append((name, dict(request.attrib), presence.get("type"), inside))
    return asked


def test_a_daemon_keeps_a_status_until_another_is_set():
    session = attached()
    drive(announce(session, "away", "a < b", hold=False))
    drive(announce(session, "offline", "bye", hold=False))
    assert requests(session) == [
        ("status", {}, None, {"show": "away", "status": "a < b", "priority": "-1"}),
        ("status", {}, "unavailable", {"status": "bye"}),
    ]


def test_a_daemon_takes_back_what_is_held_by_itself():
    session = attached()
    drive(announce(session, "online", priority=3))
    assert requests(session) == [("status", {"hold": "true"}, None, {"priority": "3"})]
    sent = len(session.sent)
    drive(keep(session, 10))
    assert len(session.sent) == sent


def test_a_daemon_is_asked_to_be_online_at_least():
    session = attached()
    drive(appear(session, "chat"))
    assert requests(session) == [("online", {}, None, {"show": "chat", "priority": "0"})]


@pytest.mark.parametrize(("sender", "refused"), [("", True), (" from='a@b'", False)])
def test_what_the_server_answers_to_the_daemon_is_raised(sender, refused):
    session = attached(
        f"<presence type='error'{sender}><error type='auth'/></presence>"
        "<iq type='result' id='{id}' from='daemon.xmppctl.invalid'/>"
    )
    if refused:
        with pytest.raises(StanzaRefused):
            drive(announce(session, hold=False))
    else:
        drive(announce(session, hold=False))
    assert session.subscriptions == []


def test_what_the_daemon_answers_is_raised():
    session = attached(
        "<iq type='error' id='{id}' from='daemon.xmppctl.invalid'><error type='cancel'>"
        "<failure xmlns='urn:xmppctl:daemon:1' name='connection-lost'>gone</failure></error></iq>"
    )
    with pytest.raises(ConnectionLost, match="gone"):
        drive(announce(session, "online", hold=False))


def test_on_a_stream_of_our_own_it_is_plain_presence():
    session = MemorySession()
    drive(appear(session))
    drive(appear(session, "dnd", 5))
    assert [frame.raw.decode() for frame in session.sent] == [
        "<presence><priority>0</priority></presence>",
        "<presence><show>dnd</show><priority>5</priority></presence>",
    ]


@pytest.mark.parametrize("attached", [False, True])
def test_who_is_seen_already_does_not_appear_again(attached):
    session = MemorySession()
    session.attached = attached
    session.shown = True
    drive(appear(session, "away", 5))
    assert session.sent == []
