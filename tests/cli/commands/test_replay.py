"""`replay`: everything that watch shows, from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.output.recorder import Recorder
from xmppctl.stanza.event import Event
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
ASK = "<iq type='get' id='1' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWER = "<iq type='result' id='1' from='capulet.example'/>"
HI = "<message id='m' from='juliet@capulet.example'><body>hi</body></message>"


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """A request, its reply half a second later, a message a minute later, and the end of the connection."""
    path = str(tmp_path / "r")
    recorder = Recorder(path)
    ways = {"in": Splitter("in"), "out": Splitter("out")}
    for way, xml, time in (
        ("out", HEADER.decode(), 1000.0),
        ("in", HEADER.decode(), 1000.0),
        ("out", ASK, 1001.0),
        ("in", ANSWER, 1001.5),
        ("in", HI, 1061.5),
    ):
        for frame in ways[way].feed(xml.encode(), time):
            recorder.write(frame)
    recorder.event(Event("offline", 1062.0, "the network is gone"))
    recorder.close()
    return path


def replay(*words: str, tty: bool = False):
    stdout, stderr = Terminal(tty), Terminal(False)
    code = run(["replay", *words], App(stdout=stdout, stderr=stderr, environ={"TERM": "dumb"}))
    return code, stdout, stderr.text


def records(*words: str):
    code, stdout, stderr = replay(*words, "-o", "jsonl")
    assert code == 0, stderr
    return [json.loads(line) for line in stdout.text.splitlines()]


def test_what_was_recorded_is_shown_with_its_times(recording):
    found = records(recording)
    assert [record.get("xml") for record in found] == [
        HEADER.decode(),
        HEADER.decode(),
        ASK,
        ANSWER,
        HI,
        None,
    ]
    assert [record["direction"] for record in found[2:5]] == ["out", "in", "in"]
    assert found[4]["time"] == "1970-01-01T00:17:41.500Z"
    assert found[5] | {"time": ""} == {
        "schema": 1,
        "time": "",
        "event": "offline",
        "text": "the network is gone",
    }


def test_terms_count_and_idle(recording):
    assert [record["xml"] for record in records(recording, "kind:message,iq", "-dir:out", "--count", "1")][
        :1
    ] == [ANSWER]
    assert [record["xml"] for record in records(recording, "-kind:stream", "--until-idle", "30s")] == [
        ASK,
        ANSWER,
    ]
    assert records(recording, "kind:message", "--count", "99")[-1]["event"] == "offline"


def test_pairs(recording):
    ask, answer, *_ = records(recording, "kind:iq", "--pair")
    assert (ask["pair"], answer["pair"], answer["rtt"]) == ("request", "reply", 0.5)
    assert "after 500.0 ms" in replay(recording, "kind:iq", "--pair")[1].text


def test_statistics(recording):
    (found,) = records(recording, "--stats")
    assert found["event"] == "stats" and found["stanzas"] == {"in": 2, "out": 1} and found["iq"]["max"] == 0.5
    assert "3 stanzas" in replay(recording, "--stats")[1].text
    assert replay(recording, "--stats", "-o", "xml")[0] == 2


@pytest.mark.parametrize(
    ("terms", "code"), [(["kind:message", "body:hi"], 0), (["kind:message", "body:bye"], 7)]
)
def test_expectations(recording, terms, code):
    ended, stdout, stderr = replay(recording, "--expect", *terms, "-o", "jsonl")
    assert ended == code
    assert ("hi" in stdout.text) is (code == 0)
    assert ("body:bye" in stderr) is (code == 7)


def test_several_expectations_and_terms_of_their_own(recording):
    words = ("kind:presence", "--expect", "xep:0199", "--expect", "-type:get", "kind:iq")
    code, stdout, _ = replay(recording, *words)
    assert code == 0 and "ping" not in stdout.text


def test_without_names_and_texts(recording):
    text = replay(recording, "--redact")[1].text
    assert (
        "juliet" not in text and "capulet" not in text and "[redacted:2]" in text and "urn:xmpp:ping" in text
    )


def test_bytes_and_nothing_else(recording):
    assert replay(recording, "--format", "raw", "-kind:stream")[1].text == ASK + ANSWER + HI


def test_a_part_can_be_recorded_again(recording, tmp_path):
    part = str(tmp_path / "part")
    assert replay(recording, "kind:message", "--record", part)[0] == 0
    assert [record.get("xml") for record in records(part)] == [HI, None]


def test_it_takes_its_time(recording, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert replay(recording, "--speed", "2")[0] == 0
    assert slept == [0.5, 0.25, 30.0, 0.25]


def test_a_capture(recording):
    code, stdout, _ = replay(recording, "--to", "pcapng", "kind:message")
    data = stdout.buffer.getvalue()
    assert code == 0 and data.startswith(b"\x0a\x0d\x0d\x0a")
    assert HI.encode() in data and ASK.encode() not in data and HEADER in data


@pytest.mark.parametrize(
    "words",
    [
        ("--stats",),
        ("--pair",),
        ("--speed", "1"),
        ("-o", "jsonl"),
        ("--expect", "kind:iq"),
        ("--record", "x"),
    ],
)
def test_a_capture_is_nothing_but_a_capture(recording, words):
    code, stdout, stderr = replay(recording, "--to", "pcapng", *words)
    assert code == 2 and stdout.buffer.getvalue() == b"" and words[0] in stderr


def test_a_capture_does_not_go_to_a_terminal(recording):
    code, stdout, stderr = replay(recording, "--to", "pcapng", tty=True)
    assert code == 2 and stdout.text == "" and "> FILE" in stderr


@pytest.mark.parametrize(
    "words",
    [
        ("kind:letter",),
        ("--expect",),
        ("--expect", "nonsense"),
        ("--speed", "0"),
        ("--record-size", "big", "--count", "1"),
    ],
)
def test_bad_words_show_nothing(recording, words):
    code, stdout, stderr = replay(recording, *words)
    assert code == 2 and stdout.text == "" and stderr


def test_a_file_that_is_none(tmp_path):
    assert replay(str(tmp_path / "none"))[0] == 2
    (tmp_path / "letter").write_text("dear juliet")
    assert replay(str(tmp_path / "letter"))[0] == 8
