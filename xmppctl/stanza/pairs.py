"""Iq requests and their replies (RFC 6120 section 8.2.3), brought together as they are seen on a stream. Sans-IO.

Both directions, and as seen by a third party: who looks at a recording does not know whose it is. A reply belongs to a
request that went the other way, has the same id, and was sent to whom the reply comes from. A request without `to` is
answered without `from`, by the own bare JID or by the server's domain (RFC 6120 section 8.1.2.1); whose JID that is,
the reply's `to` or the request's `from` tells, if either is there. A reply with the right id from somebody else is an
orphan: a bug or an attack, and worth seeing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, NamedTuple

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import prepared

Fate = Literal["answered", "orphan", "timeout", "unanswered"]


class Outcome(NamedTuple):
    """What became of a request. `seconds` is the round trip by the frames' times, where there is a reply.

    `answered` has both; an `orphan` is a reply for which no request is waiting; `timeout` and `unanswered` are
    requests: one that nobody answered in time, and one that was given up before, at the end or because too many waited.
    """

    request: Frame | None
    reply: Frame | None
    seconds: float | None
    fate: Fate


class Pairs:
    """Takes the frames of a stream in their order.

    A request that is not answered within `patience` seconds of the stream's time is overdue; a reply that comes later
    is an orphan. No more than `limit` requests wait: the oldest is then given up.
    """

    def __init__(self, patience: float = 30.0, limit: int = 10_000) -> None:
        self.patience = patience
        self._limit = limit
        #: Waiting requests in the order they came, by a running number.
        self._waiting: OrderedDict[int, Frame] = OrderedDict()
        #: Their numbers by direction and id: the same id may wait more than once.
        self._by_id: dict[tuple[str, str], list[int]] = {}
        self._next = 0
        self._given_up: list[Outcome] = []

    @staticmethod
    def concern(frame: Frame) -> bool:
        """Whether a frame is a request or a reply at all."""
        return frame.kind == "iq" and frame.id is not None and frame.type in ("get", "set", "result", "error")

    def take(self, frame: Frame) -> Outcome | None:
        """A frame that concerns pairs. None for a request, which waits from now on; what became of it for a reply."""
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
        found, self._given_up = self._given_up, []
        found += [Outcome(request, None, None, "unanswered") for request in self._waiting.values()]
        self._waiting.clear()
        self._by_id.clear()
        return found

    def _hold(self, request: Frame) -> None:
        self._waiting[self._next] = request
        self._by_id.setdefault(_key(request), []).append(self._next)
        self._next += 1
        if len(self._waiting) > self._limit:
            oldest = self._drop(next(iter(self._waiting)))
            self._given_up.append(Outcome(oldest, None, None, "unanswered"))

    def _find(self, reply: Frame) -> int | None:
        other = "out" if reply.direction == "in" else "in"
        for number in self._by_id.get((other, reply.id or ""), ()):
            if _belong(self._waiting[number], reply):
                return number
        return None

    def _drop(self, number: int) -> Frame:
        request = self._waiting.pop(number)
        numbers = self._by_id[_key(request)]
        numbers.remove(number)
        if not numbers:
            del self._by_id[_key(request)]
        return request


def _key(request: Frame) -> tuple[str, str]:
    return request.direction, request.id or ""


def _belong(request: Frame, reply: Frame) -> bool:
    """Whether the addresses of two stanzas with the same id are those of a request and its reply."""
    asked, answered = _full(request.to), _full(reply.sender)
    if asked == answered:
        return True
    own = {bare for address in (request.sender, reply.to) if address for bare in _bare_and_domain(address)}
    if asked is None:  # the server, in the account's name
        # Nothing on the stream says whose it is: a bare JID or a domain can be the own one.
        return answered in own if own else "/" not in (answered or "")
    return answered is None and asked in own


def _bare_and_domain(address: str) -> tuple[str, str]:
    bare = prepared(address)[1]
    return bare, bare.rpartition("@")[2]


def _full(address: str | None) -> str | None:
    return None if address is None else prepared(address)[0]
