"""Watching a live stream: how long it goes on, how it ends, and what was lost on the way told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic, time
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.errors import DeadlineExceeded, OutputClosed
from xmppctl.stanza.event import Event

if TYPE_CHECKING:
    from xmppctl.protocols.view import View
    from xmppctl.session.base import Session
    from xmppctl.stanza.frame import Frame


#: Losses that come closer together than this many seconds are one burst.
BURST_SECONDS: Final = 5.0


class Losses:
    """Counts stanzas that came faster than they were read. `tell` gets one line for each burst of them, and the total.

    `shown`: who is told sees each loss in the output as well, so that the total is enough.
    """

    def __init__(self, tell: Callable[[str], None], *, shown: bool = False) -> None:
        self.total = 0
        self._tell = tell
        self._shown = shown
        self._untold = 0
        self._told = 0.0  # when a line was told; meaningless while `total` is 0

    def take(self, count: int) -> None:
        """So many were lost."""
        now = monotonic()
        quiet = not self.total or now - self._told >= BURST_SECONDS
        self.total += count
        self._untold += count
        if quiet and not self._shown:
            self._told = now
            self._tell(f"lost {_stanzas(self._untold)}: they come faster than the output is read")
            self._untold = 0

    def end(self) -> None:
        """Tell how many it were in all, if any."""
        if self.total:
            self._tell(f"lost {_stanzas(self.total)} in all")


def _stanzas(count: int) -> str:
    return f"{count:,} stanza{'' if count == 1 else 's'}"


async def follow(
    session: Session,
    view: View,
    *,
    idle: float | None = None,
    output: int | None = None,
    redraw: Redraw | None = None,
) -> None:
    """Return when the view is done, or showed nothing for `idle` seconds.

    `output` is the descriptor of the pipe that is written to: OutputClosed as soon as nobody reads it. `redraw` is
    done now and then. Raises DeadlineExceeded where the session's deadline passes, with a message that says what was
    missing.
    """
    clock = Clock(view, idle)
    try:
        while not view.done:
            if clock.idle:
                return
            left = clock.left()
            if redraw is not None:
                left = redraw.seconds if left is None else min(left, redraw.seconds)
            over = await _wait(session, view, left, output)
            clock.look(left if over else None)
            if redraw is not None:
                redraw.draw()
    except DeadlineExceeded:
        judge_deadline(view)


class Redraw(NamedTuple):
    """What has to be done at least every so many `seconds`."""

    seconds: float
    draw: Callable[[], None]


class Clock:
    """Tells how long a view can be left alone: until it is idle, or a request is overdue."""

    def __init__(self, view: View, idle: float | None) -> None:
        self._view = view
        self._idle = idle
        self._began = monotonic()

    @property
    def idle(self) -> bool:
        """Whether nothing was shown for as long as that may be."""
        left = self._idle_left()
        return left is not None and left <= 0

    def left(self) -> float | None:
        """Seconds until there is something to do; None where there is nothing to wait for."""
        idle, due = self._idle_left(), self._view.due
        if due is None:
            return idle
        overdue = max(due - time(), 0.0)
        return overdue if idle is None else min(idle, overdue)

    def look(self, waited: float | None) -> None:
        """Time has gone by; `waited` seconds where nothing else ended the wait."""
        due = self._view.due
        if due is not None:
            # Where a wait for a request that becomes overdue has ended, it is overdue, whatever the clock says.
            self._view.overdue(time() if waited is None else max(time(), min(due, time() + waited)))

    def _idle_left(self) -> float | None:
        if self._idle is None:
            return None
        return max(self._began, self._view.shown_at) + self._idle - monotonic()


def read_through(
    items: Iterable[Frame | Event], view: View, *, idle: float | None = None, redraw: Redraw | None = None
) -> str:
    """Show what was kept of a stream, until the view is done or nothing is left. Returns why it ended.

    Time is that of the frames: `idle` seconds of theirs without one that is shown end it, requests become overdue.
    """
    take, ends = view.take, view.ends
    shown, last = view.shown, None
    if idle is None and redraw is None and not ends and not view.waits:
        for item in items:  # nothing to look at in between
            if isinstance(item, Event):
                view.event(item)
            else:
                take(item)
        return "the input has ended"
    for item in items:
        if idle is not None and last is not None and item.time - last >= idle:
            return f"nothing was shown for {idle:g} s"
        due = view.due
        if due is not None and item.time >= due:
            view.overdue(item.time)
        if isinstance(item, Event):
            view.event(item)
        else:
            take(item)
        if idle is not None and (last is None or view.shown != shown):
            shown, last = view.shown, item.time
        if redraw is not None:
            redraw.draw()
        if ends and view.done:
            return "enough was shown"
    return "the input has ended"


def judge_deadline(view: View) -> None:
    """Time is over. Raises DeadlineExceeded where more was asked for."""
    wish = view.wish
    if wish.expectations:
        raise wish.expectations.late() from None
    if wish.limit is not None:
        raise DeadlineExceeded(
            f"time ran out after {view.shown} of {wish.limit} stanzas",
            hint="allow more time with --timeout SECONDS, or let the filter take more",
        ) from None


def judge_end(view: View, why: str) -> None:
    """It has ended as it should; `why` says how. Raises ExpectationFailed where something else was expected."""
    if view.wish.expectations and not view.wish.expectations.met:
        raise view.wish.expectations.failed(why)


async def _wait(session: Session, view: View, seconds: float | None, output: int | None) -> bool:
    """Wait until there is something to do, or `seconds` are over; whether they are."""
    doing, due = "watching", view.due

    def called() -> bool:
        # A request that waits for its reply from now on has a time of its own.
        return view.done or view.due != due

    try:
        if output is None:
            await session.wait(called, seconds, doing=doing)
        elif await session.wait_readable(output, unless=called, timeout=seconds, doing=doing):
            raise OutputClosed("the reader of the output has gone")
    except DeadlineExceeded:
        if seconds is None or session.deadline.passed:
            raise
        return True
    return False
