"""The sanitiser."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.output.safe import block, safe


def test_ordinary_text_is_returned_as_it_is() -> None:
    for text in (
        "",
        "plain",
        "Größe naïve",
        "日本語",
        "שלום",
        "مرحبا",
        "❤️ ☎︎ 1️⃣",
        "e\u0301",
        "[bold]",
        "a\\nb",
    ):
        assert safe(text) is text or safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]52;c;cm0gLXJm\x07", r"\x1b]52;c;cm0gLXJm\x07"),
        (
            "\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\",
            r"\x1b]8;;https://evil.example\x1b\x\x1b]8;;\x1b" + "\\",
        ),
        ("\x9b31m", r"\x9b31m"),
        ("a\x7fb\x00c", r"a\x7fb\x00c"),
        ("one\ntwo\r\nthree\tfour", r"one\ntwo\r\nthree\tfour"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("ad\u200bmin\u200d\u2060\ufeff", r"ad\u200bmin\u200d\u2060\ufeff"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("so\xadft", r"so\xadft"),
        ("\U000e0041", r"\U000e0041"),
        ("\U000e0100", r"\U000e0100"),
        ("\ud800", r"\ud800"),
        ("\ufdd0\uffff\U0001ffff", r"\ufdd0\uffff\U0001ffff"),
        ("a\ufe0f", r"a\ufe0f"),
        ("❤️\ufe0f", "❤️\\ufe0f"),
        ("👨\u200d👩", "👨\\u200d👩"),
    ],
)
def test_hostile_text_is_made_visible(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_no_control_format_or_separator_character_passes(
    unsafe_characters: Callable[[str], list[str]],
) -> None:
    for code in range(sys.maxunicode + 1):
        assert not unsafe_characters(safe(chr(code))), hex(code)
    assert "\n" not in safe("\n")


#: Letters and marks, as Unicode has it, that show nothing.
FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"


@pytest.mark.parametrize("char", FILLERS + "\ufe00\ufe0d\U000e01ef\U00013430")
def test_what_shows_nothing_is_made_visible(char: str) -> None:
    assert safe(f"a{char}b") == "a" + char.encode("ascii", "backslashreplace").decode() + "b"


def test_letters_marks_and_symbols_of_every_script_pass() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
        egyptian = 0x13430 <= code <= 0x13440  # joins hieroglyphs, is not seen itself
        if unicodedata.category(char)[0] in "LMNPS" and char not in FILLERS and not selector and not egyptian:
            assert safe(char) == char, hex(code)


def test_kept_line_breaks_can_be_indented_and_nothing_else_breaks_a_line() -> None:
    assert safe("a\nb\tc\rd", newlines="keep") == "a\nb       c\\rd"
    assert block("a\nforged: record\x85x", "  ") == "a\n  forged: record\\x85x"


def test_a_limit_cuts_and_says_so() -> None:
    assert safe("abcdef", limit=6) == "abcdef"
    assert safe("abcdefg", limit=6) == "abcdef…"


@given(st.text())
def test_one_line_stays_one_line(text: str) -> None:
    assert len(safe(text).splitlines()) <= 1
    assert len(safe(text, newlines="keep").splitlines()) <= text.count("\n") + 1
