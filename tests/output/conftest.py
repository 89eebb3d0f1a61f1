"""Streams as bytes of the wire, and what is looked for in what the renderers make of them."""

from __future__ import annotations

import io
import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" from='capulet.example' id='s1' version='1.0' xml:lang='en'>"
)
#: Format characters that are seen: they embrace the digits that follow (Unicode's Prepended_Concatenation_Mark).
SEEN_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local times are UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def frames_of() -> Callable[..., list[Frame]]:
    """Frames of stanzas that stand in a client's stream: `frames_of(xml, direction, header)`, without the header."""

    def frames(xml: str | bytes, direction: Any = "in", header: bytes = HEADER) -> list[Frame]:
        splitter = Splitter(direction)
        splitter.feed(header, 1700000000.1234)
        return splitter.feed(xml.encode() if isinstance(xml, str) else xml, 1700000000.5)

    return frames


@pytest.fixture
def session_frames() -> list[Frame]:
    """A short session, both ways, from header to footer, with what is hard about rendering in it."""
    script: list[tuple[str, bytes]] = [
        ("out", HEADER.replace(b"from='capulet.example' id='s1'", b"to='capulet.example'")),
        ("in", HEADER),
        (
            "in",
            b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
            b"<mechanism>SCRAM-SHA-256</mechanism></mechanisms><sm xmlns='urn:xmpp:sm:3'/></stream:features>",
        ),
        ("out", b"<presence><show>away</show><status>on the balcony</status></presence>"),
        (
            "out",
            b"<iq type='get' id='r1'>\n\t<query\n\txmlns='jabber:iq:roster'\n\tver=\"a&#10;b\tc\"/>\n</iq>",
        ),
        (
            "in",
            "<message from='juliet@capulet.example/balcony' to='romeo@montague.example' type='chat' id='m 1'>"
            "<body>Wherefore art thou,\nרומאו?\u202e [bold]no markup[/bold] &lt;b&gt; 日本語</body>"
            "<c:html xmlns:c='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
            '<p style="color: red">Hi <b>you</b>! <![CDATA[<1> & 2]]></p></body></c:html>'
            "<request xmlns='urn:xmpp:receipts'/></message>".encode(),
        ),
        ("in", b" "),
        ("in", b"<message from='a@b.example'><body>" + b"0123456789 " * 190 + b"</body></message>"),
        ("out", b"<r xmlns='urn:xmpp:sm:3'/>"),
        ("in", b"<iq type='result' id='r1'/>"),
        ("in", b"</stream:stream>"),
    ]
    splitters = {"in": Splitter("in"), "out": Splitter("out")}
    frames: list[Frame] = []
    for step, (direction, raw) in enumerate(script):
        frames += splitters[direction].feed(raw, 1700000000.0 + step * 1.001)
    out = splitters["out"]
    assert out.feed(b"<message to='x@y.example'><body>torn \xe2\x82", 1700000100.0) == []
    rest = out.rest()
    assert rest is not None
    return [*frames, rest]


@pytest.fixture
def render() -> Callable[..., str]:
    """What a renderer writes for frames: `render(frames, output, encoding=..., **choices)`."""

    def rendered(frames: list[Frame], output: str = "text", encoding: str = "utf-8", **choices: Any) -> str:
        buffer = io.BytesIO()
        stream = io.TextIOWrapper(buffer, encoding=encoding, newline="\n")
        with make_renderer(output, stream=stream, environ={}, has_xml=True, **choices) as renderer:
            for frame in frames:
                renderer.frame(frame)
        data = buffer.getvalue()
        return data.decode("utf-8" if output == "xml" else encoding)

    return rendered


@pytest.fixture
def unsafe_characters() -> Callable[[str], list[str]]:
    """What a terminal acts on or nobody sees in a text: by Unicode's categories, not by the sanitiser's list."""

    def found(text: str) -> list[str]:
        without_colors = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return [
            f"U+{ord(char):04X}"
            for char in without_colors
            if char != "\n"
            and char not in SEEN_FORMATS
            and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        ]

    return found


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares with a file in golden/. `UPDATE_GOLDEN=1 pytest tests/output` writes them anew: read the diff then."""
    directory = request.path.parent / "golden"

    def compare(name: str, text: str) -> None:
        path = directory / name
        if os.environ.get("UPDATE_GOLDEN"):
            directory.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.read_bytes().decode() == text

    return compare
