"""Asking on a terminal: a real pseudo-terminal, a child that has it as its controlling one."""

from __future__ import annotations

import os
import pty
import select
import sys
import time

from tests.config.conftest import SECRET

ASK = """
import sys
from xmppctl.config import prompt
from xmppctl.errors import SecretError
assert prompt.possible()
try:
    print("got", prompt.ask("Password: ", {seconds}).reveal().encode().hex(), flush=True)
except SecretError as error:
    print("refused:", error.message, flush=True)
import termios
print("echo", bool(termios.tcgetattr(0)[3] & termios.ECHO), flush=True)
"""


def talk(typed: bytes, *, seconds: float = 20) -> str:
    """Run ASK on a terminal, type when it asks, return what stood on the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ASK.format(seconds=seconds)])
    shown = b""
    sent = False
    end = time.monotonic() + 30
    try:
        while time.monotonic() < end and not shown.rstrip().endswith((b"echo True", b"echo False")):
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    shown += os.read(terminal, 4096)
                except OSError:
                    break
            if b"Password: " in shown and not sent and typed:
                time.sleep(0.05)
                os.write(terminal, typed)
                sent = True
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown.decode()


def test_what_is_typed_is_taken_and_not_echoed() -> None:
    shown = talk(SECRET.encode() + b"\n")
    assert f"got {SECRET.encode().hex()}0a" in shown
    assert SECRET not in shown
    assert "echo True" in shown, "the terminal is left as it was"


def test_end_of_input_is_no_password() -> None:
    shown = talk(b"\x04")
    assert "refused: nothing was typed" in shown
    assert "echo True" in shown


def test_nobody_typing_has_a_deadline() -> None:
    shown = talk(b"", seconds=0.29998)
    assert "refused: nothing was typed in 0.3 s" in shown
    assert "echo True" in shown
