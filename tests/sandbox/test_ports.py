"""Free ports."""

from __future__ import annotations

import socket

from xmppctl.sandbox.ports import LOOPBACK, free_ports


def test_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as taken:
            taken.bind((LOOPBACK, port))


def test_a_port_in_use_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        assert taken.getsockname()[1] not in free_ports(50)
