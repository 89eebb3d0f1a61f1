"""Connecting to one of several addresses: a dead one costs a quarter of a second, not the deadline."""

from __future__ import annotations

import socket
from time import monotonic

import pytest

from tests.servers.hostile import Server, blackhole, free_port
from xmppctl.errors import TcpError
from xmppctl.session import tcp
from xmppctl.session.deadline import Deadline
from xmppctl.session.resolve import Address


def v4(port: int) -> Address:
    """An address of this machine."""
    return Address(socket.AF_INET, ("127.0.0.1", port))


def test_the_first_that_answers_is_taken() -> None:
    with Server(lambda peer: None) as server:
        sock, address = tcp.connect([v4(free_port()), v4(server.port), v4(free_port())], Deadline(5))
        sock.close()
    assert address == v4(server.port)


def test_a_dead_address_is_overtaken() -> None:
    with blackhole() as dead, Server(lambda peer: None) as server:
        began = monotonic()
        sock, address = tcp.connect([v4(dead), v4(server.port)], Deadline(10))
        sock.close()
    assert address == v4(server.port)
    assert tcp.STAGGER_SECONDS <= monotonic() - began < 8


def test_a_late_answer_still_wins_over_a_refusal() -> None:
    with Server(lambda peer: None) as server, blackhole() as dead:
        sock, address = tcp.connect([v4(dead), v4(free_port()), v4(server.port)], Deadline(10))
        sock.close()
    assert address.sockaddr[1] == server.port


def test_every_failure_is_told() -> None:
    refused = free_port()
    with blackhole() as dead, pytest.raises(TcpError) as caught:
        tcp.connect([v4(dead), v4(refused)], Deadline(0.5))
    assert f"127.0.0.1:{dead}: no answer" in caught.value.message
    assert f"127.0.0.1:{refused}: Connection refused" in caught.value.message


def test_without_an_address_there_is_nothing_to_try() -> None:
    with pytest.raises(TcpError, match="no address"):
        tcp.connect([], Deadline(1))


def test_an_address_family_that_is_not_there_is_passed_over() -> None:
    with Server(lambda peer: None) as server:
        sock, address = tcp.connect([Address(12345, ("x", 1)), v4(server.port)], Deadline(5))
        sock.close()
    assert address == v4(server.port)
