"""A stream in numbers, for people and for programs, and on a terminal while it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final, cast

from xmppctl.errors import OutputClosed, OutputFailed
from xmppctl.output.palette import COLORS, PLAIN, Palette
from xmppctl.output.sink import Sink
from xmppctl.output.table import table
from xmppctl.output.wrap import cells, fold
from xmppctl.stanza.namespaces import spec_of, xep_of
from xmppctl.stanza.statistics import Asked, Spread, Statistics, Summary

if TYPE_CHECKING:
    from rich.live import Live as RichLive

_ROWS: Final = 10
#: How many rows a table has on a terminal, the first for which all tables find room. With fewer none tells anything:
#: then the last tables have to wait for the end.
_FEWER_ROWS: Final = (10, 7, 5, 4, 3)
_REDRAW_SECONDS: Final = 0.5
_NOTHING: Final = "-"
_SERVER: Final = "(server)"
_FATES: Final = {"timeout": "not in time", "unanswered": "no reply"}


def text(
    summary: Summary,
    palette: Palette = PLAIN,
    *,
    width: int | None = None,
    encodable: Callable[[str], str] = str,
    rows: int = _ROWS,
) -> str:
    """The summary as lines and tables of at most so many `rows`. What comes from the network is made safe here.

    `width` in cells folds lines and cuts cells of tables; `encodable` turns text into what the stream's encoding holds.
    """
    ellipsis = "…" if encodable("…") == "…" else "..."

    def made(columns: Sequence[str], lines: Sequence[Sequence[object]], numbers: Sequence[int]) -> str:
        # Saying that there is one more takes as much room as the one.
        room = rows if len(lines) > rows + 1 else rows + 1
        shown = _aligned(columns, [list(line) for line in lines[:room]], numbers)
        if len(lines) > room:
            shown.append([f"({len(lines) - room:,} more)", *[""] * (len(columns) - 1)])
        heads = [
            name.rjust(max((cells(str(line[at])) for line in shown[:room]), default=0))
            if at in numbers
            else name
            for at, name in enumerate(columns)
        ]
        return table(heads, shown, palette=palette, width=width, ellipsis=ellipsis, encodable=encodable)

    head = _head(summary, palette)
    parts = [
        "".join((line if width is None else fold(line, width, indent="", hang="  ")) + "\n" for line in head)
    ]
    parts += [made(*each) for each in _tables(summary)]
    return "\n".join(filter(None, parts))


def record(summary: Summary) -> dict[str, Any]:
    """The summary as a record; `schema` and `time` are added by the renderer.

    `{"event":"stats","seconds":…,"stanzas":{"in":…,"out":…},"bytes":{"in":…,"out":…},"rate":…,"lost":…,
    "sizes":{"min":…,"p50":…,"p90":…,"p99":…,"max":…},"kinds":[{"kind":…,"stanzas":…,"bytes":…}],
    "namespaces":[{"namespace":…,"stanzas":…,"xep":…}],"peers":[{"peer":…,"in":…,"out":…,"bytes":…}],
    "errors":[{"condition":…,"stanzas":…}],"iq":{"min":…,"p50":…,"p90":…,"p99":…,"max":…,"answered":…,"timeouts":…,
    "unanswered":…,"orphans":…},"slowest":[REQUEST],"silent":[REQUEST]}`, where a REQUEST is
    `{"seconds":…,"peer":…,"namespace":…,"name":…,"id":…,"fate":…}`.

    Times are seconds, sizes bytes, `rate` stanzas a second. Arrays have the largest first; `(others)`, the last row of
    one that is full, stands for all that found no room. The peer of the server itself is empty. Absent values are left
    out, as are the spreads of nothing.
    """
    return {
        "event": "stats",
        "seconds": round(summary.span, 3),
        "stanzas": dict(summary.stanzas),
        "bytes": dict(summary.bytes),
        "rate": round(summary.rate, 3),
        "lost": summary.lost,
        "sizes": _spread_record(summary.sizes, 0),
        "kinds": [{"kind": kind, "stanzas": count, "bytes": size} for kind, count, size in summary.kinds],
        "namespaces": [
            {"namespace": name, "stanzas": count} | ({"xep": xep} if (xep := xep_of(name)) else {})
            for name, count in summary.namespaces
        ],
        "peers": [
            {"peer": peer, "in": came, "out": went, "bytes": size} for peer, came, went, size in summary.peers
        ],
        "errors": [{"condition": name, "stanzas": count} for name, count in summary.errors],
        "iq": {**_spread_record(summary.trips, 6), **_fates(summary)},
        "slowest": [_asked_record(asked) for asked in summary.slowest],
        "silent": [_asked_record(asked) for asked in summary.silent],
    }


class Live:
    """The numbers on a terminal, brought up to date in place until `close`, which takes them away again.

    Raises OutputClosed and OutputFailed as a `Sink` does, but not from `close`.
    """

    def __init__(self, stream: IO[str], *, colored: bool = True) -> None:
        from rich.console import Console

        self._stream = stream
        self._sink = Sink(stream)
        self._palette = COLORS if colored else PLAIN
        self._console = Console(
            file=cast("IO[str]", _File(self._sink)),
            force_terminal=True,
            color_system="standard",
            no_color=not colored,
            highlight=False,
            legacy_windows=False,
        )
        self._live: RichLive | None = None
        self._size = self._terminal()
        self._drawn = -_REDRAW_SECONDS
        self._begin()

    def update(self, statistics: Statistics) -> None:
        """Show what was counted, unless that was done a moment ago."""
        now = monotonic()
        if self._live is None or now - self._drawn < _REDRAW_SECONDS:
            return
        from rich.text import Text

        self._drawn = now
        size = self._terminal()
        if size != self._size:
            # The terminal has laid out anew what stood there: nobody knows how many lines it takes now.
            self._size = size
            self._end()
            self._console.clear()
            self._begin()
        shown = self._fitting(statistics.snapshot(), *size)
        self._live.update(Text.from_ansi(shown, no_wrap=True, overflow="crop"), refresh=True)

    def close(self) -> None:
        """Give the terminal back as it was."""
        with suppress(OutputClosed, OutputFailed):  # whoever writes next is told
            self._end()

    def _begin(self) -> None:
        from rich.live import Live as RichLive

        self._console.size = self._size
        self._live = RichLive(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _end(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.update("")  # it draws once more when it stops
            live.stop()

    def _fitting(self, summary: Summary, width: int, height: int) -> str:
        """The text with as many rows a table as leave room for all of them, cut off where the terminal ends."""
        lines: list[str] = []
        for rows in _FEWER_ROWS:
            shown = text(summary, self._palette, width=width, encodable=self._sink.encodable, rows=rows)
            lines = shown.splitlines()
            if len(lines) <= height:
                break
        return "\n".join(lines[:height])

    def _terminal(self) -> tuple[int, int]:
        """Its width and height in cells."""
        try:
            width, height = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):  # only pretends to be one
            width = height = 0
        return width or 80, height or 24


class _File:
    """A sink as the file that rich writes to: what the encoding cannot hold is escaped, failures are our errors."""

    def __init__(self, sink: Sink) -> None:
        self.write = sink.write
        self.encoding = sink.encoding

    def flush(self) -> None:
        """Everything is flushed already."""


def _head(summary: Summary, palette: Palette) -> list[str]:
    """What stands above the tables."""
    total = sum(summary.stanzas.values())
    bold, reset = palette.bold, palette.reset
    lines = [
        f"{bold}{total:,} stanzas{reset} in {summary.span:,.1f} s: {bold}{summary.rate:,.1f}{reset} a second, "
        f"{summary.recent:,.1f} at the end",
        f"in {summary.stanzas['in']:,} ({_bytes(summary.bytes['in'])}), "
        f"out {summary.stanzas['out']:,} ({_bytes(summary.bytes['out'])})",
    ]
    said = {
        "answered": "answered",
        "timeouts": "not answered in time",
        "unanswered": "not answered",
        "orphans": "replies to nothing",
    }
    iqs = [f"{count:,} {said[fate]}" for fate, count in _fates(summary).items() if count]
    if iqs:
        lines.append(f"iqs: {', '.join(iqs)}")
    if summary.lost:
        lines.append(f"{palette.error}{summary.lost:,} lost on the way here{reset}")
    return lines


def _tables(summary: Summary) -> list[tuple[list[str], list[tuple[object, ...]], tuple[int, ...]]]:
    """Each table as its columns, its rows, and which of the columns are numbers."""
    total = sum(summary.stanzas.values())
    spreads: list[tuple[object, ...]] = [
        (name, *map(shown, spread[1:]))
        for name, spread, shown in (
            ("size", summary.sizes, _bytes),
            ("iq round trip", summary.trips, _seconds),
        )
        if spread.number
    ]
    return [
        (["", "min", "median", "90%", "99%", "max"], spreads, (1, 2, 3, 4, 5)),
        (
            ["kind", "stanzas", "share", "bytes"],
            [(kind, f"{count:,}", _share(count, total), f"{size:,}") for kind, count, size in summary.kinds],
            (1, 2, 3),
        ),
        (
            ["namespace", "stanzas", "defined by"],
            [(name, f"{count:,}", _spec(name)) for name, count in summary.namespaces],
            (1,),
        ),
        (
            ["peer", "in", "out", "bytes"],
            [
                (peer or _SERVER, f"{came:,}", f"{went:,}", f"{size:,}")
                for peer, came, went, size in summary.peers
            ],
            (1, 2, 3),
        ),
        (["error", "stanzas"], [(name, f"{count:,}") for name, count in summary.errors], (1,)),
        (["slowest", "peer", "request", "id"], [_asked_row(asked) for asked in summary.slowest], (0,)),
        (["unanswered", "peer", "request", "id"], [_asked_row(asked) for asked in summary.silent], ()),
    ]


def _aligned(columns: Sequence[str], rows: list[list[object]], numbers: Sequence[int]) -> list[list[object]]:
    """The rows with their numbers set right."""
    for at in numbers:
        width = max([cells(columns[at]), *(cells(str(row[at])) for row in rows)])
        for row in rows:
            row[at] = str(row[at]).rjust(width)
    return rows


def _fates(summary: Summary) -> dict[str, int]:
    fates: Mapping[str, int] = summary.fates
    return {
        "answered": fates.get("answered", 0),
        "timeouts": fates.get("timeout", 0),
        "unanswered": fates.get("unanswered", 0),
        "orphans": fates.get("orphan", 0),
    }


def _spread_record(spread: Spread, digits: int) -> dict[str, float]:
    if not spread.number:
        return {}
    values = {
        "min": spread.least,
        "p50": spread.median,
        "p90": spread.p90,
        "p99": spread.p99,
        "max": spread.most,
    }
    return {name: round(value, digits) if digits else round(value) for name, value in values.items()}


def _asked_row(asked: Asked) -> tuple[object, ...]:
    took = _FATES.get(asked.fate, asked.fate) if asked.seconds is None else _seconds(asked.seconds)
    return took, asked.peer or _SERVER, f"{asked.name} {asked.namespace}".strip(), asked.id


def _asked_record(asked: Asked) -> dict[str, Any]:
    rounded = None if asked.seconds is None else round(asked.seconds, 6)
    found = asked._replace(seconds=rounded)._asdict()
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _spec(namespace: str) -> str:
    spec = spec_of(namespace)
    return f"{spec.number} {spec.title}" if spec else _NOTHING


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else ""


def _bytes(size: float) -> str:
    if size < 10_000:
        return f"{size:,.0f} B"
    return f"{size / 1000:,.1f} kB" if size < 10_000_000 else f"{size / 1_000_000:,.1f} MB"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds < 10 else f"{seconds:,.1f} s"
