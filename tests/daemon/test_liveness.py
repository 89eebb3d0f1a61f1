"""Silence, suspends and networks: when the server is asked, and when it counts as gone."""

from __future__ import annotations

import socket

import pytest

from xmppctl.daemon.liveness import Liveness, NetworkWatch, Suspends


class Clocks:
    """One that stands still in a suspend, and one that does not."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.elapsed = 5000.0

    def go(self, seconds: float) -> float:
        self.now += seconds
        self.elapsed += seconds
        return self.now

    def suspend(self, seconds: float) -> None:
        self.elapsed += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def life(clocks: Clocks) -> Liveness:
    return Liveness(clocks.now, idle=60, patience=10, answer=60, tick=5, elapsed=lambda: clocks.elapsed)


def test_the_server_is_asked_after_silence_and_not_before(clocks: Clocks, life: Liveness) -> None:
    assert life.check(clocks.go(59)) == "ok"
    assert life.check(clocks.go(1)) == "ask"


def test_whatever_it_says_is_a_sign_of_life(clocks: Clocks, life: Liveness) -> None:
    life.heard(clocks.go(59))
    assert life.check(clocks.go(59)) == "ok"
    assert life.check(clocks.go(1)) == "ask"


def test_a_question_without_an_answer_means_that_it_is_gone(clocks: Clocks, life: Liveness) -> None:
    life.asked(clocks.go(60))
    assert life.check(clocks.go(9.9)) == "ok"
    assert life.check(clocks.go(0.2)) == "dead"


def test_an_answer_in_time_is_the_end_of_it(clocks: Clocks, life: Liveness) -> None:
    life.asked(clocks.go(60))
    life.answered(clocks.go(9))
    assert life.check(clocks.go(9)) == "ok"
    assert life.check(clocks.go(51)) == "ask"


def test_another_question_does_not_prolong_the_first(clocks: Clocks, life: Liveness) -> None:
    life.asked(clocks.now)
    life.asked(clocks.go(9))
    assert life.check(clocks.go(1)) == "dead"


def test_one_that_speaks_but_never_answers_is_given_up_in_the_end(clocks: Clocks, life: Liveness) -> None:
    life.asked(clocks.now)
    for _ in range(11):
        life.heard(clocks.go(5))
        assert life.check(clocks.now) == "ok"
    life.heard(clocks.go(5))
    assert life.check(clocks.now) == "dead"


def test_slow_is_not_dead_while_it_takes_what_we_send(clocks: Clocks, life: Liveness) -> None:
    life.check(clocks.now, 1_000_000)
    life.asked(clocks.now)
    for left in range(900_000, 0, -100_000):
        assert life.check(clocks.go(9), left) == "ok"
    assert life.check(clocks.go(9), 100_000) == "ok"
    assert life.check(clocks.go(2), 100_000) == "dead"


def test_more_that_we_write_is_no_sign_of_life(clocks: Clocks, life: Liveness) -> None:
    life.check(clocks.now, 100)
    life.asked(clocks.now)
    life.check(clocks.go(5), 200)
    assert life.check(clocks.go(5), 300) == "dead"


def test_it_gets_longer_over_a_large_stanza(clocks: Clocks, life: Liveness) -> None:
    life.asked(clocks.now, 30)
    assert life.check(clocks.go(39)) == "ok"
    assert life.wait(clocks.now) == pytest.approx(1, abs=0.1)
    assert life.check(clocks.go(1)) == "dead"


def test_after_a_suspend_it_is_asked_at_once(clocks: Clocks, life: Liveness) -> None:
    assert life.check(clocks.go(5)) == "ok"
    clocks.suspend(3600)
    assert life.check(clocks.go(1)) == "ask"
    life.asked(clocks.now)
    life.answered(clocks.go(1))
    assert life.check(clocks.go(1)) == "ok"


def test_clocks_that_drift_a_little_are_no_suspend(clocks: Clocks, life: Liveness) -> None:
    for _ in range(10):
        clocks.suspend(0.5)
        assert life.check(clocks.go(1)) == "ok"


def test_it_wakes_up_when_something_is_due_and_at_least_at_every_tick(clocks: Clocks, life: Liveness) -> None:
    assert life.wait(clocks.now) == 5
    assert life.wait(clocks.go(58)) == pytest.approx(2, abs=0.1)
    life.asked(clocks.go(2))
    assert life.wait(clocks.now) == 5
    assert life.wait(clocks.go(7)) == pytest.approx(3, abs=0.1)
    assert 0 < life.wait(clocks.go(100)) < 0.1


def test_a_suspend_is_noticed_once(clocks: Clocks) -> None:
    suspends = Suspends(clocks.now, lambda: clocks.elapsed)
    assert not suspends.noticed(clocks.go(1))
    clocks.suspend(60)
    assert suspends.noticed(clocks.go(1))
    assert not suspends.noticed(clocks.go(1))


def test_the_machines_own_clocks_do_not_look_like_a_suspend() -> None:
    from time import monotonic

    assert not Suspends(monotonic()).noticed(monotonic())


def test_a_change_of_the_network_is_heard_once() -> None:
    watch = NetworkWatch()
    watch.close()
    watch.sock, kernel = socket.socketpair()
    watch.sock.setblocking(False)
    with kernel:
        assert not watch.drain()
        kernel.send(b"link")
        kernel.send(b"route")
        assert watch.drain()
        assert not watch.drain()
        watch.close()
        assert not watch.drain()


def test_where_nobody_tells_of_changes_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    watch = NetworkWatch()
    assert watch.sock is None and not watch.drain()
    watch.close()


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="Linux only")
def test_the_kernel_lets_us_listen() -> None:
    watch = NetworkWatch()
    if watch.sock is None:
        pytest.skip("this machine forbids netlink sockets")
    assert watch.sock.getsockname()[1] == 0x551
    watch.close()
