"""`watch --stdin`: other programs' output read with the same eyes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from xmppctl.cli.app import App
from xmppctl.cli.entry import run

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
HI = "<message id='m'><body>hi</body></message>"


def watch(data: bytes, *words: str, open: bool = False):
    """Run it with `data` on a pipe, which stays `open` afterwards, or ends."""
    read, write = os.pipe()
    os.write(write, data[:60_000])
    if not open:
        os.close(write)
    stdout, stderr = Terminal(False), Terminal(False)
    app = App(stdin=os.fdopen(read), stdout=stdout, stderr=stderr, environ={})
    try:
        code = run(["watch", "--stdin", *words], app)
    finally:
        if open:
            os.close(write)
    return code, stdout.text, stderr.text


def test_stanzas_are_shown_without_an_account():
    code, shown, _ = watch(f"<presence/>{HI}".encode(), "kind:message", "-o", "jsonl")
    assert code == 0 and [json.loads(line)["xml"] for line in shown.splitlines()] == [HI]


@pytest.mark.parametrize("name", ["slixmpp", "prosody", "ejabberd"])
def test_logs_are_read(name):
    code, shown, _ = watch((LOGS / f"{name}.log").read_bytes(), "kind:iq", "--format", "line")
    assert code == 0 and len(shown.splitlines()) >= 2


def test_expectations_end_it_while_more_could_come():
    code, shown, _ = watch(HI.encode(), "--expect", "body:hi", open=True)
    assert code == 0 and "<body>hi</body>" in shown


def test_expectations_that_are_not_met_at_the_end_are_7():
    assert watch(HI.encode(), "--expect", "body:bye")[0] == 7


def test_time_that_runs_out_is_6_where_something_was_expected_and_else_a_good_end():
    assert watch(HI.encode(), "--expect", "body:bye", "--timeout", "0.1", open=True)[0] == 6
    assert watch(HI.encode(), "--timeout", "0.1", open=True)[0] == 0


def test_idleness_ends_it():
    code, shown, _ = watch(HI.encode(), "--until-idle", "0.1", open=True)
    assert code == 0 and "hi" in shown


def test_what_breaks_the_rules_is_8_behind_what_came_before():
    code, shown, stderr = watch(f"{HI}<!DOCTYPE x>".encode())
    assert code == 8 and "<body>hi</body>" in shown and "byte" in stderr


def test_what_is_no_xmpp_is_8():
    code, shown, stderr = watch(b"dear juliet\nyours romeo\n")
    assert code == 8 and shown == "" and "2 lines" in stderr


def test_nothing_is_nothing():
    assert watch(b"") == (0, "", "")


@pytest.mark.parametrize("words", [("--presence", "away"), ("--priority", "3"), ("--carbons",)])
def test_it_opens_no_session(words):
    code, _, stderr = watch(HI.encode(), *words)
    assert code == 2 and words[0] in stderr
