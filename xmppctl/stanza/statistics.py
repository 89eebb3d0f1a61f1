"""A stream in numbers: how much of what, from whom, how large, and how long answers take. Sans-IO.

What the network sends chooses what is counted, so every table is bounded: what is new to a full one counts among the
others. Percentiles come from histograms whose classes grow by a fixed ratio, so that memory stays the same however
much is counted; they are right to two percent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from math import exp, log
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import prepared

if TYPE_CHECKING:
    from xmppctl.stanza.pairs import Outcome

OTHERS: Final = "(others)"
_MAX_ROWS: Final = 1000
_MAX_KEY: Final = 256
_SLOWEST: Final = 5
_RATIO: Final = log(1.04)
#: What the present rate is counted over, in seconds.
_RECENT: Final = 5


class Spread(NamedTuple):
    """How so many values are spread. The others are in the values' own unit; 0 where there are none."""

    number: int
    least: float
    median: float
    p90: float
    p99: float
    most: float


class Slow(NamedTuple):
    """A request that took long: to whom or from whom, and the namespace of what it asked."""

    seconds: float
    peer: str
    namespace: str
    id: str


class Summary(NamedTuple):
    """What was counted until now. `span` is in seconds, rates are in stanzas a second, sizes in bytes."""

    span: float
    stanzas: Mapping[str, int]
    bytes: Mapping[str, int]
    rate: float
    recent: float
    sizes: Spread
    kinds: list[tuple[str, int, int]]
    namespaces: list[tuple[str, int]]
    peers: list[tuple[str, int, int, int]]
    errors: list[tuple[str, int]]
    trips: Spread
    fates: Mapping[str, int]
    slowest: list[Slow]
    lost: int


class Histogram:
    """Values above 0, counted in classes each four percent wider than the one before."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self._count = 0
        self._least = self._most = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._least = value if not self._count else min(self._least, value)
        self._most = max(self._most, value)
        self._count += 1
        self._classes[int(log(max(value, 1e-6)) // _RATIO)] += 1

    def spread(self) -> Spread:
        """How the values are spread."""
        p50, p90, p99 = (self._percentile(share) for share in (0.5, 0.9, 0.99))
        return Spread(self._count, self._least, p50, p90, p99, self._most)

    def _percentile(self, share: float) -> float:
        left = share * self._count
        for number in sorted(self._classes):
            left -= self._classes[number]
            if left <= 0:
                middle = exp((number + 0.5) * _RATIO)
                return min(max(middle, self._least), self._most)
        return self._most


class Statistics:
    """Counts frames, pairs and losses. Stream parts count as bytes only."""

    def __init__(self) -> None:
        self._first = self._last = 0.0
        self._stanzas = {"in": 0, "out": 0}
        self._bytes = {"in": 0, "out": 0}
        self._sizes = Histogram()
        self._trips = Histogram()
        self._kinds: Counter[str] = Counter()
        self._kind_bytes: Counter[str] = Counter()
        self._namespaces: Counter[str] = Counter()
        self._came: Counter[str] = Counter()
        self._went: Counter[str] = Counter()
        self._peer_bytes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._fates: Counter[str] = Counter()
        self._slowest: list[Slow] = []
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_RECENT + 1)
        self._lost = 0

    def take(self, frame: Frame) -> None:
        """Count a frame."""
        if not self._first:
            self._first = self._last = frame.time
        elif frame.time > self._last:
            self._last = frame.time
        size, way = len(frame.raw), frame.direction
        self._bytes[way] += size
        kind = frame.kind
        if kind == "stream":
            return
        self._stanzas[way] += 1
        self._sizes.add(size)
        self._recent(int(frame.time))
        said = frame.name if kind == "nonza" else frame.type
        label = _count(self._kinds, f"{kind} {said}" if said else kind)
        self._kind_bytes[label] += size
        for namespace in {name.rpartition(" ")[0] for name in frame.payloads} - {frame.namespace}:
            _count(self._namespaces, namespace)
        if kind == "nonza":
            return
        address = frame.sender if way == "in" else frame.to
        peer = _count(self._came if way == "in" else self._went, _bare(address))
        if peer in self._peer_bytes or len(self._peer_bytes) < _MAX_ROWS:
            self._peer_bytes[peer] += size
        if frame.type == "error":
            self._error(frame)

    def paired(self, outcome: Outcome) -> None:
        """Count what became of a request; its frames are counted by `take`."""
        self._fates[outcome.fate] += 1
        request, seconds = outcome.request, outcome.seconds
        if request is None or seconds is None:
            return
        self._trips.add(seconds)
        address = request.to if request.direction == "out" else request.sender
        asked = request.payloads[0].rpartition(" ")[0] if request.payloads else ""
        self._slowest.append(Slow(seconds, _bare(address), asked[:_MAX_KEY], (request.id or "")[:_MAX_KEY]))
        self._slowest.sort(reverse=True)
        del self._slowest[_SLOWEST:]

    def lost(self, frames: int) -> None:
        """So many frames were lost on the way here."""
        self._lost += frames

    def snapshot(self) -> Summary:
        """What was counted until now, the largest first."""
        span = self._last - self._first
        total = sum(self._stanzas.values())
        return Summary(
            span=span,
            stanzas=dict(self._stanzas),
            bytes=dict(self._bytes),
            rate=total / span if span > 0 else 0.0,
            recent=sum(count for second, count in self._seconds if second > self._last - _RECENT) / _RECENT,
            sizes=self._sizes.spread(),
            kinds=[(kind, count, self._kind_bytes[kind]) for kind, count in self._kinds.most_common()],
            namespaces=self._namespaces.most_common(),
            peers=self._peers(),
            errors=self._errors.most_common(),
            trips=self._trips.spread(),
            fates=dict(self._fates),
            slowest=list(self._slowest),
            lost=self._lost,
        )

    def _peers(self) -> list[tuple[str, int, int, int]]:
        every = dict.fromkeys([*self._came, *self._went])
        rows = [(peer, self._came[peer], self._went[peer], self._peer_bytes[peer]) for peer in every]
        return sorted(rows, key=lambda row: -(row[1] + row[2]))

    def _recent(self, second: int) -> None:
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))

    def _error(self, frame: Frame) -> None:
        try:
            condition = frame.condition()
        except ValueError:  # a frame of bytes that are no XML
            return
        _count(self._errors, condition.condition if condition else "")


def _count(table: Counter[str], key: str) -> str:
    """Count under `key`, or under the others where the table is full; return which it was."""
    key = key[:_MAX_KEY]
    if key not in table and len(table) >= _MAX_ROWS:
        key = OTHERS
    table[key] += 1
    return key


def _bare(address: str | None) -> str:
    """The bare JID of the other end; nothing where the stanza is for, or from, the server in the account's name."""
    return "" if address is None else prepared(address)[1][:_MAX_KEY]
