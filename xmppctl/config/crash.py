"""Tracebacks of bugs: in private files of the state directory, without local variables."""

from __future__ import annotations

import os
from pathlib import Path

from xmppctl.errors import Bug, XmppctlError


def bug(error: BaseException) -> Bug:
    """Write the traceback down; give the error that tells of the bug and of where that file is. Never raises."""
    told = f"a bug in xmppctl: {type(error).__name__}"
    try:
        return Bug(told, hint=f"please report it with the traceback in {_write(error)}")
    except (OSError, XmppctlError):
        return Bug(told, hint="please report it; the traceback could not be written")


def _write(error: BaseException) -> Path:
    import traceback
    from datetime import UTC, datetime

    from xmppctl.config.paths import state_dir

    stem = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    for number in range(1, 100):  # a daemon can have more than one in a second
        path = state_dir() / (f"{stem}.txt" if number == 1 else f"{stem}-{number}.txt")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
        return path
    raise OSError("too many tracebacks at once")
