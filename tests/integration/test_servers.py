"""The servers that the other cases stand on."""

from __future__ import annotations

import socket
import ssl

from tests.integration.program import Cli
from tests.servers.base import Server


def greeting(server: Server) -> str:
    """What the server says first on its direct TLS port, checked against the CA that accounts trust."""
    context = ssl.create_default_context(cafile=server.ca)
    with socket.create_connection((server.host, server.port_direct), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=server.domain) as stream:
            stream.sendall(
                b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
                b" to='localhost' version='1.0'>"
            )
            said = b""
            while b"</stream:features>" not in said:
                more = stream.recv(65536)
                assert more, said
                said += more
    return said.decode()


def test_offers_scram_sha_256_with_a_certificate_of_the_trusted_ca(server: Server) -> None:
    said = greeting(server)
    assert ">SCRAM-SHA-256<" in said


def test_accounts_differ_from_test_to_test(cli: Cli, server: Server, tmp_path_factory) -> None:
    other = Cli(server, tmp_path_factory.mktemp("other"))
    assert cli.jid("alice") != other.jid("alice")
    assert cli.jid("alice") != cli.jid("bob")
