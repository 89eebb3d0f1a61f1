"""One deadline for a whole command, shared by every wait in it. Sans-IO but for the clock."""

from __future__ import annotations

from time import monotonic

from xmppctl.errors import DeadlineExceeded


class Deadline:
    """A moment after which waiting is over; `seconds` from now, None for never."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = None if seconds is None else monotonic() + seconds

    def left(self) -> float | None:
        """Seconds that are left, at least 0; None for never."""
        return None if self._end is None else max(0.0, self._end - monotonic())

    def within(self, seconds: float | None) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        left = self.left()
        if seconds is None or (left is not None and left < seconds):
            part = Deadline(None)
            part.seconds, part._end = self.seconds, self._end
            return part
        return Deadline(seconds)

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self._end is not None and monotonic() >= self._end

    def error(self, doing: str) -> DeadlineExceeded:
        """The error that says what was being waited for: `doing` reads as in "while <doing>"."""
        after = "" if self.seconds is None else f" after {self.seconds:g} s"
        return DeadlineExceeded(
            f"time ran out{after} while {doing}",
            hint="allow more time with --timeout SECONDS, or see with -v where it hangs",
        )
