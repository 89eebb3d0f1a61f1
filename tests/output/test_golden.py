"""A short session through every renderer, compared with the files in golden/."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.frame import Frame

Render = Callable[..., str]
Golden = Callable[[str, str], None]

FORMS: dict[str, dict[str, Any]] = {
    "pretty.txt": {},
    "pretty-full-60.txt": {"width": 60, "full": True},
    "pretty-color-72.txt": {"width": 72, "color": "always"},
    "pretty-ascii.txt": {"encoding": "ascii"},
    "line.txt": {"form": "line"},
    "line-color-80.txt": {"form": "line", "width": 80, "color": "always"},
    "frames.jsonl": {"output": "jsonl"},
    "frames.json": {"output": "json"},
    "frames.xml": {"output": "xml"},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_session(name: str, session_frames: list[Frame], render: Render, golden: Golden) -> None:
    golden(name, render(session_frames, **FORMS[name]))


@pytest.mark.parametrize(
    ("name", "choices"),
    [("table.txt", {}), ("table-color-40.txt", {"width": 40, "color": "always"})],
)
def test_a_table(name: str, choices: dict[str, Any], golden: Golden) -> None:
    stream = io.StringIO()
    rows = [
        ["juliet@capulet.example", "Juliet", ["friends", "家族"], True],
        ["日本@example.jp", "日本\x1b[31m語", [], False],
        ["a@b.example", "שלום", None, 3],
        ["e@f.example", "Zoe\u0308 \u202eevil\nforged@row.example", ["x"], 12],
    ]
    make_renderer("text", stream=stream, **choices).table(["jid", "name", "groups", "on"], rows)
    golden(name, stream.getvalue())
