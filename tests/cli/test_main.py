"""The program as a process: its exit code and all of its output come out, whatever still runs in it."""

from __future__ import annotations

import subprocess
import sys

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
