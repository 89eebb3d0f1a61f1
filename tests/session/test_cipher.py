"""TLS in memory, both ends in this process: no socket, no waiting."""

from __future__ import annotations

import ssl

import pytest

from tests.servers.hostile import DOMAIN
from tests.servers.identities import Authority, Identity
from xmppctl.errors import TlsError
from xmppctl.session.cipher import Cipher


class Server:
    """The other end."""

    def __init__(self, identity: Identity) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = identity.context().wrap_bio(self.incoming, self.outgoing, server_side=True)

    def shake_hands(self, cipher: Cipher) -> None:
        """The whole handshake, both ends."""
        done = False
        while not done:
            done = cipher.shake_hands()
            self.incoming.write(cipher.output())
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            cipher.give(self.outgoing.read()) if not done else None


@pytest.fixture
def server(identity: Identity) -> Server:
    """The rightful one."""
    return Server(identity)


@pytest.fixture
def cipher(server: Server, authority: Authority) -> Cipher:
    """One that has shaken hands."""
    made = Cipher(ssl.create_default_context(cafile=authority.file), DOMAIN)
    server.shake_hands(made)
    return made


def test_plaintext_goes_both_ways(server: Server, cipher: Cipher) -> None:
    said = b"ping" * 10_000
    assert cipher.encrypt(said) is None
    wire = cipher.output()
    assert b"ping" not in wire
    server.incoming.write(wire)
    heard = b""
    while len(heard) < len(said):
        heard += server.tls.read(len(said))
    assert heard == said
    server.tls.write(b"pong")
    assert cipher.decrypt(server.outgoing.read()) == (b"pong", False, None)


def test_a_certificate_of_another_name_is_refused(server: Server, authority: Authority) -> None:
    other = Cipher(ssl.create_default_context(cafile=authority.file), "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        server.shake_hands(other)
    assert other.output(), "the alert that tells the server why"


def test_an_end_without_a_close_notify_is_no_failure(cipher: Cipher) -> None:
    assert cipher.decrypt(b"") == (b"", True, None)


def test_a_close_notify_is_the_end(server: Server, cipher: Cipher) -> None:
    server.tls.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        server.tls.unwrap()
    assert cipher.decrypt(server.outgoing.read()) == (b"last", True, None)


def test_bytes_that_are_no_tls_are_an_error_and_the_end(cipher: Cipher) -> None:
    plain = cipher.decrypt(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert (plain.data, plain.ended) == (b"", True)
    assert isinstance(plain.failure, TlsError)
    assert cipher.output(), "the alert"


def test_closing_says_so_to_the_peer(server: Server, cipher: Cipher) -> None:
    cipher.close()
    server.incoming.write(cipher.output())
    assert server.tls.read(10) == b""
    assert cipher.encrypt(b"more") is not None
