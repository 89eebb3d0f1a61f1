"""Between a live stream and a renderer: what is shown never holds up what comes in.

A terminal that was stopped, or a program that reads slowly, would otherwise stop the reading of the stream, and in the
end the server would give it up. So a thread writes, and what waits for it is bounded: the oldest is dropped, and where
it would have been stands how much it was.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import IO, TYPE_CHECKING, Any, Final

from xmppctl.interrupts import of_this_thread
from xmppctl.stanza.event import Event

if TYPE_CHECKING:
    from xmppctl.output.base import Note, Renderer
    from xmppctl.stanza.frame import Frame

MAX_ITEMS: Final = 20_000
MAX_BYTES: Final = 8 * 1024 * 1024

#: So many are taken at once: few enough that little is out of reach of dropping.
_BATCH: Final = 64
#: Where frames are dropped, so many events between them are told all the same.
_MAX_EVENTS: Final = 100
#: How often a wait for the writer looks whether it is getting on, in seconds, and how often in vain.
_LOOK_SECONDS: Final = 0.1
_PATIENCE: Final = 5


def needs_backlog(stream: IO[Any] | None) -> bool:
    """Whether writing to `stream` can take as long as a reader likes: a terminal, a pipe, a socket."""
    try:
        mode = os.fstat(stream.fileno()).st_mode if stream is not None else 0
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and stream.isatty())  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):  # no file at all
        return False


class Backlog:
    """Takes frames and events and has `renderer` show them, in another thread, in their order.

    `lost` hears, in that thread, how many frames were dropped each time. What the renderer raises is raised here the
    next time something is put in, and by `finish`.
    """

    def __init__(
        self,
        renderer: Renderer,
        lost: Callable[[int], object] = lambda _: None,
        *,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._renderer = renderer
        self._lost = lost
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[Frame | tuple[Frame, Note] | Event] = deque()
        self._bytes = 0
        self._dropped = 0
        #: Events that nobody is spared: the newest of those that stood between what was dropped.
        self._passed: deque[Event] = deque(maxlen=_MAX_EVENTS)
        self._written = 0
        self._at_work = False
        self._closed = False
        self._failure: Exception | None = None
        self._changed = Condition()
        self._writer = Thread(target=self._write, name="output", daemon=True)
        self._writer.start()

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Have a frame shown. Never waits."""
        self._put(frame if note is None else (frame, note))

    def event(self, event: Event) -> None:
        """Have an event shown. Never waits."""
        self._put(event)

    def finish(self, *, hurry: bool = False) -> None:
        """Return when all is written; nothing is taken any more. Then the renderer is the caller's again.

        A signal ends the wait. With `hurry` it ends also where the reader has stopped; what is left is then lost, and
        told. Raises what the renderer raised.
        """
        patience, written = _PATIENCE, self._written
        while self._is_busy():
            with of_this_thread() as _, self._changed:
                self._changed.wait(_LOOK_SECONDS)
            if written != self._written:
                patience, written = _PATIENCE, self._written
            patience -= 1
            if hurry and patience <= 0:
                self._give_up()
                return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._writer.join()
        self._check()

    def _give_up(self) -> None:
        with self._changed:
            self._closed = True
            left = sum(not isinstance(item, Event) for item in self._items)
            self._items.clear()
        if left:
            self._lost(left)

    def _is_busy(self) -> bool:
        with self._changed:
            return self._failure is None and (self._at_work or bool(self._items))

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _put(self, item: Frame | tuple[Frame, Note] | Event) -> None:
        self._check()
        with self._changed:
            if self._closed:
                return
            items = self._items
            items.append(item)
            self._bytes += _size(item)
            while len(items) > self._max_items or (self._bytes > self._max_bytes and len(items) > 1):
                oldest = items.popleft()
                self._bytes -= _size(oldest)
                if isinstance(oldest, Event):
                    self._dropped += oldest.frames
                    if oldest.name != "lost":
                        self._passed.append(oldest)
                else:
                    self._dropped += 1
            if not self._at_work:
                self._changed.notify()

    # -- the writer's thread --

    def _write(self) -> None:
        try:
            while True:
                batch, passed, dropped = self._take()
                if not batch:
                    return
                for event in passed:
                    self._renderer.event(event)
                if dropped:
                    self._renderer.event(Event("lost", _time(batch[0]), frames=dropped))
                    self._lost(dropped)
                for item in batch:
                    self._show(item)
                    self._written += 1
        except Exception as error:  # noqa: BLE001 (kept, and raised by whoever puts something in)
            self._failure = error
            with self._changed:
                self._at_work = False
                self._items.clear()
                self._changed.notify_all()

    def _take(self) -> tuple[list[Frame | tuple[Frame, Note] | Event], list[Event], int]:
        """The next items, and the events and the number of frames dropped before them; none when it is over."""
        with self._changed:
            self._at_work = False
            if not self._items:
                self._changed.notify_all()
            while not self._items:
                if self._closed:
                    return [], [], 0
                self._changed.wait()
            self._at_work = True
            batch = [self._items.popleft() for _ in range(min(_BATCH, len(self._items)))]
            self._bytes -= sum(map(_size, batch))
            dropped, self._dropped = self._dropped, 0
            passed = list(self._passed)
            self._passed.clear()
            return batch, passed, dropped

    def _show(self, item: Frame | tuple[Frame, Note] | Event) -> None:
        if isinstance(item, Event):
            self._renderer.event(item)
        elif isinstance(item, tuple):
            self._renderer.frame(*item)
        else:
            self._renderer.frame(item)


def _size(item: Frame | tuple[Frame, Note] | Event) -> int:
    if isinstance(item, Event):
        return len(item.text)
    return len((item[0] if isinstance(item, tuple) else item).raw)


def _time(item: Frame | tuple[Frame, Note] | Event) -> float:
    return item[0].time if isinstance(item, tuple) and not isinstance(item, Event) else item.time
