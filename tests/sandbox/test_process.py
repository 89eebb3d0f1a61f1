"""Detached processes: found while they live, never mistaken for another, ended for sure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmppctl.errors import SandboxError
from xmppctl.sandbox import process


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "with a space"
    place.mkdir()
    yield place
    process.terminate(place, grace=0.2)


def started(directory: Path, *argv: str) -> int:
    process.spawn(argv or ("/bin/sleep", "60"), directory, directory / "log")
    return waited(directory)


def waited(directory: Path) -> int:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pid = process.server_pid(directory)
        if pid is not None:
            return pid
        time.sleep(0.01)
    raise AssertionError("no process id appears")


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_is_alive_until_it_is_terminated(directory: Path) -> None:
    assert not process.alive(directory)
    pid = started(directory)
    assert process.alive(directory)
    assert os.getsid(pid) == pid
    process.terminate(directory)
    assert not process.alive(directory)
    assert process.server_pid(directory) is None
    assert not running(pid)


def test_only_one_server_lives_in_a_directory(directory: Path, monkeypatch) -> None:
    pid = started(directory)
    monkeypatch.setattr(process, "_LOCK_SECONDS", 0.1)
    with pytest.raises(SandboxError, match="already runs"):
        process.spawn(["/bin/sleep", "60"], directory, directory / "log")
    assert process.server_pid(directory) == pid


def test_a_killed_server_is_not_alive_even_as_a_zombie(directory: Path) -> None:
    pid = started(directory)
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while process.alive(directory) and time.monotonic() < end:
        time.sleep(0.01)
    assert not process.alive(directory)
    assert process.server_pid(directory) is None


def test_a_stale_process_id_that_now_belongs_to_a_stranger_is_left_alone(directory: Path) -> None:
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        (directory / process.PID).write_text(f"{stranger.pid}\n")
        (directory / process.ALIVE).touch()
        assert process.server_pid(directory) is None
        process.terminate(directory)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_ignores_sigterm_is_killed(directory: Path) -> None:
    pid = started(directory, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    end = time.monotonic() + 10
    while "ready" not in (directory / "log").read_text() and time.monotonic() < end:
        time.sleep(0.01)
    before = time.monotonic()
    process.terminate(directory, grace=0.3)
    assert 0.3 <= time.monotonic() - before < 10
    assert not running(pid)


def test_a_server_outlives_the_process_that_started_it(directory: Path) -> None:
    script = (
        "import sys, os, pathlib\nfrom xmppctl.sandbox import process\n"
        "d = pathlib.Path(sys.argv[1])\nprocess.spawn(['/bin/sleep', '60'], d, d / 'log')\nos._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(directory)], check=True, timeout=30)
    pid = waited(directory)
    assert process.alive(directory)
    process.terminate(directory)
    assert not process.alive(directory)
    assert pid > 0


def test_the_server_sees_neither_our_secrets_nor_our_files(directory: Path, monkeypatch) -> None:
    monkeypatch.setenv("XMPPCTL_PASSWORD", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    process.spawn(
        ["/bin/sh", "-c", "env; echo more=$MORE; pwd"],
        directory,
        directory / "log",
        environment={"MORE": "1"},
    )
    end = time.monotonic() + 10
    while process.alive(directory) and time.monotonic() < end:
        time.sleep(0.01)
    said = (directory / "log").read_text()
    assert "hunter2" not in said
    assert "more=1" in said
    assert said.rstrip().endswith("\n/")


def test_a_program_that_does_not_exist_says_so_in_the_log(directory: Path) -> None:
    process.spawn([str(directory / "nothing")], directory, directory / "log")
    end = time.monotonic() + 10
    while process.alive(directory) and time.monotonic() < end:
        time.sleep(0.01)
    assert "not found" in (directory / "log").read_text()


def test_a_planted_link_in_place_of_the_lock_is_not_followed(directory: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (directory / process.ALIVE).symlink_to(target)
    with pytest.raises(SandboxError):
        process.spawn(["/bin/sleep", "60"], directory, directory / "log")
    assert target.read_text() == "precious"
    (directory / process.ALIVE).unlink()


def test_a_lock_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    with process.locked(tmp_path, 1):
        before = time.monotonic()
        with pytest.raises(SandboxError, match="another xmppctl"), process.locked(tmp_path, 0.2):
            pass
        assert 0.2 <= time.monotonic() - before < 10
    with process.locked(tmp_path, 0.2):
        pass


def test_shared_locks_go_together_and_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.touch()
    with process.locked(path, 0.1, shared=True):
        with process.locked(path, 0.1, shared=True):
            assert process.is_locked(path)
        assert process.is_locked(path)
    assert not process.is_locked(path)
