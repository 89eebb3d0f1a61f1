"""The program as a process: its exit code and all of its output come out, whatever still runs in it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading, time
from xmppctl.cli import entry, main
def run(arguments):
    threading.Thread(target=time.sleep, args=(60,)).start()
    sys.stdout.write("x" * 100_000)
    sys.stderr.write("told")
    return 10
entry.run = run
main()
"""


def test_all_output_and_the_code_come_out_while_a_thread_is_stuck() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30)
    assert (done.returncode, len(done.stdout), done.stderr) == (10, 100_000, "told")


def test_a_usage_error_is_the_exit_code_of_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xmppctl", "nonesuch"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "nonesuch" in done.stderr


EARLY = """
import os, sys
class Signal:
    def find_spec(self, name, *_):
        if name == "xmppctl.cli.entry":
            os.kill(os.getpid(), NUMBER)
sys.meta_path.insert(0, Signal())
from xmppctl.cli import main
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_while_the_program_is_still_loading_ends_it_with_its_code(number: int, code: int) -> None:
    program = EARLY.replace("NUMBER", str(int(number)))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
