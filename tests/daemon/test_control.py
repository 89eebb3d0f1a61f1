"""Finding and ending daemons from outside: also those that hang, and never anybody else."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.daemons import Home, serving
from tests.servers.hostile import Server
from xmppctl.config import paths
from xmppctl.daemon import control, instance
from xmppctl.errors import DaemonError, DeadlineExceeded
from xmppctl.session.deadline import Deadline

#: Holds the lock of a daemon and does nothing else; SIGTERM does not end it.
HOLDER = (
    "import pathlib, signal, sys, time\nfrom xmppctl.daemon import instance\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[2] == 'deaf' else signal.SIG_DFL)\n"
    "with instance.only_one(pathlib.Path(sys.argv[1]), lambda: False, name='work', jid='a@b.example'):\n"
    "    print('held', flush=True)\n    time.sleep(60)\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Server(serving) as server:
        home = Home(tmp_path, server.port)
        paths.private_directory(home.socket.parent)
        yield home
        home.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "END_SECONDS", 0.2)
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.2)


def hold(home: Home, manner: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home.lock), manner], stdout=subprocess.PIPE, text=True
    )
    home._started.append(process)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_where_none_runs_there_is_nothing_to_do(home: Home) -> None:
    told: list[str] = []
    assert not home.place.is_running
    assert home.place.info(Deadline(5)) is None
    assert not home.place.serves(Deadline(5))
    assert control.stop(home.place, Deadline(5), told.append) is False
    assert control.everywhere(home.environ) == []
    assert told == []


def test_one_that_runs_is_found_asked_and_ended(home: Home) -> None:
    process = home.start()
    home.wait_online()
    assert home.place.serves(Deadline(5))
    (found,) = control.everywhere(home.environ)
    told = found.info(Deadline(5))
    assert told is not None and (told["pid"], told["name"]) == (process.pid, "work")
    assert told["clients"] == []  # who asks is not attached
    notes: list[str] = []
    assert control.stop(home.place, Deadline(15), notes.append) is True
    assert process.wait(10) == 0
    assert notes == []


def test_one_with_other_settings_is_told_and_can_be_ended(home: Home) -> None:
    home.start()
    home.wait_online()
    other = home.place._replace(settings=home.settings._replace(pin="another"))
    with pytest.raises(DaemonError, match="other settings"):
        other.serves(Deadline(5))
    assert control.stop(other, Deadline(15), lambda _: None) is True


@pytest.mark.parametrize(("manner", "ended_by"), [("", signal.SIGTERM), ("deaf", signal.SIGKILL)])
def test_one_that_hangs_is_ended_by_signals_which_are_told(
    home: Home, impatient: None, manner: str, ended_by: signal.Signals
) -> None:
    """Connections to it are taken by the kernel, and nobody answers."""
    process = hold(home, manner)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.socket))
        home.socket.chmod(0o600)
        listener.listen()
        notes: list[str] = []
        reaper = threading.Thread(target=process.wait)
        reaper.start()
        assert control.stop(home.place, Deadline(15), notes.append) is True
        reaper.join(10)
    assert process.returncode == -ended_by
    assert "does not answer" in notes[0] and ended_by.name in notes[-1]


def test_a_stranger_whose_number_stands_in_the_lock_is_left_alone(home: Home, impatient: None) -> None:
    holder = hold(home)
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        home.lock.write_text(f"{stranger.pid}\n")
        with pytest.raises(DaemonError, match="does not end"):
            control.stop(home.place, Deadline(15), lambda _: None)
        assert stranger.poll() is None and holder.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_time_of_the_command_is_kept(home: Home) -> None:
    hold(home)
    with pytest.raises(DeadlineExceeded):
        control.stop(home.place, Deadline(0.05), pytest.fail)
    assert home.place.is_running


@pytest.mark.parametrize("config", ["[accounts.other]\njid = 'a@b.example'\n", "no TOML"])
def test_one_whose_account_is_not_there_any_more_can_be_ended(home: Home, config: str) -> None:
    process = home.start()
    home.wait_online()
    (home.path / "config/xmppctl/config.toml").write_text(config)
    ran = home.run("daemon", "stop", "--account", "work")
    assert ran.returncode == 0, ran.stderr
    assert process.wait(10) == 0
    ran = home.run("daemon", "stop", "--account", "work")
    assert ran.returncode == 3, "none runs, and there is no such account"


def test_the_socket_of_one_that_was_killed_is_removed_and_nothing_else(home: Home) -> None:
    paths.private_directory(home.socket.parent)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home.socket))
    assert control.stop(home.place, Deadline(5), lambda _: None) is False
    assert not home.socket.exists()
    home.socket.write_text("mine")
    control.stop(home.place, Deadline(5), lambda _: None)
    assert home.socket.read_text() == "mine"


def test_the_socket_of_one_that_starts_is_left_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as starting:
        starting.bind(str(home.socket))
    hold(home)
    with monkeypatch.context() as patch:
        patch.setattr(control.Place, "is_running", False)  # as it was a moment ago
        assert control.stop(home.place, Deadline(5), lambda _: None) is False
    assert home.socket.is_socket()


def test_one_that_has_taken_the_place_is_left_alone(
    home: Home, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon ends when it is asked, and a command starts the next one in that moment."""
    first = hold(home)

    def ask(self: control.Place, type: str, request: str, deadline: Deadline) -> str:
        first.kill()
        first.wait()
        hold(home)
        return ""

    monkeypatch.setattr(control.Place, "ask", ask)
    assert control.stop(home.place, Deadline(5), lambda _: None) is True
    assert instance.is_running(home.lock)


def test_what_is_no_answer_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "no json", json.dumps([1])):
        monkeypatch.setattr(control.Place, "ask", lambda *_, text=text: text)
        with pytest.raises(DaemonError, match="does not say"):
            home.place.info(Deadline(1))


def test_a_planted_lock_is_not_followed(home: Home) -> None:
    process = hold(home)
    (home.lock.parent / "other.lock").symlink_to(home.lock)
    assert [each.name for each in control.everywhere(home.environ)] == ["work"]
    assert process.poll() is None


def test_looking_makes_no_directory(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}
    assert control.everywhere(environ) == []
    assert list(tmp_path.iterdir()) == []
