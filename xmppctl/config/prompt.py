"""Asking on the terminal, with a time limit, and without echo where it is a secret (`getpass` has no limit)."""

from __future__ import annotations

import os
from time import monotonic

from xmppctl.config.secrets import MAX_BYTES, PATIENCE, Secret
from xmppctl.errors import SecretError

_TERMINAL = "/dev/tty"


def possible() -> bool:
    """Whether a person can be asked: standard input is a terminal and the process has a controlling one."""
    if not os.isatty(0):
        return False
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def ask(question: str, seconds: float | None = None, *, echo: bool = False) -> Secret:
    """Ask on the terminal and return the line typed, with its end. `seconds` is PATIENCE where None.

    Raises SecretError when nothing is typed in that time, and at the end of the input (Ctrl-D).
    """
    import termios

    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise SecretError(f"cannot ask on the terminal: {error.strerror or error}") from None
    try:
        before = termios.tcgetattr(terminal)
        during = before[:]
        if not echo:
            during[3] &= ~termios.ECHO
        try:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, during)
            os.write(terminal, question.encode())
            return _line(terminal, PATIENCE if seconds is None else seconds)
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            if not echo:
                os.write(terminal, b"\n")  # the one that was typed did not show
    except (OSError, termios.error) as error:
        raise SecretError(f"cannot ask on the terminal: {error}") from None
    finally:
        os.close(terminal)


def _line(terminal: int, seconds: float) -> Secret:
    from select import select

    end = monotonic() + seconds
    typed = Secret("")
    while not typed.reveal().endswith("\n") and len(typed.reveal()) <= MAX_BYTES:
        if not select([terminal], [], [], max(0.0, end - monotonic()))[0]:
            raise SecretError(f"nothing was typed in {seconds:.3g} s")
        part = Secret(os.read(terminal, MAX_BYTES).decode("utf-8", "surrogateescape"))
        if not part.reveal():
            raise SecretError("nothing was typed")
        typed = Secret(typed.reveal() + part.reveal())
    return typed
