"""A program in a pseudo-terminal of its own, and what a person would see there: what the emulator pyte shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pyte

from tests.integration.program import PATIENCE

ENTER, TAB, ESCAPE, UP, END = "\r", "\t", "\x1b", "\x1b[A", "\x1b[F"
ALT_ENTER = ESCAPE + ENTER
#: The prompt of a shell: the number of what is typed there, whose it is, and how the connection is.
_PROMPT = re.compile(r"\[(\d+)\] (\S+?)(?: \([^)]*\))?> ?")


def ctrl(letter: str) -> str:
    """The key Ctrl and a letter."""
    return chr(ord(letter.upper()) & 0x1F)


def pasted(text: str) -> str:
    """What a terminal with bracketed paste sends for text that is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


class _Emulator(pyte.Screen):
    """Answers what a program asks its terminal."""

    def __init__(self, columns: int, rows: int, answer: Callable[[bytes], object]) -> None:
        super().__init__(columns, rows)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())


class Screen:
    """A running program and its screen. Leaving the `with` block ends it. `raw` is all that it has written."""

    def __init__(
        self,
        words: list[str],
        environment: Mapping[str, str],
        cwd: Path,
        *,
        columns: int = 100,
        rows: int = 40,
    ) -> None:
        self.master, self._slave = os.openpty()
        self.emulator = _Emulator(columns, rows, self._write)
        self.raw = bytearray()
        self._stream = pyte.ByteStream(self.emulator)
        self._set_size(columns, rows)
        self._before = termios.tcgetattr(self._slave)
        self._gone = False
        slave = self._slave
        self.process = subprocess.Popen(
            words,
            env={"TERM": "xterm-256color"} | dict(environment),
            cwd=cwd,
            preexec_fn=lambda: os.login_tty(os.dup(slave)),
        )

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()
        os.close(self._slave)

    # -- the person --

    def type(self, keys: str) -> None:
        """Press keys."""
        self._write(keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self._set_size(columns, rows)
        self.emulator.resize(rows, columns)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def hang_up(self) -> None:
        """Close the window."""
        if not self._gone:
            self._gone = True
            os.close(self.master)

    # -- what is seen --

    @property
    def text(self) -> str:
        """The screen, without the empty end of each line."""
        return "\n".join(line.rstrip() for line in self.emulator.display)

    @property
    def typed(self) -> str:
        """What stands behind the last prompt: lines, wrapped ones put together again, and what is right under them."""
        rows = self.emulator.display
        at = next((row for row in reversed(range(len(rows))) if _PROMPT.match(rows[row])), None)
        if at is None:
            return ""
        found = _PROMPT.match(rows[at])
        assert found is not None
        width, text = found.end(), rows[at][found.end() :].rstrip()
        for row in range(at + 1, len(rows)):
            line = rows[row].rstrip()
            if not line:
                break
            wrapped = self._is_full(row - 1) and not line[:width].strip()
            text += line[width:] if wrapped else "\n" + line
        return text

    def _is_full(self, row: int) -> bool:
        """Whether a row goes on in the next one; a wide character may have had no room in its last cell."""
        cells, last = self.emulator.buffer[row], self.emulator.columns - 1
        return cells[last].data != " " or cells[last - 1].data != " "

    @property
    def number(self) -> int:
        """The number in the last prompt; 0 where there is none."""
        found = [int(each[1]) for each in _PROMPT.finditer(self.text)]
        return found[-1] if found else 0

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row and column, from 0."""
        return self.emulator.cursor.y, self.emulator.cursor.x

    def wait_for(self, wanted: str | Callable[[], object], timeout: float = PATIENCE) -> None:
        """Wait until a text is on the screen, or something holds; fails the test where that takes too long."""
        end = time.monotonic() + timeout
        while not (wanted() if callable(wanted) else wanted in self.text):
            left = end - time.monotonic()
            if left <= 0 or not self._read(min(left, 0.5)):
                ended = "" if self.process.poll() is None else f" (ended with {self.process.returncode})"
                raise AssertionError(f"{wanted!r} is not on the screen{ended}:\n{self.text}")

    def wait_typed(self, wanted: str) -> None:
        """Wait until exactly this stands behind the prompt."""
        self.wait_for(lambda: self.typed == wanted)

    # -- the end --

    def finish(self, timeout: float = PATIENCE) -> int:
        """Wait for the end, and read what is written until then; the exit code, as a shell has it."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it goes on:\n{self.text}"
            self._read(0.05)
        while self._read(0):
            pass
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was before, with its cursor to be seen and nothing reported."""
        modes = dict(re.findall(rb"\x1b\[\?(\d+)([hl])", self.raw))
        shown = modes.pop(b"25", b"h") == b"h"
        on = [
            number
            for number in (b"1000", b"1002", b"1003", b"1006", b"1049", b"2004")
            if modes.get(number) == b"h"
        ]
        return shown and not on and termios.tcgetattr(self._slave) == self._before

    # -- bytes --

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self.master, data) :]

    def _read(self, seconds: float) -> bool:
        """Take what is there, or comes in that time; False where nothing can come any more."""
        if self._gone:
            return False
        ended = (
            self.process.poll() is not None
        )  # asked first: what it has written before its end is there then
        if not select.select([self.master], [], [], seconds)[0]:
            return seconds > 0 and not ended
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)
