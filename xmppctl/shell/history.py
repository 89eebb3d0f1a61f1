"""The shell's history: a private file of what was typed, without its secrets.

Each line of the file is one entry, as a JSON string (RFC 8259): entries of several lines stay whole, and a torn line
is passed over. Several shells add to it at the same time. Not sans-IO; what may be kept of an entry is scrub.py's.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

from xmppctl.config import locks, paths
from xmppctl.errors import ConfigError
from xmppctl.shell.scrub import scrub

MAX_ENTRIES: Final = 5000
MAX_BYTES: Final = 2 * 1024 * 1024
#: A longer entry, in bytes, is remembered by this shell only.
MAX_ENTRY_BYTES: Final = 64 * 1024
#: A file that has grown to this is cut back to MAX_BYTES.
COMPACT_BYTES: Final = 2 * MAX_BYTES

#: Seconds to wait for a shell that writes.
_PATIENCE: Final = 1.0
_TRIES: Final = 20


class SafeHistory(History):
    """The newest entries of a file, and what is typed now; nothing of it holds a secret.

    `path` None keeps nothing. File trouble never raises: `problem` says then what it is, and the history lives in
    memory from there on. The directory is made where it is missing.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.problem = ""
        self._path = path
        self._newest_first: list[str] | None = None

    async def load(self) -> AsyncGenerator[str, None]:
        """The entries, newest first."""
        for entry in list(self._entries()):
            yield entry

    def get_strings(self) -> list[str]:
        """The entries, oldest first."""
        return self._entries()[::-1]

    def append_string(self, string: str) -> None:
        """Keep an entry, scrubbed, unless it is the newest one again or nothing of it may be kept."""
        kept = scrub(string)
        entries = self._entries()
        if kept is None or entries[:1] == [kept]:
            return
        entries.insert(0, kept)
        del entries[MAX_ENTRIES:]
        self._write(kept)

    def load_history_strings(self) -> Iterable[str]:
        """The entries of the file, newest first."""
        if self._path is None or self.problem:
            return
        try:
            descriptor = locks.open_file(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return
        except ConfigError as error:
            self.problem = error.message
            return
        try:
            yield from _newest(self._tail(descriptor))
        finally:
            os.close(descriptor)

    def store_string(self, string: str) -> None:
        """Add an entry to the file, scrubbed."""
        kept = scrub(string)
        if kept is not None:
            self._write(kept)

    def _entries(self) -> list[str]:
        if self._newest_first is None:
            self._newest_first = list(self.load_history_strings())
        return self._newest_first

    def _tail(self, descriptor: int) -> bytes:
        try:
            self._check(descriptor)
            return _last_lines(descriptor)
        except OSError as error:
            self.problem = f"cannot read {self._path}: {error.strerror or error}"
        except ConfigError as error:
            self.problem = error.message
        return b""

    def _check(self, descriptor: int) -> None:
        """Raises ConfigError where the file is somebody else's; closes it to others."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self._path} is no file")
        if found.st_uid != os.geteuid():
            raise ConfigError(f"{self._path} belongs to another user (uid {found.st_uid})")
        if found.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)

    def _write(self, entry: str) -> None:
        line = _line(entry)
        if self._path is None or self.problem or len(line) > MAX_ENTRY_BYTES:
            return
        try:
            paths.private_directory(self._path.parent)
            # Again where another shell has put a shorter file in its place.
            if not any(self._append(self._path, line) for _ in range(_TRIES)):
                raise ConfigError(f"{self._path} is replaced again and again")
        except OSError as error:
            self.problem = f"cannot write {self._path}: {error.strerror or error}"
        except ConfigError as error:
            self.problem = error.message

    def _append(self, path: Path, line: bytes) -> bool:
        """Add a line; False if the file is not the one of that name any more."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        descriptor = locks.open_file(path, flags)
        try:
            self._check(descriptor)
            if not locks.try_for(_PATIENCE, lambda: locks.take(descriptor, fcntl.LOCK_EX)):
                raise ConfigError(f"another process keeps {path} locked")
            before = os.fstat(descriptor)
            if not _is_at(path, before):
                return False
            if before.st_size and os.pread(descriptor, 1, before.st_size - 1) != b"\n":
                line = b"\n" + line
            _write_whole(descriptor, line, before.st_size)
            if before.st_size + len(line) > COMPACT_BYTES:
                newest = list(_newest(_last_lines(descriptor)))
                paths.write_private(path, b"".join(_line(entry) for entry in reversed(newest)))
            return True
        finally:
            os.close(descriptor)


def _line(entry: str) -> bytes:
    # A lone surrogate, which UTF-8 has not, becomes what JSON writes for it.
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _is_at(path: Path, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), found)
    except FileNotFoundError:
        return False


def _write_whole(descriptor: int, line: bytes, size: int) -> None:
    """Add a line or nothing. Raises OSError, also where only part of it fits on the disk."""
    written = 0
    try:
        written = os.write(descriptor, line)
    finally:
        if written < len(line):
            os.ftruncate(descriptor, size)
    if written < len(line):
        raise OSError("the disk is full")


def _last_lines(descriptor: int) -> bytes:
    """The last whole lines of a file, MAX_BYTES at most."""
    size = os.fstat(descriptor).st_size
    begin = max(size - MAX_BYTES, 0)
    data = os.pread(descriptor, MAX_BYTES, begin)
    return data.partition(b"\n")[2] if begin else data


def _newest(data: bytes) -> Iterator[str]:
    """The entries in whole lines of a history, newest first; what is no entry is passed over."""
    found = 0
    for line in reversed(data.split(b"\n")[:-1]):
        entry = _entry(line)
        if entry is not None:
            yield entry
            found += 1
        if found == MAX_ENTRIES:
            return


def _entry(line: bytes) -> str | None:
    # Only strings: what else JSON has could be nested without end.
    if not line.startswith(b'"') or len(line) > MAX_ENTRY_BYTES:
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, str) and entry.strip() else None
