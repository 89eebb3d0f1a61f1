"""When a signal raises, and where."""

from __future__ import annotations

import threading

import pytest

from xmppctl.session.interrupts import MAIN, Interrupts, of_this_thread


def test_without_a_stream_it_raises_at_once() -> None:
    with pytest.raises(KeyError):
        Interrupts().deliver(KeyError("now"))


def test_with_a_stream_it_waits_for_the_next_wait() -> None:
    interrupts = Interrupts()
    interrupts.streams = 1
    interrupts.deliver(KeyError("later"))
    with pytest.raises(KeyError, match="later"):
        interrupts.check()
    interrupts.check()


def test_in_a_wait_it_raises_at_once() -> None:
    interrupts = Interrupts()
    interrupts.streams, interrupts.waiting = 1, True
    with pytest.raises(KeyError):
        interrupts.deliver(KeyError("now"))


def test_it_can_be_taken_once() -> None:
    interrupts = Interrupts()
    interrupts.streams = 1
    interrupts.deliver(KeyError("later"))
    assert isinstance(interrupts.take(), KeyError)
    assert interrupts.take() is None


def test_only_the_main_thread_has_signals() -> None:
    found: list[Interrupts | None] = []
    thread = threading.Thread(target=lambda: found.append(of_this_thread()))
    thread.start()
    thread.join()
    assert (of_this_thread(), found) == (MAIN, [None])
