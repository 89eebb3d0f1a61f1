"""Recording, and replaying what was recorded, against a bare lxml pull parser over the bytes of the same stream."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from measure import NO_TARGET, Case, Row, Target, medians
from streams import BARE, TERMS, bare, split, stream, timed

if TYPE_CHECKING:
    from xmppctl.output.renderers import Renderer

TITLE = "a recording of messages, against a bare lxml pull parser over their bytes (rates)"
TARGETS = {
    "replay as jsonl": Target(least=0.25),
    "as jsonl, 3 terms select 1 in 100": Target(least=0.4),
    "as pretty text": Target(least=0.06),
}


def run(rounds: int, messages: int = 20_000) -> list[Row]:
    """Measure all of them: the whole way of `replay`, writing to /dev/null, and that of `watch --record`."""
    chunks = stream(messages)
    with Path("/dev/null").open("wb") as void, TemporaryDirectory() as folder:
        kept = str(Path(folder, "kept"))
        record(chunks, kept)
        cases: dict[str, Case] = {
            BARE: lambda: timed(lambda: bare(chunks)),
            "replay as jsonl": lambda: timed(lambda: replay(kept, renderer(void, "jsonl"))),
            "as jsonl, 3 terms select 1 in 100": lambda: timed(
                lambda: replay(kept, renderer(void, "jsonl"), TERMS)
            ),
            "as pretty text": lambda: timed(lambda: replay(kept, renderer(void, "text"))),
            "record what the splitter gives": lambda: timed(lambda: record(chunks, str(Path(folder, "new")))),
        }
        taken = medians(cases, rounds)
    return [
        Row(name, f"{messages / seconds / 1000:.1f} k/s", taken[BARE] / seconds, TARGETS.get(name, NO_TARGET))
        for name, seconds in taken.items()
    ]


def record(chunks: list[bytes], path: str) -> None:
    """Split a stream and keep each frame, in a file that is made anew."""
    from xmppctl.output.recorder import Recorder

    Path(path).unlink(missing_ok=True)
    recorder = Recorder(path)
    split(chunks, recorder.write)
    recorder.close()


def replay(path: str, screen: Renderer, terms: Sequence[str] = ()) -> int:
    """Show what is in a recording and fits all terms; how many that were."""
    from xmppctl.protocols.replay import recorded
    from xmppctl.protocols.view import View, Wish
    from xmppctl.protocols.watch import read_through
    from xmppctl.stanza.filters import compile_filter

    view = View(Wish(compile_filter(terms)), screen)
    read_through(recorded(path), view)
    return view.shown


def renderer(void: IO[bytes], output: Any) -> Renderer:
    """What the command shows with, without colour."""
    from xmppctl.output.renderers import make_renderer

    return make_renderer(output, stream=void, color="never")
