"""A stream in numbers, for people and for programs, and on a terminal while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final

from xmppctl.output.palette import COLORS, PLAIN, Palette
from xmppctl.output.table import table
from xmppctl.output.wrap import cells, fold
from xmppctl.stanza.namespaces import xep_of
from xmppctl.stanza.statistics import Slow, Spread, Statistics, Summary

if TYPE_CHECKING:
    from rich.live import Live as RichLive

_ROWS: Final = 10
_REDRAW_SECONDS: Final = 0.5
_NOTHING: Final = "-"


def text(
    summary: Summary,
    palette: Palette = PLAIN,
    *,
    width: int | None = None,
    encodable: Callable[[str], str] = str,
    rows: int = _ROWS,
) -> str:
    """The summary as lines and tables of at most so many `rows`. What comes from the network is made safe here."""

    def made(columns: Sequence[str], lines: Sequence[Sequence[object]], numbers: Sequence[int]) -> str:
        more = len(lines) - rows
        shown = _aligned(columns, [list(line) for line in lines[:rows]], numbers)
        if more > 0:
            shown.append([f"({more:,} more)", *[""] * (len(columns) - 1)])
        heads = [
            name.rjust(max((cells(str(line[at])) for line in shown[:rows]), default=0))
            if at in numbers
            else name
            for at, name in enumerate(columns)
        ]
        return table(heads, shown, palette=palette, width=width, encodable=encodable)

    head = _head(summary, palette)
    parts = [
        "".join((line if width is None else fold(line, width, indent="", hang="  ")) + "\n" for line in head)
    ]
    total = sum(summary.stanzas.values())
    parts.append(
        made(
            ["kind", "stanzas", "share", "bytes"],
            [(kind, f"{count:,}", _share(count, total), f"{size:,}") for kind, count, size in summary.kinds],
            (1, 2, 3),
        )
    )
    parts.append(
        made(
            ["namespace", "stanzas", "xep"],
            [(name, f"{count:,}", xep_of(name) or _NOTHING) for name, count in summary.namespaces],
            (1,),
        )
    )
    parts.append(
        made(
            ["peer", "in", "out", "bytes"],
            [(peer or "(server)", f"{i:,}", f"{o:,}", f"{size:,}") for peer, i, o, size in summary.peers],
            (1, 2, 3),
        )
    )
    parts.append(made(["error", "stanzas"], [(name, f"{count:,}") for name, count in summary.errors], (1,)))
    parts.append(
        made(["slowest", "peer", "namespace", "id"], [_slow_row(slow) for slow in summary.slowest], (0,))
    )
    return "\n".join(filter(None, parts))


def record(summary: Summary) -> dict[str, Any]:
    """The summary as a record: seconds and bytes as numbers, each table as an array of objects, the largest first."""
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
        "slowest": [_slow_record(slow) for slow in summary.slowest],
    }


class Live:
    """The numbers on a terminal, brought up to date in place until `close`, which takes them away again."""

    def __init__(self, stream: IO[str], *, colored: bool = True) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        console = Console(file=stream, force_terminal=True, highlight=False)
        self._palette = COLORS if colored else PLAIN
        self._console = console
        self._live: RichLive | None = RichLive(
            console=console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
            redirect_stderr=False,
        )
        self._drawn = 0.0
        self._live.start()

    def update(self, statistics: Statistics) -> None:
        """Show what was counted, unless that was done a moment ago."""
        now = monotonic()
        if self._live is None or now - self._drawn < _REDRAW_SECONDS:
            return
        from rich.text import Text

        self._drawn = now
        width, height = self._console.size
        # Six tables have to find room.
        rows = max(min((height - 14) // 5, _ROWS), 1)
        shown = text(statistics.snapshot(), self._palette, width=width, rows=rows)
        self._live.update(Text.from_ansi(shown, no_wrap=True), refresh=True)

    def close(self) -> None:
        """Give the terminal back as it was."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()


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
    if summary.sizes.number:
        lines.append(f"sizes: {_spread(summary.sizes, _bytes)}")
    fates = _fates(summary)
    if any(fates.values()):
        trips = summary.trips
        lines.append(
            f"iq round trips: {_spread(trips, _seconds)}" if trips.number else "iq round trips: none"
        )
        said = {
            "answered": "answered",
            "timeouts": "not answered in time",
            "unanswered": "not answered",
            "orphans": "replies to nothing",
        }
        lines.append("iqs: " + ", ".join(f"{count:,} {said[fate]}" for fate, count in fates.items() if count))
    if summary.lost:
        lines.append(f"{palette.error}{summary.lost:,} lost on the way here{reset}")
    return lines


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


def _spread(spread: Spread, shown: Callable[[float], str]) -> str:
    return (
        f"min {shown(spread.least)}, median {shown(spread.median)}, 90% {shown(spread.p90)}, "
        f"99% {shown(spread.p99)}, max {shown(spread.most)}"
    )


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


def _slow_row(slow: Slow) -> tuple[str, str, str, str]:
    return _seconds(slow.seconds), slow.peer or "(server)", slow.namespace, slow.id


def _slow_record(slow: Slow) -> dict[str, Any]:
    return {name: value for name, value in slow._asdict().items() if value != ""}


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else ""


def _bytes(size: float) -> str:
    if size < 10_000:
        return f"{size:,.0f} B"
    return f"{size / 1000:,.1f} kB" if size < 10_000_000 else f"{size / 1_000_000:,.1f} MB"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds < 10 else f"{seconds:,.1f} s"
