"""The demo: the main job with real output, in time, and nothing left behind."""

from __future__ import annotations

import re
import signal
import time

from tests.integration.home import Home

LIMIT = 15.0


def test_plays_the_main_job_in_time_and_leaves_nothing(home: Home) -> None:
    took = []
    while not took or (took[-1] >= LIMIT and len(took) < 3):  # again where the machine was busy
        began = time.monotonic()
        result = home.run("demo")
        took.append(time.monotonic() - began)
        assert result.code == 0, result.stdout + result.stderr
        assert home.servers() == []
        assert home.left() == []
    assert took[-1] < LIMIT, took


def test_every_step_shows_its_command_and_what_came_of_it(home: Home) -> None:
    said = home.run("demo").stdout
    parts = [
        r"^\$ xmppctl -a alice ping\n  localhost: [0-9.]+ ms$",
        r"^\$ xmppctl -a bob watch ",
        r"^\$ xmppctl -a alice send bob@localhost 'Art thou not Romeo\?'$",
        r"^bob │ [0-9:.]+ ← message chat  alice@localhost/\S+ → bob@localhost",
        r"^bob │ +<body>Art thou not Romeo\?</body>$",
        r"^\$ xmppctl -a bob roster add alice@localhost ",
        r"^  alice@localhost  Alice  to ",
        r"^\$ xmppctl -a alice status away dreaming --hold 1s$",
        r"^bob │ +<status>dreaming</status>$",
        r"^\$ xmppctl -a bob pubsub subscribe pubsub.localhost news --count 1 &$",
        r"^\$ xmppctl -a alice raw '<iq type=\"set\" .*<publish node=\"news\">",
        r"^bob │ +<title>It works</title>$",
        r"^Done in ",
    ]
    at = 0
    for part in parts:
        found = re.compile(part, re.MULTILINE).search(said, at)
        assert found, f"{part}\nafter\n{said[:at][-500:]}\nin\n{said}"
        at = found.start() + 1
    assert re.search(r"^sub │ .*It works", said, re.MULTILINE)


def test_keep_leaves_the_sandbox_up(home: Home) -> None:
    result = home.run("demo", "--keep")
    assert result.code == 0, result.stderr
    assert "sandbox stop" in result.stdout
    assert home.status()["state"] == "running"
    assert home.run("-a", "bob", "ping").code == 0


def test_a_sandbox_that_was_there_is_used_and_left_as_it_was(home: Home) -> None:
    home.run("sandbox", "start")
    before = home.status()["pid"]
    for _ in range(2):
        result = home.run("demo")
        assert result.code == 0, result.stdout + result.stderr
    assert home.status()["pid"] == before
    assert home.run("-a", "bob", "roster", "list", "-o", "jsonl").stdout == ""


def test_ctrl_c_in_the_middle_cleans_up(home: Home) -> None:
    demo = home.popen("demo")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "watch" in line:
            break
    demo.send_signal(signal.SIGINT)
    _, stderr = demo.communicate(timeout=30)
    assert demo.returncode == 130, stderr
    assert home.servers() == []
    assert home.left() == []


def test_a_reader_that_goes_away_ends_it_quietly_and_cleanly(home: Home) -> None:
    demo = home.popen("demo")
    assert demo.stdout is not None and demo.stderr is not None
    demo.stdout.readline()
    demo.stdout.close()
    assert demo.wait(30) == 0
    assert demo.stderr.read() == ""
    demo.stderr.close()
    assert home.servers() == []
    assert home.left() == []


def test_settings_of_the_environment_do_not_disturb_it(home: Home) -> None:
    result = home.run("demo", XMPPCTL_JID="eve@example.invalid", XMPPCTL_QUIET="1", XMPPCTL_TIMEOUT="0.001")
    assert result.code == 0, result.stdout + result.stderr
    assert "subscribed to news" in result.stdout


def test_it_is_not_for_programs(home: Home) -> None:
    assert home.run("demo", "-o", "jsonl").code == 2
    assert home.left() == []
