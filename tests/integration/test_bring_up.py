"""Bringing Prosody up where other programs take its ports, or do not let it come up at all."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from tests.integration.home import Home
from xmppctl.errors import SandboxError
from xmppctl.sandbox import lifecycle
from xmppctl.sandbox.ports import free_ports
from xmppctl.sandbox.prosody import Ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("name", ["starttls", "direct", "http", "component"])
def test_a_port_that_was_taken_in_between_is_replaced(
    home: Home, taken: int, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    free = Ports.free
    offered: list[Ports] = []

    def offer() -> Ports:
        ports = free()
        if not offered:
            ports = Ports(**{field: getattr(ports, field) for field in Ports.__slots__} | {name: taken})
        offered.append(ports)
        return ports

    monkeypatch.setattr(Ports, "free", offer)
    sandbox, _ = lifecycle.start()
    try:
        assert len(offered) >= 2  # another may have been taken meanwhile
        assert sandbox.ports == offered[-1]
        assert taken not in {getattr(sandbox.ports, field) for field in Ports.__slots__}
    finally:
        lifecycle.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(sandbox.pid, 0)


def test_ports_that_are_always_taken_are_an_error_that_leaves_nothing(
    home: Home, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ports, "free", lambda: Ports(taken, *free_ports(4)))
    with pytest.raises(SandboxError, match="again and again") as caught:
        lifecycle.start()
    assert "Failed to open server port" in caught.value.log
    assert lifecycle.state() == "stopped"
