"""The gaps of a template while its text is edited: where each is now, and which comes next. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """`gaps` are (begin, end) in `text`, in the order in which they are gone through."""

    def __init__(self, text: str, gaps: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._gaps = list(gaps)
        self._next = 0

    def __bool__(self) -> bool:
        return self._next < len(self._gaps)

    def edited(self, text: str) -> None:
        """The text has become this one, by one change of one place."""
        old, self._text = self._text, text
        if old == text:
            return
        begin = _alike(old, text)
        longest = min(len(old), len(text)) - begin
        same = _alike(old[::-1][:longest], text[::-1][:longest])
        end, delta = len(old) - same, len(text) - len(old)
        self._gaps = [
            (
                _moved(gap_begin, begin, end, delta, grows=False),
                _moved(gap_end, begin, end, delta, grows=True),
            )
            for gap_begin, gap_end in self._gaps
        ]

    def next(self) -> tuple[int, int] | None:
        """The next gap; None behind the last one."""
        if not self:
            return None
        self._next += 1
        return self._gaps[self._next - 1]


def _alike(one: str, other: str) -> int:
    """With how many characters they begin alike. A key is waited for: no loop over them."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _moved(place: int, begin: int, end: int, delta: int, *, grows: bool) -> int:
    """Where a place is after what was from `begin` to `end` has become `delta` longer.

    What is put in at an end of a gap belongs to it.
    """
    if place > end or (place == end and (grows or place > begin)):
        return place + delta
    return min(place, end + delta) if place > begin else place
