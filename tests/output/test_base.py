"""What all renderers have in common: results carry their schema and time, and nothing is written before it is asked."""

from __future__ import annotations

import io
import json
import re

import pytest

from xmppctl.output.renderers import make_renderer


def written(output: str, **record: object) -> str:
    stream = io.StringIO()
    with make_renderer(output, stream=stream, color="never", environ={}) as renderer:
        renderer.record(record, "told")
    return stream.getvalue()


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_a_record_says_its_schema_and_when(output: str) -> None:
    record = json.loads(written(output, jid="a@b"))
    assert record["schema"] == 1 and record["jid"] == "a@b"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])


def test_text_is_what_the_command_says_and_not_the_record() -> None:
    assert written("text", jid="a@b") == "told\n"


def test_a_table_without_records_makes_them_of_its_columns() -> None:
    stream = io.StringIO()
    with make_renderer("jsonl", stream=stream, color="never", environ={}) as renderer:
        renderer.table(["JID", "Name"], [["a@b", "A"], ["c@d", "C"]])
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(record["jid"], record["name"]) for record in found] == [("a@b", "A"), ("c@d", "C")]
