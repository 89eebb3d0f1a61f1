"""Paragraphs, terms and examples: what help topics are made of, for the terminal here and for man pages in `roff`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import click


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Heading(NamedTuple):
    """The heading of what follows."""

    text: str


class Terms(NamedTuple):
    """Words and what they mean."""

    rows: tuple[tuple[str, str], ...]


class Lines(NamedTuple):
    """Text whose line breaks and spaces stay: an example, a file."""

    text: str


class Page(NamedTuple):
    """Text that is laid out already, its headings lines of capital letters."""

    text: str


Block = Text | Heading | Terms | Lines | Page


def to_terminal(blocks: Iterable[Block], width: int) -> str:
    """The blocks as text at most `width` columns wide, but for `Lines` and `Page`."""
    formatter = click.HelpFormatter(width=width)
    for block in blocks:
        if formatter.buffer:
            formatter.write("\n")
        match block:
            case Text(text):
                formatter.write_text(text)
            case Heading(text):
                formatter.write(f"{text}\n")
            case Terms(rows):
                formatter.indent()
                formatter.write_dl(rows, col_max=26)
                formatter.dedent()
            case Page(text):
                formatter.write(text)
            case Lines(text):
                formatter.write("".join(f"  {line}".rstrip() + "\n" for line in text.splitlines()))
    return formatter.getvalue()
