"""Splitter and renderers against a bare lxml pull parser over the same bytes: messages of 330 bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from measure import NO_TARGET, Case, Row, Target, medians

if TYPE_CHECKING:
    from xmppctl.output.renderers import Renderer
    from xmppctl.stanza.frame import Frame

TITLE = "a stream of messages, against a bare lxml pull parser (rates)"
MESSAGE_BYTES = 330
CHUNK_BYTES = 16 * 1024
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams' from='montague.example' id='1' version='1.0'>"
)
#: They select one in a hundred.
TERMS = ("kind:message", "type:chat", "from:*@one.example")

BARE = "lxml XMLPullParser"
TARGETS = {
    "splitter": Target(least=0.5),
    "jsonl": Target(least=0.25),
    "jsonl, 3 terms select 1 in 100": Target(least=0.4),
    "pretty": Target(least=0.06),
}


def run(rounds: int, messages: int = 20_000) -> list[Row]:
    """Measure all of them, writing to /dev/null."""
    chunks = stream(messages)
    with Path("/dev/null").open("wb") as void:
        cases: dict[str, Case] = {BARE: lambda: timed(lambda: bare(chunks))}
        cases["splitter"] = lambda: timed(lambda: split(chunks, id))
        for name, show in shows(void).items():
            cases[name] = lambda show=show: timed(lambda: split(chunks, show()))  # type: ignore[misc]
        taken = medians(cases, rounds)
    return [
        Row(name, f"{messages / seconds / 1000:.1f} k/s", taken[BARE] / seconds, TARGETS.get(name, NO_TARGET))
        for name, seconds in taken.items()
    ]


def stream(messages: int) -> list[bytes]:
    """A stream's bytes in pieces as a socket gives them."""
    data = HEADER + b"".join(map(message, range(messages)))
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


def message(number: int) -> bytes:
    """One of 330 bytes, with a receipt request, a chat state and an origin id, as clients send them."""
    domain = "one.example" if number % 100 == 0 else "two.example"
    head = (
        f"<message from='juliet@{domain}/balcony' to='romeo@montague.example' type='chat' id='{number:08d}'>"
        f"<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>"
        f"<origin-id xmlns='urn:xmpp:sid:0' id='{number:08d}'/><body>"
    )
    end = "</body></message>"
    return (head + "x" * (MESSAGE_BYTES - len(head) - len(end)) + end).encode()


def bare(chunks: list[bytes]) -> None:
    """What any XML client has to do at least: every start and end event, and forgetting what is done."""
    from lxml import etree

    parser = etree.XMLPullParser(("start", "end"))
    root = None
    for chunk in chunks:
        parser.feed(chunk)
        for _, element in parser.read_events():
            root = element if root is None else root
        if root is not None:
            del root[:-1]


def split(chunks: list[bytes], show: Callable[[Frame], object]) -> None:
    """The whole way of a stream: splitter, then `show` for each frame."""
    from xmppctl.stanza.splitter import Splitter

    splitter = Splitter("in")
    for chunk in chunks:
        for frame in splitter.feed(chunk):
            show(frame)


def shows(void: IO[bytes]) -> dict[str, Callable[[], Callable[[Frame], object]]]:
    """Name -> a maker of what is done with each frame."""
    from xmppctl.output.renderers import make_renderer
    from xmppctl.stanza.filters import compile_filter

    def selected() -> Callable[[Frame], object]:
        renderer, matches = make_renderer("jsonl", stream=void), compile_filter(TERMS)
        return lambda frame: matches(frame) and renderer.frame(frame)

    def shown(renderer: Renderer) -> Callable[[Frame], object]:
        return renderer.frame

    return {
        "jsonl": lambda: shown(make_renderer("jsonl", stream=void)),
        "jsonl, 3 terms select 1 in 100": selected,
        "xml": lambda: shown(make_renderer("xml", stream=void, has_xml=True)),
        "pretty": lambda: shown(make_renderer("text", stream=void, color="never")),
        "pretty, in colour": lambda: shown(make_renderer("text", stream=void, color="always")),
        "line": lambda: shown(make_renderer("text", stream=void, color="never", form="line")),
    }


def timed(work: Callable[[], object]) -> float:
    """The seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def selected_by_terms(messages: int) -> int:
    """How many of the messages TERMS select; for the test that holds what the names promise."""
    from xmppctl.output.renderers import make_renderer
    from xmppctl.stanza.filters import compile_filter

    written = BytesIO()
    renderer, matches = make_renderer("jsonl", stream=written), compile_filter(TERMS)
    split(stream(messages), lambda frame: matches(frame) and renderer.frame(frame))
    return written.getvalue().count(b"\n")
