"""Watching a stream: every frame both ways that a filter wants, counted, and what was lost on the way told."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from xmppctl.errors import DeadlineExceeded, OutputClosed

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.stanza.frame import Frame


#: Losses that come closer together than this many seconds are one burst.
BURST_SECONDS: Final = 5.0


class Losses:
    """Counts stanzas that a daemon could not hand over in time. `tell` gets one line for each burst of them."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.total = 0
        self._tell = tell
        self._untold = 0
        self._told = 0.0  # when a line was told; meaningless while `total` is 0

    def take(self, count: int) -> None:
        """So many were lost."""
        now = monotonic()
        quiet = not self.total or now - self._told >= BURST_SECONDS
        self.total += count
        self._untold += count
        if quiet:
            self._told = now
            self._tell(f"lost {_stanzas(self._untold)}: they come faster than the output is read")
            self._untold = 0

    def end(self) -> None:
        """Tell how many it were in all, if any."""
        if self.total:
            self._tell(f"lost {_stanzas(self.total)} in all")


def _stanzas(count: int) -> str:
    return f"{count:,} stanza{'' if count == 1 else 's'}"


class Watcher:
    """Shows frames that `wanted` selects, up to `count` of them (None: all). Its `take` is the session's tap."""

    def __init__(
        self, show: Callable[[Frame], None], wanted: Callable[[Frame], bool], count: int | None = None
    ) -> None:
        self.shown = 0
        self._show = show
        self._wanted = wanted
        self._count = count
        self._last = 0.0  # when a frame was shown

    @property
    def done(self) -> bool:
        """Whether as many were shown as were asked for."""
        return self._count is not None and self.shown >= self._count

    def take(self, frame: Frame) -> None:
        """A frame of the wire. Raises what `show` raises."""
        if self.done or not self._wanted(frame):
            return
        self.shown += 1
        self._last = monotonic()
        self._show(frame)

    async def follow(self, session: Session, *, idle: float | None = None, output: int | None = None) -> None:
        """Return when enough was shown, or nothing was for `idle` seconds.

        `output` is the descriptor of the pipe that is written to: OutputClosed as soon as nobody reads it. Raises
        DeadlineExceeded where the session's deadline passes, with a message that says how many were missing.
        """
        self._last = monotonic()
        try:
            while not self.done:
                left = None if idle is None else self._last + idle - monotonic()
                if left is not None and left <= 0:
                    return
                await self._wait(session, left, output)
        except DeadlineExceeded:
            if self._count is None:
                return
            raise DeadlineExceeded(
                f"time ran out after {self.shown} of {self._count} stanzas",
                hint="allow more time with --timeout SECONDS, or let the filter take more",
            ) from None

    async def _wait(self, session: Session, seconds: float | None, output: int | None) -> None:
        """Wait until enough was shown or `seconds` are over."""
        doing = "watching"
        try:
            if output is None:
                await session.wait(lambda: self.done, seconds, doing=doing)
            elif await session.wait_readable(output, unless=lambda: self.done, timeout=seconds, doing=doing):
                raise OutputClosed("the reader of the output has gone")
        except DeadlineExceeded:
            if seconds is None or session.deadline.passed:
                raise
