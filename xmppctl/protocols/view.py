"""The way of a frame that is watched: selected, paired with its reply, counted, recorded and shown. Sans-IO.

The same for a live stream, a recording and another program's log. Filters and expectations see the frame as it was;
what is recorded and what is shown is one and the same afterwards, also where `hide` replaces what nobody else should
read.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from xmppctl.output.base import Note
from xmppctl.protocols.expect import Expectations
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.resplit import is_header

if TYPE_CHECKING:
    from xmppctl.stanza.pairs import Outcome, Pairs
    from xmppctl.stanza.statistics import Statistics


class Recorder(Protocol):
    """Where frames are kept. See `output.recorder`."""

    def write(self, frame: Frame) -> None:
        """Keep a frame."""

    def header(self, frame: Frame) -> None:
        """Note a stream header that is not to be kept as a frame: it binds the prefixes of what follows."""

    def event(self, event: Event) -> None:
        """Keep an event."""


class Screen(Protocol):
    """Where frames are shown. See `output.base.Renderer`."""

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Show a frame."""

    def event(self, event: Event) -> None:
        """Show an event."""


class Wish(NamedTuple):
    """What is wanted of a view.

    `wanted` selects; `limit` ends it after so many (None: all); `expectations` end it when all are met; `hide` gives
    the frame that others may see.
    """

    wanted: Callable[[Frame], bool]
    limit: int | None = None
    expectations: Expectations = Expectations()
    hide: Callable[[Frame], Frame] | None = None


class View:
    """Takes frames and events in their order. `shown` frames were selected so far, the last one at `shown_at` (as
    `monotonic` counts).

    With `pairs` an iq request waits for its reply and is shown with it, where the filter wants either of the two. With
    `statistics` frames are counted there instead of being shown.
    """

    def __init__(
        self,
        wish: Wish,
        screen: Screen,
        *,
        pairs: Pairs | None = None,
        statistics: Statistics | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.wish = wish
        self.shown = 0
        self.shown_at = 0.0
        #: Whether anything that comes can make it done.
        self.ends = wish.limit is not None or bool(wish.expectations)
        self._wanted = wish.wanted
        self._hide = wish.hide
        self._screen = screen
        self._pairs = pairs
        self._statistics = statistics
        self._recorder = recorder

    @property
    def done(self) -> bool:
        """Whether all was seen that was asked for."""
        wish = self.wish
        return (wish.limit is not None and self.shown >= wish.limit) or wish.expectations.met

    def take(self, frame: Frame) -> None:
        """A frame crossed the wire. Raises what showing and recording it raise."""
        if self.ends:
            if self.done:
                return
            self.wish.expectations.take(frame)
        selected = self._wanted(frame)
        if self._recorder is not None:
            self._record(self._recorder, frame, selected)
        elif self._pairs is None and not selected:
            return
        if self._pairs is not None and self._pairs.concern(frame):
            outcome = self._pairs.take(frame)
            if outcome is not None:
                self._settle(outcome)
        elif selected:
            self._show(frame)

    def event(self, event: Event) -> None:
        """Something happened to the stream."""
        if self._recorder is not None:
            self._recorder.event(event)
        if self._statistics is None:
            self._screen.event(event)
        elif event.name == "lost":
            self._statistics.lost(event.frames)

    def overdue(self, now: float) -> None:
        """It is `now` (seconds since the epoch): show the requests that nobody has answered in time."""
        if self._pairs is not None:
            for outcome in self._pairs.overdue(now):
                self._settle(outcome)

    @property
    def due(self) -> float | None:
        """When `overdue` should be asked next, in seconds since the epoch; None for never."""
        return None if self._pairs is None else self._pairs.due

    @property
    def waits(self) -> bool:
        """Whether time alone can make something of it overdue."""
        return self._pairs is not None

    def finish(self) -> None:
        """Nothing more comes: show the requests that were not answered."""
        if self._pairs is not None:
            for outcome in self._pairs.rest():
                self._settle(outcome)

    def _record(self, recorder: Recorder, frame: Frame, selected: bool) -> None:
        # Which requests belong to a selected reply is known only when that comes: so all of them are kept.
        if selected or (self._pairs is not None and frame.kind == "iq"):
            recorder.write(self._hidden(frame))
        elif is_header(frame):
            recorder.header(self._hidden(frame))

    def _settle(self, outcome: Outcome) -> None:
        """Show what became of a request, if the filter wants it or its reply."""
        frames = [frame for frame in (outcome.request, outcome.reply) if frame is not None]
        if not any(self.wish.wanted(frame) for frame in frames):
            return
        frames = [self._hidden(frame) for frame in frames]
        if self._statistics is not None:
            request = None if outcome.request is None else frames[0]
            self._statistics.paired(outcome._replace(request=request, reply=outcome.reply and frames[-1]))
        for frame in frames:
            self._show_hidden(frame, _note(outcome, reply=frame is frames[-1]))

    def _show(self, frame: Frame) -> None:
        self._show_hidden(self._hidden(frame))

    def _show_hidden(self, frame: Frame, note: Note | None = None) -> None:
        self.shown += 1
        self.shown_at = monotonic()
        if self._statistics is not None:
            self._statistics.take(frame)
        elif note is None:
            self._screen.frame(frame)
        else:
            self._screen.frame(frame, note)

    def _hidden(self, frame: Frame) -> Frame:
        return frame if self._hide is None else self._hide(frame)


def _note(outcome: Outcome, *, reply: bool) -> Note:
    """What is said of the request or the `reply` of a pair."""
    if outcome.fate == "answered":
        if not reply:
            return Note("", {"pair": "request"})
        seconds = outcome.seconds or 0.0
        return Note(f"after {_duration(seconds)}", {"pair": "reply", "rtt": round(seconds, 6)})
    text = {
        "orphan": "no request for it was seen",
        "timeout": "no reply in time",
        "unanswered": "no reply was seen",
    }[outcome.fate]
    return Note(text, {"pair": outcome.fate})


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
