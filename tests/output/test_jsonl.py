"""JSON lines and JSON documents."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from xmppctl.output.jsonl import stanza_line
from xmppctl.output.records import json_line, stanza_record
from xmppctl.output.renderers import Renderer, make_renderer
from xmppctl.stanza.frame import Frame

Render = Callable[..., str]


def test_every_line_is_the_frames_record(session_frames: list[Frame], render: Render) -> None:
    lines = render(session_frames, "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == [stanza_record(frame) for frame in session_frames]
    assert [json.loads(line)["xml"].encode() for line in lines[:-1]] == [f.raw for f in session_frames[:-1]]


def test_the_quick_line_is_the_slow_one(session_frames: list[Frame]) -> None:
    for frame in session_frames:
        assert stanza_line(frame) == json_line(stanza_record(frame))


def test_a_document_of_frames_is_an_array(session_frames: list[Frame], render: Render) -> None:
    document = json.loads(render(session_frames, "json"))
    assert document == [stanza_record(frame) for frame in session_frames]
    assert json.loads(render(session_frames[:1], "json")) == [stanza_record(session_frames[0])]


def _document(do: Callable[[Renderer], object], output: str = "json") -> str:
    stream = io.StringIO()
    with make_renderer(output, stream=stream) as renderer:
        do(renderer)
    return stream.getvalue()


def test_one_result_is_an_object_more_are_an_array() -> None:
    assert json.loads(_document(lambda r: r.record({"time": "t", "a": 1}))) == {
        "schema": 1,
        "time": "t",
        "a": 1,
    }
    two = json.loads(_document(lambda r: [r.record({"a": 1}), r.record({"a": 2})]))
    assert [record["a"] for record in two] == [1, 2]


def test_a_list_is_an_array_however_short() -> None:
    assert json.loads(_document(lambda r: r.begin_list())) == []
    assert len(json.loads(_document(lambda r: [r.begin_list(), r.record({"a": 1})]))) == 1
    assert json.loads(_document(lambda r: r.table(["JID"], []))) == []
    assert _document(lambda r: None) == ""


def test_a_table_gives_its_records_or_its_rows() -> None:
    rows = [["a@b.example", "Ann", None]]
    plain = json.loads(_document(lambda r: r.table(["JID", "Full name", "Note"], rows)))
    assert plain[0]["jid"] == "a@b.example" and plain[0]["full_name"] == "Ann" and "note" not in plain[0]
    given = json.loads(_document(lambda r: r.table(["JID"], rows, [{"jid": "x", "groups": ["g"]}])))
    assert given[0]["groups"] == ["g"]
    line = json.loads(_document(lambda r: r.table(["JID", "N", "O"], rows), "jsonl"))
    assert line["schema"] == 1 and line["time"].endswith("Z") and line["jid"] == "a@b.example"


def test_an_array_is_written_as_it_grows(session_frames: list[Frame]) -> None:
    stream = io.StringIO()
    renderer = make_renderer("json", stream=stream)
    renderer.frame(session_frames[0])
    assert '"kind": "stream"' in stream.getvalue()
    assert json.loads(stream.getvalue() + "]")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_encoding_that_is_not_utf8_gets_ascii(
    encoding: str, session_frames: list[Frame], render: Render
) -> None:
    for output in ("jsonl", "json"):
        text = render(session_frames, output, encoding=encoding)
        assert text.isascii()
        assert "\\u65e5" in text
    line = render(session_frames, "jsonl", encoding=encoding).splitlines()[5]
    assert json.loads(line) == stanza_record(session_frames[5])
