"""A conversation of raw stanzas: nothing that is typed waits for a reply, and every reply finds its request."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from xmppctl.errors import DeadlineExceeded, StanzaRefused
from xmppctl.protocols.raw import Conversation
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.check import split_input
from xmppctl.stanza.frame import Frame

NURSE, FRIAR = "nurse@capulet.example", "friar@capulet.example"
ERROR = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def asking(to: str, id_: str = "1") -> str:
    return f"<iq type='get' id='{id_}' to='{to}'><x xmlns='urn:x'/></iq>"


def telling(sender: str, text: str, id_: str = "1") -> str:
    return f"<iq type='result' id='{id_}' from='{sender}'><x xmlns='urn:x'>{text}</x></iq>"


class Talk:
    """What became of typed text: what was sent but for the barrier's ping, and what was shown."""

    def __init__(self, typed: str, responder: Callable[[Frame], Iterable[str] | None]) -> None:
        self.session = MemorySession(responder)
        self.shown: list[str] = []
        self.refused: list[StanzaRefused] = []
        self.error: DeadlineExceeded | None = None
        conversation = Conversation(
            self.session, lambda frame: self.shown.append(frame.text), self.refused.append
        )
        try:
            drive(conversation.run(split_input(typed)))
        except DeadlineExceeded as error:
            self.error = error
        self.unanswered = conversation.unanswered
        self.sent = [frame.text for frame in self.session.sent if "urn:xmpp:ping" not in frame.text]


def test_requests_that_are_never_answered_keep_nothing_back() -> None:
    typed = [asking(NURSE, str(n % 7)) for n in range(2000)]
    talk = Talk("".join(typed), lambda _: [])
    assert talk.sent == typed
    assert talk.shown == [] and len(talk.unanswered) == 2000
    assert talk.error is not None and "2000 without a reply" in talk.error.message


def test_one_id_many_times_gets_each_its_own_reply() -> None:
    """Of one addressee's replies the first belongs to the first request; another addressee's to its own."""
    held: list[Frame] = []

    def respond(frame: Frame) -> list[str] | None:
        if "urn:xmpp:ping" in frame.text:
            return None
        held.append(frame)
        if len(held) < 4:
            return []
        return [
            telling(FRIAR, "c"),
            telling(NURSE, "a"),
            telling("mallory@evil.example", "x"),
            telling(NURSE, "b"),
            telling(NURSE, "too many"),
            f"<iq type='error' id='1' from='{FRIAR}'>{ERROR}</iq>",
        ]

    talk = Talk(asking(NURSE) + asking(NURSE) + asking(FRIAR) + asking(FRIAR), respond)
    assert talk.error is None
    assert talk.shown[:3] == [telling(NURSE, "a"), telling(NURSE, "b"), telling(FRIAR, "c")]
    assert len(talk.shown) == 4 and "item-not-found" in talk.shown[3]
    assert [error.reason.condition for error in talk.refused if error.reason] == ["item-not-found"]


@pytest.mark.parametrize("count", [1, 3000])
def test_replies_are_shown_in_the_order_of_the_requests(count: int) -> None:
    def respond(frame: Frame) -> list[str] | None:
        return None if "urn:xmpp:ping" in frame.text else [telling(NURSE, "", frame.id or "")]

    talk = Talk("".join(asking(NURSE, str(n)) for n in range(count)), respond)
    assert talk.shown == [telling(NURSE, "", str(n)) for n in range(count)]
    assert talk.unanswered == []


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        (NURSE, True),
        ("capulet.example", True),
        ("montague.example", True),
        ("mallory@evil.example", False),
        ("friar@capulet.example", False),
    ],
)
def test_a_bounce_is_shown_if_it_comes_from_who_may_refuse_the_message(sender: str, shown: bool) -> None:
    bounce = f"<message type='error' id='m1' from='{sender}'>{ERROR}</message>"
    talk = Talk(
        f"<message id='m1' to='{NURSE}'><body>hi</body></message>",
        lambda frame: [bounce] if frame.kind == "message" else None,
    )
    assert talk.shown == ([bounce] if shown else [])
    assert len(talk.refused) == int(shown)
