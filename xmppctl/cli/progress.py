"""How far something is that takes long: one line on standard error, rewritten, and gone at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Timer
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from xmppctl.cli.app import App

#: Who waits shorter than so many seconds needs no progress.
PATIENCE: Final = 1.0
#: Seconds between two changes of the line.
PAUSE: Final = 0.1

_CLEAR: Final = "\r\x1b[K"


class Progress:
    """A context manager; call it with words as often as there is news.

    It shows nothing where standard error is no terminal that can rewrite a line, or with --quiet; and nothing in the
    first second. After that it says at least what is being done, also while there is no news. `clock` gives seconds,
    `timer` is threading's.
    """

    def __init__(
        self,
        app: App,
        what: str,
        clock: Callable[[], float] = monotonic,
        timer: Callable[[float, Callable[[], None]], Timer] = Timer,
    ) -> None:
        self._stream = app.stderr
        self._what = what
        self._clock = clock
        self._due = clock() + PATIENCE
        self._shown = False
        self._lock = Lock()
        self._timer: Timer | None = None
        if not app.quiet and _rewrites(app):
            self._timer = timer(PATIENCE, lambda: self._put(f"{self._what} ..."))
            self._timer.daemon = True

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __call__(self, text: str) -> None:
        """Tell how far it is; `text` is ours, short, and safe."""
        if self._timer is None or self._clock() < self._due:
            return
        self._timer.cancel()
        self._due = self._clock() + PAUSE
        self._put(f"{self._what}: {text}")

    def clear(self) -> None:
        """Take the line away for good, before anything else is written."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        with self._lock:
            if self._shown:
                self._write(_CLEAR)

    def _put(self, line: str) -> None:
        with self._lock:
            if self._timer is not None:
                self._shown = True
                self._write(f"{_CLEAR}xmppctl: {line}")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody sees it: no reason to stop
            self._stream.write(text)
            self._stream.flush()


def _rewrites(app: App) -> bool:
    try:
        return app.stderr.isatty() and app.environ.get("TERM", "") not in ("", "dumb")
    except (AttributeError, ValueError):  # closed
        return False
