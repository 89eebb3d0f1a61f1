"""Numbers for people and for programs."""

from __future__ import annotations

import io
import json
import re

import pytest

from xmppctl.errors import OutputFailed
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
    assert "1 not answered in time" in shown
    assert re.search(r"^iq round trip( +12\.0 ms){5}$", shown, re.MULTILINE)
    assert re.search(r"^urn:xmpp:ping +30 +XEP-0199 XMPP Ping$", shown, re.MULTILINE)
    assert re.search(r"^ *12\.0 ms +capulet\.example +ping urn:xmpp:ping +0$", shown, re.MULTILINE)
    assert re.search(r"^not in time +capulet\.example +ping urn:xmpp:ping +x$", shown, re.MULTILINE)
    assert re.search(r"^\(20 more\)$", shown, re.MULTILINE)


def test_programs_get_all_of_it_as_numbers() -> None:
    found = record(some().snapshot())
    assert json.loads(json.dumps(found)) == found
    assert found["event"] == "stats" and found["lost"] == 1234
    assert found["stanzas"] == {"in": 0, "out": 30} and len(found["peers"]) == 30
    assert found["iq"]["p50"] == 0.012 and found["iq"]["answered"] == 30 and found["iq"]["timeouts"] == 1
    assert found["namespaces"] == [{"namespace": "urn:xmpp:ping", "stanzas": 30, "xep": "XEP-0199"}]
    request = {"namespace": "urn:xmpp:ping", "name": "ping", "peer": "capulet.example"}
    assert found["slowest"][0] == {**request, "seconds": 0.012, "id": "0", "fate": "answered"}
    assert found["silent"] == [{**request, "id": "x", "fate": "timeout"}]


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


def test_encodings_without_the_signs_get_others() -> None:
    def encodable(text: str) -> str:
        return text.encode("ascii", "backslashreplace").decode()

    shown = text(some("日本." + "capulet" * 9 + ".example").snapshot(), width=60, encodable=encodable)
    assert shown.isascii() and "\\u65e5" in shown and "..." in shown
    assert all(len(line) <= 60 for line in shown.splitlines())


def screen(shown: str) -> list[str]:
    """What stands on a terminal that was sent this, without colours: lines drawn, moved over and erased."""
    lines, at = [""], 0
    for part in re.split("(\x1b\\[[0-9;?]*[A-Za-z]|\r|\n)", shown):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b["):
            at -= int(part[2:-1])
        elif part in ("\x1b[2K", "\x1b[K"):
            lines[at] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[at] += part
    return lines


def at_terminal(monkeypatch: pytest.MonkeyPatch, *sizes: tuple[int, int]) -> None:
    """Terminals are so large, one after the other, then as the last."""
    left = list(sizes)
    monkeypatch.setattr("xmppctl.output.stats.Live._terminal", lambda _: left.pop(0) if left[1:] else left[0])


def test_live_draws_in_place_and_leaves_nothing() -> None:
    stream = io.StringIO()
    live = Live(stream)
    live.update(some())
    assert any("urn:xmpp:ping" in line for line in screen(stream.getvalue()))
    drawn = len(stream.getvalue())
    live.update(some())
    assert len(stream.getvalue()) == drawn  # a moment ago
    live.close()
    live.close()
    assert "".join(screen(stream.getvalue())) == ""
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l") >= 0


def test_live_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for height in (1, 6, 30):
        at_terminal(monkeypatch, (50, height))
        stream = io.StringIO()
        live = Live(stream)
        live.update(some("日本" * 30 + ".example"))
        lines = screen(stream.getvalue())
        assert len(lines) <= height and all(cells(line) <= 50 for line in lines)
        assert lines[0].startswith("30 stanzas")
        live.close()
        assert "".join(screen(stream.getvalue())) == ""


def test_live_begins_anew_where_the_terminal_was_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmppctl.output.stats._REDRAW_SECONDS", 0.0)
    at_terminal(monkeypatch, (100, 40), (100, 40), (40, 40))
    stream = io.StringIO()
    live = Live(stream)
    live.update(some())
    before = len(stream.getvalue())
    live.update(some())
    again = stream.getvalue()[before:]
    assert "\x1b[2J" in again
    assert all(cells(line) <= 40 for line in screen(again.partition("\x1b[2J")[2]))
    live.close()


def test_live_shows_what_the_encoding_has_not_and_tells_of_a_closed_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xmppctl.output.stats._REDRAW_SECONDS", 0.0)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    live = Live(stream)
    live.update(some("日本.example"))
    assert b"\\u65e5" in raw.getvalue()
    stream.close()
    with pytest.raises(OutputFailed):
        live.update(some())
    live.close()
