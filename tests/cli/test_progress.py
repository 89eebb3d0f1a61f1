"""Progress: shown to who waits at a terminal, for as long as it lasts."""

from __future__ import annotations

import threading

import pytest

from tests.cli.conftest import Terminal
from xmppctl.cli import progress as module
from xmppctl.cli.app import App
from xmppctl.cli.progress import Progress


class Clock:
    """Time, and the timer that goes by it."""

    def __init__(self):
        self.now = 100.0
        self.timer = None

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds
        timer = self.timer
        if timer is not None and timer.due is not None and timer.due <= self.now:
            timer.due = None
            timer.call()

    def set(self, seconds, call):
        self.timer = Timer(self, seconds, call)
        return self.timer


class Timer:
    def __init__(self, clock, seconds, call):
        self.clock, self.seconds, self.call = clock, seconds, call
        self.due = None

    def start(self):
        self.due = self.clock.now + self.seconds

    def cancel(self):
        self.due = None


def shown(*steps, tty=True, term="xterm", quiet=False):
    """What is on standard error after `steps`: (seconds that pass, text or None)."""
    stream, clock = Terminal(tty), Clock()
    app = App(stderr=stream, environ={"TERM": term})
    app.options["quiet"] = quiet
    with Progress(app, "counting", clock, clock.set) as progress:
        for seconds, text in steps:
            clock.wait(seconds)
            if text is not None:
                progress(text)
        before = stream.text
    clock.wait(100)
    return before, stream.text[len(before) :]


def test_nothing_in_the_first_second_then_one_line_that_is_rewritten():
    assert shown((0, "1"), (0.9, "2")) == ("", "")
    before, after = shown((0.9, "1"), (0.2, "2"), (0.05, "3"), (0.1, "4"))
    assert before == "".join(f"\r\x1b[Kxmppctl: counting{end}" for end in (" ...", ": 2", ": 4"))
    assert after == "\r\x1b[K"


def test_who_waits_without_news_sees_what_for():
    assert shown((1, None)) == ("\r\x1b[Kxmppctl: counting ...", "\r\x1b[K")
    assert shown((0.9, None)) == ("", "")


@pytest.mark.parametrize("how", [{"tty": False}, {"quiet": True}, {"term": "dumb"}, {"term": ""}])
def test_nothing_where_nobody_wants_or_could_see_it(how):
    assert shown((5, "1"), (5, "2"), **how) == ("", "")


def test_cleared_before_something_else_is_written():
    stream, clock = Terminal(True), Clock()
    with Progress(App(stderr=stream, environ={"TERM": "xterm"}), "counting", clock, clock.set) as progress:
        clock.wait(2)
        progress.clear()
        seen = stream.text
        clock.wait(2)
        progress("late")
    assert seen.endswith("\r\x1b[K") and stream.text == seen


def test_a_closed_stream_does_no_harm():
    stream, clock = Terminal(True), Clock()
    app = App(stderr=stream, environ={"TERM": "xterm"})
    with Progress(app, "counting", clock, clock.set) as progress:
        stream.close()
        clock.wait(2)
        progress("1")
    with Progress(app, "counting", clock, clock.set) as progress:
        clock.wait(2)
        progress("1")


def test_the_line_comes_by_itself(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    written = threading.Event()

    class Watched(Terminal):
        def flush(self):
            super().flush()
            written.set()

    stream = Watched(True)
    written.clear()
    with Progress(App(stderr=stream, environ={"TERM": "xterm"}), "counting"):
        assert written.wait(10)
    assert stream.text == "\r\x1b[Kxmppctl: counting ...\r\x1b[K"
