"""Events, notes on frames, and raw bytes, in every form: told, harmless, and never taken for a frame."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.output.base import Note
from xmppctl.output.renderers import make_renderer
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

EVIL = Event("offline", 12.0, "reset\x1b[2J\u202e ?> --> \r\n12:00:00.000 ← message fake")
LOST = Event("lost", 13.0, frames=1234)
NOTE = Note("after 12.3 ms", {"pair": "reply", "rtt": 0.0123})


class Screen(io.BytesIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def shown(*items: Frame | Event, note: Note | None = None, terminal: bool = False, **how: Any) -> str:
    stream = Screen() if terminal else io.BytesIO()
    with make_renderer(stream=stream, environ={}, has_xml=True, **how) as renderer:
        for item in items:
            if isinstance(item, Event):
                renderer.event(item)
            else:
                renderer.frame(item, note)
    return stream.getvalue().decode()


def frames(data: bytes = b"<iq type='result' id='1'/>") -> list[Frame]:
    return Splitter().feed(HEADER + data, 1.0)[1:]


@pytest.mark.parametrize("form", ["pretty", "line"])
@pytest.mark.parametrize("width", [None, 30])
def test_people_see_an_event_that_is_harmless_and_no_frame(form: str, width: int | None) -> None:
    text = shown(EVIL, LOST, form=form, width=width)
    assert "\x1b" not in text and "\u202e" not in text and "\r" not in text
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert len(heads) == 2 and all(head[13] == "•" for head in heads)
    assert "1,234 lost" in text


def test_programs_get_a_record() -> None:
    records = [json.loads(line) for line in shown(EVIL, LOST, output="jsonl").splitlines()]
    assert records == json.loads(shown(EVIL, LOST, output="json"))
    assert records == [
        {"schema": 1, "time": "1970-01-01T00:00:12.000Z", "event": "offline", "text": EVIL.text},
        {"schema": 1, "time": "1970-01-01T00:00:13.000Z", "event": "lost", "count": 1234},
    ]
    assert "\x1b" not in shown(EVIL, output="jsonl")


def test_a_document_holds_it_as_an_instruction_and_stays_one() -> None:
    text = shown(EVIL, *frames(), LOST, output="xml")
    root = ElementTree.fromstring(text)
    assert len(root) == 1
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_pis=True))
    told = [child.text for child in ElementTree.fromstring(text, parser) if child.tag is ElementTree.PI]
    assert [text.split()[1] for text in told if text and text.startswith("event")] == [
        'name="offline"',
        'name="lost"',
    ]
    assert "\x1b" not in text and "\u202e" not in text


def test_a_note_stands_in_the_head_and_in_the_record() -> None:
    (reply,) = frames()
    assert "after 12.3 ms" in shown(reply, note=NOTE).splitlines()[0]
    assert "after 12.3 ms" in shown(reply, note=NOTE, form="line")
    record = json.loads(shown(reply, note=NOTE, output="jsonl"))
    assert (record["pair"], record["rtt"], record["xml"]) == ("reply", 0.0123, reply.text)
    assert list(record)[-1] == "xml" and [record] == json.loads(shown(reply, note=NOTE, output="json"))
    assert "pair='reply'" in shown(reply, note=NOTE, output="xml").replace('"', "'")


def test_raw_is_the_bytes_and_nothing_else() -> None:
    data = b"".join((EXAMPLES | ODD).values())
    stream = io.BytesIO()
    with make_renderer(stream=stream, form="raw", environ={}) as renderer:
        renderer.event(EVIL)
        for frame in frames(data):
            renderer.frame(frame)
    assert stream.getvalue() == data


def test_raw_on_a_terminal_is_harmless() -> None:
    hostile = "<message><body>\u202e\x9b2J&#13;\x7f</body></message>".encode()
    text = shown(*frames(b"".join(ODD.values()) + hostile), form="raw", terminal=True)
    assert not set(text) & {chr(code) for code in (*range(32), *range(127, 160)) if code != 10}
    assert "\u202e" not in text and "<body>" in text
