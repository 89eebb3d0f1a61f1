"""Records: the contract's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmppctl.errors import DeadlineExceeded, StanzaCondition, StanzaRefused
from xmppctl.output.records import (
    body_of,
    error_record,
    json_block,
    json_line,
    stamp,
    stanza_record,
    utc_time,
)
from xmppctl.stanza.frame import Frame

Frames = Callable[..., list[Frame]]


def test_a_stanza_has_what_the_contract_says_in_its_order(frames_of: Frames) -> None:
    xml = (
        "<message type='chat' id='m1' from='a@b.example/c' to='d@e.example'><body>hi &amp; bye</body>"
        "<request xmlns='urn:xmpp:receipts'/></message>"
    )
    record = stanza_record(frames_of(xml, "out")[0])
    assert record == {
        "schema": 1,
        "time": "2023-11-14T22:13:20.500Z",
        "direction": "out",
        "kind": "message",
        "type": "chat",
        "id": "m1",
        "from": "a@b.example/c",
        "to": "d@e.example",
        "body": "hi & bye",
        "payloads": [
            {"namespace": "jabber:client", "name": "body"},
            {"namespace": "urn:xmpp:receipts", "name": "request", "xep": "XEP-0184"},
        ],
        "xml": xml,
    }
    assert list(record) == [
        "schema",
        "time",
        "direction",
        "kind",
        "type",
        "id",
        "from",
        "to",
        "body",
        "payloads",
        "xml",
    ]


def test_absent_values_are_left_out_and_empty_ones_are_not(frames_of: Frames) -> None:
    assert set(stanza_record(frames_of("<presence/>")[0])) == {"schema", "time", "direction", "kind", "xml"}
    record = stanza_record(frames_of("<message id=''><body/></message>")[0])
    assert record["id"] == "" and record["body"] == ""


def test_stream_parts_are_records_and_bytes_that_are_no_text_still_parse() -> None:
    torn = Frame(b"<message><body>\xff\xed\xa0\x80\x1b[2J", direction="in", time=0.0)
    record = json.loads(json_line(stanza_record(torn)))
    assert record["kind"] == "stream"
    assert record["xml"].startswith("<message><body>\ufffd") and record["xml"].endswith("\x1b[2J")
    assert json.loads(json_line({"x": "\ud800", "y": "\ud83d\ude00"})) == {"x": "\ufffd", "y": "\ufffd\ufffd"}


@pytest.mark.parametrize(
    "xml",
    [
        "<message><body>plain</body></message>",
        "<message><body> a\nb\t</body></message>",
        "<message><body>&lt;body&gt;</body></message>",
        "<message><body><![CDATA[<body>no</body>]]></body></message>",
        "<message><body xml:lang='de'>eins</body><body>one</body></message>",
        "<message xmlns:c='jabber:client'><c:body>A</c:body><x xmlns='urn:x'><body>B</body></x></message>",
        "<message xmlns:c='jabber:client'><c:body/><x xmlns='urn:x'><body>B</body></x></message>",
        "<message><x xmlns='urn:x'><body>B</body></x></message>",
        "<message><body xmlns='urn:x'>B</body><body>A</body></message>",
        "<message><x xmlns='urn:x' a='&lt;body>'><body>B</body></x><body >A</body></message>",
        "<message><body/></message>",
        "<message><subject>s</subject></message>",
        "<message><body>a\r\nb\rc</body></message>",
        "<presence><body>no</body></presence>",
    ],
)
def test_the_quick_body_is_the_parsed_one(xml: str, frames_of: Frames) -> None:
    frame = frames_of(xml)[0]
    assert body_of(frame, frame.text) == frame.body


@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_parses_to_what_went_in_and_shows_no_control_character(value: object) -> None:
    record = {"value": value}
    known = json.loads(json.dumps(record).encode("utf-8", "replace"))
    for text in (json_line(record), json_block(record)):
        assert _without_surrogates(json.loads(text)) == _without_surrogates(known)
        assert not set(text) & set("\x7f\x85\x9b\u202e\u200b\u2028\ufeff")
    assert "\n" not in json_line(record)


def _without_surrogates(value: object) -> object:
    text = json.dumps(value, sort_keys=True)
    return text if "\\ud" not in text else None


def test_letters_stay_readable_and_what_hides_is_escaped() -> None:
    line = json_line({"a": "Größe 日本 \u202e\u200b\x9b\U000e0041 \x1b"})
    assert line == '{"a":"Größe 日本 \\u202e\\u200b\\u009b\\udb40\\udc41 \\u001b"}'


def test_times_are_utc_with_milliseconds() -> None:
    assert utc_time(0) == "1970-01-01T00:00:00.000Z"
    assert utc_time(1700000000.9996) == "2023-11-14T22:13:21.000Z"
    assert utc_time(1700000000.001) == "2023-11-14T22:13:20.001Z"


def test_records_are_stamped_but_their_own_time_wins() -> None:
    assert stamp({"a": 1}, 0.0) == {"schema": 1, "time": "1970-01-01T00:00:00.000Z", "a": 1}
    assert stamp({"time": "then"}, 0.0)["time"] == "then"


def test_an_error_is_an_object_without_what_it_does_not_have() -> None:
    assert error_record(DeadlineExceeded("no reply")) == {
        "error": "timeout",
        "exit": 6,
        "message": "no reply",
    }
    refused = StanzaRefused("no", reason=StanzaCondition("forbidden"), hint="ask", stanza="<iq/>")
    assert error_record(refused) == {
        "error": "stanza-error",
        "exit": 1,
        "message": "no",
        "hint": "ask",
        "stanza": "<iq/>",
    }
