"""One daemon of an account: a lock decides, a process id alone proves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmppctl.daemon import instance
from xmppctl.errors import ConfigError, DaemonError

HOLDER = (
    "import sys, time, pathlib\nfrom xmppctl.daemon import instance\n"
    "with instance.only_one(pathlib.Path(sys.argv[1]), lambda: False):\n"
    "    print('held', flush=True)\n    time.sleep(60)\n"
)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "work.lock"


@pytest.fixture
def holder(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def never() -> bool:
    return False


def test_the_lock_holds_our_process_id_and_is_private(lock: Path) -> None:
    assert not instance.is_running(lock) and instance.pid(lock) is None
    with instance.only_one(lock, never) as first:
        assert first
        assert lock.read_text().startswith(f"{os.getpid()}\n")
        assert lock.stat().st_mode & 0o777 == 0o600
        assert instance.is_running(lock) and instance.pid(lock) == os.getpid()
    assert not instance.is_running(lock) and instance.pid(lock) is None


def test_it_says_whose_it_is(lock: Path) -> None:
    assert instance.whose(lock) == ("", "")
    lock.write_text("a longer text of another release\n" * 10)
    with instance.only_one(lock, never, name="work", jid="romeo@montague.example"):
        assert instance.whose(lock) == ("work", "romeo@montague.example")
        assert lock.read_text() == f"{os.getpid()}\nwork\nromeo@montague.example\n"


def test_a_second_one_is_told_that_the_first_serves(lock: Path) -> None:
    with instance.only_one(lock, never), instance.only_one(lock, lambda: True) as first:
        assert not first
        assert instance.pid(lock) == os.getpid()


def test_one_that_neither_serves_nor_ends_is_an_error_after_a_while(lock: Path) -> None:
    with instance.only_one(lock, never):
        with pytest.raises(DaemonError, match="does not answer"), instance.only_one(lock, never, 0.05):
            pytest.fail("two at once")


def test_one_that_ends_makes_room(lock: Path, holder: subprocess.Popen[bytes]) -> None:
    asked = []

    def serves() -> bool:
        if not asked:
            holder.kill()
        asked.append(1)
        return False

    with instance.only_one(lock, serves, 10) as first:
        assert first and asked
        assert instance.pid(lock) == os.getpid()


def test_a_kill_leaves_nothing_that_counts(lock: Path, holder: subprocess.Popen[bytes]) -> None:
    assert instance.pid(lock) == holder.pid
    holder.kill()
    holder.wait()
    assert instance.pid(lock) is None
    assert lock.read_text().startswith(f"{holder.pid}\n")
    with instance.only_one(lock, never, 0) as first:
        assert first


def test_a_signal_goes_to_the_holder(lock: Path, holder: subprocess.Popen[bytes]) -> None:
    assert not instance.send_signal(lock, os.getpid(), signal.SIGKILL)
    assert instance.send_signal(lock, holder.pid, signal.SIGKILL)
    assert holder.wait(10) == -signal.SIGKILL
    assert not instance.send_signal(lock, holder.pid, signal.SIGKILL)


@pytest.mark.skipif(
    not Path("/proc/self/fdinfo").is_dir(), reason="the kernel does not tell who holds a lock"
)
def test_a_signal_never_goes_to_a_stranger_whose_number_stands_in_the_lock(
    lock: Path, holder: subprocess.Popen[bytes]
) -> None:
    """As after a daemon that was killed while the next one has not yet written its own number."""
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        lock.write_text(f"{stranger.pid}\n")
        assert instance.is_running(lock)
        assert not instance.send_signal(lock, stranger.pid, signal.SIGKILL)
        assert not instance.send_signal(lock, holder.pid, signal.SIGKILL)
        assert stranger.poll() is None and holder.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "99999999999999999999999"])
def test_a_number_that_can_be_no_daemon_is_none(
    lock: Path, holder: subprocess.Popen[bytes], text: str
) -> None:
    lock.write_text(text)
    assert instance.pid(lock) is None


def test_a_planted_link_is_not_followed(lock: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    lock.symlink_to(tmp_path / "precious")
    with pytest.raises(ConfigError), instance.only_one(lock, never):
        pytest.fail("it was followed")
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_planted_pipe_is_not_waited_at(lock: Path) -> None:
    os.mkfifo(lock)
    assert instance.whose(lock) == ("", "")
    assert instance.pid(lock) is None
    with pytest.raises(ConfigError, match="no file"), instance.only_one(lock, never):
        raise AssertionError("the lock is no file")
