"""Stopping daemons: where none runs, and where one of several is still there."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import JID
from xmppctl.config.secrets import NoPassword
from xmppctl.config.settings import Settings
from xmppctl.daemon import control
from xmppctl.daemon.control import Place
from xmppctl.errors import DaemonError, ExitCode, PartialFailure
from xmppctl.stanza.jid import Jid


def place(name: str) -> Place:
    return Place(Settings(Jid.parse(JID), NoPassword(""), account=name), Path("x.sock"), Path("x.lock"))


def test_where_none_runs_there_is_none_to_stop(run_cli):
    ran = run_cli("daemon", "stop", "-o", "jsonl")
    assert ran.code == 0
    assert [(each["daemon"], each["stopped"]) for each in ran.records] == [(JID, False)]


def test_all_of_none_is_a_note(run_cli):
    ran = run_cli("daemon", "stop", "--all", account=())
    assert ran.code == 0 and "no daemon runs" in ran.stderr


def test_one_that_is_still_there_keeps_no_other_from_being_stopped(run_cli, monkeypatch):
    def stop(where: Place, *_: object) -> bool:
        if where.name == "first":
            raise DaemonError("the daemon of first does not end")
        return True

    monkeypatch.setattr(control, "everywhere", lambda environ: [place("first"), place("second")])
    monkeypatch.setattr(control, "stop", stop)
    ran = run_cli("daemon", "stop", "--all", "-o", "jsonl", account=())
    assert ran.code == PartialFailure.code != ExitCode.OK
    assert [(each["daemon"], each["stopped"]) for each in ran.records] == [("second", True)]
    assert "first does not end" in ran.stderr and "1 of 2" in ran.stderr


def test_one_whose_account_is_gone_is_found_by_its_name(run_cli, monkeypatch):
    monkeypatch.setattr(control, "everywhere", lambda environ: [place("other"), place("gone")])
    monkeypatch.setattr(control, "stop", lambda *_: True)
    ran = run_cli("daemon", "stop", "-o", "jsonl", account=("-a", "gone"))
    assert ran.code == 0 and [each["daemon"] for each in ran.records] == ["gone"]
    assert run_cli("daemon", "stop", account=("-a", "never")).code == 3
