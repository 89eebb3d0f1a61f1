"""Without TLS nothing secret leaves this machine, wherever a name turns out to lead."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.servers.hostile import Peer, Server, fail, greet, mechanisms
from tests.session.conftest import Client
from xmppctl.errors import AuthError, TlsError
from xmppctl.session import tcp
from xmppctl.session.resolve import Address

Serve = Callable[..., Server]


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted server is somewhere else, as far as the login can tell."""
    connect = tcp.connect

    def elsewhere(addresses, deadline):
        sock, address = connect(addresses, deadline)
        return sock, Address(socket.AF_INET, ("192.0.2.1", address.sockaddr[1]))

    monkeypatch.setattr(tcp, "connect", elsewhere)


def offering_plain(peer: Peer) -> None:
    greet(peer, mechanisms("PLAIN"))
    peer.until_end()


def refusing_plain(peer: Peer) -> None:
    greet(peer, mechanisms("PLAIN"))
    peer.expect("</auth>")
    fail(peer, "not-authorized")
    peer.until_end()


def test_a_host_that_is_not_this_machine_gets_nothing_in_clear(
    far_away: None, serve: Serve, client: Client
) -> None:
    client.change(tls="none", plain=True)
    server = serve(lambda peer: peer.until_end())
    client.attempt(server).failed(TlsError, 4, "is not this machine")
    server.finish()
    assert "<" not in server.text.removesuffix("</stream:stream>")


def test_not_even_insecure_sends_the_password_itself_elsewhere(
    far_away: None, serve: Serve, client: Client
) -> None:
    client.change(tls="none", insecure=True, plain=True)
    server = serve(offering_plain)
    client.attempt(server).failed(AuthError, 5, "no way to authenticate", "PLAIN")
    server.finish()
    assert "<auth" not in server.text


def test_on_this_machine_plain_is_sent_where_the_account_allows_it(serve: Serve, client: Client) -> None:
    client.change(tls="none", plain=True)
    server = serve(refusing_plain)
    client.attempt(server).failed(AuthError, 5, "PLAIN: not-authorized")
    server.finish()
    assert "mechanism='PLAIN'" in server.text
