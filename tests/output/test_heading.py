"""Head lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.output.heading import ASCII, UNICODE, head, is_failure, local_time, specs, value
from xmppctl.output.palette import PLAIN
from xmppctl.stanza.frame import Frame

Frames = Callable[..., list[Frame]]


def shown(frame: Frame) -> str:
    return head(frame, PLAIN, UNICODE)


def test_time_arrow_kind_type_addresses_id(frames_of: Frames) -> None:
    xml = "<iq type='set' id='x1' from='a@b.example/c' to='d.example'/>"
    assert shown(frames_of(xml)[0]) == "22:13:20.500 ← iq set  a@b.example/c → d.example  id=x1"
    out = frames_of("<presence to='d.example'/>", "out")[0]
    assert shown(out) == "22:13:20.500 → presence  → d.example"
    assert head(out, PLAIN, ASCII) == "22:13:20.500 -> presence  -> d.example"


def test_parts_of_the_stream_have_names(session_frames: list[Frame]) -> None:
    labels = [shown(frame)[15:].split("  ")[0] for frame in session_frames]
    assert labels[:3] == ["stream header", "stream header", "stream features"]
    assert labels[6] == "keep-alive"
    assert labels[-2:] == ["stream footer", "torn"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a@b.example/c", "a@b.example/c"),
        ("", '""'),
        ("a@b/my phone", '"a@b/my phone"'),
        ('x" id=forged "', '"x\\" id=forged \\""'),
        ("a\u3000b", '"a\u3000b"'),
        ("a\nb", "a\\nb"),
        ("\u202e", "\\u202e"),
        ("x" * 500, "x" * 120 + "…"),
    ],
)
def test_a_value_is_one_word(text: str, word: str) -> None:
    assert value(text) == word


def test_xeps_are_found_at_any_depth(frames_of: Frames) -> None:
    forwarded = frames_of(
        "<message><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        "<message xmlns='jabber:client'><request xmlns='urn:xmpp:receipts'/></message></forwarded></sent></message>"
    )[0]
    assert specs(forwarded) == "XEP-0280, XEP-0297, XEP-0184"
    assert specs(frames_of("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")[0]).startswith(
        "XEP-0199 "
    )
    assert specs(frames_of("<message/>")[0]) == ""


def test_what_every_stanza_of_a_component_is_in_says_nothing() -> None:
    namespace = "jabber:component:accept"
    ping = Frame(b"", [f"{namespace} iq", "urn:xmpp:ping ping"], ["urn:xmpp:ping ping"])
    assert specs(ping) == "XEP-0199 XMPP Ping"
    assert specs(Frame(b"", [f"{namespace} message", f"{namespace} body"])) == ""
    assert specs(Frame(b"", [f"{namespace} handshake"])) == "XEP-0114 Jabber Component Protocol"


def test_what_is_a_failure(frames_of: Frames) -> None:
    failures = frames_of(
        "<iq type='error' id='1'/><stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        "<failed xmlns='urn:xmpp:sm:3'/><failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
    )
    assert all(is_failure(frame) for frame in failures)
    assert not any(is_failure(frame) for frame in frames_of("<message/><error xmlns='urn:other'/>"))


def test_local_time_has_milliseconds() -> None:
    assert local_time(1700000000.9999) == "22:13:21.000"
