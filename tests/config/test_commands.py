"""Password commands: what comes out, what never does, and that none outlives its time."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import pytest

from tests.config.conftest import SECRET, Planted
from xmppctl.config.commands import first_line_of
from xmppctl.config.secrets import CommandPassword
from xmppctl.errors import SecretError


def get(command: str, seconds: float = 20) -> str:
    return CommandPassword(command, "account work", interactive=False).get(seconds).reveal()


def test_the_first_line_is_the_password() -> None:
    assert get(f"printf '{SECRET}\\nlogin: romeo\\n'") == SECRET


def test_words_are_split_and_no_shell_runs() -> None:
    assert get("printf '%s' '$HOME;`id`'") == "$HOME;`id`"
    assert get("""sh -c 'printf "%s" "$0"' quoted""") == "quoted"


def test_home_is_expanded_in_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / "get password"
    program.write_text("#!/bin/sh\necho from-home\n")
    program.chmod(stat.S_IRWXU)
    assert get("'~/get password'") == "from-home"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (f"sh -c 'echo {SECRET}; exit 3'", "failed with status 3"),
        (f"sh -c 'echo {SECRET}; kill -9 $$'", "ended by signal 9"),
        (f"sh -c 'echo {SECRET}; echo wrong {SECRET} here >&2; exit 1'", r"status 1: wrong \*\*\* here"),
        ("no-such-program-here x", "cannot run the password command no-such-program-here: No such file"),
        ("true", "is empty"),
        (f"sh -c 'echo; echo {SECRET}'", "is empty"),
        (f"printf '{SECRET}\\0'", "NUL"),
        (f"printf '{SECRET}\\377'", "not UTF-8"),
        ("'unbalanced", "cannot be split into words: No closing quotation"),
        ("", "is empty"),
        ("   ", "is empty"),
        ("/", "Permission denied"),
    ],
)
def test_failures_say_why_and_never_the_secret(command: str, why: str) -> None:
    with pytest.raises(SecretError, match=why) as caught:
        get(command)
    assert SECRET not in caught.value.message + caught.value.hint


def test_output_is_in_no_traceback(tmp_path: Path, shows_no_secret: Planted) -> None:
    (tmp_path / "secret").write_text(SECRET)
    for command in (f"sh -c 'cat {tmp_path}/secret; exit 1'", f"sh -c 'cat {tmp_path}/secret; sleep 60'"):
        with pytest.raises(SecretError) as caught:
            get(command, 0.5)
        shows_no_secret(caught.value)


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    began = time.monotonic()
    with pytest.raises(SecretError, match=r"took longer than 0\.5 s"):
        get(f"sh -c 'sleep 60 & echo $! >{pids}; wait'", 0.5)
    assert time.monotonic() - began < 5
    pid = int(pids.read_text())
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child outlived its command")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for() -> None:
    began = time.monotonic()
    assert get(f"sh -c 'sleep 8 & echo {SECRET}'") == SECRET
    assert time.monotonic() - began < 4


def test_much_output_is_read_but_not_kept() -> None:
    with pytest.raises(SecretError, match="longer than 4096"):
        get("sh -c 'yes | head -c 5000000 | tr -d \"\\n\"'")
    assert get(f"sh -c 'echo {SECRET}; head -c 5000000 /dev/zero; echo; echo >&2'") == SECRET


def test_without_interaction_there_is_no_input() -> None:
    assert first_line_of("sh -c 'read x; echo \"<$x>\"'", 20, interactive=False).reveal() == "<>\n"


def test_interactive_commands_have_our_input() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"answer\n")
    saved = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert first_line_of("sh -c 'read x; echo $x'", 20, interactive=True).reveal() == "answer\n"
    finally:
        os.dup2(saved, 0)
        for descriptor in (reading, writing, saved):
            os.close(descriptor)
