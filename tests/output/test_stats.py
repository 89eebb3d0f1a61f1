"""Numbers for people and for programs."""

from __future__ import annotations

import io
import json
import re

from xmppctl.output.renderers import make_renderer
from xmppctl.output.stats import Live, record, text
from xmppctl.output.wrap import cells
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.pairs import Outcome
from xmppctl.stanza.statistics import Statistics


def iq(id_: str, peer: str) -> Frame:
    names = ["jabber:client iq", "urn:xmpp:ping ping"]
    return Frame(
        b"<iq/>", names, names[1:], {"type": "get", "id": id_, "to": peer}, direction="out", time=10.0
    )


def some(peer: str = "capulet.example") -> Statistics:
    made = Statistics()
    for number in range(30):
        frame = iq(str(number), f"{number}.{peer}" if number else peer)
        made.take(frame)
        made.paired(Outcome(frame, frame, 0.012, "answered"))
    made.paired(Outcome(iq("x", peer), None, None, "timeout"))
    made.lost(1234)
    return made


def test_people_get_tables() -> None:
    shown = text(some().snapshot())
    assert "30 stanzas" in shown and "1,234 lost" in shown
    assert "median 12.0 ms" in shown and "1 not answered in time" in shown
    assert re.search(r"^urn:xmpp:ping +30 +XEP-0199$", shown, re.MULTILINE)
    assert re.search(r"^\(20 more\)$", shown, re.MULTILINE)


def test_programs_get_all_of_it_as_numbers() -> None:
    found = record(some().snapshot())
    assert json.loads(json.dumps(found)) == found
    assert found["event"] == "stats" and found["lost"] == 1234
    assert found["stanzas"] == {"in": 0, "out": 30} and len(found["peers"]) == 30
    assert found["iq"]["p50"] == 0.012 and found["iq"]["answered"] == 30 and found["iq"]["timeouts"] == 1
    assert found["namespaces"] == [{"namespace": "urn:xmpp:ping", "stanzas": 30, "xep": "XEP-0199"}]
    assert found["slowest"][0]["seconds"] == 0.012


def test_renderers_show_them() -> None:
    for output in ("jsonl", "json", "text"):
        stream = io.BytesIO()
        with make_renderer(output, stream=stream) as renderer:
            renderer.statistics(some().snapshot())
        shown = stream.getvalue().decode()
        assert "urn:xmpp:ping" in shown
        if output != "text":
            assert json.loads(shown)["schema"] == 1


def test_lines_fit_and_what_the_network_says_is_harmless() -> None:
    shown = text(some("capulet\x1b[2J\u202e日本.example").snapshot(), width=60)
    assert "\x1b" not in shown and "\u202e" not in shown
    assert all(cells(line) <= 60 for line in shown.splitlines())


def test_nothing_counted_is_told_without_tables() -> None:
    assert text(Statistics().snapshot()).startswith("0 stanzas")


def test_live_draws_in_place_and_leaves_nothing() -> None:
    stream = io.StringIO()
    live = Live(stream)
    live.update(some())
    assert "urn:xmpp:ping" in stream.getvalue()
    drawn = len(stream.getvalue())
    live.update(some())
    assert len(stream.getvalue()) == drawn  # a moment ago
    live.close()
    live.close()
    assert stream.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()[drawn:]
