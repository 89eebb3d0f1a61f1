"""The choice of a renderer, and what all of them hold against hostile text."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.build import escape, escape_attribute
from xmppctl.stanza.frame import Frame

Frames = Callable[..., list[Frame]]
Render = Callable[..., str]
Unsafe = Callable[[str], list[str]]


class Terminal(io.StringIO):
    """A terminal, as far as a renderer can ask."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("color", "terminal", "environ", "colored"),
    [
        ("auto", True, {"TERM": "xterm"}, True),
        ("auto", True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        ("auto", True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", True, {}, False),
        ("auto", False, {"TERM": "xterm"}, False),
        ("always", False, {"TERM": "dumb", "NO_COLOR": "1"}, True),
        ("never", True, {"TERM": "xterm"}, False),
    ],
)
@pytest.mark.parametrize("form", ["pretty", "line"])
def test_color(
    color: str, terminal: bool, environ: Mapping[str, str], colored: bool, form: Any, frames_of: Frames
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    make_renderer("text", stream=stream, color=color, environ=environ, form=form).frame(
        frames_of("<presence/>")[0]
    )
    assert ("\x1b[" in stream.getvalue()) is colored


def test_lines_are_folded_on_terminals_only(frames_of: Frames) -> None:
    frame = frames_of(f"<message><body>{'word ' * 60}</body></message>")[0]
    widths: list[int] = []
    for stream, environ, width in (
        (io.StringIO(), {"COLUMNS": "40"}, None),
        (Terminal(), {"COLUMNS": "40"}, None),
        (io.StringIO(), {}, 50),
        (Terminal(), {"COLUMNS": "rubbish"}, None),
    ):
        make_renderer("text", stream=stream, environ=environ, width=width).frame(frame)
        widths.append(max(map(len, stream.getvalue().splitlines())))
    assert widths[0] > 300 and widths[1] <= 40 and widths[2] in range(41, 51) and widths[3] > 300


def test_the_terminals_own_width_is_asked_for_each_frame(frames_of: Frames) -> None:
    import fcntl
    import struct
    import termios

    frame = frames_of(f"<message><body>{'word ' * 60}</body></message>")[0]
    primary, secondary = os.openpty()
    try:
        with os.fdopen(secondary, "w", encoding="utf-8") as stream:
            renderer = make_renderer("text", stream=stream, environ={})
            for columns in (50, 30):
                fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                renderer.frame(frame)
                shown = os.read(primary, 100_000).decode().replace("\r", "")
                assert columns - 10 < max(map(len, shown.splitlines())) <= columns
    finally:
        os.close(primary)


def test_results_are_the_commands_text_or_the_records_values() -> None:
    stream = io.StringIO()
    with make_renderer("text", stream=stream) as renderer:
        renderer.record({"a": 1}, "pong from x\n  twice")
        renderer.record({"jid": "a@b", "groups": ["x", "y"], "on": True})
        renderer.table(["jid"], [])
    assert stream.getvalue() == "pong from x\n  twice\njid: a@b\ngroups: x, y\non: yes\n"


HOSTILE = [
    "\x1b[2J\x1b[31m",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x9b2J \x90q\x9c \x7f\x08\x08",
    "\u202etxt.exe \u2066x\u2069 \u061c\u200e",
    "zero\u200bwidth\u200d\u2060\ufeff\xad",
    "\u2028\u2029\x85\x0b\x0c",
    "\U000e0041\U000e0100",
    "[bold red]x[/bold red] [link=https://evil.example]x[/link] :smile: {x} %s",
    "one\n22:13:20.500 ← message chat  admin@capulet.example → you  3B",
    '\n{"schema":1,"kind":"message","from":"admin@capulet.example"}',
    "\r{\r\n",
    "</body></message>\n<message from='admin@capulet.example'/>",
    "-->]]>?><?frame direction='in'?>",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_hostile_text_in_results(text: str, encoding: str, unsafe_characters: Unsafe) -> None:
    for output, lines in (("text", 4), ("jsonl", 2)):
        buffer = io.BytesIO()
        stream = io.TextIOWrapper(buffer, encoding=encoding, newline="\n")
        with make_renderer(output, stream=stream, color="always") as renderer:
            renderer.table(["name", "jid"], [[text, text]], [{"name": text, text: "jid"}])
            renderer.record({"a": text, text: "b"})
        shown = buffer.getvalue().decode(encoding)
        assert not unsafe_characters(shown)
        assert len(shown.split("\n")) == lines + 1
    stream = io.StringIO()
    make_renderer("text", stream=stream).record({}, f"forgotten: {text}")
    assert not unsafe_characters(stream.getvalue())


@pytest.mark.parametrize("text", [t for t in HOSTILE if not re.search("[\x00-\x08\x0b\x0c\x1b]", t)])
def test_hostile_text_in_stanzas(
    text: str, frames_of: Frames, render: Render, unsafe_characters: Unsafe
) -> None:
    value = escape_attribute(text)
    frames = frames_of(
        f"<message from='{value}' to='{value}' id='{value}' type='{value}'><body>{escape(text)}</body>"
        f"<a xmlns='urn:a' b='{value}'><![CDATA[{text.replace(']]>', '')}]]>{escape(text)}<i/></a></message>"
        f"<iq type='error' id='{value}'><error type='{value}'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        f"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>{escape(text)}</text></error></iq>"
        f"<presence><show>{escape(text)}</show><status>{escape(text)}</status></presence>"
    )
    check_frames(frames, render, unsafe_characters)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_bytes_that_are_no_stanza(text: str, render: Render, unsafe_characters: Unsafe) -> None:
    torn = Frame(b"<message><body>" + text.encode() + b"\xff\xfe\xed\xa0\x80", direction="in", time=0.0)
    check_frames([torn, torn, torn], render, unsafe_characters)


def check_frames(frames: list[Frame], render: Render, unsafe_characters: Unsafe) -> None:
    assert len(frames) == 3
    for encoding in ("utf-8", "ascii"):
        for choices in ({}, {"color": "always", "width": 40}, {"full": True, "width": 33}):
            shown = render(frames, encoding=encoding, **choices)
            assert not unsafe_characters(shown)
            assert len([line for line in shown.splitlines() if not line.startswith("  ")]) == 3
            line = render(frames, encoding=encoding, form="line", **choices)
            assert not unsafe_characters(line)
            assert len(line.splitlines()) == 3
        lines = render(frames, "jsonl", encoding=encoding)
        assert not unsafe_characters(lines)
        assert [json.loads(line)["xml"] for line in lines.splitlines()] == [frame.text for frame in frames]
        document = render(frames, "json", encoding=encoding)
        assert not unsafe_characters(document)
        assert len(json.loads(document)) == 3
        xml = render(frames, "xml", encoding=encoding)
        assert not set(unsafe_characters(xml)) - {"U+0009", "U+000D"}
        root = etree.fromstring(xml.encode())
        assert len(root) == sum(1 if frame.kind == "stream" else 2 for frame in frames)


ANY_XML = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=60
).map(lambda text: re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "\u202e", text))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY_XML, value=ANY_XML)
def test_any_text_in_stanzas(
    frames_of: Frames, render: Render, unsafe_characters: Unsafe, text: str, value: str
) -> None:
    xml = f"<message from='{escape_attribute(value)}'><body>{escape(text)}</body></message>"
    check_frames(frames_of(xml * 3), render, unsafe_characters)


def test_the_hot_path_imports_neither_rich_nor_lxml_nor_json(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = """
import sys
from xmppctl.output.renderers import make_renderer
make_renderer("text", stream=sys.stdout).record({"a": 1}, "done")
print(*sorted({"rich", "lxml", "json", "asyncio", "typing_extensions", "hypothesis"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "done\n\n"
