"""Watching: how long it goes on, what ends it, and how that is judged."""

from __future__ import annotations

import os
from time import time

import pytest

from xmppctl.errors import DeadlineExceeded, ExpectationFailed, OutputClosed
from xmppctl.protocols import watch
from xmppctl.protocols.expect import Expectations
from xmppctl.protocols.view import View, Wish
from xmppctl.protocols.watch import Losses, Redraw, judge_end, read_through
from xmppctl.session.deadline import Deadline
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.event import Event
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.pairs import Pairs
from xmppctl.stanza.splitter import Splitter


class Screen:
    """What was shown: ids of frames, their notes' records, names of events."""

    def __init__(self):
        self.shown = []
        self.notes = []

    def frame(self, frame, note=None):
        self.shown.append(frame.id)
        if note is not None:
            self.notes.append((frame.id, note.record))

    def event(self, event):
        self.shown.append(event.name)


def make_view(count=None, terms=("kind:message",), expect=(), pairs=None):
    expectations = Expectations([compile_filter(each) for each in expect])
    screen = Screen()
    return View(Wish(compile_filter(terms), count, expectations), screen, pairs=pairs), screen


def follow(count=None, terms=("kind:message",), expect=(), stanzas=(), pairs=None, deadline=None, **how):
    view, screen = make_view(count, terms, expect, pairs)
    session = MemorySession(on_frame=view.take)
    if deadline is not None:
        session.deadline = Deadline(deadline)
    session.deliver(*stanzas)

    async def main():
        await watch.follow(session, view, **how)
        await session.close()

    drive(main())
    judge_end(view, "it ended")
    return screen.shown


def messages(count):
    return [f"<message id='{number}'/>" for number in range(count)]


def test_shows_what_is_wanted_up_to_the_end():
    assert follow(stanzas=[*messages(2), "<presence/>"]) == ["0", "1"]


def test_nothing_is_shown_beyond_the_count():
    assert follow(2, stanzas=messages(5)) == ["0", "1"]
    assert follow(1, terms=(), stanzas=messages(1)) == ["0"]


def test_a_count_that_is_not_reached_ends_with_the_deadline():
    with pytest.raises(DeadlineExceeded, match="1 of 2"):
        follow(2, stanzas=messages(1))


def test_idleness_ends_it_well_even_before_the_count():
    assert follow(9, stanzas=messages(1), idle=0.01) == ["0"]


def test_what_was_expected_ends_it_and_is_shown():
    assert follow(stanzas=messages(5), expect=[("id:2",)]) == ["0", "1", "2"]


def test_what_was_expected_and_does_not_come_in_time_is_a_deadline():
    with pytest.raises(DeadlineExceeded, match="id:9"):
        follow(stanzas=messages(5), expect=[("id:2",), ("id:9",)])


@pytest.mark.parametrize("end", [{"count": 1}, {"idle": 0.01}])
def test_what_was_expected_and_had_not_come_at_another_end_has_failed(end):
    with pytest.raises(ExpectationFailed, match="id:9"):
        follow(stanzas=messages(5), expect=[("id:9",)], **end)


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


def test_a_request_that_nobody_answers_is_shown_when_it_is_overdue_though_nothing_else_comes():
    request = "<iq type='get' id='q' from='a@b' to='romeo@montague.example'><x xmlns='urn:x'/></iq>"
    pairs = Pairs(patience=5.0)
    view, screen = make_view(1, ("kind:iq", "dir:in"), pairs=pairs)
    session = MemorySession(on_frame=view.take)
    session.on_request = lambda _: True
    session.deliver(request)
    drive(watch.follow(session, view))
    assert screen.notes == [("q", {"pair": "timeout"})]


def test_a_redraw_is_done_while_nothing_comes():
    drawn = []

    def draw():
        drawn.append(1)
        if len(drawn) == 3:
            raise OutputClosed("enough")

    with pytest.raises(OutputClosed):
        follow(redraw=Redraw(0.5, draw))
    assert len(drawn) == 3


def kept(*items):
    """Frames and events; a message of each number of seconds, an event of each text."""
    splitter = Splitter()
    splitter.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    now = time()
    return [
        Event("offline", now, item)
        if isinstance(item, str)
        else splitter.feed(f"<message id='{item}'/>".encode(), now + item)[0]
        for item in items
    ]


def test_what_was_kept_is_shown_to_its_end():
    view, screen = make_view()
    assert "ended" in read_through(kept(1, "gone", 2), view)
    assert screen.shown == ["1", "offline", "2"]


def test_what_was_kept_ends_with_the_count():
    view, screen = make_view(2)
    read_through(kept(1, 2, 3), view)
    assert screen.shown == ["1", "2"]


def test_what_was_kept_is_idle_by_its_own_times():
    view, screen = make_view()
    assert "5 s" in read_through(kept(1, 3, 20, 21), view, idle=5)
    assert screen.shown == ["1", "3"]


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


def test_whoever_sees_each_loss_in_the_output_is_told_the_total_only():
    told = []
    lost = Losses(told.append, shown=True)
    lost.take(5)
    assert told == []
    lost.end()
    assert told == ["lost 5 stanzas in all"]


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
