"""A stream in numbers: right, bounded, and cheap to keep."""

from __future__ import annotations

import random
import statistics as exact

import pytest

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.pairs import Outcome
from xmppctl.stanza.splitter import Splitter
from xmppctl.stanza.statistics import OTHERS, Histogram, Statistics

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
HI = (
    "<message from='juliet{n}@capulet.example/b' type='chat'><body>hi</body><active xmlns='urn:s'/></message>"
)


def frames(*stanzas: str, way: str = "in", start: float = 1000.0) -> list[Frame]:
    splitter = Splitter(way)  # type: ignore[arg-type]
    splitter.feed(HEADER)
    return [splitter.feed(xml.encode(), start + at)[0] for at, xml in enumerate(stanzas)]


def counted(*taken: Frame) -> Statistics:
    made = Statistics()
    for frame in taken:
        made.take(frame)
    return made


def test_nothing_is_no_failure() -> None:
    summary = Statistics().snapshot()
    assert summary.rate == 0 and summary.sizes.number == 0 and summary.kinds == []


def test_counts_by_kind_namespace_and_peer() -> None:
    come = frames(*[HI.format(n=n % 2) for n in range(10)], "<presence/>", "<r xmlns='urn:xmpp:sm:3'/>", " ")
    go = frames("<message to='Juliet0@capulet.example'/>", way="out")
    summary = counted(*come, *go).snapshot()
    assert summary.stanzas == {"in": 12, "out": 1}
    assert summary.bytes["in"] == sum(len(frame.raw) for frame in come)
    assert [(kind, count) for kind, count, _ in summary.kinds[:1]] == [("message chat", 10)]
    assert {kind for kind, _, _ in summary.kinds} == {"message chat", "message", "presence", "nonza r"}
    assert summary.namespaces == [("urn:s", 10)]
    assert [row[:3] for row in summary.peers] == [
        ("juliet0@capulet.example", 5, 1),
        ("juliet1@capulet.example", 5, 0),
        ("", 1, 0),
    ]


def test_rates_are_over_the_time_of_the_frames() -> None:
    summary = counted(*frames(*["<presence/>"] * 21)).snapshot()
    assert summary.span == 20.0 and summary.rate == 21 / 20 and summary.recent == 1.0


def test_errors_by_condition() -> None:
    error = "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    summary = counted(*frames(f"<iq type='error' id='1'><error type='auth'>{error}</error></iq>")).snapshot()
    assert summary.errors == [("forbidden", 1)]


def test_round_trips_and_the_slowest_of_them() -> None:
    made = Statistics()
    ask = "<iq type='get' id='{n}' to='a.example/{n}'><ping xmlns='urn:xmpp:ping'/></iq>"
    for number in range(1, 101):
        (request,) = frames(ask.format(n=number), way="out")
        made.paired(Outcome(request, request, number / 1000, "answered"))
    made.paired(Outcome(request, None, None, "timeout"))
    made.paired(Outcome(None, request, None, "orphan"))
    summary = made.snapshot()
    assert (summary.trips.number, summary.trips.least, summary.trips.most) == (100, 0.001, 0.1)
    assert summary.trips.median == pytest.approx(0.05, rel=0.03)
    assert summary.fates == {"answered": 100, "timeout": 1, "orphan": 1}
    assert [(slow.seconds, slow.id, slow.namespace) for slow in summary.slowest][:2] == [
        (0.1, "100", "urn:xmpp:ping"),
        (0.099, "99", "urn:xmpp:ping"),
    ]
    assert len(summary.slowest) == 5
    assert [(each.fate, each.seconds, each.name, each.peer) for each in summary.silent] == [
        ("timeout", None, "ping", "a.example")
    ]


def test_who_asked_is_the_peer_of_a_request_that_came_in() -> None:
    (request,) = frames(
        "<iq type='get' id='1' from='Juliet@capulet.example/b' to='r@m.example/o'><q xmlns='u'/></iq>"
    )
    made = Statistics()
    made.paired(Outcome(request, None, None, "unanswered"))
    assert [each.peer for each in made.snapshot().silent] == ["juliet@capulet.example"]


def test_frames_may_come_in_any_order_of_their_times() -> None:
    taken = [frame for at in (7.0, 0.0, 20.0, 16.5) for frame in frames("<presence/>", start=at)]
    taken += [frames("<presence/>", start=16.0 + number % 2 * 3)[0] for number in range(100)]
    summary = counted(*taken).snapshot()
    assert summary.span == 20.0
    assert summary.recent == 102 / 5


def test_the_present_rate_of_a_short_time_is_over_that_time() -> None:
    assert counted(*frames(*["<presence/>"] * 3)).snapshot().recent == 3 / 2


def test_bytes_of_all_peers_are_counted_when_their_table_is_full() -> None:
    taken = frames(*[f"<message from='j{number}@x.example'/>" for number in range(1500)])
    taken += frames(*[f"<message to='r{number}@x.example'/>" for number in range(1500)], way="out")
    summary = counted(*taken).snapshot()
    assert sum(size for *_, size in summary.peers) == sum(summary.bytes.values())
    assert len(summary.peers) == 1001 and summary.peers[-1][0] == OTHERS


def test_losses_add_up() -> None:
    made = Statistics()
    made.lost(3)
    made.lost(4)
    assert made.snapshot().lost == 7


def test_percentiles_are_right_to_two_percent() -> None:
    source = random.Random(7)
    values = [source.lognormvariate(0, 2) for _ in range(5000)]
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    spread, cuts = histogram.spread(), exact.quantiles(values, n=100)
    assert spread.median == pytest.approx(cuts[49], rel=0.025)
    assert spread.p90 == pytest.approx(cuts[89], rel=0.025)
    assert spread.p99 == pytest.approx(cuts[98], rel=0.025)
    assert (spread.least, spread.most) == (min(values), max(values))


def test_tables_are_bounded_whatever_comes() -> None:
    made = Statistics()
    splitter = Splitter()
    splitter.feed(HEADER)
    for number in range(3000):
        xml = f"<message type='t{number}' from='j{number}@{'x' * 500}'><a xmlns='urn:{number}{'y' * 500}'/></message>"
        made.take(splitter.feed(xml.encode(), float(number + 1))[0])
    summary = made.snapshot()
    for table in (summary.kinds, summary.namespaces, summary.peers):
        assert len(table) == 1001 and {row[0]: row[1] for row in table}[OTHERS] == 2000
        assert max(len(row[0]) for row in table) <= 300
