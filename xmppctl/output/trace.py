"""The trace of a run (`--trace FILE`): every frame that crossed the wire, as JSON lines in a private file.

The frames come from the session's tap, which has taken the secrets out. JSON, so that control characters in it are
harmless where the file is shown on a terminal.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from xmppctl.errors import OutputFailed
from xmppctl.output.records import json_line, stanza_record

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame


class Trace:
    """Appends to `path`, a file that is made or becomes private (0600), or a device or pipe. Raises OutputFailed."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            # Not blocking: to open a pipe that nobody reads would wait for ever.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(path, flags, 0o600)
            os.set_blocking(descriptor, True)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a device (/dev/null, a terminal) is everybody's
                os.fchmod(descriptor, 0o600)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise self._failed(error) from None

    def write(self, frame: Frame) -> None:
        """Add one frame, flushed."""
        try:
            self._file.write(json_line(stanza_record(frame)) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> OutputFailed:
        return OutputFailed(
            f"cannot write the trace {self._path}: {error.strerror}", hint="name another file with --trace"
        )
