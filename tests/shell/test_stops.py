"""Gaps of a template while it is edited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.shell.stops import Stops

TEXT = "<a to='' b='x'>body</a>"
GAPS = [(7, 7), (12, 13), (15, 19)]


def gone_through(stops: Stops) -> list[tuple[int, int]]:
    found = []
    while (gap := stops.next()) is not None:
        found.append(gap)
    return found


def test_they_are_gone_through_in_order_and_once():
    stops = Stops(TEXT, GAPS)
    assert stops
    assert gone_through(stops) == GAPS
    assert not stops
    assert stops.next() is None
    assert not Stops("", [])


@pytest.mark.parametrize(
    ("edited", "gaps"),
    [
        ("<a to='juliet' b='x'>body</a>", ["juliet", "x", "body"]),  # into an empty gap
        ("<a to='' b='xyz'>body</a>", ["", "xyz", "body"]),  # behind what is in a gap
        ("<a to='' b='wx'>body</a>", ["", "wx", "body"]),  # before it
        ("<a to='' b=''>body</a>", ["", "", "body"]),  # away with it
        ("<a to='' b='z'>body</a>", ["", "z", "body"]),  # another in its place
        ("<aa to='' b='x'>body</a>", ["", "x", "body"]),  # before all
        ("<a to='' b='x'>body</a>!", ["", "x", "body"]),  # behind all
        (TEXT, ["", "x", "body"]),
        ("", ["", "", ""]),
    ],
)
def test_an_edit_moves_them(edited, gaps):
    stops = Stops(TEXT, GAPS)
    stops.edited(edited)
    assert [edited[begin:end] for begin, end in gone_through(stops)] == gaps


def test_text_is_typed_letter_by_letter_into_each():
    stops, text = Stops(TEXT, GAPS), TEXT
    for _ in GAPS:
        begin, end = stops.next()
        text = text[:begin] + text[end:]  # what is selected goes with the first letter
        stops.edited(text)
        for at, letter in enumerate("new", begin):
            text = text[:at] + letter + text[at:]
            stops.edited(text)
    assert text == "<a to='new' b='new'>new</a>"


@given(
    st.lists(st.text("ab", max_size=4), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4), st.text("abc", max_size=4)), max_size=8),
)
def test_what_is_around_gaps_stays_around_them(gaps, edits):
    """Marks that no edit touches: each gap stays between its own."""
    text, places = "", []
    for number, gap in enumerate(gaps):
        text += f"{number}["
        places.append((len(text), len(text) + len(gap)))
        text += gap + f"]{number}"
    stops = Stops(text, places)
    for at, length, new in edits:
        at = min(at, len(text))
        cut = text[at : at + length]
        length = next((n for n, char in enumerate(cut) if char not in "abc"), len(cut))
        # Between the marks of two gaps nothing is put in, lest it be a change that can be seen in two ways.
        if text[at - 1 : at] in "[abc" and at:
            text = text[:at] + new + text[at + length :]
            stops.edited(text)
    for number, (begin, end) in enumerate(gone_through(stops)):
        assert text[:begin].endswith(f"{number}["), (text, begin, end)
        assert text[end:].startswith(f"]{number}"), (text, begin, end)
