"""The specifications' examples, and odd ones, through everything that reads or shows a stanza."""

from __future__ import annotations

import io
import json
import random
import re
import unicodedata
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import pytest

from tests.examples import EXAMPLES, HEADER, ODD, UNLAWFUL
from xmppctl.errors import MalformedInput
from xmppctl.output.records import stanza_record
from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.check import ensure_id, split_input
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter, StreamViolation

LAWFUL = EXAMPLES | ODD
STREAM = b"\n \n".join(LAWFUL.values())
MARKER = re.compile(rb"\[redacted:(\d+)\]")
#: The secrets that stand in the examples.
SECRETS = (
    b"cauldronburn",
    b"titania",
    b"v3r0na",
    b"Calliope",
    b"balcony2",
    b"jj929jkj5sadjfj93v3n",
    b"Basic Base64String==",
    b"foo=bar; user=romeo",
)

lawful = pytest.mark.parametrize("stanza", LAWFUL.values(), ids=LAWFUL)


def split(data: bytes, sizes: Sequence[int] = (1 << 20,), seed: int = 0) -> list[Frame]:
    """The frames of a stream's content, fed in chunks of random ones of these sizes."""
    rng, splitter, frames, at = random.Random(seed), Splitter(), [], 0
    splitter.feed(HEADER)
    while at < len(data):
        size = rng.choice(sizes)
        frames += splitter.feed(data[at : at + size], 1700000000.5)
        at += size
    assert splitter.rest() is None
    return frames


def one(stanza: bytes) -> Frame:
    (frame,) = split(stanza)
    return frame


def rendered(frames: Sequence[Frame], output: str, encoding: str = "utf-8", **choices: Any) -> str:
    """What a renderer writes."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, newline="\n")
    with make_renderer(output, stream=stream, environ={}, has_xml=True, **choices) as renderer:
        for frame in frames:
            renderer.frame(frame)
    return buffer.getvalue().decode("utf-8" if output == "xml" else encoding)


def unsafe(text: str) -> set[str]:
    """Characters that a terminal acts on or that nobody sees, colours and line feeds left out."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\n", "")
    return {f"U+{ord(c):04X}" for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def canonical(xml: str) -> str:
    return ElementTree.canonicalize(xml)


def test_there_are_examples_of_many_specifications() -> None:
    assert len(EXAMPLES) > 90
    assert len({name.rpartition("-")[0] for name in EXAMPLES}) > 50


@lawful
def test_a_stanza_comes_out_of_the_splitter_as_its_bytes(stanza: bytes) -> None:
    whole = one(stanza)
    assert whole.raw == stanza
    for sizes in ((1,), (1, 2, 3, 5, 8, 13), (64, 4096)):
        (frame,) = split(stanza, sizes)
        assert (frame.raw, frame.names, frame.payloads) == (stanza, whole.names, whole.payloads)
        assert frame.attributes == whole.attributes


@pytest.mark.parametrize("sizes", [(1,), (1, 2, 3, 7), (1, 500, 4096), (70_000,)])
def test_the_stream_of_all_is_cut_at_its_stanzas(sizes: tuple[int, ...]) -> None:
    for seed in range(1 if len(sizes) == 1 else 3):
        frames = split(STREAM, sizes, seed)
        assert b"".join(frame.raw for frame in frames) == STREAM
        assert [frame.raw for frame in frames if frame.names] == list(LAWFUL.values())


@lawful
def test_redaction_leaves_everything_but_secrets(stanza: bytes) -> None:
    frame = one(stanza)
    shown = redact(frame)
    if not any(secret in stanza for secret in SECRETS):
        assert shown is frame
        return
    assert not any(secret in shown.raw for secret in SECRETS)
    pattern = b"(.{%s})".join(re.escape(part) for part in re.split(rb"\[redacted:\d+\]", shown.raw))
    for size in MARKER.findall(shown.raw):
        pattern = pattern.replace(b"%s", size, 1)
    found = re.fullmatch(pattern, stanza, re.DOTALL)
    assert found and all(secret in SECRETS for secret in found.groups())


@lawful
def test_a_record_holds_the_bytes_as_text(stanza: bytes) -> None:
    frame = one(stanza)
    for output, encoding in (("jsonl", "utf-8"), ("jsonl", "latin-1"), ("json", "utf-8")):
        text = rendered([frame], output, encoding)
        found = json.loads(text)
        record = found if output == "jsonl" else found[0]
        assert record == stanza_record(frame)
        assert record["xml"].encode() == stanza
        assert not unsafe(text)


def test_the_xml_document_says_what_the_stanzas_say() -> None:
    frames = [frame for frame in split(STREAM) if frame.names]
    for encoding in ("utf-8", "latin-1"):
        text = rendered(frames, "xml", encoding)
        assert not unsafe(text) - {"U+0009", "U+000D"}  # XML's own white space
        found = [canonical(ElementTree.tostring(child, "unicode")) for child in ElementTree.fromstring(text)]
        context = "".join(
            f" xmlns{':' * bool(prefix)}{prefix}={quoteattr(uri)}"
            for prefix, uri in frames[0].context.items()
        )
        wanted = [
            canonical(
                ElementTree.tostring(ElementTree.fromstring(f"<w{context}>{frame.text}</w>")[0], "unicode")
            )
            for frame in frames
        ]
        assert [xml.rstrip("\n") for xml in found] == wanted


@lawful
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_what_a_terminal_gets_is_harmless_and_lawful_lines(stanza: bytes, encoding: str) -> None:
    frame = redact(one(stanza))
    for choices in (
        {"form": "line", "width": 80},
        {"form": "pretty", "width": 80},
        {"form": "pretty", "full": True, "color": "always"},
    ):
        text = rendered([frame], "text", encoding, **choices)
        assert not unsafe(text)
        assert text.endswith("\n")
        if choices["form"] == "line":
            assert text.count("\n") == 1
        else:
            assert all(line.startswith(" ") for line in text.splitlines()[1:])


@pytest.mark.parametrize(
    "term",
    [
        "kind:iq",
        "-type:error",
        "from:*",
        "with:romeo@montague.lit",
        "id:*1",
        "ns:urn:xmpp:*",
        "xep:0060,0045",
        "body:~[aeiou]",
        "xpath://c:body",
        "xpath:.//*[@jid]",
        "dir:in",
    ],
)
def test_filters_take_each_and_choose_some(term: str) -> None:
    wanted = compile_filter([term])
    frames = split(STREAM)
    chosen = [wanted(frame) for frame in frames if frame.names]
    assert any(chosen)
    assert term == "dir:in" or not all(chosen)


@lawful
def test_what_is_lawful_may_be_typed(stanza: bytes) -> None:
    (frame,) = split_input(stanza)
    assert frame.raw == stanza
    assert [found.raw for found in split_input(stanza.decode())] == [stanza]
    with_id = ensure_id(frame).raw
    assert re.sub(rb" id='[^']*'", b"", with_id, count=1) == stanza or with_id == stanza


def test_all_may_be_typed_at_once() -> None:
    assert [frame.raw for frame in split_input(STREAM)] == list(LAWFUL.values())


@pytest.mark.parametrize("bytes_", UNLAWFUL.values(), ids=UNLAWFUL)
def test_what_is_unlawful_ends_the_stream_behind_what_was_whole(bytes_: bytes) -> None:
    data = b"<presence/>\n" + bytes_ + b"<presence/>"
    for size in (1, 7, 1 << 20):
        splitter = Splitter()
        splitter.feed(HEADER)
        seen: list[Frame] = []
        fed = 0
        with pytest.raises(StreamViolation):
            while fed < len(data):
                fed += size
                seen += splitter.feed(data[fed - size : fed])
        seen += splitter.take_frames()
        assert [frame.raw for frame in seen if frame.names and frame.kind != "stream"] == [b"<presence/>"]
        rest = splitter.rest()
        assert b"".join(frame.raw for frame in [*seen, *([rest] if rest else [])]) == data[:fed]


@pytest.mark.parametrize("bytes_", UNLAWFUL.values(), ids=UNLAWFUL)
def test_what_is_unlawful_is_refused_with_its_place_when_typed(bytes_: bytes) -> None:
    with pytest.raises(MalformedInput) as refused:
        split_input(b"<presence/>\n" + bytes_)
    assert refused.value.line == 2
    assert "line 2, column" in refused.value.message
    assert not unsafe(refused.value.message)
