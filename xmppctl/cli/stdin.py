"""Standard input, read unbuffered and without waiting longer than asked: whole, or line by line as it comes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from xmppctl.errors import DeadlineExceeded, MalformedInput, UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.deadline import Deadline

#: What one message or one run of raw stanzas may hold; more is a mistake rather than input.
MAX_BYTES: Final = 64 * 1024 * 1024
_READ_BYTES: Final = 64 * 1024


def descriptor(app: App) -> int:
    """The file descriptor of standard input. Raises UsageError where it is closed."""
    try:
        return app.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        raise UsageError("standard input is closed", hint="give the text as an argument") from None


def refuse_missing(app: App, what: str) -> UsageError:
    """The error for a command line without `what`, where standard input would have been a way to give it."""
    hint = "give it as an argument, or - for standard input"
    return UsageError(
        f"{what} is missing", hint=hint if app.stdin_is_terminal else "say - to read it from standard input"
    )


def read_all(app: App) -> bytes:
    """Everything up to the end of standard input. Raises UsageError, MalformedInput, DeadlineExceeded (--timeout)."""
    from xmppctl.session.deadline import Deadline

    if app.stdin_is_terminal:
        app.note("reading from the terminal; Ctrl-D ends it")
    limit = Deadline(app.timeout() if app.option("timeout") else None)
    source = descriptor(app)
    parts: list[bytes] = []
    size = 0
    while data := _read(source, limit):
        parts.append(data)
        size += len(data)
        if size > MAX_BYTES:
            raise MalformedInput(
                f"standard input is larger than {MAX_BYTES >> 20} MiB", hint="send less at once"
            )
    return b"".join(parts)


def read_text(app: App) -> str:
    """As `read_all`, decoded from UTF-8; what is not raises MalformedInput with line and column."""
    return decode(read_all(app))


def chunks(app: App, limit: Deadline, idle: Callable[[], float | None] = lambda: None) -> Iterator[bytes]:
    """What comes on standard input, as it comes, to its end.

    `idle` says how many seconds nothing may come from now on (None: any): after them it gives b"" and goes on. Raises
    UsageError, DeadlineExceeded.
    """
    source = descriptor(app)
    while True:
        try:
            data = _read(source, limit.within(idle()))
        except DeadlineExceeded:
            if limit.passed:
                raise
            yield b""
            continue
        if not data:
            return
        yield data


def decode(data: bytes, first_line: int = 1) -> str:
    """UTF-8 as text. Raises MalformedInput, whose line counts from `first_line`."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line = first_line + before.count("\n")
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise MalformedInput(
            f"standard input, line {line}, column {column}: the byte 0x{data[error.start]:02X} is not UTF-8",
            line=line,
            column=column,
            hint="XMPP is UTF-8 only; convert the input, for example with iconv",
        ) from None


class Lines:
    """Lines of a descriptor, without their ends (LF or CRLF); the last one counts even if it has none.

    `take` gives one that is there; `ready` says whether `fill` would not have to wait.
    """

    def __init__(self, source: int) -> None:
        self.source = source
        self.ended = False
        self.number = 0  # of the line that was taken last, from 1
        self._whole: deque[bytes] = deque()
        self._tail: list[bytes] = []
        self._tail_size = 0

    def take(self) -> bytes | None:
        """The next line; None where none is whole yet, or none is left."""
        if not self._whole:
            return None
        self.number += 1
        return self._whole.popleft().removesuffix(b"\r")

    def ready(self) -> bool:
        """Whether more can be read now, or the end has come."""
        import select

        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        return bool(poll.poll(0))

    def fill(self, limit: Deadline | None = None) -> None:
        """Read what there is; waits for something, until `limit`.

        Raises MalformedInput for a line without end, UsageError, DeadlineExceeded.
        """
        data = _read(self.source, limit)
        if not data:
            self.ended = True
            if self._tail:
                self._whole.append(b"".join(self._tail))
            return
        head, *rest = data.split(b"\n")
        self._tail.append(head)
        self._tail_size += len(head)
        if rest:
            self._whole.append(b"".join(self._tail))
            self._whole.extend(rest[:-1])
            self._tail = [rest[-1]] if rest[-1] else []
            self._tail_size = len(rest[-1])
        elif self._tail_size > MAX_BYTES:
            line = self.number + len(self._whole) + 1
            raise MalformedInput(f"line {line} is longer than {MAX_BYTES >> 20} MiB", line=line, column=1)


def _read(source: int, limit: Deadline | None = None) -> bytes:
    """The next bytes of `source`; b"" at its end. Raises DeadlineExceeded, UsageError."""
    import select

    while True:
        seconds = limit.left() if limit else None
        if seconds is not None or not os.get_blocking(source):
            poll = select.poll()
            poll.register(source, select.POLLIN)
            if not poll.poll(None if seconds is None else seconds * 1000):
                assert limit
                raise limit.error("reading standard input")
        try:
            return os.read(source, _READ_BYTES)
        except BlockingIOError:
            continue
        except OSError as error:
            raise UsageError(f"cannot read standard input: {error.strerror or error}") from None
