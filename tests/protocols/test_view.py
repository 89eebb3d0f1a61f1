"""The way of a frame that is watched: what is selected, paired, hidden, recorded and shown, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from xmppctl.protocols.expect import Expectations
from xmppctl.protocols.view import View, Wish
from xmppctl.stanza.event import Event
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.pairs import Pairs
from xmppctl.stanza.splitter import Splitter
from xmppctl.stanza.statistics import Statistics

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
ASK = "<iq type='get' id='1' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWER = "<iq type='result' id='1' from='capulet.example'/>"
HI = "<message id='m' from='juliet@capulet.example'><body>hi</body></message>"


class Screen:
    """Remembers what it was told to show."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.notes: list[Any] = []
        self.events: list[Event] = []

    def frame(self, frame: Frame, note: Any = None) -> None:
        self.frames.append(frame)
        self.notes.append(note)

    def event(self, event: Event) -> None:
        self.events.append(event)


class Recorder:
    """Remembers what it was told to keep."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.headers: list[bytes] = []
        self.events: list[Event] = []

    def write(self, frame: Frame) -> None:
        self.kept.append(frame.raw)

    def header(self, frame: Frame) -> None:
        self.headers.append(frame.raw)

    def event(self, event: Event) -> None:
        self.events.append(event)


def frames(*stanzas: tuple[str, str]) -> list[Frame]:
    """Frames of (direction, XML), one second apart."""
    splitters = {"in": Splitter("in"), "out": Splitter("out")}
    for splitter in splitters.values():
        splitter.feed(HEADER)
    return [splitters[way].feed(xml.encode(), 1000.0 + at)[0] for at, (way, xml) in enumerate(stanzas)]


def header() -> Frame:
    return Splitter("in").feed(HEADER, 1.0)[0]


def viewed(
    *stanzas: tuple[str, str], terms: Sequence[str] = (), finish: bool = True, **how: Any
) -> tuple[View, Screen]:
    screen = Screen()
    wish = Wish(
        compile_filter(terms),
        how.pop("count", None),
        how.pop("expect", Expectations()),
        how.pop("hide", None),
    )
    view = View(wish, screen, **how)
    for frame in frames(*stanzas):
        view.take(frame)
    if finish:
        view.finish()
    return view, screen


def test_what_is_selected_is_shown_in_order() -> None:
    _, screen = viewed(("in", HI), ("out", ASK), ("in", HI), terms=["kind:message"])
    assert [frame.raw.decode() for frame in screen.frames] == [HI, HI]
    assert screen.notes == [None, None]


def test_a_reply_is_shown_behind_its_request_with_the_time_between() -> None:
    _, screen = viewed(("out", ASK), ("in", HI), ("in", ANSWER), pairs=Pairs())
    assert [frame.raw.decode() for frame in screen.frames] == [HI, ASK, ANSWER]
    assert [note and note.record for note in screen.notes] == [
        None,
        {"pair": "request"},
        {"pair": "reply", "rtt": 2.0},
    ]
    assert "2.00 s" in screen.notes[2].text


@pytest.mark.parametrize("term", ["xep:0199", "type:result", "dir:out"])
def test_a_pair_is_shown_whole_where_one_of_the_two_is_wanted(term: str) -> None:
    _, screen = viewed(("out", ASK), ("in", HI), ("in", ANSWER), terms=[term], pairs=Pairs())
    assert [frame.raw.decode() for frame in screen.frames] == [ASK, ANSWER]


def test_a_pair_of_which_neither_is_wanted_is_not_shown() -> None:
    _, screen = viewed(("out", ASK), ("in", ANSWER), terms=["kind:message"], pairs=Pairs())
    assert screen.frames == []


def test_a_request_without_reply_is_shown_at_the_end_and_says_so() -> None:
    _, screen = viewed(("out", ASK), pairs=Pairs())
    assert [note.record for note in screen.notes] == [{"pair": "unanswered"}]


def test_a_reply_without_request_says_so() -> None:
    _, screen = viewed(("in", ANSWER), pairs=Pairs())
    assert [note.record for note in screen.notes] == [{"pair": "orphan"}]


def test_a_request_is_overdue_when_it_is_time() -> None:
    view, screen = viewed(("out", ASK), pairs=Pairs(patience=5.0), finish=False)
    assert view.due == 1005.0
    view.overdue(1004.9)
    assert screen.frames == []
    view.overdue(1005.0)
    assert [note.record for note in screen.notes] == [{"pair": "timeout"}]
    assert view.due is None


def test_what_is_hidden_is_shown_and_kept_the_same_and_selected_by_what_it_was() -> None:
    recorder = Recorder()

    def hide(frame: Frame) -> Frame:
        return frame.with_raw(
            frame.raw.replace(b"juliet", b"x"), frame.names, frame.payloads, frame.attributes
        )

    _, screen = viewed(("in", HI), terms=["from:juliet@*"], hide=hide, recorder=recorder)
    assert b"juliet" not in screen.frames[0].raw
    assert recorder.kept == [screen.frames[0].raw]


def test_pairs_are_hidden_too() -> None:
    def hide(frame: Frame) -> Frame:
        return frame.with_raw(b"<iq/>", ["jabber:client iq"], [], {})

    _, screen = viewed(("out", ASK), ("in", ANSWER), hide=hide, pairs=Pairs())
    assert [frame.raw for frame in screen.frames] == [b"<iq/>", b"<iq/>"]


def test_what_is_selected_is_kept_when_it_comes_and_headers_for_what_they_bind() -> None:
    recorder, screen = Recorder(), Screen()
    view = View(Wish(compile_filter(["kind:message"])), screen, recorder=recorder)
    view.take(header())
    for frame in frames(("in", HI), ("out", ASK)):
        view.take(frame)
    view.event(Event("offline", 1.0, "gone"))
    assert recorder.kept == [HI.encode()] and recorder.headers == [HEADER]
    assert recorder.events == screen.events == [Event("offline", 1.0, "gone")]


def test_requests_are_kept_as_they_come_since_their_reply_may_be_wanted() -> None:
    recorder = Recorder()
    viewed(("out", ASK), ("in", ANSWER), terms=["type:result"], recorder=recorder, pairs=Pairs())
    assert recorder.kept == [ASK.encode(), ANSWER.encode()]


def test_the_count_ends_it() -> None:
    view, screen = viewed(("in", HI), ("in", HI), ("in", HI), count=2)
    assert view.done and len(screen.frames) == 2


def test_an_expectation_ends_it_though_it_is_not_shown() -> None:
    expect = Expectations([compile_filter(["kind:iq"])])
    view, screen = viewed(("in", HI), ("out", ASK), ("in", HI), terms=["kind:message"], expect=expect)
    assert view.done and len(screen.frames) == 1


def test_statistics_count_instead_of_showing() -> None:
    statistics = Statistics()
    view, screen = viewed(("out", ASK), ("in", HI), ("in", ANSWER), statistics=statistics, pairs=Pairs())
    view.event(Event("lost", 1.0, frames=3))
    assert screen.frames == [] and screen.events == []
    summary = statistics.snapshot()
    assert view.shown == 3 and summary.lost == 3
