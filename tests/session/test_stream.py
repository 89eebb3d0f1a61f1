"""What came right behind the login belongs to the session, and comes first; then what the connection tells."""

from __future__ import annotations

import socket

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.direct import BlockingSession
from xmppctl.session.drive import drive
from xmppctl.session.login import Established
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def opened(early: bytes = b"") -> tuple[BlockingSession, socket.socket]:
    ours, theirs = socket.socketpair()
    frames = tuple(Splitter().feed(HEADER + early)[1:])
    established = Established(Connection(ours), Jid.parse("a@b.example/c"), frozenset(), "TEST", frames)
    return BlockingSession(established, Deadline(10)), theirs


def test_what_came_behind_the_login_comes_before_what_came_later() -> None:
    session, server = opened(b"<message id='1'/>")
    server.sendall(HEADER + b"<message id='2'/>")
    wanted = session.stanzas()
    assert [drive(wanted.next()).id for _ in range(2)] == ["1", "2"]
    server.close()
    drive(session.close())


def test_a_connection_that_has_ended_ends_the_waits_after_what_it_brought() -> None:
    session, server = opened()
    wanted = session.stanzas()
    server.sendall(HEADER + b"<message id='1'/>")
    server.close()
    assert drive(wanted.next()).id == "1"
    with pytest.raises(ConnectionLost):
        drive(wanted.next())
    drive(session.close())


def test_a_wait_without_an_answer_ends_with_its_time() -> None:
    session, server = opened()
    with pytest.raises(DeadlineExceeded):
        drive(session.stanzas().next(0.01))
    server.close()
    drive(session.close())
