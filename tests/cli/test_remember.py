"""Whom commands had to do with is completed afterwards; trouble with that is no trouble of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmppctl.config import known_jids

ROSTER = (
    "<iq type='result' id='{id}'><query xmlns='jabber:iq:roster'>"
    "<item jid='juliet@capulet.example' subscription='both'/><item jid='nurse@capulet.example'/></query></iq>"
)


def server(frame):
    """Has a roster, and answers for everybody."""
    if "jabber:iq:roster query" in frame.payloads:
        return [ROSTER.format(id=frame.id)]
    if frame.kind == "iq" and frame.to:
        return [f"<iq type='result' id='{frame.id}' from='{frame.to}'/>"]
    return None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("send", "juliet@capulet.example/balcony", "hi"), ["juliet@capulet.example"]),
        (("send", "a@x.example", "--to", "b@x.example", "hi"), ["a@x.example", "b@x.example"]),
        (("ping", "pubsub.capulet.example"), ["pubsub.capulet.example"]),
        (("ping",), []),
        (("roster", "list"), ["juliet@capulet.example", "nurse@capulet.example"]),
    ],
)
def test_commands_remember(run_cli, words, expected):
    assert run_cli(*words, responder=server).code == 0
    assert known_jids.load() == expected


def test_what_was_not_reached_is_not_remembered(run_cli):
    assert run_cli("ping", "nobody@x.example", responder=lambda frame: []).code == 6
    assert run_cli("send", "not a jid", "hi").code == 2
    assert known_jids.load() == []


def test_a_state_directory_that_cannot_be_written_changes_nothing(run_cli, private_home: Path):
    (private_home / ".local").write_text("a file where the directory should be")
    ran = run_cli("send", "juliet@capulet.example", "hi")
    assert (ran.code, ran.stderr) == (0, "")
