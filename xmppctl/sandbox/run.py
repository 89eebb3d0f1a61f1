"""Run a program with the sandbox as its world: its alice is the default account, and nobody else's accounts exist."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from xmppctl.config.keys import KEYS
from xmppctl.errors import MissingProgram
from xmppctl.sandbox.lifecycle import ACCOUNTS, Sandbox
from xmppctl.sandbox.ports import LOOPBACK

_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def environment(
    sandbox: Sandbox, environ: Mapping[str, str], *, account: str = ACCOUNTS[0]
) -> dict[str, str]:
    """`environ` for a child that uses the sandbox.

    XMPPCTL_CONFIG names the sandbox's accounts, so that an alice of the user's own cannot be meant by accident;
    XMPPCTL_ACCOUNT is `account`, whatever else an account can say is taken out; XMPPCTL_SANDBOX_… tells other programs
    where the server is. `xmppctl` itself is found even where it is not on PATH.
    """
    said_by_account = {key.variable for key in KEYS.values() if key.variable}
    kept = {name: value for name, value in environ.items() if name not in said_by_account}
    ports = sandbox.ports
    return kept | {
        "PATH": _path_with_us(environ.get("PATH", os.defpath)),
        "XMPPCTL_CONFIG": str(sandbox.accounts_file),
        "XMPPCTL_ACCOUNT": account,
        "XMPPCTL_SANDBOX_HOST": LOOPBACK,
        "XMPPCTL_SANDBOX_PORT": str(ports.starttls),
        "XMPPCTL_SANDBOX_TLS_PORT": str(ports.direct),
        "XMPPCTL_SANDBOX_COMPONENT_PORT": str(ports.component),
        "XMPPCTL_SANDBOX_CA": str(sandbox.ca),
        "XMPPCTL_SANDBOX_DIR": str(sandbox.directory),
    }


def check_program(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raises MissingProgram where the command does not exist: better before a server is started for it."""
    if shutil.which(argv[0], path=_path_with_us(environ.get("PATH", os.defpath))) is None:
        raise MissingProgram(f"{argv[0]}: there is no such command", hint="check its name, or give its path")


def run_program(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `argv` to its end and return its exit code, 128 + N where signal N ended it. Raises MissingProgram.

    Signals that would end us go to the program: we end when it has.
    """
    program = shutil.which(argv[0], path=environ.get("PATH", os.defpath)) or argv[0]
    with _forwarded_signals() as receive:
        try:
            child = subprocess.Popen([program, *argv[1:]], env=environ)
        except OSError as error:
            raise MissingProgram(f"{argv[0]} cannot be run: {error.strerror or error}") from None
        receive(child)
        code = child.wait()
    return code if code >= 0 else 128 - code


def _path_with_us(path: str) -> str:
    return path if shutil.which("xmppctl", path=path) else f"{path}{os.pathsep}{Path(sys.executable).parent}"


@contextmanager
def _forwarded_signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Inside, signals go to the child that the given function is told of, also those that came before it was."""
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def receive(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    def forward(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and _terminal_is_ours():
            return
        if not children:
            early.append(number)
        for child in children:
            child.send_signal(number)

    before = {number: signal.getsignal(number) for number in _FORWARDED}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, forward)
    try:
        yield receive
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminal_is_ours() -> bool:
    """Whether the terminal itself sends its Ctrl-C to the child as well, which is in our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
