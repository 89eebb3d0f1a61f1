"""Cells of a terminal: how wide text is, cutting it, folding lines. Text has passed the sanitiser before. Sans-IO.

Lines may hold the SGR sequences of `palette`, and no other escape. Wide characters count two cells, combining ones
none; the table is rich's, loaded when the first text that is not ASCII is measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

RESET: Final = "\x1b[0m"
_SGR: Final = re.compile("\x1b\\[[0-9;]*m")


def cells(text: str) -> int:
    """How many cells `text`, which holds no SGR sequence, takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


@lru_cache(maxsize=4096)
def _width(char: str) -> int:
    return cells(char)


def cut(text: str, width: int, *, ellipsis: str = "…") -> str:
    """`text`, shortened to `width` cells with an ellipsis at its end where it is longer. No SGR sequences in it."""
    if cells(text) <= width:
        return text
    room = width - len(ellipsis)
    return text[: _fitting(text, 0, room)] + ellipsis if room > 0 else ellipsis[:width]


def crop(line: str, width: int, *, ellipsis: str = "…") -> str:
    """As `cut`, for a line that may hold SGR sequences."""
    plain = _SGR.sub("", line)
    if cells(plain) <= width:
        return line
    end = _fitting(plain, 0, max(width - len(ellipsis), 1))
    return _break_at(line, [end], "\0").partition("\0")[0] + ellipsis


def pad(text: str, width: int) -> str:
    """`text` with spaces up to `width` cells."""
    return text + " " * (width - cells(text))


def fold(line: str, width: int, *, indent: str, hang: str) -> str:
    """`line` over as many rows of `width` cells as it needs: the first begins with `indent`, the others with `hang`.

    It breaks behind a space where one stands in the second half of the row, else anywhere between two characters.
    """
    if "\x1b" not in line and len(line) + len(indent) <= width and line.isascii():
        return indent + line
    plain = _SGR.sub("", line)
    room = width - len(hang)
    if room < 8:  # no terminal for humans; its own wrapping does as well
        return indent + line
    if cells(plain) + len(indent) <= width:
        return indent + line
    breaks = list(_breaks(plain, width - len(indent), room))
    return indent + _break_at(line, breaks, "\n" + hang)


def _breaks(text: str, first: int, room: int) -> Iterator[int]:
    """The offsets in `text` before which a row ends."""
    start, width = 0, max(first, 1)
    while True:
        end = _fitting(text, start, width)
        if end >= len(text):
            return
        space = text.rfind(" ", start + (end - start) // 2, end)
        start = space + 1 if space >= 0 else end
        yield start
        width = room


def _fitting(text: str, start: int, width: int) -> int:
    """The end of the longest piece of `text` from `start` that fits `width` cells; at least one character."""
    piece = text[start : start + width]
    if piece.isascii() and text[start + width : start + width + 1].isascii():
        return start + max(len(piece), 1)
    end, used = start, 0
    while end < len(text):
        stop = end + 1
        while stop < len(text) and _width(text[stop]) == 0:
            stop += 1  # a combining mark stays with its letter
        used += _width(text[end]) if stop == end + 1 else cells(text[end:stop])
        if used > width and end > start:
            break
        end = stop
    return end


def _break_at(line: str, breaks: list[int], gap: str) -> str:
    """Put `gap` before each offset (counted without SGR sequences), so that no colour runs into the margin."""
    parts: list[str] = []
    active = ""
    offset = position = 0
    waiting = iter(breaks)
    following = next(waiting, -1)
    while position < len(line):
        sgr = _SGR.match(line, position)
        if sgr:
            active = "" if sgr.group() == RESET else sgr.group()
            parts.append(sgr.group())
            position = sgr.end()
            continue
        escape = line.find("\x1b", position)
        end = len(line) if escape < 0 else escape
        while following >= 0 and following - offset < end - position:
            count = following - offset
            parts.append(line[position : position + count])
            parts.append(f"{RESET}{gap}{active}" if active else gap)
            position, offset = position + count, following
            following = next(waiting, -1)
        parts.append(line[position:end])
        offset += end - position
        position = end
    return "".join(parts)
