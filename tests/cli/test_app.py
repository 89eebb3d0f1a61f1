"""App: options over environment over defaults, streams, renderers, taps."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from xmppctl.cli.app import App
from xmppctl.errors import DaemonError, OutputFailed, TcpError, UsageError


def app(environ=None, **options):
    made = App(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(), environ=environ or {})
    made.options.update(options)
    return made


def test_option_over_environment_over_default():
    assert app({"XMPPCTL_OUTPUT": "json"}, output="jsonl").output == "jsonl"
    assert app({"XMPPCTL_OUTPUT": "json"}).output == "json"
    assert app({"XMPPCTL_OUTPUT": ""}).output == "text"
    assert app().output == "text"


@pytest.mark.parametrize("variable", ["OUTPUT", "COLOR"])
def test_a_wrong_word_in_the_environment_is_named(variable):
    made = app({f"XMPPCTL_{variable}": "pink"})
    with pytest.raises(UsageError, match=f"XMPPCTL_{variable}"):
        made.renderer()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("yes", True), ("0", False), ("no", False), ("False", False), ("", False)],
)
def test_flags_in_the_environment(value, expected):
    assert app({"XMPPCTL_QUIET": value}).quiet is expected


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("2", 2), ("yes", 1), ("", 0)])
def test_verbosity(value, expected):
    assert app({"XMPPCTL_VERBOSE": value}).verbose == expected
    assert app({"XMPPCTL_VERBOSE": "1"}, verbose=2).verbose == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-o", "json"], True),
        (["ping", "--output", "jsonl"], True),
        (["--output=json"], True),
        (["-ojsonl"], True),
        (["-o", "text"], False),
        (["-o"], False),
        ([], False),
    ],
)
def test_what_errors_look_like_is_known_before_parsing(words, expected):
    made = app()
    made.arguments = words
    assert made.wants_json is expected


@pytest.mark.parametrize(("text", "seconds"), [("10", 10.0), ("0.5", 0.5)])
def test_timeouts(text, seconds):
    assert app(timeout=text).timeout() == seconds
    assert app({"XMPPCTL_TIMEOUT": text}).timeout(follow=True) == seconds


def test_default_timeouts():
    assert app().timeout() == 30
    assert app().timeout(follow=True) is None
    assert app(timeout="0").timeout(follow=True) is None


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e10", ""])
def test_timeouts_that_are_none(text):
    with pytest.raises(UsageError):
        app(timeout=text).timeout()


def test_a_timeout_that_is_none_is_named_by_where_it_stands():
    with pytest.raises(UsageError, match="XMPPCTL_TIMEOUT is 'soon'"):
        app({"XMPPCTL_TIMEOUT": "soon"}).timeout()
    with pytest.raises(UsageError, match="--timeout is 'soon'"):
        app({"XMPPCTL_TIMEOUT": "5"}, timeout="soon").timeout()


def test_notes_are_sanitised_and_can_be_silenced():
    made = app()
    made.note("evil \x1b[2J\nsecond")
    assert made.stderr.getvalue() == "xmppctl: evil \\x1b[2J\\nsecond\n"
    silent = app(quiet="true")
    silent.note("hush")
    silent.warn("heard")
    assert silent.stderr.getvalue() == "xmppctl: heard\n"


def test_details_need_verbose():
    plain, verbose = app(), app(verbose=1)
    plain.detail("x")
    verbose.detail("x")
    assert (plain.stderr.getvalue(), verbose.stderr.getvalue()) == ("", "xmppctl: x\n")


def test_a_note_that_nobody_can_read_stops_nothing():
    made = app()
    made.stderr.close()
    made.note("x")
    made.tell(UsageError("x"))


def test_the_renderer_is_made_once():
    made = app()
    assert made.renderer() is made.renderer()


@pytest.mark.parametrize("mode", ["only", "auto", None])
def test_no_daemon_to_go_through(tmp_path, mode):
    """And what logs in by itself never goes through one."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environ["XMPPCTL_PASSWORD"] = "x"
    made = app(environ, daemon=mode, jid="a@127.0.0.1", host="127.0.0.1", port="1", tls="none")
    settings = made.settings()
    with pytest.raises(DaemonError if mode == "only" else TcpError):
        made.run(lambda session: None)
    with pytest.raises(DaemonError if mode == "only" else TcpError):
        made.run(lambda session: None, settings=settings)


def test_output_pipe():
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe, os.fdopen(read):
        assert App(stdout=pipe).output_pipe == write
    assert app().output_pipe is None
    with Path(os.devnull).open("w") as null:
        assert App(stdout=null).output_pipe is None


def test_stdin_is_terminal():
    assert app().stdin_is_terminal is False
    closed = app()
    closed.stdin.close()
    assert closed.stdin_is_terminal is False


def test_a_trace_is_private_and_holds_both_directions(run_cli, tmp_path):
    path = tmp_path / "trace"
    ran = run_cli("ping", "--trace", str(path))
    assert ran.code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert {record["direction"] for record in records} == {"in", "out"}
    assert any("urn:xmpp:ping" in record["xml"] for record in records)


@pytest.mark.kinds("memory", "direct", why="a trace is of the command's own stream, here to the daemon")
def test_a_trace_and_a_watch_see_the_same(run_cli, tmp_path):
    path = tmp_path / "trace"
    ran = run_cli("watch", "-o", "jsonl", "--trace", str(path))
    assert [record["xml"] for record in ran.records] == [
        json.loads(line)["xml"] for line in path.read_text().splitlines()
    ]


def test_a_trace_that_cannot_be_written_is_74(run_cli, tmp_path):
    ran = run_cli("ping", "--trace", str(tmp_path / "no" / "such"))
    assert ran.code == OutputFailed.code and ran.session is None


def test_insecure_is_told_even_when_quiet(run_cli):
    ran = run_cli("ping", "--insecure", "-q")
    assert "WARNING" in ran.stderr
