"""Widths, cutting and folding by terminal cells."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from xmppctl.output.wrap import cells, crop, cut, fold, pad

RED, RESET = "\x1b[31m", "\x1b[0m"


def test_wide_characters_take_two_cells_and_marks_none() -> None:
    assert [cells(text) for text in ("abc", "日本", "e\u0301", "שלום", "")] == [3, 4, 1, 4, 0]
    assert pad("日本", 6) == "日本  "


def test_cutting_never_exceeds_the_width() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
    assert cut("日本語", 4) == "日…"
    assert cut("abcdefg", 6, ellipsis="...") == "abc..."
    assert cut("abcdefg", 2, ellipsis="...") == ".."
    assert cut("ae\u0301bcd", 3) == "ae\u0301…"


def test_a_line_breaks_behind_spaces_and_hangs() -> None:
    assert fold("one two three four five", 12, indent="", hang="  ") == "one two \n  three \n  four five"
    assert (
        fold("x" * 30, 12, indent=" ", hang="   ")
        == " " + "x" * 11 + "\n   " + "x" * 9 + "\n   " + "x" * 9 + "\n   x"
    )
    assert fold("short", 12, indent="  ", hang="    ") == "  short"


def test_colors_end_before_the_margin_and_go_on_behind_it() -> None:
    folded = fold(f"{RED}{'x' * 20}{RESET}y", 12, indent="", hang="  ")
    assert folded == f"{RED}{'x' * 12}{RESET}\n  {RED}{'x' * 8}{RESET}y"


def test_cropping_ends_the_color() -> None:
    assert crop(f"ab{RED}cdef{RESET}", 5) == f"ab{RED}cd{RESET}…"
    assert crop(f"ab{RED}c{RESET}", 3) == f"ab{RED}c{RESET}"


LETTERS = st.text(st.sampled_from("ab cd日本שלe\u0301é😀 "), max_size=80)


@given(parts=st.lists(st.tuples(st.sampled_from(["", RED]), LETTERS), max_size=6), width=st.integers(14, 40))
def test_folding_loses_nothing_and_fits(parts: list[tuple[str, str]], width: int) -> None:
    line = "".join(f"{color}{text}{RESET if color else ''}" for color, text in parts)
    plain = re.sub("\x1b\\[[0-9;]*m", "", line)
    folded = re.sub("\x1b\\[[0-9;]*m", "", fold(line, width, indent="  ", hang="    "))
    rows = folded.split("\n")
    assert rows[0].startswith("  ") and all(row.startswith("    ") for row in rows[1:])
    assert rows[0][2:] + "".join(row[4:] for row in rows[1:]) == plain
    for row in rows:
        assert wcswidth(row) <= width, row
    assert wcswidth(re.sub("\x1b\\[[0-9;]*m", "", crop(line, width))) <= width


@pytest.mark.timeout(20)
def test_a_long_line_takes_time_in_proportion() -> None:
    for unit in ("x", "日", "a ", "e" + "\u0301" * 20, f"{RED}x{RESET}"):
        line = unit * 60_000
        assert fold(line, 80, indent="", hang="  ").count("\n") > 100
