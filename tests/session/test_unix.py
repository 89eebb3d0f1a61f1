"""Addresses of Unix sockets, and who is at their other end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xmppctl.errors import ConfigError
from xmppctl.session import unix


def meet(path: Path) -> bytes:
    """Bind and connect at `path`, and say something."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        with unix.address(path) as where:
            server.bind(where)
            server.listen()
        with unix.address(path) as where:
            client.connect(where)
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"hello")
            return client.recv(10)


def descriptors() -> set[str]:
    """Those that this process has open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_a_short_path_is_its_own_address(tmp_path: Path) -> None:
    assert meet(tmp_path / "a.sock") == b"hello"
    with unix.address(Path("/run/a.sock")) as where:
        assert where == "/run/a.sock"


@pytest.mark.parametrize(
    "length", [unix.MAX_ADDRESS_BYTES - 1, unix.MAX_ADDRESS_BYTES, unix.MAX_ADDRESS_BYTES + 1, 400]
)
def test_a_path_of_any_length_is_reached(tmp_path: Path, length: int) -> None:
    directory = tmp_path
    while len(str(directory)) + 60 < length:
        directory = directory / ("d" * 40)
    directory.mkdir(parents=True, exist_ok=True)
    rest = length - len(str(directory)) - 1
    path = directory / ("s" * max(rest, 1))
    assert meet(path) == b"hello"
    assert path.is_socket()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    before = descriptors()
    meet(directory / "s")
    assert descriptors() == before


def test_a_name_that_is_too_long_by_any_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long") as caught, unix.address(tmp_path / ("s" * 120)):
        pass
    assert "XDG_RUNTIME_DIR" in caught.value.hint


def test_a_directory_that_is_missing_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), unix.address(tmp_path / ("d" * 120) / "s"):
        pass


def test_the_kernel_tells_who_is_there() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert unix.peer(one) == (os.geteuid(), os.getpid())
