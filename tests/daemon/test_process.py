"""The daemon as a process: exactly one, told when it serves, ended in every way there is, and what it leaves behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.daemons import Home, answer, login, serving
from tests.servers.hostile import PASSWORD, Peer, Script, Server, fail, free_port, greet, mechanisms
from xmppctl.daemon.process import DESCRIPTORS
from xmppctl.session import attach, local
from xmppctl.session.deadline import Deadline

Enter = Callable[..., Home]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    """A home on a server that plays `scripts`; without any nobody listens at its port."""
    with ExitStack() as stack:

        def make(*scripts: Script, **more: str) -> Home:
            port = stack.enter_context(Server(*scripts)).port if scripts else free_port()
            home = Home(tmp_path, port, **more)
            stack.callback(home.close)
            return home

        yield make


def refusing(peer: Peer) -> None:
    greet(peer, mechanisms("SCRAM-SHA-256"))
    peer.expect("<auth")
    fail(peer, "not-authorized")
    peer.until_end()


def throwing_out(peer: Peer) -> None:
    """Another login with the same resource takes over, as soon as somebody is attached."""
    login(peer)
    peer.expect("<presence")
    peer.send(
        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
    peer.until_end()


# -- starting --


def test_a_start_returns_when_it_is_online_and_leaves_it_behind(enter: Enter) -> None:
    home = enter(serving, password="wrong")
    done = home.run("daemon", "start", "-o", "json", "--password-file", "-", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["daemon"], told["started"], told["state"]) == ("work", True, "online")
    assert told["pid"] == home.pid == home.status()["pid"]
    assert stat_mode(home.socket) == 0o600
    process = Path(f"/proc/{home.pid}")
    assert os.getsid(home.pid) == home.pid
    if process.is_dir():
        assert {(process / f"fd/{number}").readlink() for number in (0, 1, 2)} == {Path(os.devnull)}
        assert (process / "cwd").readlink() == Path("/")
    os.kill(home.pid, signal.SIGHUP)  # as when a terminal closes
    assert home.status()["connection"]["state"] == "online"
    assert home.run("daemon", "stop").returncode == 0


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_second_start_finds_the_first(enter: Enter) -> None:
    home = enter(serving)
    assert home.run("daemon", "start").returncode == 0
    pid = home.pid
    for words in ((), ("--foreground",)):
        done = home.run("daemon", "start", *words)
        assert done.returncode == 0 and "already" in done.stderr, done.stderr
    assert home.pid == pid


def test_many_starts_at_once_start_one(enter: Enter) -> None:
    home = enter(serving)
    starts = [
        subprocess.Popen(
            home.command("daemon", "start", "-o", "json"), env=home.environ, stdout=subprocess.PIPE, text=True
        )
        for _ in range(5)
    ]
    told = [json.loads(each.communicate(timeout=30)[0]) for each in starts]
    assert {each.returncode for each in starts} == {0}
    assert {each["pid"] for each in told} == {home.pid}
    assert sum(each["started"] for each in told) == 1
    assert home.log.count("started for") == 1


def test_a_refused_password_is_the_starts_error_and_leaves_nothing(enter: Enter) -> None:
    home = enter(refusing)
    done = home.run("daemon", "start")
    assert done.returncode == 5
    assert "refused" in done.stderr and done.stdout == ""
    assert not home.socket.exists()
    home.wait(lambda: not home.place.is_running, "the end")
    assert " error   ended: " in home.log


def test_without_a_network_it_stays_and_says_so(enter: Enter) -> None:
    home = enter()
    done = home.run("daemon", "start")
    assert done.returncode == 0
    assert "not online yet" in done.stderr and "goes on trying" in done.stderr
    told = home.status()["connection"]
    assert told["state"] in ("waiting", "connecting") and "refused" in told["failure"]
    assert home.run("daemon", "stop").returncode == 0


def test_a_configuration_that_is_wrong_only_for_the_daemon_is_told(enter: Enter) -> None:
    home = enter(serving)
    (home.path / "state").mkdir()
    (home.path / "state/xmppctl").write_text("in the way")
    done = home.run("daemon", "start")
    assert done.returncode == 3 and "state/xmppctl" in done.stderr


def test_after_a_kill_the_next_one_takes_over(enter: Enter) -> None:
    home = enter(serving)
    process = home.start()
    home.wait_online()
    process.kill()
    process.wait()
    assert home.socket.exists()
    assert home.run("daemon", "status").returncode == 9
    assert home.run("daemon", "start").returncode == 0
    assert home.status()["pid"] != process.pid


def test_what_somebody_else_has_planted_is_neither_followed_nor_removed(enter: Enter) -> None:
    home = enter(serving)
    home.socket.parent.mkdir(mode=0o700)
    home.socket.symlink_to(home.path / "elsewhere")
    done = home.run("daemon", "start")
    assert done.returncode == 9 and "symbolic link" in done.stderr
    process = home.start()
    assert process.wait(20) == 9
    assert home.socket.is_symlink() and not (home.path / "elsewhere").exists()


def test_the_service_manager_hears_when_it_serves_and_when_it_ends(enter: Enter, tmp_path: Path) -> None:
    home = enter(serving)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        process = home.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(100) == b"READY=1"
        assert home.socket.exists()
        assert manager.recv(100) == b"STATUS=online"
        process.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        assert process.wait(20) == 0


# -- ending --


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_properly(enter: Enter, number: signal.Signals) -> None:
    home = enter(serving)
    process = home.start()
    home.wait_online()
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert f"signal {number.name}" in home.log and home.log.endswith(" ended\n")
    assert [line.split(maxsplit=1)[1] for line in said.splitlines()] == [
        line.split(maxsplit=2)[2] for line in home.log.splitlines()
    ]
    assert not home.socket.exists()


def test_the_stream_is_closed_on_the_way_out(enter: Enter, tmp_path: Path) -> None:
    closed = []

    def script(peer: Peer) -> None:
        login(peer)
        answer(peer)
        closed.append(True)  # it has seen the footer, or it would still be waiting

    home = enter(script)
    home.start()
    home.wait_online()
    done = home.run("daemon", "stop", "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["stopped"] is True
    home.wait(lambda: closed, "the footer")
    again = home.run("daemon", "stop", "-o", "json")
    assert again.returncode == 0 and json.loads(again.stdout)["stopped"] is False


def test_a_second_signal_ends_it_at_once(enter: Enter) -> None:
    """The server neither acknowledges nor closes its stream."""

    def deaf(peer: Peer) -> None:
        login(peer)
        peer.listen(20)

    home = enter(deaf)
    process = home.start()
    home.wait_online()
    process.terminate()
    home.wait(lambda: "ending" in home.log, "the first signal")
    # While it waits for the server, commands already find no daemon.
    home.wait(lambda: not home.socket.exists(), "the end of listening")
    process.terminate()
    assert process.wait(20) == 143


def test_a_failure_that_will_not_pass_ends_it_after_its_clients_are_told(enter: Enter) -> None:
    home = enter(throwing_out)
    process = home.start()
    home.wait_online()
    stream = attach.reach(home.socket, home.settings, Deadline(10))
    assert stream is not None
    established = stream.bind(Deadline(10))
    established.connection.push(b"<presence/>")
    heard = b""
    while b"</stream:stream>" not in heard:
        frames = established.connection.read(Deadline(10), "hearing of the end")
        heard += b"".join(frame.raw for frame in frames)
    established.connection.close()
    assert b"conflict" in heard and local.NS_DAEMON.encode() in heard
    assert process.wait(20) == 4
    assert " error   ended: " in home.log
    assert not home.socket.exists()


def test_idling_ends_it_but_not_while_somebody_is_attached(enter: Enter) -> None:
    home = enter(serving)
    process = home.start("--until-idle", "1s")
    home.wait(lambda: home.socket.exists(), "the socket")
    stream = attach.reach(home.socket, home.settings, Deadline(10))
    assert stream is not None
    stream.bind(Deadline(10))
    time.sleep(1.3)  # the one wait that has to be longer than the idling it disproves
    assert home.socket.exists() and "ending" not in home.log
    stream.close()
    assert process.wait(20) == 0
    assert "nothing to do for 1 s" in home.log
    assert not home.socket.exists()


# -- limits --


def test_it_may_have_as_many_files_open_as_it_needs(enter: Enter) -> None:
    home = enter(serving)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        process = home.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    home.wait_online()
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == wanted


def test_with_no_more_files_it_goes_on_and_is_no_bug(enter: Enter) -> None:
    home = enter(serving)
    process = home.start()
    home.wait_online()
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (40, 40))
    callers = []
    for _ in range(100):
        callers.append(socket.socket(socket.AF_UNIX))
        callers[-1].connect(str(home.socket))
    home.wait(lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) >= 40, "it is full")
    for caller in callers:
        caller.close()
    home.wait(lambda: home.run("ping", "--daemon", "only").returncode == 0, "it lets somebody in again")
    assert "bug" not in home.log and not list(home.path.glob("state/xmppctl/crash-*"))
    process.terminate()
    assert process.wait(20) == 0


# -- what it takes and tells --


def test_it_loads_no_library_that_it_does_not_need_and_stays_small(enter: Enter) -> None:
    home = enter(serving)
    process = home.start(python=("-X", "importtime"))
    home.wait_online()
    assert home.status()["memory"]["peak"] < 64 * 1024 * 1024
    process.terminate()
    _, said = process.communicate(timeout=20)
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in said.splitlines() if "|" in line}
    assert {"asyncio", "xmppctl"} <= loaded
    assert not loaded & {"slixmpp", "rich", "lxml", "prompt_toolkit", "tomlkit"}


def test_being_the_daemon_needs_no_click() -> None:
    code = "import sys, xmppctl.daemon.process\nprint(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert not set(done.stdout.split()) & {"click", "slixmpp", "rich", "lxml"}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_a_password_from_the_environment_is_not_in_its_environment(enter: Enter) -> None:
    home = enter(serving, password="wrong")
    process = home.start(XMPPCTL_PASSWORD=PASSWORD)
    home.wait_online()
    assert process.pid == home.pid
    environ = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"XDG_STATE_HOME=" in environ and PASSWORD.encode() not in environ
    process.terminate()
    assert process.wait(20) == 0
