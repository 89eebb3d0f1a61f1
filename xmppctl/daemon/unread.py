"""What one client has yet to read: replies, which must arrive, and the rest, of which the oldest goes first.

Everything keeps its order. A client that reads too slowly loses its own oldest messages, presence and watched frames;
where they would have been it is told how many. Sans-IO.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from xmppctl.session.local import payload

#: What may be dropped is kept up to so many records and bytes; the newest one always.
MAX_RECORDS: Final = 16_384
MAX_BYTES: Final = 4 * 1024 * 1024


class _Run:
    """Neighbours of one sort. `dropped` were before its first."""

    __slots__ = ("dropped", "items", "loose")

    def __init__(self, *, loose: bool) -> None:
        self.loose = loose
        self.items: deque[bytes] = deque()
        self.dropped = 0


class Unread:
    """`replies` is the bytes of replies in it, `dropped` how many records were dropped in all."""

    def __init__(self, records: int = MAX_RECORDS, size: int = MAX_BYTES) -> None:
        self.replies = 0
        self.dropped = 0
        self._max_records = records
        self._max_bytes = size
        self._runs: deque[_Run] = deque()
        #: Those of the runs in which there is something to drop.
        self._droppable: deque[_Run] = deque()
        self._records = 0
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._runs)

    @property
    def size(self) -> int:
        """All bytes in it."""
        return self.replies + self._bytes

    def deliver(self, data: bytes) -> None:
        """Put a reply, or what else must arrive, at the end."""
        self._last(loose=False).items.append(data)
        self.replies += len(data)

    def offer(self, data: bytes) -> None:
        """Put what may be dropped at the end; drop the oldest of its sort where there is too much."""
        run = self._last(loose=True)
        if not run.items:
            self._droppable.append(run)
        run.items.append(data)
        self._records += 1
        self._bytes += len(data)
        while self._records > 1 and (self._records > self._max_records or self._bytes > self._max_bytes):
            run = self._droppable[0]
            self._pop(run)
            run.dropped += 1
            self.dropped += 1

    def take(self, limit: int) -> bytes:
        """The next bytes to write, about `limit` at most; whole elements. Empty if there are none."""
        parts: list[bytes] = []
        size = 0
        while self._runs and size < limit:
            run = self._runs[0]
            if run.dropped:
                parts.append(payload("dropped", attributes={"count": str(run.dropped)}).encode())
                run.dropped = 0
            while run.items and size < limit:
                parts.append(self._pop(run))
                size += len(parts[-1])
            if not run.items:
                self._runs.popleft()
        return b"".join(parts)

    def clear(self) -> None:
        """Drop everything."""
        self._runs.clear()
        self._droppable.clear()
        self.replies = self._records = self._bytes = 0

    def _last(self, *, loose: bool) -> _Run:
        if self._runs and self._runs[-1].loose is loose:
            return self._runs[-1]
        run = _Run(loose=loose)
        self._runs.append(run)
        return run

    def _pop(self, run: _Run) -> bytes:
        data = run.items.popleft()
        if run.loose:
            self._records -= 1
            self._bytes -= len(data)
            if not run.items:
                self._droppable.popleft()  # it is the first: its items are the oldest
        else:
            self.replies -= len(data)
        return data
