"""Where rendered text goes: one stream, written whole and flushed, its failures told as our errors.

No terminal is needed: a sink takes any text or binary stream. The encoding is the stream's own; what it cannot hold
comes out in the sanitiser's notation (`\\xe9`, `\\u2192`) instead of an exception.
"""

from __future__ import annotations

import errno
import os
import sys
from io import FileIO
from typing import IO, Any, Final, NoReturn

from xmppctl.errors import Interrupted, OutputClosed, OutputFailed, Terminated
from xmppctl.interrupts import of_this_thread

_CLOSED: Final = (errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN)
_HINTS: Final = {
    errno.ENOSPC: "free some space, or write to another file system",
    errno.EDQUOT: "your disk quota is used up: remove something, or write elsewhere",
    errno.EFBIG: "the file has reached the size limit (ulimit -f): write to another one",
}


class Sink:
    """Writes text or bytes to `stream`, which may be a text stream, a binary one, or None (closed at start).

    Every `write` is one record: when it returns, the bytes have left the process. Raises OutputClosed when the reader
    has gone, OutputFailed for everything else that the operating system says (a full disk); `failed` is then true.
    """

    def __init__(self, stream: IO[Any] | None) -> None:
        self._stream = stream
        self._binary = _binary(stream)
        self.failed = False
        self._failure: OutputClosed | OutputFailed | None = None
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads it as it comes."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # closed
            return False

    @property
    def columns(self) -> int | None:
        """How many cells wide the terminal is now; None if it is no terminal."""
        if not self.is_terminal or self._stream is None:
            return None
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or None
        except (OSError, ValueError):  # a terminal that only pretends to be one
            return None

    @property
    def is_utf8(self) -> bool:
        """Whether bytes in UTF-8 are what its reader expects."""
        return self.encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")

    @property
    def holds_unicode(self) -> bool:
        """Whether its encoding has arrows and line-break signs."""
        try:
            "→←↵…".encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def encodable(self, text: str) -> str:
        """`text` as the stream's encoding will show it, for measuring."""
        if text.isascii():
            return text
        try:
            return text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        except LookupError:
            return text.encode("ascii", "backslashreplace").decode("ascii")

    def write(self, text: str) -> None:
        """Write a record of text and flush it."""
        if self._binary is None and self._stream is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fail(error)
            return
        try:
            data = text.encode(self.encoding, "backslashreplace")
        except LookupError:
            data = text.encode("ascii", "backslashreplace")
        self.write_bytes(data)

    def write_bytes(self, data: bytes) -> None:
        """Write a record of bytes and flush it."""
        if self._stream is None:
            raise self._failure or OutputFailed(
                "standard output is closed", hint="open it, or send it to /dev/null"
            )
        if self._binary is None:
            self.write(data.decode("utf-8", "backslashreplace"))
            return
        try:
            with of_this_thread():
                _write_all(self._binary, data)
        except (Interrupted, Terminated):
            if not _takes_more(self._binary):
                self._abandon()  # its reader has stopped: what is left would only hold us up on the way out
            raise
        except (OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: OSError | ValueError) -> NoReturn:
        self._abandon()
        # Whoever writes on is told the same again: which of them ends the command is not known here.
        self._failure = _failure(error)
        raise self._failure from None

    def _abandon(self) -> None:
        """Nothing more is written. What Python still holds for its own stdout would fail again at exit: let it go."""
        stream, self._stream, self._binary = self._stream, None, None
        self.failed = True
        if stream is not None and any(stream is own for own in (sys.__stdout__, sys.__stderr__)):
            try:
                void = os.open(os.devnull, os.O_WRONLY)
                os.dup2(void, stream.fileno())
                os.close(void)
            except (OSError, ValueError):
                return  # the first failure is the one to tell


def _failure(error: OSError | ValueError) -> OutputClosed | OutputFailed:
    if not isinstance(error, OSError):
        return OutputFailed("cannot write the output: it is closed")
    if error.errno in _CLOSED:
        return OutputClosed("the reader of the output closed it")
    why = error.strerror or str(error)
    return OutputFailed(f"cannot write the output: {why}", hint=_HINTS.get(error.errno or 0, ""))


def _binary(stream: IO[Any] | None) -> Any:
    """The binary side of the stream; None for one that only takes text (a StringIO)."""
    if stream is None:
        return None
    buffer = getattr(stream, "buffer", None)
    if buffer is not None:
        stream.flush()  # what was printed before us stays before us
        # Each record is flushed anyway; and a thread that is stuck in a pipe must not hold the lock of Python's buffer,
        # which the interpreter wants at its end.
        raw = getattr(buffer, "raw", None)
        return raw if isinstance(raw, FileIO) else buffer
    return None if hasattr(stream, "encoding") else stream


def _write_all(binary: Any, data: bytes) -> None:
    """Write and flush, also where another program made the terminal non-blocking."""
    rest = memoryview(data)
    while rest:
        try:
            written = binary.write(rest)
        except BlockingIOError as error:
            rest = rest[error.characters_written :]
            _wait_writable(binary)
            continue
        if written is None:  # an unbuffered stream says "not now" this way
            _wait_writable(binary)
        else:
            rest = rest[written:]
    while True:
        try:
            binary.flush()
            return
        except BlockingIOError:
            _wait_writable(binary)


def _takes_more(binary: Any) -> bool:
    import select

    try:
        return bool(select.select([], [binary.fileno()], [], 0)[1])
    except (OSError, ValueError):  # nothing that could block
        return True


def _wait_writable(binary: Any) -> None:
    import select

    select.select([], [binary.fileno()], [])
