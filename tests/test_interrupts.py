"""When a signal raises, and where."""

from __future__ import annotations

import threading

import pytest

from xmppctl.interrupts import MAIN, Interrupts, of_this_thread


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


def test_an_event_loop_hears_of_it() -> None:
    interrupts = Interrupts()
    heard: list[Exception] = []
    interrupts.streams, interrupts.listener = 1, heard.append
    interrupts.deliver(KeyError("for the loop"))
    assert [str(error) for error in heard] == ["'for the loop'"]
    interrupts.check()


def test_a_wait_is_over_when_it_fails() -> None:
    interrupts = Interrupts()
    interrupts.streams = 1
    with pytest.raises(KeyError), interrupts:
        interrupts.deliver(KeyError("now"))
    assert not interrupts.waiting


def test_only_the_main_thread_has_signals() -> None:
    found: list[Interrupts] = []
    thread = threading.Thread(target=lambda: found.append(of_this_thread()))
    thread.start()
    thread.join()
    assert of_this_thread() is MAIN and found[0] is not MAIN
