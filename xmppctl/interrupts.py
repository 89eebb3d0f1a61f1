"""Signals as exceptions, only where they can do no harm. Standard library only, and little of it.

An exception out of a signal handler can come between any two bytecodes: between a send and the note of how much was
sent, or in the middle of a parser's work; after that the stream is of no use, not even for closing it properly.
So while the main thread has a stream open, a signal waits for the stream's next wait, or for an event loop's next
turn. Writing output may take as long as its reader likes: that, too, is a wait. Other threads get no signals.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final


class Interrupts:
    """The main thread's. Plain attributes: setting one cannot be interrupted halfway, a call can.

    As a context manager it marks a wait.
    """

    def __init__(self) -> None:
        #: Streams that are open.
        self.streams = 0
        #: Whether something waits that a signal may end.
        self.waiting = False
        #: Hears of a signal instead of the next wait, where an event loop does the waiting.
        self.listener: Callable[[Exception], object] | None = None
        self._kept: Exception | None = None

    def deliver(self, error: Exception) -> None:
        """What a signal handler calls: raise `error`, now or out of the next wait."""
        if self.waiting or not self.streams:
            raise error
        if self.listener is not None:
            self.listener(error)
        else:
            self._kept = error

    def check(self) -> None:
        """Raise what was kept."""
        error = self.take()
        if error is not None:
            raise error

    def take(self) -> Exception | None:
        """What was kept, if anything was; it is not kept any longer."""
        error, self._kept = self._kept, None
        return error

    def __enter__(self) -> None:
        self.waiting = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waiting = False


MAIN: Final = Interrupts()


def of_this_thread() -> Interrupts:
    """The main thread's, there; one that nobody delivers to in every other thread."""
    return MAIN if threading.current_thread() is threading.main_thread() else Interrupts()
