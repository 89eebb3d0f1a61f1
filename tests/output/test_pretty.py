"""Frames for human eyes. Their look is held by the golden files."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from wcwidth import wcswidth

from xmppctl.errors import StanzaCondition
from xmppctl.output.palette import COLORS
from xmppctl.output.pretty import Pretty
from xmppctl.stanza.explain import explain, explain_sasl, explain_stream
from xmppctl.stanza.frame import Frame

Frames = Callable[..., list[Frame]]

ERROR = (
    "<iq type='error' id='1' from='pubsub.example'><error type='cancel'><not-allowed"
    " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>No\n22:13:20"
    "</text><closed-node xmlns='http://jabber.org/protocol/pubsub#errors'/></error></iq>"
)


def test_an_error_that_came_in_is_explained(frames_of: Frames) -> None:
    frame = frames_of(ERROR)[0]
    lines = Pretty().frame(frame).splitlines()
    meaning, advice = explain(
        StanzaCondition("not-allowed", application="{http://jabber.org/protocol/pubsub#errors}closed-node")
    )
    assert lines[-3:] == [
        "  ! not-allowed closed-node (cancel): No\\n22:13:20",
        f"    {meaning}",
        f"    try: {advice}",
    ]


def test_an_error_of_ours_is_not_explained_to_us(frames_of: Frames) -> None:
    assert Pretty().frame(frames_of(ERROR, "out")[0]).splitlines()[-1].startswith("  ! not-allowed")


@pytest.mark.parametrize(
    ("xml", "explained"),
    [
        (
            "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>replaced</text></stream:error>",
            explain_stream("conflict"),
        ),
        (
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>replaced</text></failure>",
            explain_sasl("not-authorized"),
        ),
        (
            "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
            explain(StanzaCondition("item-not-found")),
        ),
    ],
)
def test_failures_of_the_stream_are_explained(
    xml: str, explained: tuple[str, str], frames_of: Frames
) -> None:
    frame = frames_of(xml)[0]
    lines = Pretty().frame(frame).splitlines()
    assert lines[-2:] == [f"    {explained[0]}", f"    try: {explained[1]}"]
    assert lines[-3].endswith(": replaced" if "replaced" in xml else "! item-not-found")
    assert COLORS.error in Pretty(COLORS).frame(frame)


def test_a_failure_without_reason_or_without_sense_is_shown_all_the_same(frames_of: Frames) -> None:
    empty = frames_of("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")[0]
    assert Pretty().frame(empty).splitlines()[1:] == ["  <failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"]
    broken = Frame(b"<iq type='error'>", ["jabber:client iq"], [], {"type": "error"})
    assert Pretty().frame(broken).splitlines()[1:] == ["  <iq type='error'>"]


def test_no_row_is_wider_than_the_terminal(session_frames: list[Frame], frames_of: Frames) -> None:
    deep = f"<message>{'<n>' * 150}x{'</n>' * 150}</message>"
    error = frames_of(ERROR.replace("No", "日本語 שלום " * 30))
    for width in (20, 40, 79, 200):
        for frame in [*session_frames, *frames_of(deep), *error]:
            for full in (True, False):
                shown = Pretty(COLORS, full=full).frame(frame, width)
                for row in re.sub("\x1b\\[[0-9;]*m", "", shown).splitlines():
                    assert wcswidth(row) <= width, row


def test_everything_below_the_head_is_indented(session_frames: list[Frame]) -> None:
    for frame in session_frames:
        for width in (None, 40):
            head, *rest = Pretty().frame(frame, width).splitlines()
            assert re.match(r"\d\d:\d\d:\d\d\.\d{3} [←→] ", head)
            assert all(row.startswith("  ") for row in rest)


@pytest.mark.timeout(30)
def test_a_huge_stanza_is_shown_in_bounded_space(frames_of: Frames) -> None:
    item = "<item jid='contact@capulet.example' subscription='both'><group>Friends</group></item>"
    roster = frames_of(
        f"<iq type='result' id='1'><query xmlns='jabber:iq:roster'>{item * 60_000}</query></iq>"
    )[0]
    shown = Pretty().frame(roster)
    assert len(shown) < 1_000_000 and "more characters]" in shown
    deepest = frames_of("<message>" + "<a>" * 190 + "<b/>" * 50_000 + "</a>" * 190 + "</message>")[0]
    assert len(Pretty().frame(deepest)) < 1_000_000
    body = frames_of(f"<message><body>{'日' * 4_000_000}</body><after xmlns='u'/></message>")[0]
    shown = Pretty(COLORS).frame(body, 80)
    assert len(shown) < 10_000 and "after" in shown
