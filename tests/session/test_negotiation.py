"""A stream before there is a session: what may come, and what is nobody's."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded, StreamError, TlsError
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.negotiation import Negotiation

HEADER = (
    b"<stream:stream version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
STARTTLS = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


Negotiate = Callable[..., tuple[Negotiation, socket.socket]]


@pytest.fixture
def negotiation() -> Iterator[Negotiate]:
    """A negotiation with a server that has said something already, and the server's end."""
    with ExitStack() as stack:

        def begin(said: bytes, seconds: float = 10) -> tuple[Negotiation, socket.socket]:
            ours, theirs = socket.socketpair()
            stack.callback(theirs.close)
            connection = Connection(ours)
            stack.callback(connection.close)
            theirs.sendall(said)
            return Negotiation(connection, "server", "b.example", Deadline(seconds)), theirs

        yield begin


def test_stanzas_before_the_features_are_passed_over(negotiation: Negotiate) -> None:
    stream, server = negotiation(HEADER + b" <iq type='set' id='1'/><message/>" + STARTTLS)
    assert stream.open().name == "features"
    assert b"to='b.example'" in server.recv(1000)


def test_what_is_no_xmpp_is_told(negotiation: Negotiate) -> None:
    stream, _server = negotiation(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(StreamError):
        stream.open()


def test_silence_ends_with_the_deadline_and_a_hang_up_at_once(negotiation: Negotiate) -> None:
    stream, server = negotiation(HEADER, 0.01)
    with pytest.raises(DeadlineExceeded):
        stream.open()
    stream, server = negotiation(HEADER)
    server.close()
    with pytest.raises(ConnectionLost):
        stream.open()


@pytest.mark.parametrize("injected", [b"<message/>", b"<stream:features/>"])
def test_nothing_in_clear_may_follow_the_agreement_to_tls(negotiation: Negotiate, injected: bytes) -> None:
    stream, server = negotiation(HEADER + STARTTLS)
    features = stream.open()
    server.sendall(PROCEED + injected)
    with pytest.raises(TlsError, match="injecting"):
        stream.request_tls(features)


def test_tls_that_is_not_offered_is_not_asked_for(negotiation: Negotiate) -> None:
    stream, server = negotiation(HEADER + b"<stream:features/>")
    features = stream.open()
    server.recv(1000)
    with pytest.raises(TlsError, match="does not offer STARTTLS"):
        stream.request_tls(features)
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)
