"""Starting a daemon: what is refused, and what is told of one that serves, or is left in the background."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import JID
from xmppctl.daemon import launch
from xmppctl.daemon.control import Place
from xmppctl.errors import DeadlineExceeded, Interrupted


def test_a_trace_is_refused_and_told_what_else_there_is(run_cli):
    for more in ((), ("--foreground",)):
        ran = run_cli("daemon", "start", *more, "--trace", "x.jsonl")
        assert ran.code == 2 and "xmppctl watch" in ran.stderr
    assert not Path("x.jsonl").exists()


@pytest.mark.parametrize(
    ("error", "code"), [(Interrupted("interrupted"), 130), (DeadlineExceeded("late"), 6)]
)
@pytest.mark.parametrize("running", [True, False])
def test_a_start_that_is_not_waited_for_tells_of_the_daemon_that_is_left(
    run_cli, monkeypatch, error, code, running
):
    def start(*_: object, **__: object) -> bool:
        raise error

    monkeypatch.setattr(launch, "start", start)
    monkeypatch.setattr(Place, "serves", lambda *_: False)
    monkeypatch.setattr(Place, "is_running", running)
    ran = run_cli("daemon", "start")
    assert ran.code == code
    assert (f"goes on in the background; end it: xmppctl daemon stop --jid {JID}" in ran.stderr) == running


def test_one_that_serves_already_is_not_started_again(run_cli, monkeypatch):
    def start(*_: object, **__: object) -> bool:
        raise AssertionError("started")

    told = {
        "name": JID,
        "jid": f"{JID}/x",
        "pid": 7,
        "connection": {"state": "waiting", "failure": "no route"},
    }
    monkeypatch.setattr(launch, "start", start)
    monkeypatch.setattr(Place, "serves", lambda *_: True)
    monkeypatch.setattr(Place, "info", lambda *_: told)
    ran = run_cli("daemon", "start", "-o", "jsonl")
    (record,) = ran.records
    assert ran.code == 0 and (record["started"], record["pid"], record["state"]) == (False, 7, "waiting")
    assert "it ran already" in ran.stderr and "not online yet: no route" in ran.stderr


def test_one_that_has_ended_again_is_9_and_where_to_see_why(run_cli, monkeypatch):
    monkeypatch.setattr(launch, "start", lambda *_, **__: True)
    monkeypatch.setattr(Place, "serves", lambda *_: False)
    monkeypatch.setattr(Place, "info", lambda *_: None)
    ran = run_cli("daemon", "start")
    assert ran.code == 9 and f"xmppctl daemon logs --jid {JID}" in ran.stderr
