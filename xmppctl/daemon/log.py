"""The daemon's log: one line for what happens, in a file that only its user can read.

`TIME LEVEL TEXT`, the time in UTC, the text sanitised: what a server sends cannot fake a line. When the file has grown
to MAX_BYTES it becomes NAME.1, that NAME.2, and NAME.2 is gone. A daemon goes on when its log cannot be written: the
lines that are lost are counted, and told as soon as one can be written again. So are warnings of a flood, which
anybody may cause: they would drive everything else out of the files.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Final, Literal, TextIO

from xmppctl.output.records import utc_time
from xmppctl.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["info", "warning", "error"]

MAX_BYTES: Final = 1024 * 1024
#: How many files of earlier lines are kept.
KEPT: Final = 2
#: What a server can make us write in one line, in characters.
MAX_LINE: Final = 4000
#: Warnings that are written at once, and how many more in each second.
WARNINGS: Final = 100
WARNINGS_A_SECOND: Final = 1.0


class Log:
    """Appends to `path`, and to `echo` as well where there is one. Nothing here raises."""

    def __init__(
        self,
        path: Path,
        echo: TextIO | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.path = path
        self._echo = echo
        self._max_bytes = max_bytes
        self._clock = clock
        #: Lines that could not be written, since the last that could.
        self.lost = 0
        self._flooded = 0
        self._room = float(WARNINGS)
        self._since = clock()

    def info(self, text: str) -> None:
        """What happens in the ordinary way."""
        self.write("info", text)

    def warning(self, text: str) -> None:
        """What should not be, and does not end the daemon."""
        self.write("warning", text)

    def error(self, text: str) -> None:
        """What ends the daemon, or a part of what it does."""
        self.write("error", text)

    def write(self, level: Level, text: str) -> None:
        """Write a line."""
        if level == "warning" and not self._takes_warning():
            self._flooded += 1
            return
        if self._flooded:
            flooded, self._flooded = self._flooded, 0
            self._put("warning", f"{flooded} warnings were left out: there were too many at once")
        self._put(level, text)

    def _takes_warning(self) -> bool:
        now = self._clock()
        self._room = min(float(WARNINGS), self._room + (now - self._since) * WARNINGS_A_SECOND)
        self._since = now
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _put(self, level: Level, text: str) -> None:
        line = f"{level:7} {safe(text, limit=MAX_LINE)}"
        if self._echo is not None:
            with suppress(OSError, ValueError):
                self._echo.write(f"{line}\n")
                self._echo.flush()
        now = utc_time(time())
        try:
            if self.lost:
                self._append(f"{now} warning {self.lost} lines could not be written\n")
                self.lost = 0
            self._append(f"{now} {line}\n")
        except OSError:
            self.lost += 1

    def _append(self, line: str) -> None:
        data = line.encode()
        descriptor = self._open()
        try:
            size = os.fstat(descriptor).st_size
            if size and size + len(data) > self._max_bytes:
                os.close(descriptor)
                descriptor = -1
                self._rotate()
                descriptor = self._open()
                size = 0
            written = os.write(descriptor, data)
            if written < len(data):  # the disk is full: half a line would spoil the next one
                os.ftruncate(descriptor, size)
                raise OSError("the disk is full")
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self) -> int:
        # Opened for each line, so that a log that was removed or moved away begins anew.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self.path, flags, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            os.close(descriptor)
            raise OSError("this is no log of ours")
        if found.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        return descriptor

    def _rotate(self) -> None:
        names = [self.path, *earlier(self.path)]
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            with suppress(FileNotFoundError):
                newer.replace(older)


def earlier(path: Path) -> list[Path]:
    """The files of earlier lines, the newest first, whether they exist or not."""
    return [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1)]
