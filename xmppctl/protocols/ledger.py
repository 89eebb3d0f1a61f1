"""What was sent by hand, and what came of it: replies to requests, bounces of the rest. Sans-IO.

A reply counts only as what it must be, from whom was asked (RFC 6120 section 8.2.3); a bounce is an error of the same
kind and id, from one who may refuse it (section 8.3.1).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from xmppctl.session.replies import prepared

if TYPE_CHECKING:
    from xmppctl.session.replies import Replies
    from xmppctl.stanza.frame import Frame

#: So many are kept, the newest ones.
LIMIT: Final = 10_000


class Sent:
    """A stanza that was sent: its `number` counts from 1, `time` is in seconds since the epoch.

    `answer` is its reply or bounce, once there is one; `text` is how it was typed, where somebody says so.
    """

    __slots__ = ("answer", "frame", "number", "text", "time")

    def __init__(self, number: int, frame: Frame, time: float) -> None:
        self.number = number
        self.frame = frame
        self.time = time
        self.answer: Frame | None = None
        self.text = ""

    @property
    def asks(self) -> bool:
        """Whether it is a request, which must get a reply."""
        return self.frame.kind == "iq" and self.frame.type in ("get", "set")

    @property
    def seconds(self) -> float | None:
        """The round trip, where there is an answer."""
        return None if self.answer is None else max(self.answer.time - self.time, 0.0)


class Ledger:
    """Stanzas in the order in which they were sent, and their answers. `replies` knows who may answer whom."""

    def __init__(self, replies: Replies, limit: int = LIMIT) -> None:
        self.replies = replies
        self._limit = limit
        #: How many were sent so far.
        self.count = 0
        self._entries: OrderedDict[int, Sent] = OrderedDict()
        #: Kind and id -> addressee -> entries that may still be answered, oldest first. By addressee, since a stranger
        #: who answers must not have us look through all that were sent without an id.
        self._open: dict[tuple[str, str | None], dict[str | None, deque[Sent]]] = {}

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._entries.values())

    def note(self, frame: Frame, time: float) -> Sent:
        """A stanza is sent now."""
        self.count += 1
        entry = Sent(self.count, frame, time)
        self._entries[entry.number] = entry
        if frame.kind != "iq" or entry.asks:
            waiting = self._open.setdefault((frame.kind, frame.id), {})
            waiting.setdefault(frame.to, deque()).append(entry)
        if len(self._entries) > self._limit:
            self._forget(self._entries.popitem(last=False)[1])
        return entry

    def get(self, number: int) -> Sent | None:
        """The entry of a number, while it is kept; from the end where it is not positive (0 is the last)."""
        if number <= 0:
            number += self.count
        return self._entries.get(number)

    def unanswered(self) -> list[Sent]:
        """The requests that wait for a reply."""
        return [
            entry
            for places in self._open.values()
            for waiting in places.values()
            for entry in waiting
            if entry.asks
        ]

    def take(self, frame: Frame) -> Sent | None:
        """A stanza came in: the entry that it answers, if it answers one, which is then answered."""
        if frame.type not in ("result", "error") or (frame.kind != "iq" and frame.type != "error"):
            return None
        waiting = self._open.get((frame.kind, frame.id))
        if not waiting:
            return None
        sender = prepared(frame.sender)
        may = self.replies.senders if frame.kind == "iq" else self.replies.refusers
        for to, entries in waiting.items():
            if sender in may(to):
                entry = entries[0]
                entry.answer = frame
                self._forget(entry)
                return entry
        return None

    def give_up(self) -> list[Sent]:
        """The stream is gone, and no answer comes any more: the requests that wait for one, told once."""
        left = self.unanswered()
        self._open.clear()
        return sorted(left, key=lambda entry: entry.number)

    def _forget(self, entry: Sent) -> None:
        place = (entry.frame.kind, entry.frame.id)
        waiting = self._open.get(place, {})
        entries = waiting.get(entry.frame.to)
        if entries is None or entry not in entries:
            return
        entries.remove(entry)
        if not entries:
            del waiting[entry.frame.to]
        if not waiting:
            del self._open[place]
