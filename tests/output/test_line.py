"""One line a frame."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.output.line import one_line
from xmppctl.stanza.frame import Frame

Frames = Callable[..., list[Frame]]


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (
            "<message from='a@b.c'><body>one\ntwo &lt;3</body></message>",
            r'message  a@b.c →  58B  "one\ntwo <3"',
        ),
        ("<message to='a@b.c'><x xmlns='u:x'/><y xmlns='u:y'/></message>", "message  → a@b.c  62B  x y"),
        ("<presence><show>dnd</show><status>a\nb</status><priority>1</priority></presence>", r"dnd a\nb"),
        ("<presence type='unavailable'/>", "presence unavailable  30B"),
        ("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "iq get  id=1  XEP-0199  56B  ping"),
        (
            "<iq type='error' id='1'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>not\nyou</text></error></iq>",
            r"forbidden: not\nyou",
        ),
        (
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
            "failure  77B  not-authorized",
        ),
    ],
)
def test_what_a_frame_says(xml: str, said: str, frames_of: Frames) -> None:
    line = one_line(frames_of(xml)[0])
    assert line.endswith(said), line
    assert "\n" not in line


def test_it_is_cut_to_the_terminal(frames_of: Frames) -> None:
    from wcwidth import wcswidth

    frame = frames_of(f"<message><body>{'日本 ' * 100}</body></message>")[0]
    assert wcswidth(one_line(frame, width=60)) in (59, 60)


def test_an_error_that_says_nothing_is_no_reason_to_fail(frames_of: Frames) -> None:
    assert "undefined-condition" in one_line(frames_of("<iq type='error' id='1'/>")[0])
    broken = Frame(b"<iq type='error'>", ["jabber:client iq"], [], {"type": "error"})
    assert "iq error" in one_line(broken)
    assert "presence" in one_line(Frame(b"<presence>", ["jabber:client presence"], ["jabber:client show"]))
