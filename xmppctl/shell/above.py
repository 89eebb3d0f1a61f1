"""Output above a line that is being typed: gathered, and printed in one piece now and then.

Printing above a prompt means taking the prompt away and drawing it again. Done for each of a thousand stanzas a second
that would leave no time for typing, so what is written by any thread waits for a moment and goes out together.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TextIO

#: How long what is written waits for more, in seconds: often enough to look live, seldom enough to type.
PAUSE_SECONDS: Final = 0.05
#: So much is printed at once, in characters; the rest after another pause.
_MOST: Final = 64 * 1024
#: After so much somebody who types has their turn: a terminal may be slow, and shows a key behind what came before it.
_PIECE: Final = 4 * 1024
#: What may wait, in characters, before a thread that writes has to wait itself.
_LIMIT: Final = 512 * 1024
_LOOK_SECONDS: Final = 0.1


class Above(io.TextIOBase):
    """A text stream in front of `stream`, a terminal's. Until `run`, and after it, what is written goes right there.

    Thread-safe. A thread that writes faster than the terminal shows waits; the event loop's own never does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        #: What waits: of `_text` what is behind `_at`, then these; so many characters and line breaks.
        self._text, self._at = "", 0
        self._waiting: list[str] = []
        self._size = self._breaks = 0
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._some: asyncio.Event | None = None

    @property
    def terminal(self) -> TextIO:
        """What it prints on."""
        return self._stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The terminal's."""
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The terminal's, to ask how large it is."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Have text printed above the prompt."""
        loop = self._loop
        if loop is None:
            self._print(text)
            return len(text)
        with self._changed:
            self._waiting.append(text)
            self._size += len(text)
            self._breaks += text.count("\n")
            if threading.get_ident() != self._thread:
                while self._size > _LIMIT and self._loop is not None:
                    self._call(loop)
                    self._changed.wait(_LOOK_SECONDS)
        self._call(loop)
        return len(text)

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        some = self._some
        if some is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(some.set)

    def flush(self) -> None:
        """Nothing: it is printed when it is its turn."""

    async def run(
        self, show: Callable[[Callable[[], None]], Awaitable[Any]], typing: Callable[[], bool] = lambda: False
    ) -> None:
        """Print until cancelled; `show(print)` calls `print` while the prompt is out of the way.

        `typing` tells whether keys wait to be seen to.
        """
        self._some = some = asyncio.Event()
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()

        def print_some() -> None:
            left = _MOST
            while left > 0 and (printed := self._print_piece()):
                left = 0 if typing() else left - printed

        try:
            while True:
                await some.wait()
                some.clear()
                while self._breaks:
                    await show(print_some)
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            with self._changed:
                self._loop = None
                self._changed.notify_all()
            self.drain()

    def drain(self) -> None:
        """Print all that waits, now: the prompt is gone."""
        while self._print_piece():
            pass
        with self._changed:
            rest = self._text[self._at :] + "".join(self._waiting)
            self._text, self._at, self._waiting, self._size = "", 0, [], 0
        if rest:
            self._print(rest)

    def _print_piece(self) -> int:
        """Print some whole lines; how many characters that was. What follows the last line break waits for its end."""
        with self._changed:
            if not self._breaks:
                return 0
            if self._text.find("\n", self._at) < 0:
                self._text, self._at = self._text[self._at :] + "".join(self._waiting), 0
                self._waiting = []
            end = (
                self._text.rfind("\n", self._at, self._at + _PIECE) + 1 or self._text.find("\n", self._at) + 1
            )
            piece = self._text[self._at : end]
            self._at = end
            self._size -= len(piece)
            self._breaks -= piece.count("\n")
            self._changed.notify_all()
        self._print(piece)
        return len(piece)

    def _print(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal has gone: the end of the shell tells
            encoding = self.encoding
            data = text.encode(encoding, "backslashreplace")
            buffer = getattr(self._stream, "buffer", None)
            if buffer is None:
                self._stream.write(text)
            else:
                buffer.write(data)
            self._stream.flush()
