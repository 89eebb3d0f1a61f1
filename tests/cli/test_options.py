"""The options of every command: before and after it, and from the environment."""

from __future__ import annotations

import pytest

from xmppctl.cli.options import SHARED, positive_duration, shared_options
from xmppctl.errors import UsageError


@pytest.mark.parametrize(
    "words",
    [("-o", "jsonl", "ping"), ("ping", "-o", "jsonl"), ("ping", "--output=jsonl"), ("-ojsonl", "ping")],
)
def test_before_and_after_the_command(run_cli, words):
    ran = run_cli(*words)
    assert ran.code == 0 and ran.records[0]["sequence"] == 1


def test_between_a_group_and_its_command(run_cli):
    def respond(frame):
        return [f"<iq type='result' id='{frame.id}'><query xmlns='jabber:iq:roster'/></iq>"]

    for words in (
        ("-o", "json", "roster", "list"),
        ("roster", "-o", "json", "list"),
        ("roster", "list", "-o", "json"),
    ):
        assert run_cli(*words, responder=respond).stdout == "[]\n"


def test_the_last_one_wins(run_cli):
    assert run_cli("-o", "json", "ping", "-o", "jsonl").stdout.count("\n") == 1


def test_a_default_behind_does_not_undo_what_was_given_before(run_cli):
    ran = run_cli("-q", "-o", "jsonl", "send", "juliet@capulet.example", "hi")
    assert ran.code == 0 and ran.records


def test_the_environment_is_beneath_the_options(run_cli):
    assert run_cli("ping", environ={"XMPPCTL_OUTPUT": "jsonl"}).stdout.startswith("{")
    assert not run_cli("ping", "-o", "text", environ={"XMPPCTL_OUTPUT": "jsonl"}).stdout.startswith("{")


def test_the_account_too(run_cli):
    ran = run_cli("ping", account=(), environ={"XMPPCTL_JID": "romeo@montague.example"})
    assert ran.code == 0
    ran = run_cli("ping", "--jid", "@", account=(), environ={"XMPPCTL_JID": "romeo@montague.example"})
    assert ran.code == 2


def test_no_option_takes_a_password(run_cli):
    ran = run_cli("ping", "--password", "secret")
    assert ran.code == 2 and ran.session is None
    assert not any("--password" in shared.flags for shared in SHARED)


def test_each_has_its_variable():
    assert {shared.variable for shared in SHARED} >= {
        "XMPPCTL_ACCOUNT",
        "XMPPCTL_JID",
        "XMPPCTL_HOST",
        "XMPPCTL_TIMEOUT",
        "XMPPCTL_OUTPUT",
        "XMPPCTL_NO_INPUT",
    }


def test_names_and_flags_are_unique():
    flags = [flag for shared in SHARED for flag in shared.flags]
    assert len(set(flags)) == len(flags)
    assert len({shared.name for shared in SHARED}) == len(SHARED)
    assert [option.name for option in shared_options()] == [shared.name for shared in SHARED]


@pytest.mark.parametrize(
    ("flag", "value"), [("--tls", "maybe"), ("--daemon", "later"), ("--color", "pink"), ("-o", "csv")]
)
def test_words_are_checked_before_anything_is_opened(run_cli, flag, value):
    ran = run_cli("ping", flag, value)
    assert ran.code == 2 and ran.session is None and value in ran.stderr


def test_color_always(run_cli):
    assert "\x1b[" in run_cli("watch", "--color", "always").stdout
    assert "\x1b[" not in run_cli("watch").stdout
    assert "\x1b[" not in run_cli("watch", tty=True, environ={"NO_COLOR": "1"}).stdout
    assert "\x1b[" not in run_cli("watch", tty=True, environ={"TERM": "dumb"}).stdout
    assert "\x1b[" in run_cli("watch", tty=True).stdout


def test_a_duration_that_must_last():
    assert positive_duration("--hold", "1m30s") == 90.0
    for text in ("0", "0s", "soon", "-1"):
        with pytest.raises(UsageError, match=r"\A--hold ") as caught:
            positive_duration("--hold", text, "such as 10m")
        assert caught.value.hint == "such as 10m"
