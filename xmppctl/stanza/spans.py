"""Parts of a frame's bytes replaced by something else, all others left as they are. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Where a part begins and ends, and what is put there.
Edit = tuple[int, int, bytes]

#: Nothing, or what `marker` gives: there is nothing to take out any more.
MARKED: Final = rb"(?:\[redacted:\d+\])?"


def marker(size: int) -> bytes:
    """What stands for something that was taken out: only how many bytes it had."""
    return b"[redacted:%d]" % size


def replaced(raw: bytes, edits: Iterable[Edit]) -> bytes:
    """`raw` with each part replaced; of parts within each other only the outermost."""
    parts: list[bytes] = []
    done = 0
    for begin, end, new in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
        if begin < done:
            continue
        parts += [raw[done:begin], new]
        done = end
    parts.append(raw[done:])
    return b"".join(parts)
