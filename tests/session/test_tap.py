"""The tap: what it shows, and that nobody behind it can tear the stream."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.errors import OutputClosed
from xmppctl.session.tap import Tap
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def failing(times: int, error: Exception, seen: list[Frame]) -> Callable[[Frame], None]:
    """Fails so many times, then takes frames."""
    left = times

    def on_frame(frame: Frame) -> None:
        nonlocal left
        if left:
            left -= 1
            raise error
        seen.append(frame)

    return on_frame


def test_what_is_sent_is_shown_byte_for_byte_with_secrets_taken_out() -> None:
    seen: list[Frame] = []
    tap = Tap(seen.append)
    tap.sent(HEADER + b"<message  to='a'\n/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>c2VjcmV0</auth>")
    assert [frame.direction for frame in seen] == ["out"] * 3
    assert seen[1].raw == b"<message  to='a'\n/>"
    assert b"c2VjcmV0" not in seen[2].raw


def test_what_is_no_xml_is_shown_as_it_is_and_what_follows_too() -> None:
    seen: list[Frame] = []
    tap = Tap(seen.append)
    tap.sent(HEADER)
    tap.sent(b"<message><<<")
    tap.restart()
    tap.sent(HEADER)
    tap.sent(b"<message id='1'/>")
    assert b"".join(frame.raw for frame in seen) == HEADER + b"<message><<<" + HEADER + b"<message id='1'/>"


@pytest.mark.parametrize("error", [OutputClosed("gone"), OSError(28, "full"), ValueError("a bug")])
def test_who_fails_once_sees_nothing_more_and_the_first_failure_is_kept(error: Exception) -> None:
    seen: list[Frame] = []
    tap = Tap(failing(1, error, seen))
    frames = Splitter().feed(HEADER + b"<message/><message/>")
    tap.show(frames)
    tap.sent(HEADER)
    assert tap.failure is error and seen == []


def test_while_it_is_paused_only_stream_headers_are_shown() -> None:
    seen: list[Frame] = []
    tap = Tap(seen.append)
    tap.sent(HEADER)
    tap.paused = True
    tap.sent(b"<message id='1'/><message id='2'/>")
    incoming = Splitter().feed(HEADER + b"<features/> <message/></stream:stream>")
    tap.show(incoming)
    tap.restart()
    tap.sent(b"<?xml version='1.0'?>" + HEADER)
    assert [(frame.direction, frame.kind) for frame in seen] == [
        ("out", "stream"),
        ("in", "stream"),
        ("out", "stream"),
    ]
    tap.paused = False
    tap.sent(b"<message id='3'/>")
    assert seen[-1].id == "3"
