"""What is shown at each level, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shell.play import House
from xmppctl.protocols.ledger import Sent
from xmppctl.session.memory import MemorySession
from xmppctl.shell.display import Display, Level
from xmppctl.stanza.event import Event
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.frame import Frame

LEVELS: tuple[Level, ...] = ("quiet", "normal", "loud")


def frame(text: str) -> Frame:
    (made,) = MemorySession()._in.feed(text.encode())
    return made


MESSAGE = frame("<message id='m'/>")
ERROR = frame("<stream:error id='e'/>")
FOOTER = frame("</stream:stream>")
REPLY = frame("<iq type='result' id='r'/>")


def shown(level: Any, what: str, *arguments: Any, echo: bool = True, **how: Any) -> int:
    house = House()
    display = Display(house.screen, echo=echo, **how)
    display.level = level
    getattr(display, what)(*arguments)
    return len(house.shown)


@pytest.mark.parametrize(
    ("what", "arguments", "counts"),
    [
        ("typed", (MESSAGE,), (0, 0, 1)),
        ("answer", (REPLY, Sent(1, MESSAGE, 0.0)), (1, 1, 1)),
        ("unasked", (MESSAGE,), (0, 1, 1)),
        ("unasked", (ERROR,), (1, 1, 1)),
        ("unasked", (FOOTER,), (0, 0, 1)),
        ("machinery", (REPLY,), (0, 0, 1)),
    ],
)
def test_levels(what: str, arguments: tuple[Any, ...], counts: tuple[int, ...]) -> None:
    assert tuple(shown(level, what, *arguments) for level in LEVELS) == counts


def test_by_hand_the_stream_itself_is_seen() -> None:
    assert shown("normal", "unasked", FOOTER, by_hand=True) == 1
    assert shown("normal", "machinery", REPLY, by_hand=True) == 1
    assert shown("normal", "past", MESSAGE, by_hand=True) == 1


def test_what_is_on_the_screen_already_is_not_repeated() -> None:
    assert shown("loud", "typed", MESSAGE, echo=False) == 0


def test_a_filter_takes_from_what_comes_unasked_alone() -> None:
    house = House()
    display = Display(house.screen, echo=True)
    display.wanted = compile_filter(["kind:presence"])
    display.level = "loud"
    display.unasked(MESSAGE)
    display.machinery(REPLY)
    assert house.shown == []
    display.answer(REPLY, Sent(1, MESSAGE, 0.0))
    display.typed(MESSAGE)
    display.unasked(frame("<presence id='p'/>"))
    assert house.ids == ["r", "m", "p"]


@pytest.mark.parametrize(
    ("seconds", "between", "text"),
    [
        (0.0123, 0, "answers after 12.3 ms"),
        (2.5, 0, "answers after 2.50 s"),
        (-1.0, 0, "answers after 0.0 ms"),
        (0.01, 1, "answers [7] after 10.0 ms"),
    ],
)
def test_what_is_said_of_an_answer(seconds: float, between: int, text: str) -> None:
    house = House()
    display = Display(house.screen, echo=False)
    entry = Sent(7, MESSAGE, 100.0)
    reply = Frame(REPLY.raw, REPLY.names, attributes=REPLY.attributes, time=100.0 + seconds)
    entry.answer = reply
    display.unasked(MESSAGE)
    display.typed(MESSAGE)
    for _ in range(between):
        display.unasked(MESSAGE)
    display.answer(reply, entry)
    note = house.shown[-1][1]
    assert note is not None
    assert (note.text, note.record["answers"], note.record["rtt"]) == (text, 7, round(max(seconds, 0), 6))


def test_a_bounce_says_of_what() -> None:
    house = House()
    Display(house.screen, echo=False).answer(frame("<message type='error'/>"), Sent(3, MESSAGE, 0.0))
    note = house.shown[0][1]
    assert note is not None and note.text == "bounce of [3]"


def test_events_are_always_shown() -> None:
    house = House()
    display = Display(house.screen, echo=False)
    display.level = "quiet"
    display.event(Event("offline", 0.0, "gone"))
    assert [event.name for event in house.events] == ["offline"]
