"""Blocks on a terminal: paragraphs folded, examples as they are."""

from __future__ import annotations

from xmppctl.cli.blocks import Heading, Lines, Page, Terms, Text, to_terminal


def test_text_is_folded_and_examples_are_not():
    long = "word " * 30
    shown = to_terminal([Text(long), Lines(long + "\n\n  x")], 50)
    paragraph, example = shown.split("\n\n", 1)
    assert max(map(len, paragraph.splitlines())) <= 50 and paragraph.split() == long.split()
    assert example == f"  {long.rstrip()}\n\n    x\n"


def test_blocks_stand_apart_by_an_empty_line():
    shown = to_terminal([Heading("H"), Terms((("a", "b"),)), Page("P\n")], 60)
    assert shown == "H\n\n  a  b\n\nP\n"
