"""Progress: shown to who waits at a terminal, for as long as it lasts."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Terminal
from xmppctl.cli.app import App
from xmppctl.cli.progress import Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def shown(*steps, tty=True, term="xterm", quiet=False):
    """What is on standard error after `steps`: (seconds that pass, text)."""
    stream, clock = Terminal(tty), Clock()
    app = App(stderr=stream, environ={"TERM": term})
    app.options["quiet"] = quiet
    with Progress(app, "counting", clock) as progress:
        for seconds, text in steps:
            clock.now += seconds
            progress(text)
        before = stream.text
    return before, stream.text[len(before) :]


def test_nothing_in_the_first_second_then_one_line_that_is_rewritten():
    assert shown((0, "1"), (0.9, "2")) == ("", "")
    before, after = shown((0.9, "1"), (0.2, "2"), (0.05, "3"), (0.1, "4"))
    assert before == "\r\x1b[Kxmppctl: counting: 2\r\x1b[Kxmppctl: counting: 4"
    assert after == "\r\x1b[K"


@pytest.mark.parametrize("how", [{"tty": False}, {"quiet": True}, {"term": "dumb"}, {"term": ""}])
def test_nothing_where_nobody_wants_or_could_see_it(how):
    assert shown((5, "1"), (5, "2"), **how) == ("", "")


def test_cleared_before_something_else_is_written():
    stream, clock = Terminal(True), Clock()
    with Progress(App(stderr=stream, environ={"TERM": "xterm"}), "counting", clock) as progress:
        clock.now += 2
        progress("1")
        progress.clear()
        seen = stream.text
        progress.clear()
    assert seen.endswith("\r\x1b[K") and stream.text == seen


def test_a_closed_stream_does_no_harm():
    stream, clock = Terminal(True), Clock()
    app = App(stderr=stream, environ={"TERM": "xterm"})
    with Progress(app, "counting", clock) as progress:
        clock.now += 2
        stream.close()
        progress("1")
    with Progress(app, "counting", clock) as progress:
        clock.now += 2
        progress("1")
