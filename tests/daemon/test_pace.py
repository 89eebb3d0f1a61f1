"""How much is on its way to fast and slow servers."""

from __future__ import annotations

import pytest

from xmppctl.daemon.pace import FIRST, LEAST, MOST, Pace, allowance


def round_trip(pace: Pace, seconds: float, count: int | None = None, size: int = 0) -> int:
    pace.asked(100.0, pace.window if count is None else count, size)
    pace.answered(100.0 + seconds)
    return pace.window


def test_a_fast_server_gets_twice_as_much_each_time() -> None:
    pace = Pace()
    assert [round_trip(pace, 0.01) for _ in range(3)] == [FIRST * 2, FIRST * 4, FIRST * 8]
    for _ in range(20):
        round_trip(pace, 0.01)
    assert pace.window == MOST


def test_what_was_not_needed_does_not_grow() -> None:
    pace = Pace()
    assert round_trip(pace, 0.01, 1) == FIRST


def test_a_slow_server_gets_less_but_never_nothing() -> None:
    pace = Pace()
    assert round_trip(pace, 2) == FIRST
    assert round_trip(pace, 5) == FIRST // 2
    for _ in range(20):
        round_trip(pace, 5)
    assert pace.window == LEAST


def test_large_stanzas_count_by_their_bytes() -> None:
    pace = Pace()
    before = pace.bytes
    round_trip(pace, 0.01, 4, before)
    assert pace.bytes == 2 * before


def test_it_converges_on_what_the_server_takes() -> None:
    pace = Pace()
    rate = 50.0
    for _ in range(20):
        round_trip(pace, pace.window / rate)
    assert pace.window / rate < 4


@pytest.mark.parametrize(("size", "seconds"), [(100, 0.1), (256 * 1024, 60)])
def test_a_large_stanza_may_take_its_time(size: int, seconds: float) -> None:
    assert allowance(size) <= seconds and allowance(size) * 3 >= seconds * (size > 1000)


def test_a_server_that_is_slow_with_less_than_it_may_get_gets_half_of_that() -> None:
    pace = Pace()
    for _ in range(3):
        round_trip(pace, 0.01)
    assert round_trip(pace, 5, count=100) == 50
