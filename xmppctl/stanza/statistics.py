"""A stream in numbers: how much of what, from whom, how large, and how long answers take. Sans-IO.

What the network sends chooses what is counted, so every table is bounded: what is new to a full one counts among the
others. Frames may come in any order of their times: a request that waited for its reply is counted late. Percentiles
come from histograms whose classes grow by a fixed ratio, so that memory stays the same however much is counted; they
are right to two percent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from math import exp, inf, log
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import prepared

if TYPE_CHECKING:
    from xmppctl.stanza.pairs import Outcome

OTHERS: Final = "(others)"
_MAX_ROWS: Final = 1000
_MAX_KEY: Final = 256
#: So many slow requests are named, and so many without a reply.
_NAMED: Final = 5
_RATIO: Final = log(1.04)
#: What the present rate is counted over, in seconds, and in how many parts a second.
_RECENT: Final = 5
_PARTS: Final = 5


class Spread(NamedTuple):
    """How so many values are spread. The others are in the values' own unit; 0 where there are none."""

    number: int
    least: float
    median: float
    p90: float
    p99: float
    most: float


class Asked(NamedTuple):
    """A request: to whom or from whom, what it asked (a payload's namespace and name), and how long the reply took.

    `fate` is that of `pairs.Outcome`; `seconds` is None where no reply came.
    """

    seconds: float | None
    peer: str
    namespace: str
    name: str
    id: str
    fate: str


class Summary(NamedTuple):
    """What was counted until now. `span` is in seconds, rates are in stanzas a second, sizes in bytes.

    `rate` is over the whole span, `recent` over its last five seconds. `stanzas` and `bytes` are by direction, in and
    out. Tables have their largest rows first, the others last: kinds with stanzas and bytes; namespaces of payloads
    with stanzas; peers, by bare JID, empty for the server, with stanzas in and out and bytes; conditions of error
    stanzas. `fates` are those of `pairs.Outcome`. `silent` are the last requests that had no reply.
    """

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
    slowest: list[Asked]
    silent: list[Asked]
    lost: int


class Histogram:
    """Values above 0, counted in classes each four percent wider than the one before."""

    def __init__(self) -> None:
        self._classes: dict[int, int] = {}
        self._count = 0
        self._least = self._most = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        if not self._count or value < self._least:
            self._least = value
        if value > self._most:
            self._most = value
        self._count += 1
        number = int(log(value if value > 1e-6 else 1e-6) // _RATIO)
        self._classes[number] = self._classes.get(number, 0) + 1

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


class _Table:
    """Rows of numbers by a key that the network chooses: so many rows, and one for all the others."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._rows: dict[str, list[int]] = {}

    def row(self, key: str) -> list[int]:
        """The row of a key, to add to."""
        return self._rows.get(key) or self._new(key[:_MAX_KEY])

    def _new(self, key: str) -> list[int]:
        if key not in self._rows and len(self._rows) >= _MAX_ROWS:
            key = OTHERS
        return self._rows.setdefault(key, [0] * self._columns)

    def ordered(self, size: Callable[[Sequence[int]], int]) -> list[tuple[str, list[int]]]:
        """The rows, the largest first, the others last."""
        return sorted(self._rows.items(), key=lambda item: (item[0] == OTHERS, -size(item[1]), item[0]))


class Statistics:
    """Counts frames, pairs and losses. Stream parts count as bytes only."""

    def __init__(self) -> None:
        self._first, self._last = inf, -inf
        self._bytes = {"in": 0, "out": 0}
        self._stanzas = {"in": 0, "out": 0}
        self._sizes = Histogram()
        self._kinds = _Table(2)
        self._namespaces = _Table(1)
        self._peers = _Table(3)
        self._errors = _Table(1)
        self._parts: dict[int, int] = {}
        self._trips = Histogram()
        self._fates: Counter[str] = Counter()
        self._slowest: list[Asked] = []
        self._silent: deque[Asked] = deque(maxlen=_NAMED)
        self._lost = 0

    def take(self, frame: Frame) -> None:
        """Count a frame."""
        time, size, way, kind = frame.time, len(frame.raw), frame.direction, frame.kind
        if time < self._first:
            self._first = time
        if time > self._last:
            self._last = time
        self._bytes[way] += size
        if kind == "stream":
            return
        self._stanzas[way] += 1
        self._sizes.add(size)
        self._count_recent(int(time * _PARTS))
        said = frame.name if kind == "nonza" else frame.type
        row = self._kinds.row(f"{kind} {said}" if said else kind)
        row[0] += 1
        row[1] += size
        self._count_namespaces(frame)
        if kind == "nonza":
            return
        row = self._peers.row(_bare(frame.sender if way == "in" else frame.to))
        row[0 if way == "in" else 1] += 1
        row[2] += size
        if said == "error":
            self._count_error(frame)

    def paired(self, outcome: Outcome) -> None:
        """Count what became of a request; its frames are counted by `take`."""
        self._fates[outcome.fate] += 1
        request, seconds = outcome.request, outcome.seconds
        if request is None:
            return
        if seconds is None:
            self._silent.append(_asked(request, outcome))
            return
        self._trips.add(seconds)
        if len(self._slowest) < _NAMED or seconds > (self._slowest[-1].seconds or 0.0):
            self._slowest.append(_asked(request, outcome))
            self._slowest.sort(key=lambda asked: -(asked.seconds or 0.0))
            del self._slowest[_NAMED:]

    def lost(self, frames: int) -> None:
        """So many frames were lost on the way here."""
        self._lost += frames

    def snapshot(self) -> Summary:
        """What was counted until now."""
        span = max(self._last - self._first, 0.0)
        total = sum(self._stanzas.values())
        return Summary(
            span=span,
            stanzas=dict(self._stanzas),
            bytes=dict(self._bytes),
            rate=total / span if span > 0 else 0.0,
            recent=self._recent(span),
            sizes=self._sizes.spread(),
            kinds=[(kind, count, size) for kind, (count, size) in self._kinds.ordered(_first)],
            namespaces=[(name, count) for name, (count,) in self._namespaces.ordered(_first)],
            peers=[
                (peer, came, went, size)
                for peer, (came, went, size) in self._peers.ordered(lambda row: row[0] + row[1])
            ],
            errors=[(condition, count) for condition, (count,) in self._errors.ordered(_first)],
            trips=self._trips.spread(),
            fates=dict(self._fates),
            slowest=list(self._slowest),
            silent=list(self._silent),
            lost=self._lost,
        )

    def _count_recent(self, part: int) -> None:
        parts = self._parts
        parts[part] = parts.get(part, 0) + 1
        if len(parts) > 4 * _RECENT * _PARTS:
            oldest = self._oldest_recent()
            self._parts = {each: count for each, count in parts.items() if each >= oldest}

    def _recent(self, span: float) -> float:
        if not self._parts:
            return 0.0
        oldest = self._oldest_recent()
        count = sum(count for part, count in self._parts.items() if part >= oldest)
        return count / min(max(span, 1.0), _RECENT)

    def _oldest_recent(self) -> int:
        return max(self._parts) - _RECENT * _PARTS + 1

    def _count_namespaces(self, frame: Frame) -> None:
        """Each namespace once a stanza; the stream's own, in which bodies are, says nothing."""
        own = frame.namespace
        for namespace in {name.rpartition(" ")[0] for name in frame.payloads}:
            if namespace != own:
                self._namespaces.row(namespace)[0] += 1

    def _count_error(self, frame: Frame) -> None:
        try:
            condition = frame.condition()
        except ValueError:  # a frame of bytes that are no XML
            return
        self._errors.row(condition.condition if condition else "")[0] += 1


def _first(row: Sequence[int]) -> int:
    return row[0]


def _asked(request: Frame, outcome: Outcome) -> Asked:
    peer = _bare(request.to if request.direction == "out" else request.sender)
    namespace, _, name = (request.payloads[0] if request.payloads else "").rpartition(" ")
    id_ = (request.id or "")[:_MAX_KEY]
    return Asked(outcome.seconds, peer, namespace[:_MAX_KEY], name[:_MAX_KEY], id_, outcome.fate)


def _bare(address: str | None) -> str:
    """The bare JID of the other end; nothing where the stanza is for, or from, the server in the account's name."""
    return "" if address is None else prepared(address)[1][:_MAX_KEY]
