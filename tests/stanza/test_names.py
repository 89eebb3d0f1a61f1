"""Anybody may put any namespace into a stanza: it is shown, and the stream goes on."""

from __future__ import annotations

import json

import pytest

from xmppctl.output.records import json_line, stanza_record
from xmppctl.output.renderers import make_renderer
from xmppctl.stanza import names
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
ODD = ["urn:a b", "urn:a}b", "urn:a{b", " ", "}", "urn:\u00e9", "a&amp;b", "http://[", "%zz", "a&#10;b"]


@pytest.mark.parametrize("namespace", ODD)
def test_a_stanza_with_an_odd_namespace_is_a_stanza_like_any_other(namespace: str) -> None:
    raw = f"<message id='1'><body>b</body><x xmlns='{namespace}' xmlns:p='{namespace}' p:a='1'><y/></x></message>"
    splitter = Splitter()
    frames = splitter.feed(HEADER + raw.encode() + b"<presence/>")
    assert [frame.name for frame in frames] == ["stream", "message", "presence"]
    message = redact(frames[1])
    assert message.raw == raw.encode()
    assert message.payloads[1].endswith(" x")
    assert message.body == "b"
    assert json.loads(json_line(stanza_record(message)))["xml"] == raw
    assert compile_filter(["body:b", "-ns:urn:xmpp:ping"])(message)
    assert compile_filter(["xpath:/c:message/c:body"])(message)


@pytest.mark.parametrize("namespace", ODD)
@pytest.mark.parametrize("output", ["text", "jsonl", "json", "xml"])
def test_every_renderer_shows_it(namespace: str, output: str) -> None:
    import io

    stream = io.StringIO()
    raw = (
        f"<message type='error'><x xmlns='{namespace}'/><error><gone xmlns='{namespace}'/></error></message>"
    )
    renderer = make_renderer(output, stream=stream, color="never", has_xml=True, environ={})
    renderer.frame(Splitter().feed(HEADER + raw.encode())[1])
    renderer.close()
    assert "message" in stream.getvalue()


def test_prefixed_attributes_keep_their_namespace() -> None:
    assert names.spaced({"a": "1", f"n{names.SEPARATOR}b": "2"}) == {"a": "1", "n b": "2"}
    plain = {"a": "1"}
    assert names.spaced(plain) is plain


def test_names_of_the_network_are_not_remembered_without_end() -> None:
    splitter = Splitter()
    splitter.feed(HEADER)
    for number in range(10_000):
        (frame,) = splitter.feed(f"<message><n{number} xmlns='urn:{number}'/></message>".encode())
        assert frame.payloads == [f"urn:{number} n{number}"]
    long = "n" * 50_000
    (frame,) = splitter.feed(f"<message><{long}/></message>".encode())
    assert frame.payloads == [f"jabber:client {long}"]
    assert len(names.known_names) < 5000 and max(map(len, names.known_names)) < 300
