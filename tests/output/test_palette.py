"""Colours are SGR sequences and nothing else, and without colour there are none."""

from __future__ import annotations

import re

from xmppctl.output.palette import COLORS, PLAIN


def test_without_colour_no_role_writes_anything() -> None:
    assert set(PLAIN) == {""}
    assert not PLAIN.colored


def test_every_role_is_one_sgr_sequence_of_the_sixteen_colours() -> None:
    assert COLORS.colored
    for role in COLORS:
        assert re.fullmatch(r"\x1b\[(?:[0-2]|[0-2];)?(?:3[0-7])?m", role), role


def test_the_reset_ends_them_all() -> None:
    assert COLORS.reset == "\x1b[0m"
    assert len(set(COLORS) - {COLORS.reset}) > 5
