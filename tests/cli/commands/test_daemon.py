"""`daemon`: what it says where no daemon runs, its log, its units. Daemons that run are in tests/daemon,
starting and stopping them in tests/cli/test_daemon_start.py and test_daemon_stop.py.
"""

from __future__ import annotations

import plistlib
import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.cli.conftest import JID
from xmppctl.config import paths
from xmppctl.config.secrets import NoPassword
from xmppctl.config.settings import Settings
from xmppctl.daemon import control
from xmppctl.daemon.control import Place
from xmppctl.daemon.log import Log
from xmppctl.errors import DaemonError
from xmppctl.stanza.jid import Jid


@pytest.fixture
def log(private_home: Path) -> Log:
    return Log(paths.daemon_log(JID), max_bytes=300)


def test_where_none_runs_its_status_is_9_and_how_to_start_it(run_cli):
    ran = run_cli("daemon", "status", "-o", "json")
    (error,) = ran.errors
    assert ran.code == 9 and ran.stdout == ""
    assert error["error"] == "daemon" and JID in error["message"]
    assert error["hint"].endswith(f"xmppctl daemon start --jid {JID}")


def test_all_of_none_is_a_note(run_cli):
    ran = run_cli("daemon", "status", "--all", account=())
    assert ran.code == 0 and "no daemon runs" in ran.stderr


def test_no_session_is_opened(run_cli):
    for command in ("status", "stop", "logs"):
        assert run_cli("daemon", command).session is None


@pytest.mark.parametrize("duration", ["0", "soon", "-1s"])
def test_a_wrong_duration_is_2(run_cli, duration):
    ran = run_cli("daemon", "start", f"--until-idle={duration}")
    assert ran.code == 2 and "--until-idle" in ran.stderr


# -- status --


@pytest.fixture
def telling(monkeypatch):
    """Have one daemon run, or seem to, that tells this of itself; None: it does not answer."""

    def tell(told):
        def info(self, deadline):
            if told is None:
                raise DaemonError(f"the daemon of {self.name} does not answer")
            return told

        place = Place(
            Settings(Jid.parse(JID), NoPassword(""), account="work"), Path("work.sock"), Path("work.lock")
        )
        monkeypatch.setattr(Place, "info", info)
        monkeypatch.setattr(Place, "is_running", True)
        monkeypatch.setattr(control, "everywhere", lambda environ: [place])

    return tell


def test_one_of_another_release_is_shown_as_it_tells(run_cli, telling):
    telling({"name": "work", "version": "0.0.1", "pid": 7, "new": {"thing": 1}})
    ran = run_cli("daemon", "status")
    assert ran.code == 0 and "another release, xmppctl 0.0.1" in ran.stderr and "thing" in ran.stdout
    ran = run_cli("daemon", "status", "--all")
    assert ran.code == 0 and ran.stdout.splitlines()[1].split() == ["work", "is", "xmppctl", "0.0.1", "7"]


def test_one_that_does_not_answer_is_in_the_list(run_cli, telling):
    telling(None)
    ran = run_cli("daemon", "status")
    assert ran.code == 9 and "does not answer" in ran.stderr
    ran = run_cli("daemon", "status", "--all")
    assert ran.code == 0 and "does not answer" in ran.stdout


def test_one_that_starts_or_ends_is_told(run_cli, telling, monkeypatch):
    telling(None)
    monkeypatch.setattr(Place, "info", lambda self, deadline: None)
    ran = run_cli("daemon", "status")
    assert ran.code == 9 and "starting or ending" in ran.stderr


# -- logs --


def test_without_a_log_there_is_a_note(run_cli):
    ran = run_cli("daemon", "logs")
    assert ran.code == 0 and ran.stdout == "" and "no log yet" in ran.stderr


def test_the_last_lines_come_from_earlier_files_as_well(run_cli, log):
    for number in range(12):
        log.info(f"line {number}")
    assert log.path.read_text().count("\n") < 10
    ran = run_cli("daemon", "logs", "--lines", "10")
    assert [line.rsplit(" ", 1)[1] for line in ran.stdout.splitlines()] == [str(n) for n in range(2, 12)]
    assert run_cli("daemon", "logs", "--lines", "0").stdout == ""


def test_a_line_is_a_record(run_cli, log):
    log.warning("slow server")
    (record,) = run_cli("daemon", "logs", "-o", "jsonl").records
    assert (record["level"], record["text"], record["schema"]) == ("warning", "slow server", 1)
    assert log.path.read_text().startswith(record["time"])


def test_what_is_in_the_log_cannot_act_on_the_terminal(run_cli, log):
    log.path.write_text("2026-01-01T00:00:00.000Z info    \x1b[2J\u202e\n")
    ran = run_cli("daemon", "logs")
    assert "\x1b" not in ran.stdout and "\u202e" not in ran.stdout and "\\x1b[2J" in ran.stdout


def test_following_ends_with_the_time(run_cli, log):
    log.info("one")
    ran = run_cli("daemon", "logs", "-f", "--timeout", "0.05")
    assert ran.code == 0 and " one\n" in ran.stdout


# -- units --


@pytest.fixture
def configured(private_home: Path) -> Path:
    """An account with a password file."""
    config = private_home / ".config/xmppctl/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('default = "work"\n[accounts.work]\njid = "a@b.example"\npassword_file = "secret"\n')
    (config.parent / "secret").write_text("hunter2\n")
    (config.parent / "secret").chmod(0o600)
    return config


def environ(config: Path, **more: str) -> dict[str, str]:
    """As a user's, without a password in it."""
    return {"XMPPCTL_CONFIG": str(config), "HOME": str(config.parents[2]), **more}


def test_the_systemd_unit_runs_this_installation_with_the_default_account_by_name(run_cli, configured):
    ran = run_cli("daemon", "unit", "systemd", account=("--password-file", str(configured.parent / "secret")),
                  environ=environ(configured))  # fmt: skip
    assert ran.code == 0, ran.stderr
    parser = ConfigParser(interpolation=None, strict=True)
    parser.read_string(ran.stdout)
    words = shlex.split(parser["Service"]["ExecStart"])
    assert Path(words[0]).is_absolute() and Path(words[0]).is_file()
    assert " ".join(words).endswith(
        f"daemon start --foreground --account work --password-file {configured.parent}/secret"
    )
    assert parser["Service"]["Environment"] == f"XMPPCTL_CONFIG={configured}"
    assert "hunter2" not in ran.stdout


def test_options_are_kept_and_paths_are_made_absolute(run_cli, configured, monkeypatch):
    monkeypatch.chdir(configured.parent)
    words = ("--jid", "d@b.example/bot", "--password-file", "secret", "--host", "h.example", "--insecure")
    ran = run_cli("daemon", "unit", "launchd", account=words, environ=environ(configured))
    assert ran.code == 0, ran.stderr
    arguments = plistlib.loads(ran.stdout.encode())["ProgramArguments"]
    kept = arguments[arguments.index("--foreground") + 1 :]
    assert kept == ["--jid", "d@b.example/bot", "--password-file", str(configured.parent / "secret"),
                    "--host", "h.example", "--insecure"]  # fmt: skip


def test_a_password_of_this_moment_is_no_password_of_a_service(run_cli, configured):
    ran = run_cli("daemon", "unit", "systemd", account=("-a", "work"), environ=environ(configured))
    assert ran.code == 3 and ran.stdout == ""
    assert "could not log in by itself" in ran.stderr and "environment XMPPCTL_PASSWORD" in ran.stderr
