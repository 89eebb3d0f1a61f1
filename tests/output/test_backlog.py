"""The backlog: nothing waits for a slow reader, what is lost is told where it would have been, and all ends well."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from xmppctl.errors import OutputClosed
from xmppctl.output.backlog import Backlog, needs_backlog
from xmppctl.output.base import Note, Renderer
from xmppctl.output.sink import Sink
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame

PATIENCE = 20.0


def frame(number: int, size: int = 10) -> Frame:
    return Frame(b"x" * size, ["jabber:client message"], [], {"id": str(number)}, time=float(number))


class Slow(Renderer):
    """Shows into a list, and waits wherever `gate` is closed."""

    def __init__(self, *, open: bool = True, fail_at: str | None = None) -> None:
        super().__init__(Sink(io.BytesIO()))
        self.shown: list[Any] = []
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.fail_at = fail_at
        if open:
            self.gate.set()

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        self.reached.set()
        assert self.gate.wait(PATIENCE)
        if frame.id == self.fail_at:
            raise OutputClosed("gone")
        self.shown.append(frame.id if note is None else (frame.id, note.text))

    def event(self, event: Event) -> None:
        self.shown.append(event)


def blocked(**limits: int) -> tuple[Slow, Backlog, list[int]]:
    """A backlog whose renderer has the first frame in hand and does not get on with it."""
    renderer, lost = Slow(open=False), []
    backlog = Backlog(renderer, lost.append, **limits)
    backlog.frame(frame(0))
    assert renderer.reached.wait(PATIENCE)
    return renderer, backlog, lost


def test_all_is_shown_in_order_with_its_notes() -> None:
    renderer = Slow()
    backlog = Backlog(renderer)
    happened = Event("offline", 1.0, "gone")
    backlog.frame(frame(1))
    backlog.event(happened)
    backlog.frame(frame(2), Note("late", {}))
    backlog.finish()
    assert renderer.shown == ["1", happened, ("2", "late")]


def test_a_fast_reader_loses_nothing() -> None:
    renderer, lost = Slow(), []
    backlog = Backlog(renderer, lost.append, max_items=100_000)
    for number in range(20_000):
        backlog.frame(frame(number))
    backlog.finish()
    assert renderer.shown == [str(number) for number in range(20_000)] and lost == []


@pytest.mark.parametrize("limits", [{"max_items": 3}, {"max_bytes": 35}])
def test_a_slow_reader_loses_the_oldest_and_is_told_where(limits: dict[str, int]) -> None:
    renderer, backlog, lost = blocked(**limits)
    for number in range(1, 11):
        backlog.frame(frame(number))
    renderer.gate.set()
    backlog.finish()
    assert renderer.shown == ["0", Event("lost", 8.0, frames=7), "8", "9", "10"]
    assert lost == [7]


def test_what_happened_to_the_connection_is_told_although_frames_around_it_are_lost() -> None:
    renderer, backlog, lost = blocked(max_items=2)
    gone, back = Event("offline", 1.5, "gone"), Event("online", 2.5, "back")
    for item in (frame(1), gone, Event("lost", 2.0, frames=4), back, frame(3), frame(4)):
        if isinstance(item, Event):
            backlog.event(item)
        else:
            backlog.frame(item)
    renderer.gate.set()
    backlog.finish()
    assert renderer.shown == ["0", gone, back, Event("lost", 3.0, frames=5), "3", "4"]
    assert lost == [5]


def test_one_that_is_larger_than_all_may_be_is_shown() -> None:
    renderer, backlog, _ = blocked(max_bytes=100)
    backlog.frame(frame(1, size=1000))
    renderer.gate.set()
    backlog.finish()
    assert renderer.shown == ["0", "1"]


def test_what_the_renderer_raises_is_raised_by_the_next_and_at_the_end() -> None:
    renderer = Slow(fail_at="0")
    backlog = Backlog(renderer)
    backlog.frame(frame(0))
    with pytest.raises(OutputClosed):
        backlog.finish()
    with pytest.raises(OutputClosed):
        backlog.frame(frame(1))


def test_in_a_hurry_a_reader_that_has_stopped_is_not_waited_for() -> None:
    renderer, backlog, lost = blocked()
    backlog.frame(frame(1))
    backlog.finish(hurry=True)
    assert lost == [1]
    renderer.gate.set()


def test_nothing_is_taken_after_the_end() -> None:
    renderer = Slow()
    backlog = Backlog(renderer)
    backlog.finish()
    backlog.frame(frame(1))
    assert renderer.shown == []


def test_files_need_none_and_pipes_do() -> None:
    read, write = os.pipe()
    with (
        os.fdopen(read, "rb") as reader,
        os.fdopen(write, "wb") as writer,
        Path(os.devnull).open("wb") as void,
    ):
        assert needs_backlog(writer) and needs_backlog(reader)
        assert not needs_backlog(void)
    assert not needs_backlog(None) and not needs_backlog(io.StringIO())


def test_a_program_ends_though_its_writer_is_stuck_in_a_pipe() -> None:
    program = (
        "import sys, time\n"
        "from xmppctl.output.backlog import Backlog\n"
        "from xmppctl.output.renderers import make_renderer\n"
        "from xmppctl.stanza.frame import Frame\n"
        "backlog = Backlog(make_renderer('jsonl', stream=sys.stdout))\n"
        "for number in range(5000):\n"
        "    backlog.frame(Frame(b'<message/>', ['jabber:client message']))\n"
        "backlog.finish(hurry=True)\n"
        "print('done', file=sys.stderr)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.wait(PATIENCE * 3) == 0
    assert process.stdout and process.stderr
    assert process.stderr.read() == b"done\n"
