"""How many stanzas may be on their way to a server that has not acknowledged them: as many as it takes in a second.

A server takes in much faster than it handles, and answers a question only behind all that was sent before it. So with
no limit a slow one that is given a lot seems to be dead; and when a connection is cut, all of it must be sent again.
Sans-IO.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 128
LEAST: Final = 16
MOST: Final = 8192

#: Bytes that may be on their way for each stanza of the window.
_BYTES: Final = 256
#: Bytes a second below which no server is expected to be: what it may take over one large stanza.
_LEAST_RATE: Final = 8192

#: Seconds for an answer in which more could be sent, and in which less should be.
QUICK: Final = 1.0
SLOW: Final = 3.0


class Pace:
    """Of one stream. `window` is how many may be unacknowledged; `bytes` how many bytes, but for the last of them."""

    def __init__(self) -> None:
        self.window = FIRST
        self._asked = 0.0
        self._count = 0

    @property
    def bytes(self) -> int:
        """See above."""
        return self.window * _BYTES

    def asked(self, now: float, count: int, size: int) -> None:
        """The server is asked; `count` stanzas of `size` bytes are unacknowledged. `now` is in seconds of any clock."""
        self._asked = now
        self._count = max(count, size // _BYTES)

    def answered(self, now: float) -> None:
        """It has answered."""
        seconds = now - self._asked
        if seconds >= SLOW:
            self.window = max(LEAST, min(self.window, self._count) // 2)
        elif seconds < QUICK and self._count * 2 > self.window:
            self.window = min(MOST, self.window * 2)


def allowance(largest: int) -> float:
    """Seconds that an answer may take longer behind a stanza of so many bytes."""
    return largest / _LEAST_RATE
