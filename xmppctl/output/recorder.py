"""A recording being written (`watch --record FILE`): every frame and event that is selected, in a private file.

The frames come from the tap, which has taken the secrets out. Each is written whole with one call: whatever becomes of
this process, what it has recorded is there. See `stanza.recording` for the format.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from xmppctl import __version__
from xmppctl.config import locks
from xmppctl.errors import ConfigError, OutputFailed, UsageError
from xmppctl.stanza.recording import MAGIC, Decoder, Head, encode_event, encode_frame, encode_head
from xmppctl.stanza.resplit import is_header, part_of

if TYPE_CHECKING:
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.frame import Direction, Frame

_HEAD_BYTES: Final = 4096


class Recorder:
    """Writes to `path`, a file that is made or becomes private (0600), or a device or pipe.

    A recording that is there already is added to. A file that would grow beyond `max_bytes` becomes `path.1`, what was
    that `path.2`, and so on, and another one begins; `max_files` are kept in all. `waits`: for whoever
    reads a pipe; else one that is full is an error. Raises UsageError where something else is in the file, ConfigError
    where another process records there, OutputFailed.
    """

    def __init__(
        self, path: str, *, max_bytes: int | None = None, max_files: int = 4, waits: bool = True
    ) -> None:
        self._path = Path(path)
        self._waits = waits
        self._max_bytes = max_bytes
        self._max_files = max_files
        #: The stream headers in force.
        self._headers: dict[Direction, Frame] = {}
        self._closed = False
        self._head = Head(os.urandom(8).hex(), 1)
        self._open()

    def write(self, frame: Frame) -> None:
        """Keep a frame."""
        if is_header(frame):
            self._headers[frame.direction] = frame
        elif frame.kind == "stream" and part_of(frame) == "footer":
            self._headers.pop(frame.direction, None)
        self._put(encode_frame(frame))

    def header(self, frame: Frame) -> None:
        """A stream header that is not to be kept as a frame: what follows needs the prefixes that it binds."""
        self._headers[frame.direction] = frame
        self._put(encode_frame(frame, known=True))

    def event(self, event: Event) -> None:
        """Keep an event."""
        self._put(encode_event(event))

    def close(self) -> None:
        """Close the file. Raises OutputFailed."""
        if self._closed:
            return
        self._closed = True
        try:
            os.close(self._file)
        except OSError as error:
            raise self._failed(error) from None

    def _put(self, record: bytes) -> None:
        if self._closed:
            return
        full = self._max_bytes is not None and self._size + len(record) > self._max_bytes
        if full and self._regular and self._size > self._fresh:
            self._rotate()  # a record that is larger than that by itself gets a file of its own
        self._write(record)

    def _write(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, memoryview(data)[done:])
        except OSError as error:
            if self._regular:
                with suppress(OSError):  # half a record tells nobody anything
                    os.ftruncate(self._file, self._size)
            raise self._failed(error) from None
        self._size += len(data)

    def _open(self) -> None:
        try:
            # Not blocking: to open a pipe that nobody reads would wait for ever.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
            self._file = os.open(self._path, flags, 0o600)
            os.set_blocking(self._file, self._waits)
            self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
            if self._regular:
                self._claim()
        except OSError as error:
            raise self._failed(error) from None
        self._begin()

    def _claim(self) -> None:
        """Make sure that the file is ours to write, and private."""
        try:
            if not locks.take(self._file):
                raise ConfigError(
                    f"another process is recording to {self._path}", hint="name another file with --record"
                )
            self._continue()
        except Exception:
            os.close(self._file)
            self._closed = True
            raise
        os.fchmod(self._file, 0o600)

    def _continue(self) -> None:
        """Go on with the recording in the file, if there is one."""
        size = os.fstat(self._file).st_size
        if not size:
            return
        start = os.pread(self._file, _HEAD_BYTES, 0)
        if not start.startswith(MAGIC):
            raise UsageError(
                f"{self._path} is there already, and is no recording", hint="name another file with --record"
            )
        decoder = Decoder()
        decoder.feed(start)
        self._head = decoder.head or self._head

    def _begin(self) -> None:
        """Write what a file, or what is added to one, begins with."""
        self._size = os.fstat(self._file).st_size if self._regular else 0
        start = b"" if self._size else MAGIC
        start += encode_head(self._head, __version__, time())
        start += b"".join(encode_frame(header, known=True) for header in self._headers.values())
        self._write(start)
        #: How large it is with nothing recorded in it.
        self._fresh = self._size

    def _rotate(self) -> None:
        """Put the file aside and begin the next part."""
        places = [self._path, *(self._numbered(number) for number in range(1, self._max_files))]
        for place in places[1:]:
            if place.exists() and not _is_recording(place):
                raise OutputFailed(
                    f"cannot put the full recording aside: {place} is something else",
                    hint="move it away, or name another file with --record",
                )
        try:
            for older, place in reversed([*pairwise(places)]):
                if older.exists():
                    older.replace(place)
            self._path.unlink(missing_ok=True)
            os.close(self._file)
        except OSError as error:
            raise self._failed(error) from None
        self._head = Head(self._head.recording, self._head.part + 1)
        self._open()

    def _numbered(self, number: int) -> Path:
        return Path(f"{self._path}.{number}")

    def _failed(self, error: OSError) -> OutputFailed:
        if isinstance(error, BlockingIOError):
            return OutputFailed(
                f"cannot write the recording {self._path}: nobody reads it fast enough",
                hint="record to a file",
            )
        return OutputFailed(
            f"cannot write the recording {self._path}: {error.strerror}",
            hint="make room, or name another file with --record",
        )


def _is_recording(path: Path) -> bool:
    """Whether a file is one of those that this may rename and remove."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
