"""Recordings against a bare lxml pull parser over the same bytes: messages of 330 bytes, replayed and recorded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from measure import NO_TARGET, Case, Row, Target, medians
from streams import BARE, TERMS, bare, split, stream, timed

TITLE = "a recording of messages, against a bare lxml pull parser over the same bytes (rates)"
TARGETS = {
    "jsonl": Target(least=0.25),
    "jsonl, 3 terms select 1 in 100": Target(least=0.4),
    "pretty": Target(least=0.06),
}


def run(rounds: int, messages: int = 20_000) -> list[Row]:
    """Measure all of them, writing to /dev/null."""
    chunks = stream(messages)
    with tempfile.TemporaryDirectory() as directory, Path(os.devnull).open("wb") as void:
        file = Path(directory) / "recording"
        record(chunks, file)
        cases: dict[str, Case] = {
            BARE: lambda: timed(lambda: bare(chunks)),
            "jsonl": lambda: timed(lambda: replay(file, void, output="jsonl")),
            "jsonl, 3 terms select 1 in 100": lambda: timed(
                lambda: replay(file, void, output="jsonl", terms=TERMS)
            ),
            "pretty": lambda: timed(lambda: replay(file, void, color="never")),
            "split and record": lambda: timed(fresh(chunks, Path(directory) / "another")),
        }
        taken = medians(cases, rounds)
    return [
        Row(name, f"{messages / seconds / 1000:.1f} k/s", taken[BARE] / seconds, TARGETS.get(name, NO_TARGET))
        for name, seconds in taken.items()
    ]


def replay(file: Path, void: IO[bytes], terms: tuple[str, ...] = (), **how: str) -> None:
    """The whole way of `xmppctl replay`, but for its start."""
    from xmppctl.output.renderers import make_renderer
    from xmppctl.protocols.replay import recorded
    from xmppctl.protocols.view import View, Wish
    from xmppctl.protocols.watch import read_through
    from xmppctl.stanza.filters import compile_filter

    renderer = make_renderer(how.get("output", "text"), stream=void, color=how.get("color", "auto"))
    read_through(recorded(str(file)), View(Wish(compile_filter(terms)), renderer))


def record(chunks: list[bytes], file: Path) -> None:
    """The whole way from a socket's bytes to a file."""
    from xmppctl.output.recorder import Recorder

    recorder = Recorder(str(file))
    split(chunks, recorder.write)
    recorder.close()


def fresh(chunks: list[bytes], file: Path) -> Callable[[], None]:
    """Record into a file that is new each time."""

    def work() -> None:
        file.unlink(missing_ok=True)
        record(chunks, file)

    return work
