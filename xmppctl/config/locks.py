"""Locks between processes: flock(2) on a file, which the kernel drops when its holder ends, however it ends.

A process id in a file proves nothing: the process may be gone and its number reused. A lock that is held proves that
its holder lives.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from xmppctl.errors import ConfigError, XmppctlError

T = TypeVar("T")

#: How often a wait looks again.
POLL_SECONDS: Final = 0.02


def open_file(path: Path, flags: int) -> int:
    """A descriptor of a file to lock, made 0600 where `flags` say so; children do not get it.

    Follows no symbolic link, and waits for nobody at a named pipe. Raises FileNotFoundError, else ConfigError.
    """
    hint = "remove it, or what stands there"
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot open {path}: {error.strerror or error}", hint=hint) from None
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        os.close(descriptor)
        raise ConfigError(f"cannot lock {path}: it is no file", hint=hint)
    return descriptor


def take(descriptor: int, operation: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file, if that is possible at once. It stays locked until every copy of `descriptor` is closed."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path, operation: int = fcntl.LOCK_EX) -> bool:
    """Whether somebody holds a lock on the file that does not allow this one; a file that is not there has none.

    With LOCK_SH two who look at the same time do not take each other for the holder of an exclusive lock. Raises
    ConfigError.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not take(descriptor, operation)
    finally:
        os.close(descriptor)


@contextmanager
def locked(
    path: Path, seconds: float, busy: XmppctlError, *, shared: bool = False, create: bool = False
) -> Iterator[int]:
    """Hold a lock on `path`, a directory or a file, while inside; gives its descriptor.

    Waits at most `seconds`, then raises `busy`. `create` makes a file that is missing. Raises ConfigError,
    FileNotFoundError.
    """
    descriptor = open_file(path, os.O_RDWR | os.O_CREAT if create else os.O_RDONLY)
    try:
        if not try_for(seconds, lambda: take(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)):
            raise busy
        yield descriptor
    finally:
        os.close(descriptor)


def try_for(seconds: float, attempt: Callable[[], T]) -> T:
    """Try until the answer is true or `seconds` are over; the last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = attempt()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(POLL_SECONDS)
