"""Whoever starts a daemon hears once whether it serves, in the background and under systemd."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmppctl.daemon.readiness import FD_VARIABLE, Readiness
from xmppctl.errors import AuthError


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    writing = os.dup2(writing, 200, inheritable=True)
    yield reading, writing
    os.close(reading)


def all_of(reading: int, writing: int) -> bytes:
    """What is in the pipe, which has ended."""
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(writing)
    os.set_blocking(reading, False)
    return os.read(reading, 65536)


def starter(writing: int) -> dict[str, str]:
    return {FD_VARIABLE: str(writing), "PATH": "/bin"}


def test_ready_is_one_line_and_the_end(pipe: tuple[int, int]) -> None:
    environ = starter(pipe[1])
    readiness = Readiness(environ)
    assert readiness.in_background
    assert not os.get_inheritable(pipe[1])
    readiness.ready()
    readiness.ready()
    readiness.failed(AuthError("too late"))
    assert all_of(*pipe) == b"ready\n"
    assert environ == {"PATH": "/bin"}


def test_a_failure_is_what_json_output_prints(pipe: tuple[int, int]) -> None:
    Readiness(starter(pipe[1])).failed(AuthError("wrong\npassword", hint="try again"))
    told = all_of(*pipe)
    assert told.count(b"\n") == 1
    assert json.loads(told) == {
        "error": "auth",
        "exit": 5,
        "message": "wrong\npassword",
        "hint": "try again",
    }


def test_a_starter_that_is_gone_is_no_reason_to_end() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    Readiness(starter(writing)).ready()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(writing)


@pytest.mark.parametrize("value", ["", "x", "-1", "99999", "99999999999999999999", "1", "2"])
def test_a_number_that_names_no_pipe_is_passed_over(value: str) -> None:
    readiness = Readiness({FD_VARIABLE: value})
    assert not readiness.in_background
    readiness.ready()
    os.fstat(1)


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_of_it(tmp_path: Path, abstract: bool) -> None:
    name = f"@xmppctl-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name[1:]}" if abstract else name)
        manager.settimeout(5)
        environ = {"NOTIFY_SOCKET": name}
        readiness = Readiness(environ)
        readiness.ready()
        readiness.status("on\nline")
        readiness.stopping()
        assert [manager.recv(1000) for _ in range(3)] == [b"READY=1", b"STATUS=on\\nline", b"STOPPING=1"]
    assert environ == {}
    readiness.stopping()  # the manager is gone
