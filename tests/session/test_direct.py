"""A session without an event loop: one thread serves input and the server at once."""

from __future__ import annotations

import os
import socket

from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.direct import BlockingSession
from xmppctl.session.drive import drive
from xmppctl.session.login import Established
from xmppctl.stanza.jid import Jid

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def opened() -> tuple[BlockingSession, socket.socket]:
    ours, theirs = socket.socketpair()
    established = Established(Connection(ours), Jid.parse("a@b.example/c"), frozenset(), "TEST")
    return BlockingSession(established, Deadline(10)), theirs


def test_requests_are_answered_while_input_is_waited_for() -> None:
    session, server = opened()
    reading, writing = os.pipe()
    server.sendall(HEADER + b"<iq type='get' id='q' from='b.example'><query xmlns='x:y'/></iq>")
    seen = session.stanzas()
    assert not drive(session.wait_readable(reading, unless=lambda: bool(seen.queue)))
    drive(session.flush())
    assert b"service-unavailable" in server.recv(1000)
    os.write(writing, b"line\n")
    assert drive(session.wait_readable(reading))
    for descriptor in (reading, writing):
        os.close(descriptor)
    server.close()
    drive(session.close())
