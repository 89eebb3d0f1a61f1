"""Lists for human eyes: columns aligned by terminal cells, wide and combining characters counted rightly. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from xmppctl.output.palette import PLAIN, Palette
from xmppctl.output.safe import safe
from xmppctl.output.wrap import cells, cut, pad

_GAP: Final = "  "
_NARROWEST: Final = 8


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    palette: Palette = PLAIN,
    width: int | None = None,
    ellipsis: str = "…",
    encodable: Callable[[str], str] = str,
) -> str:
    """The rows below their column names, a line each; nothing at all where there are no rows.

    Every cell passes the sanitiser here. With a `width` the widest columns are cut until the lines fit; without one
    nothing is cut. `encodable` turns a cell into what the stream's encoding can hold, before it is measured.
    """
    if not rows:
        return ""
    head = [name.upper() for name in columns]
    body = [[encodable(cell_text(cell)) for cell in row] for row in rows]
    widths = [max(cells(row[index]) for row in [head, *body]) for index in range(len(head))]
    if width is not None:
        widths = _fit(widths, width)
    lines = [f"{palette.bold}{_row(head, widths, ellipsis)}{palette.reset}"]
    lines.extend(_row(row, widths, ellipsis) for row in body)
    return "\n".join(lines) + "\n"


def cell_text(value: object) -> str:
    """A value as one line of safe text: nothing for None, words for truth, lists with commas."""
    if isinstance(value, str):
        return safe(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(cell_text(part) for part in value)
    return safe(str(value))


def _row(row: Sequence[str], widths: Sequence[int], ellipsis: str) -> str:
    shown = [cut(cell, width, ellipsis=ellipsis) for cell, width in zip(row, widths, strict=True)]
    padded = [pad(cell, width) for cell, width in zip(shown, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def _fit(widths: list[int], width: int) -> list[int]:
    """Take cells from the widest columns until the row fits; none gets narrower than a few cells."""
    fitted = list(widths)
    excess = sum(fitted) + len(_GAP) * (len(fitted) - 1) - width
    while excess > 0:
        widest = max(range(len(fitted)), key=fitted.__getitem__)
        if fitted[widest] <= _NARROWEST:
            break
        fitted[widest] -= 1
        excess -= 1
    return fitted
