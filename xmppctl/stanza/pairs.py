"""Iq requests and their replies (RFC 6120 section 8.2.3), brought together as they are seen on a stream. Sans-IO.

Both directions, and as seen by a third party: who looks at a recording does not know whose it is. A reply belongs to a
request that went the other way, has the same id, and was sent to whom the reply comes from; where both tell the near
end as well (a component has many addresses), that is the same too. A reply with the right id from somebody else is an
orphan: a bug or an attack, and worth seeing.

On a client's stream the far end may be left out. It is then the own account or its server (RFC 6120 section 8.1.2.1),
and they may as well give their name. Whose account it is, the near end of this or of an earlier iq tells. While none
has, whoever has no resource can be it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from xmppctl.stanza.frame import NS_COMPONENT, Frame
from xmppctl.stanza.jid import prepared

Fate = Literal["answered", "orphan", "timeout", "unanswered"]

#: So much of what waits is kept, in bytes of the wire: what others ask us is as large as they like.
_MAX_BYTES: Final = 64 * 1024 * 1024
#: So many with one id and one far end may wait: a reply looks through all of them.
_MAX_ALIKE: Final = 100


class Outcome(NamedTuple):
    """What became of a request. `seconds` is the round trip by the frames' times, where there is a reply.

    `answered` has both; an `orphan` is a reply for which no request is waiting; `timeout` and `unanswered` are
    requests: one that nobody answered in time, and one that was given up before, at the end or because too many waited.
    """

    request: Frame | None
    reply: Frame | None
    seconds: float | None
    fate: Fate


class _Place(NamedTuple):
    """Where a request waits: which way it went, its id, and its far end, prepared."""

    direction: str
    id: str
    far: str | None


class Pairs:
    """Takes the frames of a stream in their order.

    A request that is not answered within `patience` seconds of the stream's time is overdue; a reply that comes later
    is an orphan. No more than `limit` requests wait, and no more than 64 MiB of them: the oldest are then given up.
    """

    def __init__(self, patience: float = 30.0, limit: int = 10_000) -> None:
        self.patience = patience
        self._limit = limit
        #: Waiting requests in the order they came, by a running number.
        self._waiting: OrderedDict[int, Frame] = OrderedDict()
        #: Their numbers by place, the oldest first: the same id may wait more than once.
        self._numbers: dict[_Place, deque[int]] = {}
        self._next = 0
        self._bytes = 0
        self._own: str | None = None
        self._given_up: list[Outcome] = []

    @staticmethod
    def concern(frame: Frame) -> bool:
        """Whether a frame is a request or a reply at all."""
        return frame.kind == "iq" and frame.id is not None and frame.type in ("get", "set", "result", "error")

    def take(self, frame: Frame) -> Outcome | None:
        """A frame that concerns pairs. None for a request, which waits from now on; what became of it for a reply."""
        near = _near(frame)
        if near is not None and frame.namespace != NS_COMPONENT:
            self._own = prepared(near)[1]
        if frame.type in ("get", "set"):
            self._hold(frame)
            return None
        number = self._find(frame)
        if number is None:
            return Outcome(None, frame, None, "orphan")
        request = self._drop(number)
        return Outcome(request, frame, max(frame.time - request.time, 0.0), "answered")

    def overdue(self, now: float) -> list[Outcome]:
        """The requests that were not answered in time, and those given up, told once. `now` is in the stream's time."""
        found, self._given_up = self._given_up, []
        while self._waiting:
            number, request = next(iter(self._waiting.items()))
            if now < request.time + self.patience:
                break
            found.append(Outcome(self._drop(number), None, None, "timeout"))
        return found

    @property
    def due(self) -> float | None:
        """When `overdue` has something to tell next, in the stream's time; None while nothing waits."""
        if self._given_up:
            return 0.0
        for request in self._waiting.values():
            return request.time + self.patience
        return None

    def rest(self) -> list[Outcome]:
        """The stream is over: the requests that still waited."""
        while self._waiting:
            self._give_up(next(iter(self._waiting)))
        found, self._given_up = self._given_up, []
        return found

    def _hold(self, request: Frame) -> None:
        alike = self._numbers.setdefault(_place(request), deque())
        alike.append(self._next)
        self._waiting[self._next] = request
        self._next += 1
        self._bytes += len(request.raw)
        if len(alike) > _MAX_ALIKE:
            self._give_up(alike[0])
        while len(self._waiting) > self._limit or (self._bytes > _MAX_BYTES and len(self._waiting) > 1):
            self._give_up(next(iter(self._waiting)))

    def _give_up(self, number: int) -> None:
        self._given_up.append(Outcome(self._drop(number), None, None, "unanswered"))

    def _find(self, reply: Frame) -> int | None:
        """The oldest request that it may answer: between two ends, stanzas keep their order (RFC 6120 section 10.1)."""
        way = "out" if reply.direction == "in" else "in"
        places = [_Place(way, reply.id or "", far) for far in self._asked(reply)]
        return min(
            (
                number
                for place in places
                for number in self._numbers.get(place, ())
                if _same_near(self._waiting[number], reply)
            ),
            default=None,
        )

    def _asked(self, reply: Frame) -> Iterator[str | None]:
        """The far ends that a request may have for this reply to answer it."""
        far = _far(reply)
        yield far
        if reply.namespace == NS_COMPONENT:
            return
        near = _near(reply)
        account = self._own if near is None else prepared(near)[1]
        if account is None:  # nothing has told yet whose stream it is
            if far is not None and "/" not in far:
                yield None
            return
        server = account.rpartition("@")[2]
        if far is None:
            yield from {account, server}
        elif far in (account, server) or (near is not None and far == prepared(near)[0]):
            yield None

    def _drop(self, number: int) -> Frame:
        request = self._waiting.pop(number)
        self._bytes -= len(request.raw)
        place = _place(request)
        alike = self._numbers[place]
        alike.remove(number)
        if not alike:
            del self._numbers[place]
        return request


def _place(request: Frame) -> _Place:
    return _Place(request.direction, request.id or "", _far(request))


def _far(frame: Frame) -> str | None:
    """Whom it went to or came from, prepared."""
    address = frame.to if frame.direction == "out" else frame.sender
    return None if address is None else prepared(address)[0]


def _near(frame: Frame) -> str | None:
    """The address at this end, if it tells."""
    return frame.sender if frame.direction == "out" else frame.to


def _same_near(request: Frame, reply: Frame) -> bool:
    """Whether both can be of the same address at this end. A client may give its bare JID for its full one."""
    ours, theirs = _near(request), _near(reply)
    if ours is None or theirs is None or ours == theirs:
        return True
    (full, bare), (other_full, other_bare) = prepared(ours), prepared(theirs)
    if full == other_full:
        return True
    return reply.namespace != NS_COMPONENT and (full == other_bare or bare == other_full)
