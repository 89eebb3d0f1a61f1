"""Watchers: what is shown and counted, and when following ends."""

from __future__ import annotations

import os

import pytest

from xmppctl.errors import DeadlineExceeded, OutputClosed
from xmppctl.protocols import watch
from xmppctl.protocols.watch import Losses, Watcher
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession


def follow(count=None, wanted=lambda frame: frame.kind == "message", stanzas=(), **how):
    shown = []
    watcher = Watcher(lambda frame: shown.append(frame.id), wanted, count)
    session = MemorySession(on_frame=watcher.take)
    session.deliver(*stanzas)

    async def main():
        await watcher.follow(session, **how)
        await session.close()

    drive(main())
    return shown


def messages(count):
    return [f"<message id='{number}'/>" for number in range(count)]


def test_shows_what_is_wanted_up_to_the_end():
    assert follow(stanzas=[*messages(2), "<presence/>"]) == ["0", "1"]


def test_nothing_is_shown_beyond_the_count():
    assert follow(2, stanzas=messages(5)) == ["0", "1"]
    assert follow(1, wanted=lambda frame: True, stanzas=messages(1)) == ["0"]


def test_a_count_that_is_not_reached_ends_with_the_deadline():
    with pytest.raises(DeadlineExceeded, match="1 of 2"):
        follow(2, stanzas=messages(1))


def test_idleness_ends_it_well_even_before_the_count():
    assert follow(9, stanzas=messages(1), idle=0.01) == ["0"]


def test_a_pipe_without_reader_ends_it():
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(OutputClosed):
        follow(output=write)
    os.close(write)


def test_a_pipe_with_a_reader_does_not():
    read, write = os.pipe()
    assert follow(1, stanzas=messages(1), output=write) == ["0"]
    assert follow(stanzas=messages(1), output=write, idle=0.01) == ["0"]
    os.close(read)
    os.close(write)


@pytest.fixture
def losses(monkeypatch):
    """Losses, the lines they told, and a clock to set."""
    clock, told = [1000.0], []
    monkeypatch.setattr(watch, "monotonic", lambda: clock[0])
    return Losses(told.append), told, clock


def test_nothing_lost_is_nothing_told(losses):
    lost, told, _ = losses
    lost.end()
    assert told == []


def test_a_burst_is_one_line_and_the_end_tells_all(losses):
    lost, told, clock = losses
    for count in (1, 2000, 3):
        lost.take(count)
        clock[0] += 0.1
    assert [line.partition(":")[0] for line in told] == ["lost 1 stanza"]
    lost.end()
    assert told[1:] == ["lost 2,004 stanzas in all"]


def test_the_next_burst_tells_what_was_lost_since(losses):
    lost, told, clock = losses
    lost.take(1)
    lost.take(5)
    clock[0] += watch.BURST_SECONDS
    lost.take(4)
    lost.end()
    assert [line.partition(":")[0] for line in told] == [
        "lost 1 stanza",
        "lost 9 stanzas",
        "lost 10 stanzas in all",
    ]
