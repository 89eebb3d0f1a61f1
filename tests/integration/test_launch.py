"""Commands and the daemon's life: started when first needed, exactly once; stopped, of another release, killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.program import PATIENCE, Cli, Following, alive, wait_until

pytestmark = pytest.mark.kinds("auto")

#: The program, but of another release.
OTHER_RELEASE = "import xmppctl, sys; xmppctl.__version__ = '9.9'; from xmppctl.cli import main; main()"


@pytest.fixture
def persistent(cli: Cli) -> Cli:
    """An account, carol, whose daemon is started when it is first needed."""
    cli.add_account("carol", persist="10m")
    return cli


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_of_commands_that_race_one_starts_the_daemon_and_all_use_it(persistent: Cli) -> None:
    number = 24
    words = persistent.words(("ping", "-v"), "carol")
    running = [Following(words, persistent.environment, persistent.home) for _ in range(number)]
    told = []
    for each in running:
        with each:
            ran = each.finish(60)
            assert ran.code == 0, ran.stderr
            told.append(ran.stderr)
    pid = persistent.daemon_pid("carol")
    assert all(f"attached to the daemon of carol (pid {pid})" in text for text in told)
    assert sum("started a daemon of carol" in text for text in told) == 1
    assert persistent.daemon_log("carol").count(" started for ") == 1


def test_a_daemon_that_a_command_started_ends_after_idling(cli: Cli) -> None:
    cli.add_account("carol", persist="1s")
    ran = cli.run("ping", "-v", account="carol")
    told = re.search(r"attached to the daemon of carol \(pid (\d+)\)", ran.stderr)
    assert ran.code == 0 and told is not None, ran.stderr
    wait_until(lambda: not alive(int(told[1])), "it has ended by itself")
    assert not list((cli.runtime / "xmppctl").glob("*.sock"))
    ran = cli.run("ping", "-v", account="carol")
    assert ran.code == 0 and "started a daemon of carol" in ran.stderr


def test_a_wrong_password_is_the_commands_error_and_no_daemon_stays(cli: Cli) -> None:
    cli.add_account("carol", persist="10m")
    (cli.home / "carol.password").write_text("wrong\n")
    for mode in ("auto", "only"):
        ran = cli.run("ping", "--daemon", mode, account="carol")
        assert ran.code == 5, ran.stderr
        assert "was refused" in ran.stderr
    assert cli.daemon_pid("carol") is None


@pytest.mark.parametrize("way", ["variable", "option"])
def test_a_password_of_this_command_reaches_the_daemon_and_shows_nowhere(persistent: Cli, way: str) -> None:
    secret = persistent.accounts["carol"].password
    if way == "variable":
        ran = persistent.run("ping", account="carol", environment={"XMPPCTL_PASSWORD": secret})
    else:
        command = f"printf %s {secret}"
        ran = persistent.run("ping", "--password-command", command, account="carol")
    assert ran.code == 0, ran.stderr
    pid = persistent.daemon_pid("carol")
    assert pid is not None
    process = Path(f"/proc/{pid}")
    shown = b"".join((process / name).read_bytes() for name in ("environ", "cmdline"))
    assert secret.encode() not in shown
    assert secret not in persistent.daemon_log("carol")


def test_a_daemon_that_was_killed_is_told_and_started_anew_where_it_persists(persistent: Cli) -> None:
    for account in ("alice", "carol"):
        pid = persistent.start_daemon(account)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: not alive(pid), "it is dead")
    ran = persistent.run("ping")
    assert ran.code == 0
    assert "the daemon of alice has died" in ran.stderr and "daemon start -a alice" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert persistent.run("ping", "-q").stderr == ""
    ran = persistent.run("ping", "--daemon", "only")
    assert ran.code == 9 and "has died" in ran.stderr
    ran = persistent.run("ping", "-v", account="carol")
    assert ran.code == 0 and "started a daemon of carol" in ran.stderr


def test_a_daemon_of_another_release_is_not_used_and_can_be_ended(cli: Cli) -> None:
    pid = cli.start_daemon()

    def other(*words: str) -> subprocess.CompletedProcess[str]:
        root = str(Path(__file__).parent.parent.parent)
        return subprocess.run(
            [sys.executable, "-c", OTHER_RELEASE, "-a", "alice", *words],
            env=cli.environment | {"PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    ran = other("ping")
    assert ran.returncode == 0
    assert "another release" in ran.stderr and "daemon stop -a alice" in ran.stderr
    ran = other("ping", "--daemon", "only")
    assert ran.returncode == 9 and "daemon stop -a alice" in ran.stderr
    ran = other("daemon", "stop")
    assert ran.returncode == 0, ran.stderr
    wait_until(lambda: not alive(pid), "it has ended")


def test_a_command_that_connects_otherwise_does_so_by_itself(cli: Cli) -> None:
    cli.start_daemon()
    ran = cli.run("ping", "-v", "--insecure")
    assert ran.code == 0
    assert "other settings" in ran.stderr and "attached" not in ran.stderr
    ran = cli.run("ping", "-v", "--resource", "elsewhere")
    assert ran.code == 0
    assert "has the resource" in ran.stderr and "/elsewhere" in ran.stderr
    assert cli.run("ping", "--daemon", "only", "--resource", "elsewhere").code == 9
    assert cli.run("ping", "-v", "--daemon", "off").stderr.count("attached") == 0


def test_a_daemon_that_hangs_holds_no_command_up(cli: Cli) -> None:
    pid = cli.start_daemon()
    with stopped(pid):
        ran = cli.run("ping")
        assert ran.code == 0, ran.stderr
        assert "the daemon of alice does not answer" in ran.stderr
        ran = cli.run("ping", "--daemon", "only", "--timeout", "1")
        assert ran.code == 9, ran.stderr
    assert cli.run("ping", "--daemon", "only").code == 0


@pytest.mark.parametrize("words", [("watch",), ("pubsub", "subscribe", "{jid}", "news")], ids=" ".join)
def test_a_daemon_that_is_killed_ends_what_follows_with_4(cli: Cli, words: tuple[str, ...]) -> None:
    """Without an event loop, and with slixmpp's plugins on it."""
    pid = cli.start_daemon()
    node = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='news'/></pubsub>"
    assert cli.run("raw", f"<iq type='set'>{node}</iq>").code == 0
    with cli.follow(*(word.format(jid=cli.jid("alice")) for word in words), "-v") as following:
        following.wait_note("watching as" if words[0] == "watch" else "subscribed")
        os.kill(pid, signal.SIGKILL)
        ran = following.finish()
    assert ran.code == 4, ran.stderr
    assert f"the daemon of {cli.jid('alice')}" in ran.stderr and "daemon logs" in ran.stderr


def test_a_path_that_is_too_long_for_a_socket_works(cli: Cli) -> None:
    cli.runtime = cli.home / ("r" * 120)
    cli.runtime.mkdir(mode=0o700)
    cli.start_daemon()
    ran = cli.run("ping", "-v", "--daemon", "only")
    assert ran.code == 0 and "attached to the daemon of alice" in ran.stderr
