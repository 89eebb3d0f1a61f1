"""Locks between processes: held as long as their holder lives, never through a link, waited for with a deadline."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xmppctl.config import locks
from xmppctl.errors import ConfigError, DaemonError

BUSY = DaemonError("busy")
HOLDER = (
    "import os, sys, time\nfrom xmppctl.config import locks\n"
    "descriptor = locks.open_file(__import__('pathlib').Path(sys.argv[1]), os.O_RDWR | os.O_CREAT)\n"
    "assert locks.take(descriptor)\nprint('held', flush=True)\ntime.sleep(60)\n"
)


def test_a_file_that_is_not_there_is_not_locked_and_not_made(tmp_path: Path) -> None:
    assert not locks.is_locked(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_lock_ends_with_its_holder_even_by_kill(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert locks.is_locked(path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not locks.is_locked(path)


def test_a_lock_is_private_and_not_inherited(tmp_path: Path) -> None:
    descriptor = locks.open_file(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    try:
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigError, match="cannot open"):
        locks.open_file(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert not (tmp_path / "target").exists()


def test_a_pipe_in_its_place_is_told_and_not_waited_at(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    for look in (
        lambda: locks.is_locked(tmp_path / "lock"),
        lambda: locks.open_file(tmp_path / "lock", os.O_RDWR | os.O_CREAT),
    ):
        with pytest.raises(ConfigError, match="no file"):
            look()


def test_a_lock_that_is_not_had_in_time_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.locked(path, 0, BUSY, create=True):
        with pytest.raises(DaemonError, match="busy"), locks.locked(path, 0.05, BUSY):
            pytest.fail("two hold it")
    with locks.locked(path, 0, BUSY):
        assert locks.is_locked(path)
    assert not locks.is_locked(path)


def test_without_create_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locks.locked(tmp_path / "lock", 0, BUSY):
        pytest.fail("there is no such file")


def test_shared_locks_go_together_and_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.locked(path, 0, BUSY, shared=True, create=True), locks.locked(path, 0, BUSY, shared=True):
        assert locks.is_locked(path)
        assert not locks.is_locked(path, fcntl.LOCK_SH)


def test_what_comes_true_while_trying_is_given_back() -> None:
    answers = iter([0, 0, 7])
    assert locks.try_for(5, lambda: next(answers)) == 7
    assert locks.try_for(0, lambda: 0) == 0
