"""What came right behind the login belongs to the session, and comes first; then what the connection tells."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from xmppctl.daemon.client import stream_error
from xmppctl.errors import AuthError, ConnectionLost, DeadlineExceeded, ExitCode
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.direct import BlockingSession
from xmppctl.session.drive import drive
from xmppctl.session.local import told
from xmppctl.session.login import Established
from xmppctl.stanza.frame import NS_COMPONENT
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def opened(
    early: bytes = b"", *, local: bool = False, component: bool = False
) -> tuple[BlockingSession, socket.socket]:
    ours, theirs = socket.socketpair()
    frames = tuple(Splitter().feed(HEADER + early)[1:])
    jid = Jid.parse("b.example" if component else "a@b.example/c")
    established = Established(Connection(ours), jid, frozenset(), "TEST", frames, local, component=component)
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


def test_a_daemon_that_has_lost_the_account_for_good_ends_waits_with_the_reason() -> None:
    session, daemon = opened(local=True)
    why = told(AuthError("romeo was refused: not-authorized", hint="check the password"))
    daemon.sendall(HEADER + stream_error("remote-connection-failed", "refused", why))
    with pytest.raises(AuthError, match="romeo was refused") as caught:
        drive(session.stanzas().next())
    assert caught.value.code == ExitCode.AUTH and caught.value.hint == "check the password"
    drive(session.close())


def test_a_daemon_that_ends_is_no_server_that_ends() -> None:
    session, daemon = opened(local=True)
    daemon.sendall(HEADER + stream_error("system-shutdown"))
    with pytest.raises(ConnectionLost, match=r"the daemon of a@b\.example has ended"):
        drive(session.stanzas().next())
    drive(session.close())


# -- a component's --


def component() -> tuple[BlockingSession, socket.socket]:
    session, server = opened(component=True)
    server.sendall(HEADER.replace(b"jabber:client", NS_COMPONENT.encode()))
    server.settimeout(5)
    return session, server


def test_a_component_answers_in_the_name_of_whom_was_asked_and_nobody_without_a_name() -> None:
    session, server = component()
    ping = "<ping xmlns='urn:xmpp:ping'/></iq>"
    server.sendall(f"<iq type='get' id='1' to='b.example'>{ping}".encode())
    server.sendall(f"<iq type='get' id='2' from='x@y' to='u@b.example'>{ping}<message id='3'/>".encode())
    drive(session.stanzas(lambda frame: frame.id == "3").next())
    drive(session.flush())
    said = server.recv(10_000).decode()
    assert re.findall("<iq[^>]*>", said) == ["<iq type='error' id='2' from='u@b.example' to='x@y'>"]
    server.close()
    drive(session.close())


def test_a_component_is_sure_when_what_it_sent_to_itself_was_answered() -> None:
    session, server = component()
    routed: list[str] = []

    def route() -> None:
        """What is for the component goes back to it, as it came, behind a bounce of what was sent before."""
        said = ""
        while len(routed) < 2:
            said += server.recv(10_000).decode()
            while found := re.match("(?s).*?</iq>", said):
                said = said[found.end() :]
                routed.append(found.group())
                server.sendall(b"<message id='%d'/>" % len(routed) + found.group().encode())

    thread = threading.Thread(target=route, daemon=True)
    thread.start()
    bounces = session.stanzas(lambda frame: frame.kind == "message")
    drive(session.barrier(5))
    thread.join(5)
    assert [frame.id for frame in bounces.queue] == ["1", "2"]
    assert all(stanza.count("from='b.example' to='b.example'") == 1 for stanza in routed)
    assert ["type='get'" in routed[0], "type='error'" in routed[1]] == [True, True]
    server.close()
    drive(session.close())
