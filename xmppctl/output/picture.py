"""`python -m xmppctl.output.picture FRAMES.jsonl OUT.svg`: the README's picture, drawn from recorded frames.

Reads what `watch -o jsonl` wrote, renders it with the renderer that `watch` uses, and exports through rich what a
terminal would show. The file fetches nothing: rich's links to web fonts are taken out.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from xmppctl.output.palette import COLORS
from xmppctl.output.pretty import Pretty
from xmppctl.stanza.frame import NS_CLIENT, NS_STREAM, Frame
from xmppctl.stanza.splitter import Splitter

_FONT_FACE: Final = re.compile(r"@font-face\s*\{\{.*?\}\}\s*", re.DOTALL)
_FONT_FAMILY: Final = re.compile(r"font-family:\s*Fira Code,\s*monospace")
_HEADER: Final = f"<stream:stream xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}' version='1.0'>".encode()


def read_frames(lines: Iterable[str]) -> Iterator[Frame]:
    """The frames of `-o jsonl` records. Raises ValueError or KeyError where a line is none."""
    splitters: dict[str, Splitter] = {}
    for line in lines:
        record = json.loads(line)
        raw = str(record["xml"]).encode()
        when = datetime.fromisoformat(record["time"]).timestamp()
        direction = record["direction"]
        splitter = splitters.get(direction)
        if record["kind"] == "stream" and raw.lstrip().startswith((b"<?xml", b"<stream:stream")):
            splitter = splitters[direction] = Splitter(direction)
        elif splitter is None:
            splitter = splitters[direction] = Splitter(direction)
            splitter.feed(_HEADER, when)
        yield from splitter.feed(raw, when)


def draw(frames: Iterable[Frame], *, width: int = 100, title: str = "", command: str = "") -> str:
    """An SVG of a terminal `width` cells wide that shows `frames` below the typed `command`."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    pretty = Pretty(COLORS)
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
    )
    if command:
        console.print(Text.from_ansi(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m"))
    for frame in frames:
        console.print(Text.from_ansi(pretty.frame(frame, width).rstrip("\n")), soft_wrap=True)
    template = _FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
    template = _FONT_FAMILY.sub(
        "font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace", template
    )
    return console.export_svg(title=title, code_format=template, unique_id="xmppctl")


def main(arguments: Sequence[str]) -> int:
    """Draw the picture. The times in it are UTC, so that it is the same on every machine."""
    if len(arguments) not in (2, 3):
        sys.stderr.write("usage: python -m xmppctl.output.picture FRAMES.jsonl OUT.svg [COMMAND]\n")
        return 2
    source, target, *rest = arguments
    command = rest[0] if rest else "xmppctl watch"
    os.environ["TZ"] = "UTC"
    time.tzset()
    with Path(source).open(encoding="utf-8") as lines:
        svg = draw(read_frames(lines), title="xmppctl", command=command)
    Path(target).write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
