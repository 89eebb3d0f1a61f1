"""Signals as exceptions, only where they can do no harm. Standard library only, and little of it.

An exception out of a signal handler can come between any two bytecodes: between a send and the note of how much was
sent, or in the middle of a parser's work; after that the stream is of no use, not even for closing it properly.
So while the main thread has a stream open, a signal waits for the stream's next wait. Other threads get no signals.
"""

from __future__ import annotations

import threading
from typing import Final


class Interrupts:
    """The main thread's. Plain attributes: setting one cannot be interrupted halfway, a call can."""

    def __init__(self) -> None:
        #: Streams that are open.
        self.streams = 0
        #: Whether one of them waits: then a signal may end that.
        self.waiting = False
        self._kept: Exception | None = None

    def deliver(self, error: Exception) -> None:
        """What a signal handler calls: raise `error`, now or out of the next wait."""
        if self.streams and not self.waiting:
            self._kept = error
        else:
            raise error

    def check(self) -> None:
        """Raise what was kept."""
        if self._kept is not None:
            error, self._kept = self._kept, None
            raise error

    def take(self) -> Exception | None:
        """What was kept, if anything was; it is not kept any longer."""
        error, self._kept = self._kept, None
        return error


MAIN: Final = Interrupts()


def of_this_thread() -> Interrupts | None:
    """The main thread's, there; None in every other thread."""
    return MAIN if threading.current_thread() is threading.main_thread() else None
