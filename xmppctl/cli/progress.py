"""How far something is that takes long: one line on standard error, rewritten, and gone at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
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
    first second. `clock` gives seconds.
    """

    def __init__(self, app: App, what: str, clock: Callable[[], float] = monotonic) -> None:
        self._stream = app.stderr
        self._what = what
        self._clock = clock
        self._due = clock() + PATIENCE
        self._shown = False
        self._wanted = not app.quiet and _rewrites(app)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __call__(self, text: str) -> None:
        """Tell how far it is; `text` is ours, short, and safe."""
        if not self._wanted or self._clock() < self._due:
            return
        self._due = self._clock() + PAUSE
        self._shown = True
        self._put(f"{_CLEAR}xmppctl: {self._what}: {text}")

    def clear(self) -> None:
        """Take the line away, before anything else is written."""
        if self._shown:
            self._shown = False
            self._put(_CLEAR)

    def _put(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody sees it: no reason to stop
            self._stream.write(text)
            self._stream.flush()


def _rewrites(app: App) -> bool:
    try:
        return app.stderr.isatty() and app.environ.get("TERM", "") not in ("", "dumb")
    except (AttributeError, ValueError):  # closed
        return False
