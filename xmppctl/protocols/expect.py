"""Expectations: what has to be seen before a watch has done its work. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xmppctl.errors import DeadlineExceeded, ExpectationFailed

if TYPE_CHECKING:
    from xmppctl.stanza.filters import Filter
    from xmppctl.stanza.frame import Frame


class Expectations:
    """Filters each of which one frame at least has to fit, in any order; one frame may fit several of them."""

    def __init__(self, filters: Sequence[Filter] = ()) -> None:
        self._filters = tuple(filters)
        self._open = list(filters)

    def __bool__(self) -> bool:
        return bool(self._filters)

    def take(self, frame: Frame) -> None:
        """A frame was seen."""
        if self._open:
            self._open = [wanted for wanted in self._open if not wanted(frame)]

    @property
    def met(self) -> bool:
        """Whether something was expected, and all of it was seen."""
        return bool(self._filters) and not self._open

    def fits(self, frame: Frame) -> bool:
        """Whether a frame is one of those that are expected, seen before or not."""
        return any(wanted(frame) for wanted in self._filters)

    def late(self) -> DeadlineExceeded:
        """The error for a deadline that passes before all was seen."""
        return DeadlineExceeded(
            f"time ran out before what was expected came: {self._missing()}",
            hint="allow more time with --timeout SECONDS, or see without --expect what comes instead",
        )

    def failed(self, why: str) -> ExpectationFailed:
        """The error for another end; `why` reads behind "was not seen: "."""
        return ExpectationFailed(
            f"what was expected was not seen: {why}; missing: {self._missing()}",
            hint="see without --expect what comes instead",
        )

    def _missing(self) -> str:
        return "; ".join(" ".join(wanted.terms) for wanted in self._open)
