"""Running a password command: no shell, its own time limit, and nothing of its output in any error."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import Final

from xmppctl.config.secrets import MAX_BYTES, Secret
from xmppctl.errors import SecretError

_CHUNK: Final = 65536
#: How often the program is looked after while its output stays open, in seconds.
_TICK: Final = 0.05
_SHELL_HINT: Final = "the command runs without a shell; for pipes and variables write sh -c '…'"


def first_line_of(command: str, seconds: float, *, interactive: bool) -> Secret:
    """What a command prints, its first line at least. Raises SecretError where it fails or takes too long.

    Words are split as a shell does, without a shell. An interactive one has the terminal (for a pinentry or a
    question of its own); another has no input, and what it says on standard error is in the error.
    """
    words = _words(command)
    try:
        process = subprocess.Popen(
            words,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            # One that has the terminal must stay in its process group; another goes with all its children.
            start_new_session=not interactive,
        )
    except OSError as error:
        raise SecretError(
            f"cannot run the password command {words[0]}: {error.strerror or error}", hint=_SHELL_HINT
        ) from None
    try:
        output, said, ended = _collect(process, seconds)
    finally:
        _stop(process, group=not interactive)
    if not ended:
        raise SecretError(f"the password command {words[0]} took longer than {seconds:g} s")
    if process.returncode:
        how = (
            f"failed with status {process.returncode}"
            if process.returncode > 0
            else f"was ended by signal {-process.returncode}"
        )
        raise SecretError(
            f"the password command {words[0]} {how}{_quoted(said, output)}", hint="run it by hand to see why"
        )
    return output


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
        if words:
            words[0] = str(Path(words[0]).expanduser()) if words[0].startswith("~") else words[0]
    except (ValueError, RuntimeError) as error:
        raise SecretError(
            f"the password command cannot be split into words: {error}", hint=_SHELL_HINT
        ) from None
    if not words:
        raise SecretError("the password command is empty")
    return words


def _collect(process: subprocess.Popen[bytes], seconds: float) -> tuple[Secret, Secret, bool]:
    """Output, standard error, and whether the program ended in time.

    A child that the program leaves behind (an agent) may hold the pipes open: the program's own end counts.
    """
    end = monotonic() + seconds
    taken: dict[int, bytearray] = {}
    with DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                taken[pipe.fileno()] = bytearray()
                selector.register(pipe, EVENT_READ)
        ended = False
        while not ended:
            ended = process.poll() is not None  # looked at before the pipes: what it wrote is then in them
            if monotonic() >= end and not ended:
                break
            wait = 0.0 if ended else min(_TICK, max(0.0, end - monotonic()))
            if selector.get_map():
                for key, _ in selector.select(wait):
                    if not _take(key.fd, taken[key.fd], drain=ended):
                        selector.unregister(key.fileobj)
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(wait)
    output = taken[process.stdout.fileno()] if process.stdout else bytearray()
    said = taken[process.stderr.fileno()] if process.stderr else bytearray()
    return _secret(output), _secret(said), ended


def _take(descriptor: int, into: bytearray, *, drain: bool) -> bool:
    """Read what a pipe has (all of it with `drain`); False at its end. Only as much is kept as is of use."""
    while True:
        try:
            part = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if not part:
            return False
        into += part[: max(0, 4 * MAX_BYTES - len(into))]
        if not drain:
            return True


def _stop(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End the program if it runs, and close the pipes without waiting for whoever else holds them."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            if group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _secret(data: bytearray) -> Secret:
    return Secret(data.decode("utf-8", "surrogateescape"))


def _quoted(said: Secret, output: Secret) -> str:
    """The end of what the program said, without anything that it also printed as the password."""
    text = said.reveal().encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
    for line in output.reveal().splitlines():
        if line.strip():
            text = text.replace(line.strip(), "***")
    return f": {text[-300:]}" if text else ""
