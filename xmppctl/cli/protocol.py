"""The man page of the daemon's protocol: `session.local`'s docstring, where it is written down, as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from xmppctl.cli.blocks import Block, Lines, Terms, Text

#: A paragraph's first words, where they are its heading: `The end. The daemon closes ...`.
_HEADING: Final = re.compile(r"((?:The )?[A-Z]?[a-z]+(?: [a-z]+)?)\. (?=[A-Z`])")
#: A request and what it does, two spaces or more between them; lines that go on are indented deeper.
_REQUEST: Final = re.compile(r"  ([gs]et `<.*?>`) +(\S.*)\Z")


class Section(NamedTuple):
    """A part of the page."""

    title: str
    blocks: list[Block]


def summary() -> str:
    """What the page is about, in one line."""
    title = _docstring().partition("\n")[0].rstrip(".").partition(": ")[2]
    return title[0].lower() + title[1:]


def sections() -> list[Section]:
    """The page's parts, in their order."""
    made = [Section("description", [])]
    # The last paragraph is for readers of the code.
    for paragraph in _docstring().strip("\n").split("\n\n")[1:-1]:
        heading = _HEADING.match(paragraph)
        if heading:
            made.append(Section(heading.group(1), []))
            paragraph = paragraph[heading.end() :]
        made[-1].blocks.append(_block(paragraph))
    return made


def _block(paragraph: str) -> Block:
    if _REQUEST.match(paragraph.partition("\n")[0]):
        return Terms(tuple(_requests(paragraph)))
    if paragraph.startswith(" "):
        return Lines("\n".join(line.removeprefix("    ") for line in paragraph.split("\n")))
    return Text(_unquoted(paragraph))


def _requests(paragraph: str) -> Iterator[tuple[str, str]]:
    row: list[str] = []
    for line in paragraph.split("\n"):
        found = _REQUEST.match(line)
        if found and row:
            yield row[0], _unquoted(" ".join(row[1:]))
        row = [_unquoted(found.group(1)), found.group(2)] if found else [*row, line.strip()]
    yield row[0], _unquoted(" ".join(row[1:]))


def _unquoted(text: str) -> str:
    """Without the backticks that mark code; a single word is quoted, or the sentence around it would not read."""
    return re.sub(r"`([a-z]+)`", r'"\1"', text).replace("`", "")


def _docstring() -> str:
    from xmppctl.session import local

    assert local.__doc__
    return local.__doc__
