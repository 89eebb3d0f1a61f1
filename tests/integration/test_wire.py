"""The real program on a scripted stream: what it shows, records and sends is the wire, byte for byte."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from tests.examples import EXAMPLES, HEADER, ODD, UNLAWFUL
from tests.integration.program import program
from tests.servers.hostile import (
    DOMAIN,
    FULL_JID,
    JID,
    PASSWORD,
    Gone,
    Peer,
    Server,
    bind,
    greet,
    mechanisms,
    scram,
)
from xmppctl.stanza import build
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter

PATIENCE = 30.0
EXAMPLE_STREAM = b"\n".join(EXAMPLES.values())
EVERYTHING = b"\n".join((EXAMPLES | ODD).values())
FOOTER = b"</stream:stream>"
SASL = re.compile(rb"<(auth|response) [^>]*>[^<]*</\1>")


class Run(NamedTuple):
    """How the program ended, and what the server heard."""

    code: int
    stdout: bytes
    stderr: str
    heard: bytes

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output of `-o jsonl`."""
        return [json.loads(line) for line in self.stdout.decode().splitlines()]


def run(script: Callable[[Peer], None], home: Path, *words: str, stdin: bytes = b"", **environ: str) -> Run:
    """Run the program against a server that logs it in and then plays `script`."""

    def play(peer: Peer) -> None:
        greet(peer, mechanisms("SCRAM-SHA-256"))
        scram(peer)
        bind(peer)
        script(peer)

    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XMPPCTL_PASSWORD": PASSWORD,
        **environ,
    }
    with Server(play) as server:
        account = ["--jid", JID, "--host", server.host, "--port", str(server.port), "--tls", "none"]
        done = subprocess.run(
            [*program(), *account, "--timeout", str(PATIENCE), *words],
            input=stdin,
            capture_output=True,
            timeout=PATIENCE * 2,
            env=environment,
            cwd=home,
        )
        server.finish()
    return Run(done.returncode, done.stdout, done.stderr.decode(), server.heard)


def speaking(data: bytes, sizes: tuple[int, ...]) -> Callable[[Peer], None]:
    """Sends `data` in chunks of random ones of these sizes, then closes the stream. Reads all the while."""

    def chunks() -> Iterator[bytes]:
        rng, at = random.Random(7), 0
        while at < len(data):
            size = rng.choice(sizes)
            yield data[at : at + size]
            at += size

    def listen(peer: Peer) -> None:
        with suppress(Gone, ValueError, OSError):
            peer.until_end(PATIENCE)

    def play(peer: Peer) -> None:
        peer.expect("<presence>")
        reader = Thread(target=listen, args=(peer,), daemon=True)
        reader.start()
        with suppress(Gone):
            for chunk in chunks():
                peer.send(chunk)
            peer.send(FOOTER)
        reader.join(PATIENCE)

    return play


def frames_of(data: bytes) -> list[Frame]:
    """The frames of a stream's content."""
    splitter = Splitter()
    splitter.feed(HEADER)
    return splitter.feed(data)


def shown(data: bytes) -> str:
    """The stream's content, as it may be shown."""
    return b"".join(redact(frame).raw for frame in frames_of(data)).decode()


def joined(records: list[dict[str, Any]], direction: str) -> str:
    return "".join(record["xml"] for record in records if record["direction"] == direction)


def without_secrets(sent: bytes) -> str:
    return SASL.sub(b"", sent).decode()


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        pytest.param(EVERYTHING * 10, (1, 2, 3, 7, 64, 500, 4096, 70_000), id="random"),
        pytest.param(EXAMPLE_STREAM, (1,), id="dribble"),
    ],
)
def test_watch_shows_the_wire_both_ways(data: bytes, sizes: tuple[int, ...], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    ran = run(speaking(data, sizes), tmp_path, "watch", "-o", "jsonl", "--trace", str(trace))
    assert ran.code == 4 and "closed the stream" in ran.stderr
    assert joined(ran.records, "in").endswith(f"</iq>{shown(data)}{FOOTER.decode()}")
    assert without_secrets(joined(ran.records, "out").encode()) == without_secrets(ran.heard)
    traced = [json.loads(line) for line in trace.read_text().splitlines()]
    assert traced == ran.records


def test_watch_makes_an_xml_document_of_it(tmp_path: Path) -> None:
    ran = run(speaking(EVERYTHING, (1000, 4096)), tmp_path, "watch", "-o", "xml")
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_pis=True))
    children = list(ElementTree.fromstring(ran.stdout, parser))
    found = [
        after
        for before, after in pairwise(children)
        if before.tag is ElementTree.PI and (before.text or "").startswith('frame direction="in"')
    ]
    content = HEADER.partition(b"?>")[2] + shown(EVERYTHING).encode() + FOOTER
    wanted = [canonical(child) for child in ElementTree.fromstring(content)]
    assert [canonical(child) for child in found][-len(wanted) :] == wanted
    assert ran.stdout.endswith(b"</xmppctl:log>\n")


def canonical(element: ElementTree.Element) -> str:
    """Canonical XML of the element alone."""
    element.tail = None
    return ElementTree.canonicalize(ElementTree.tostring(element, "unicode"))


@pytest.mark.parametrize("environ", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}])
@pytest.mark.parametrize("form", [(), ("--format", "line")])
def test_watch_shows_text_that_is_harmless(
    form: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    ran = run(speaking(EVERYTHING, (4096,)), tmp_path, "watch", *form, **environ)
    assert ran.code == 4 and "closed the stream" in ran.stderr
    text = ran.stdout.decode(environ.get("PYTHONIOENCODING", "utf-8"))
    assert not re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert text.count("message") > 50


@pytest.mark.parametrize("name", ["escape reference", "second header without declaration", "comment"])
def test_what_no_stream_may_hold_ends_it_and_is_shown(name: str, tmp_path: Path) -> None:
    ran = run(speaking(b"<presence/>" + UNLAWFUL[name], (4096,)), tmp_path, "watch", "-o", "jsonl")
    assert ran.code == 4 and json.loads(ran.stderr)["error"] == "stream-error"
    assert f"<presence/>{UNLAWFUL[name].decode()}" in joined(ran.records, "in")
    assert ran.heard.endswith(b"</stream:error></stream:stream>")


def answering(peer: Peer) -> None:
    """Answers each request with a result until the client closes its stream."""
    splitter = Splitter()
    splitter.feed(HEADER)
    while True:
        for frame in splitter.feed(peer.take()):
            if frame.kind == "iq" and frame.type in ("get", "set"):
                sender = frame.to or DOMAIN
                head = build.attributes({"type": "result", "id": frame.id, "from": sender, "to": FULL_JID})
                peer.send(f"<iq{head}/>")
            elif frame.raw == FOOTER:
                peer.send(FOOTER)
                return


def test_raw_sends_thousands_as_they_were_typed(tmp_path: Path) -> None:
    typed = b"\n".join([*(EXAMPLES | ODD).values()] * 25)
    ran = run(answering, tmp_path, "raw", "-", "-o", "jsonl", stdin=typed)
    assert ran.code == 0, ran.stderr
    wanted = [frame for frame in frames_of(typed) if frame.names]
    assert len(wanted) > 2500
    sent = frames_of(ran.heard.partition(b"</bind></iq>")[2].removesuffix(FOOTER))
    assert len(sent) == len(wanted) + 1  # the ping of the barrier
    requests = []
    for was, frame in zip(wanted, sent, strict=False):
        if was.kind == "iq" and was.type in ("get", "set"):
            requests.append(frame.id)
        if was.id is None and frame.id is not None:
            assert re.sub(rb" id='[^']+'", b"", frame.raw, count=1) == was.raw
        else:
            assert frame.raw == was.raw
    assert [record["id"] for record in ran.records] == requests
    assert all(record["type"] == "result" for record in ran.records)


def test_raw_sends_nothing_of_input_with_one_mistake(tmp_path: Path) -> None:
    typed = EXAMPLE_STREAM + b"\n" + UNLAWFUL["escape reference"]
    ran = run(answering, tmp_path, "raw", "-", stdin=typed)
    assert (ran.code, ran.stdout, ran.heard) == (8, b"", b"")
    line = typed.count(b"\n") + 1
    assert f"line {line}, column" in ran.stderr
