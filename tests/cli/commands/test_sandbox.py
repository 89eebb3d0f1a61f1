"""`xmppctl sandbox`: what is said and with which exit code; the server itself is played."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from xmppctl.config import paths
from xmppctl.errors import SandboxError
from xmppctl.sandbox import lifecycle
from xmppctl.sandbox.lifecycle import Sandbox
from xmppctl.sandbox.prosody import Ports


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    made = Sandbox(7, tmp_path / "box", Ports(1001, 1002, 1003, 1004, 1005), temporary=False)

    @contextmanager
    def in_use():
        yield made

    monkeypatch.setattr(lifecycle, "start", lambda: (made, True))
    monkeypatch.setattr(lifecycle, "find", lambda: made)
    monkeypatch.setattr(lifecycle, "in_use", in_use)
    return made


@pytest.fixture
def sandbox_cli(run_cli):
    return lambda *words, **more: run_cli("sandbox", *words, account=(), **more)


def test_start_tells_where_everything_is(sandbox_cli, sandbox):
    ran = sandbox_cli("start")
    assert ran.code == 0
    for told in ("port 1002", "1001", str(sandbox.directory), "xmppctl -a bob watch"):
        assert told in ran.stdout
    (record,) = sandbox_cli("start", "-o", "jsonl").records
    assert (record["started"], record["pid"], record["ports"]["direct"]) == (True, 7, 1002)


def test_start_warns_of_accounts_that_hide_the_sandboxs(sandbox_cli, sandbox, private_home):
    file = paths.config_file()
    file.parent.mkdir(parents=True)
    file.write_text('[accounts.bob]\njid = "bob@montague.example"\n')
    ran = sandbox_cli("start", environ={"HOME": str(private_home)})
    assert ran.code == 0 and "your own account bob" in ran.stderr and "alice comes" not in ran.stderr


@pytest.mark.parametrize(("there", "words"), [(True, "is stopped"), (False, "no sandbox to stop")])
def test_stop(sandbox_cli, monkeypatch, there, words):
    monkeypatch.setattr(lifecycle, "stop", lambda: there)
    ran = sandbox_cli("stop")
    assert ran.code == 0 and words in ran.stdout
    assert sandbox_cli("stop", "-o", "jsonl").records[0]["stopped"] is there


def test_status_of_one_that_runs(sandbox_cli, sandbox):
    assert sandbox_cli("status").code == 0
    assert sandbox_cli("status", "-o", "jsonl").records[0]["state"] == "running"


@pytest.mark.parametrize("state", ["stopped", "crashed", "starting"])
def test_status_of_one_that_does_not_run_is_3(sandbox_cli, monkeypatch, state):
    monkeypatch.setattr(lifecycle, "find", lambda: None)
    monkeypatch.setattr(lifecycle, "state", lambda: state)
    ran = sandbox_cli("status", "-o", "jsonl")
    assert ran.code == 3 and ran.records[0]["state"] == state
    assert ("left files" in ran.errors[0]["message"]) is (state == "crashed")


@pytest.mark.parametrize("code", [0, 5, 42])
def test_run_gives_the_programs_exit_code(sandbox_cli, sandbox, code):
    environ = {"PATH": "/usr/bin:/bin"}
    assert sandbox_cli("run", "--", "sh", "-c", f"exit {code}", environ=environ).code == code


def test_run_has_the_account_that_is_asked_for(sandbox_cli, sandbox):
    environ = {"PATH": "/usr/bin:/bin"}
    check = 'test "$XMPPCTL_ACCOUNT" = '
    assert sandbox_cli("run", "sh", "-c", check + "alice", environ=environ).code == 0
    assert sandbox_cli("-a", "bob", "run", "sh", "-c", check + "bob", environ=environ).code == 0
    ran = sandbox_cli("run", "-a", "bob", "sh", "-c", check + "bob", environ=environ)
    assert ran.code == 0, ran.stderr


def test_run_of_what_does_not_exist_starts_no_server(sandbox_cli, monkeypatch):
    monkeypatch.setattr(lifecycle, "in_use", lambda: pytest.fail("started"))
    assert sandbox_cli("run", "no-such-program", environ={"PATH": "/usr/bin"}).code == 3
    assert sandbox_cli("run", "-a", "carol", "true", environ={"PATH": "/usr/bin"}).code == 2
    assert sandbox_cli("run").code == 2


def test_a_server_that_fails_shows_its_log_made_harmless(sandbox_cli, monkeypatch):
    def fail():
        raise SandboxError("it did not come up", log="first\n\x1b[2Jsecond")

    monkeypatch.setattr(lifecycle, "start", fail)
    ran = sandbox_cli("start")
    assert ran.code == 3
    assert ran.stderr.splitlines()[:3] == [
        "xmppctl: its log: first",
        "xmppctl: its log: \\x1b[2Jsecond",
        "xmppctl: it did not come up",
    ]
