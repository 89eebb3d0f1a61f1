"""The sandbox through its commands: two accounts at once, crashes, races, planted files, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.integration.home import Home


@pytest.fixture
def running(home: Home) -> Home:
    result = home.run("sandbox", "start")
    assert result.code == 0, result.stderr
    return home


def test_alice_and_bob_work_at_once_and_stop_leaves_nothing(home: Home) -> None:
    started = home.run("sandbox", "start")
    assert started.code == 0, started.stderr
    for name in ("alice", "bob"):
        assert home.run("-a", name, "ping").code == 0
    stopped = home.run("sandbox", "stop")
    assert stopped.code == 0, stopped.stderr
    assert home.servers() == []
    assert home.left() == []


def test_starting_and_stopping_twice_changes_nothing(running: Home) -> None:
    before = running.status()
    again = json.loads(running.run("sandbox", "start", "-o", "jsonl").stdout)
    assert (again["pid"], again["started"]) == (before["pid"], False)
    assert len(running.servers()) == 1
    assert running.run("sandbox", "stop").code == 0
    second = running.run("sandbox", "stop")
    assert second.code == 0
    assert "no sandbox" in second.stdout


def test_status_tells_where_everything_is_and_3_without_a_sandbox(home: Home) -> None:
    nothing = home.run("sandbox", "status")
    assert nothing.code == 3
    assert "sandbox start" in nothing.stderr
    assert home.left() == []
    home.run("sandbox", "start")
    status = home.status()
    assert status["state"] == "running"
    assert status["pid"] in home.servers()
    for name in ("ca", "component_secret_file", "log"):
        assert Path(status[name]).is_file()


def test_two_starts_at_the_same_time_make_one_server(home: Home) -> None:
    racing = [home.popen("sandbox", "start", "-o", "jsonl") for _ in range(4)]
    records = []
    for process in racing:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        records.append(json.loads(stdout))
    assert sorted(record["started"] for record in records) == [False, False, False, True]
    assert len({record["pid"] for record in records}) == 1
    assert len(home.servers()) == 1


def test_after_a_killed_server_the_next_start_brings_a_new_one(running: Home) -> None:
    before = running.status()
    os.kill(before["pid"], signal.SIGKILL)
    end = time.monotonic() + 10
    while running.status()["state"] != "crashed" and time.monotonic() < end:
        time.sleep(0.05)
    assert running.run("sandbox", "status").code == 3
    assert running.run("sandbox", "start").code == 0
    assert running.status()["pid"] != before["pid"]
    assert running.run("-a", "alice", "ping").code == 0


def test_stop_cleans_up_after_a_killed_server(running: Home) -> None:
    os.kill(running.status()["pid"], signal.SIGKILL)
    assert running.run("sandbox", "stop").code == 0
    assert running.left() == []


def test_a_start_that_is_killed_at_any_moment_can_be_repeated(home: Home) -> None:
    for delay in (0.05, 0.12, 0.2, 0.25, 0.3, 0.35, 0.45):
        process = home.popen("sandbox", "start")
        time.sleep(delay)
        process.kill()
        process.communicate()
        result = home.run("sandbox", "start")
        assert result.code == 0, (delay, result.stderr)
        assert home.run("-a", "bob", "ping").code == 0
        assert len(home.servers()) == 1
        assert home.run("sandbox", "stop").code == 0
        assert home.servers() == []
        assert home.left() == []


def test_an_interrupted_start_leaves_nothing(home: Home) -> None:
    process = home.popen("sandbox", "start")
    end = time.monotonic() + 10
    while not home.directory.exists() and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert home.servers() == []
    assert home.left() == []


def test_a_stale_process_id_of_a_stranger_is_not_touched(running: Home) -> None:
    os.kill(running.status()["pid"], signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (running.directory / "pid").write_text(f"{stranger.pid}\n")
        assert running.run("sandbox", "stop").code == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_planted_link_is_refused_and_its_target_untouched(home: Home) -> None:
    target = home.root / "precious"
    target.mkdir()
    (target / "file").write_text("keep me")
    home.state.mkdir(parents=True, mode=0o700)
    home.directory.symlink_to(target)
    for verb in ("start", "stop"):
        refused = home.run("sandbox", verb)
        assert refused.code == 3
        assert "symbolic link" in refused.stderr
    assert (target / "file").read_text() == "keep me"
    assert home.servers() == []


def test_a_link_inside_a_crashed_sandbox_is_removed_and_not_followed(running: Home) -> None:
    target = running.root / "precious"
    target.mkdir()
    (target / "file").write_text("keep me")
    (running.directory / "data/link").symlink_to(target)
    assert running.run("sandbox", "stop").code == 0
    assert (target / "file").read_text() == "keep me"
    assert running.left() == []


def test_the_files_are_private(running: Home) -> None:
    assert running.directory.stat().st_mode & 0o777 == 0o700
    secret = [
        path
        for path in running.directory.iterdir()
        if path.suffix in (".password", ".secret", ".key", ".lua")
    ]
    assert len(secret) == 5
    for path in secret:
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_no_password_is_ever_in_a_command_line(home: Home) -> None:
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert home.run("sandbox", "start").code == 0
        assert home.run("-a", "alice", "ping").code == 0
    finally:
        done.set()
        watcher.join()
    secrets = [
        path.read_bytes().strip()
        for path in home.directory.iterdir()
        if path.suffix in (".password", ".secret")
    ]
    assert len(secrets) == 3 and all(secrets)
    everything = b"\n".join(seen)
    assert b"prosody" in everything
    for secret in secrets:
        assert secret not in everything
        assert secret not in (home.directory / "prosody.log").read_bytes()


def test_run_gives_the_exit_code_and_stops_what_it_started(home: Home) -> None:
    result = home.run("sandbox", "run", "--", "sh", "-c", "xmppctl ping && exit 7")
    assert result.code == 7, result.stderr
    assert "localhost" in result.stdout
    assert home.servers() == []
    assert home.left() == []


def test_run_leaves_a_sandbox_that_was_there(running: Home) -> None:
    before = running.status()["pid"]
    assert running.run("sandbox", "run", "true").code == 0
    assert running.status()["pid"] == before


def test_the_last_of_two_runs_stops_the_sandbox(home: Home) -> None:
    marker = home.root / "go"
    long = home.popen(
        "sandbox", "run", "sh", "-c", f"until [ -e '{marker}' ]; do sleep 0.05; done; xmppctl ping"
    )
    end = time.monotonic() + 20
    while home.run("sandbox", "status").code != 0 and time.monotonic() < end:
        pass
    assert home.run("sandbox", "run", "xmppctl", "ping").code == 0
    assert home.status()["state"] == "running"
    marker.touch()
    _, stderr = long.communicate(timeout=30)
    assert long.returncode == 0, stderr
    assert home.left() == []


def test_a_start_keeps_the_sandbox_of_a_run_that_ends(home: Home) -> None:
    marker = home.root / "go"
    long = home.popen("sandbox", "run", "sh", "-c", f"until [ -e '{marker}' ]; do sleep 0.05; done")
    end = time.monotonic() + 20
    while home.run("sandbox", "status").code != 0 and time.monotonic() < end:
        pass
    assert home.run("sandbox", "start").code == 0
    marker.touch()
    long.communicate(timeout=30)
    assert home.status()["state"] == "running"


def test_run_cannot_reach_an_account_of_the_users_own(home: Home) -> None:
    config = home.root / ".config/xmppctl/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[accounts.alice]\njid = "alice@example.invalid"\npassword_command = "false"\n')
    config.chmod(0o600)
    result = home.run("sandbox", "run", "xmppctl", "-a", "alice", "ping", XMPPCTL_JID="eve@example.invalid")
    assert result.code == 0, result.stderr
    assert result.stdout.startswith("localhost")
    started = home.run("sandbox", "start")
    assert "alice" in started.stderr and "sandbox run" in started.stderr


def test_a_run_that_is_terminated_ends_its_program_and_the_sandbox(home: Home) -> None:
    process = home.popen("sandbox", "run", "sh", "-c", "echo up; exec sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert home.servers() == []
    assert home.left() == []


@pytest.mark.parametrize("missing", ["prosody", "openssl"])
def test_a_missing_program_is_named_with_the_command_that_installs_it(
    home: Home, tmp_path: Path, missing: str
) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("prosody", "openssl", "apt-get"):
        if name != missing:
            (binaries / name).write_text("#!/bin/sh\nexit 1\n")
            (binaries / name).chmod(0o755)
    result = home.run("sandbox", "start", PATH=str(binaries))
    assert result.code == 3
    assert f"{missing} is not installed" in result.stderr
    assert f"install -y {missing}" in result.stderr
    assert home.left() == []


def test_a_prosody_that_does_not_come_up_shows_the_end_of_its_log(home: Home, tmp_path: Path) -> None:
    broken = tmp_path / "bin/prosody"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'lua: no such module: \033[31mlfs'\nexit 1\n")
    broken.chmod(0o755)
    result = home.run("sandbox", "start", PATH=f"{broken.parent}:{os.environ['PATH']}")
    assert result.code == 3
    assert "lua: no such module: \\x1b[31mlfs" in result.stderr
    assert "did not come up" in result.stderr
    assert home.left() == []


def test_members_create_nodes_on_the_service_and_not_in_each_others_pep(running: Home) -> None:
    # Who may see somebody's presence is a member of his PEP service.
    assert running.run("-a", "alice", "roster", "add", "bob@localhost").code == 0
    assert running.run("-a", "bob", "raw", '<presence type="subscribed" to="alice@localhost"/>').code == 0
    create = '<pubsub xmlns="http://jabber.org/protocol/pubsub"><create node="mine"/></pubsub>'
    on_service = running.run(
        "-a", "alice", "raw", f'<iq type="set" to="pubsub.localhost" id="a">{create}</iq>'
    )
    assert on_service.code == 0, on_service.stderr
    in_pep = running.run("-a", "alice", "raw", f'<iq type="set" to="bob@localhost" id="b">{create}</iq>')
    assert in_pep.code == 1
    assert "forbidden" in in_pep.stdout + in_pep.stderr
