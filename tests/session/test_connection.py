"""The connection's own promises, over a socket pair: frames, endings, TLS in memory, waits."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from tests.servers.hostile import DOMAIN, header
from tests.servers.identities import Authority, Identity
from xmppctl.errors import ConnectionLost, DeadlineExceeded, StreamError, TlsError
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.stanza.frame import Frame


class Pair:
    """A connection and the plain socket at its other end."""

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(2)
        self.frames: list[Frame] = []
        self.connection = Connection(ours, self.frames.append)

    def shown(self) -> bytes:
        """What the tap saw, as one text."""
        return b"".join(frame.raw for frame in self.frames)

    def read(self, seconds: float = 1) -> list[Frame]:
        """Read once."""
        return self.connection.read(Deadline(seconds), "testing")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A fresh pair."""
    made = Pair()
    yield made
    made.connection.close()
    made.peer.close()


def test_a_wake_up_for_nothing_gives_no_frames(pair: Pair) -> None:
    assert pair.connection.take() == []
    assert not pair.connection.ended


def test_how_much_has_come_of_a_stanza(pair: Pair) -> None:
    pair.connection.pull(header().encode())
    assert pair.connection.unfinished == 0
    for part in (b"<message><body>", b"x" * 1000):
        assert pair.connection.pull(part) == []
    assert pair.connection.unfinished == 1015
    assert len(pair.connection.pull(b"</body></message>")) == 1
    assert pair.connection.unfinished == 0


def test_the_end_of_the_stream_is_seen_once_and_torn_bytes_are_shown(pair: Pair) -> None:
    pair.peer.sendall(header().encode() + b"<message><body>to")
    assert [frame.name for frame in pair.read()] == ["stream"]
    pair.peer.close()
    assert pair.read() == []
    assert pair.connection.ended and pair.connection.failure is None
    assert pair.shown() == header().encode() + b"<message><body>to"
    assert pair.connection.pull(b"<more/>") == []


def test_what_came_before_a_violation_is_not_lost(pair: Pair) -> None:
    pair.peer.sendall(header().encode() + b"<message id='1'/><message id='2'/><!-- x --><message id='3'/>")
    assert [frame.id for frame in pair.read() if frame.kind == "message"] == ["1", "2"]
    assert pair.connection.ended
    assert isinstance(pair.connection.failure, StreamError)
    assert pair.connection.failure.condition == "restricted-xml"
    said = pair.peer.recv(4096)
    assert said.startswith(b"<stream:error><restricted-xml ") and said.endswith(b"</stream:stream>")


def test_a_reset_is_told(pair: Pair) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection = Connection(client)
    peer.sendall(header().encode() + b"<message id='last'/>")
    peer.close()
    listener.close()
    names = []
    while not connection.ended:
        names += [frame.name for frame in connection.read(Deadline(1), "testing")]
    assert names == ["stream", "message"]
    assert isinstance(connection.failure, ConnectionLost)
    assert connection.failure.hint
    connection.close()


def test_what_the_peer_said_before_it_stopped_listening_is_read(pair: Pair) -> None:
    pair.peer.sendall(header().encode() + b"<stream:error><conflict/></stream:error>")
    pair.peer.close()
    pair.connection.push(b"<message/>")
    assert pair.connection.try_flush()
    assert pair.connection.broken and not pair.connection.ended
    assert [frame.name for frame in pair.read()] == ["stream", "error"]
    pair.connection.push(b"<message/>")
    assert not pair.connection.out


def test_a_peer_that_does_not_read_ends_with_the_deadline(pair: Pair) -> None:
    pair.connection.push(b"x" * 8_000_000)
    began = monotonic()
    with pytest.raises(DeadlineExceeded):
        pair.connection.flush(Deadline(0.2), "sending")
    assert monotonic() - began < 10


def test_another_descriptor_ends_a_read(pair: Pair) -> None:
    one, other = socket.socketpair()
    with one, other:
        other.sendall(b"x")
        assert pair.connection.read(Deadline(1), "testing", extra_fd=one.fileno()) == []
        other.close()
        one.recv(1)
        assert pair.connection.read(Deadline(1), "testing", extra_fd=one.fileno()) == []


def test_a_passed_deadline_ends_a_read_even_where_there_is_something_to_read(pair: Pair) -> None:
    pair.peer.sendall(header().encode())
    with pytest.raises(DeadlineExceeded, match="while testing"):
        pair.read(0)


# -- TLS --


class Tls:
    """The server's side of TLS in memory, for what a real socket never shows reliably."""

    def __init__(self, identity: Identity, **options: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = identity.context(**options)  # type: ignore[arg-type]
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def shake(self, sock: socket.socket, with_it: bytes) -> None:
        """Shake hands; send `with_it` in the same write as the last of the handshake."""
        while True:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(self.outgoing.read())
                self.incoming.write(sock.recv(65536))
        self.session.write(with_it)
        sock.sendall(self.outgoing.read())


def test_data_that_comes_with_the_end_of_the_handshake_is_not_left_lying(
    pair: Pair, identity: Identity, authority: Authority
) -> None:
    server = Tls(identity, tls12=True)
    thread = threading.Thread(target=server.shake, args=(pair.peer, header().encode()))
    thread.start()
    context = ssl.create_default_context(cafile=authority.file)
    frames = pair.connection.start_tls(context, DOMAIN, Deadline(2))
    thread.join()
    assert [frame.name for frame in frames] == ["stream"]


def test_bytes_before_the_handshake_are_an_attack(pair: Pair) -> None:
    pair.peer.sendall(header().encode() + b"<mess")
    pair.read()
    with pytest.raises(TlsError, match="injecting"):
        pair.connection.start_tls(ssl.create_default_context(), DOMAIN, Deadline(1))


def test_a_read_ends_when_what_was_to_be_sent_is_sent(pair: Pair) -> None:
    """The peer has nothing to say; it makes room between two looks at the socket."""
    size = 0
    while pair.connection.try_flush():
        pair.connection.push(b"x" * 10_000)
        size += 10_000
    while len(pair.peer.recv(1 << 20)) == 1 << 20:
        pass
    assert pair.connection.out
    while pair.connection.out:
        assert pair.read() == []


def test_tls_without_a_close_notify_is_an_end_like_any_other(
    pair: Pair, identity: Identity, authority: Authority
) -> None:
    server = Tls(identity)
    thread = threading.Thread(target=server.shake, args=(pair.peer, b""))
    thread.start()
    pair.connection.start_tls(ssl.create_default_context(cafile=authority.file), DOMAIN, Deadline(2))
    pair.connection.try_flush()  # the last of the handshake usually travels with the stream header
    thread.join()
    pair.peer.close()
    while not pair.connection.ended:
        assert pair.read() == []
    assert pair.connection.failure is None


def test_closing_says_close_notify(pair: Pair, identity: Identity, authority: Authority) -> None:
    server = Tls(identity)
    thread = threading.Thread(target=server.shake, args=(pair.peer, b""))
    thread.start()
    pair.connection.start_tls(ssl.create_default_context(cafile=authority.file), DOMAIN, Deadline(2))
    pair.connection.try_flush()  # the last of the handshake usually travels with the stream header
    thread.join()
    pair.connection.push(b"bye")
    pair.connection.close()
    while data := pair.peer.recv(4096):
        server.incoming.write(data)
    assert server.session.read(100) == b"bye"
    assert server.session.read(100) == b""  # a close_notify, or this would raise


OLD = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='old'>"
NEW = OLD.replace(b"old", b"new")
DECLARATION = b"<?xml version='1.0'?>"


@pytest.mark.parametrize("part", [1, 13, 10_000])
@pytest.mark.parametrize("header", [NEW, DECLARATION + NEW, b"\n " + DECLARATION + b"\n" + NEW])
def test_the_peers_new_stream_begins_with_its_header_and_not_before(
    pair: Pair, header: bytes, part: int
) -> None:
    pair.connection.pull(OLD)
    pair.connection.renew()
    said = b"<message id='1'/><message id='2'/>" + header + b"<message id='3'/>"
    frames = [
        frame for at in range(0, len(said), part) for frame in pair.connection.pull(said[at : at + part])
    ]
    assert [frame.id for frame in frames if frame.names] == ["1", "2", "new", "3"]
    assert b"".join(frame.raw for frame in frames) == said
    assert pair.shown() == OLD + said and not pair.connection.ended


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", NEW),
        (b"", DECLARATION + NEW),
        (NEW, NEW),
        (b"", b"<?php ?>"),
        (DECLARATION + NEW, b"<!-- x -->"),
    ],
)
def test_a_header_where_none_is_due_is_a_violation(pair: Pair, before: bytes, after: bytes) -> None:
    pair.connection.pull(OLD)
    if before:
        pair.connection.renew()
        pair.connection.pull(before)
        assert not pair.connection.ended
    pair.connection.pull(after + b"<message/>")
    assert pair.connection.ended and isinstance(pair.connection.failure, StreamError)
    assert pair.shown().startswith(OLD + before + after)


def test_each_stream_that_is_sent_is_shown_as_one(pair: Pair) -> None:
    pair.connection.push(OLD + b"<message/>")
    pair.connection.renew()
    pair.connection.push(NEW + b"<message/>")
    assert [frame.name for frame in pair.frames] == ["stream", "message"] * 2
    assert all(frame.names for frame in pair.frames)
