"""The stage: commands shown with their real output, failures told, nothing left running."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
from pathlib import Path

import pytest

from xmppctl.errors import DeadlineExceeded, ExpectationFailed, OutputClosed
from xmppctl.output.palette import PLAIN
from xmppctl.output.sink import Sink
from xmppctl.sandbox import stage as stages
from xmppctl.sandbox.stage import Stage


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes `xmppctl` a shell script that runs its last argument."""
    script = tmp_path / "xmppctl"
    script.write_text('#!/bin/sh\nfor last; do :; done\neval "$last"\n')
    script.chmod(0o755)
    monkeypatch.setattr(stages, "program", lambda: [str(script)])


def staged() -> tuple[Stage, io.StringIO]:
    shown = io.StringIO()
    return Stage(Sink(shown), PLAIN, os.environ), shown


def test_a_command_is_shown_as_it_is_typed_with_both_its_outputs(fake) -> None:
    stage, shown = staged()
    with stage:
        stage.run("-a", "alice", "echo one; echo two >&2")
    assert shown.getvalue() == "$ xmppctl -a alice 'echo one; echo two >&2'\n  one\n  two\n"


def test_a_command_that_fails_is_an_error_that_names_it(fake) -> None:
    stage, shown = staged()
    with stage, pytest.raises(ExpectationFailed, match=r"xmppctl 'echo no; exit 5' ended with exit code 5"):
        stage.run("echo no; exit 5")
    assert "  no\n" in shown.getvalue()


def test_a_command_that_hangs_is_ended_even_if_it_ignores_ctrl_c(fake, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stages, "STEP_SECONDS", 0.5)
    monkeypatch.setattr(stages, "_END_SECONDS", 0.5)
    stage, _ = staged()
    note = tmp_path / "pid"
    with stage, pytest.raises(DeadlineExceeded, match="running xmppctl"):
        stage.run(f"trap '' INT; echo $$ >'{note}'; while :; do sleep 0.05; done")
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_command_ends_though_this_process_ignores_ctrl_c_as_in_the_background(fake) -> None:
    stage, _ = staged()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stage:
            child = stage.follow("one", "echo here; exec sleep 30")
            child.wait_for("here")
            child.end()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_following_command_is_waited_for_and_shown_under_its_name(fake) -> None:
    stage, shown = staged()
    with stage:
        child = stage.follow("bob", "echo 'hello  bob'; sleep 30")
        child.wait_for("hello bob")
    assert "bob │ hello  bob\n" in shown.getvalue()
    assert shown.getvalue().startswith("$ xmppctl ") and " &\n" in shown.getvalue()


def test_a_following_command_that_ends_without_the_line_is_an_error(fake) -> None:
    stage, _ = staged()
    with stage:
        child = stage.follow("bob", "echo other")
        with pytest.raises(ExpectationFailed, match="ended without saying 'hello'"):
            child.wait_for("hello")


def test_a_line_without_an_end_is_shown(fake) -> None:
    stage, shown = staged()
    with stage:
        stage.run("printf partial")
    assert "  partial\n" in shown.getvalue()


def test_a_reader_that_has_gone_ends_the_wait(fake) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    broken = os.fdopen(writer, "w")
    try:
        stage = Stage(Sink(broken), PLAIN, os.environ)
        with stage, pytest.raises(OutputClosed):
            stage.run("echo one; sleep 30")
    finally:
        with contextlib.suppress(BrokenPipeError):
            broken.close()


def test_on_a_terminal_the_command_gets_one_of_the_width_that_is_left(fake) -> None:
    reader, writer = stages._terminal(44)
    child = subprocess.run(
        ["sh", "-c", "test -t 1 && stty size <&1"], stdout=writer, stdin=subprocess.DEVNULL, check=True
    )
    os.close(writer)
    said = os.read(reader, 1000)
    os.close(reader)
    assert child.returncode == 0
    assert said == b"50 44\n"
