"""The README's picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from xmppctl.output.picture import draw, read_frames
from xmppctl.stanza.frame import Frame

Render = Callable[..., str]


def test_records_become_the_frames_that_they_were(session_frames: list[Frame], render: Render) -> None:
    whole = session_frames[:-1]  # a torn rest is no frame until the stream ends
    read = list(read_frames(render(whole, "jsonl").splitlines()))
    assert [frame.raw for frame in read] == [frame.raw for frame in whole]
    assert [(f.direction, f.kind, f.names) for f in read] == [(f.direction, f.kind, f.names) for f in whole]
    middle = list(read_frames(render(whole[3:6], "jsonl").splitlines()))
    assert [frame.raw for frame in middle] == [frame.raw for frame in whole[3:6]]


def test_the_picture_is_drawn_and_fetches_nothing(
    session_frames: list[Frame], render: Render, tmp_path: Path
) -> None:
    source, target = tmp_path / "frames.jsonl", tmp_path / "picture.svg"
    source.write_text(render(session_frames[:-1], "jsonl"), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "xmppctl.output.picture", source, target, "xmppctl watch -a alice"],
        check=True,
        timeout=60,
    )
    svg = target.read_text(encoding="utf-8")
    text = "".join(etree.fromstring(svg.encode()).itertext()).replace("\xa0", " ")
    assert "xmppctl watch -a alice" in text and "Wherefore art thou" in text and "22:13:25.005" in text
    assert "[bold]no markup[/bold]" in text
    addresses = (
        svg.replace("http://www.w3.org/", "")
        .replace("http://jabber.org", "")
        .replace("http://etherx.jabber.org", "")
    )
    assert (
        "@font-face" not in svg
        and "url(http" not in svg
        and "://" not in addresses.replace("https://www.textualize.io", "")
    )


def test_the_same_frames_give_the_same_picture(session_frames: list[Frame]) -> None:
    assert draw(session_frames) == draw(session_frames)
