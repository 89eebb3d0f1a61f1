"""Which iq answers which request, and who may refuse what."""

from __future__ import annotations

import pytest

from xmppctl.session.replies import Replies, prepared
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

ME = "romeo@montague.example/orchard"
NURSE = "nurse@capulet.example"


def iq(sender: str | None, id_: str = "1", kind: str = "iq", type_: str = "result") -> Frame:
    attributes = {"type": type_, "id": id_} | ({"from": sender} if sender is not None else {})
    return Frame(b"<iq/>", [f"jabber:client {kind}"], attributes=attributes)


@pytest.fixture
def replies() -> Replies:
    return Replies(Jid.parse(ME))


@pytest.mark.parametrize(
    ("to", "sender", "fits"),
    [
        (NURSE, NURSE, True),
        (NURSE, "NURSE@Capulet.example", True),
        (NURSE, f"{NURSE}/kitchen", False),
        (NURSE, "capulet.example", False),
        (NURSE, None, False),
        (f"{NURSE}/kitchen", NURSE, False),
        ("montague.example", None, True),
        ("montague.example", "montague.example", True),
        ("montague.example", "romeo@montague.example", False),
        ("romeo@montague.example", None, True),
        (None, None, True),
        (None, "montague.example", True),
        (None, "romeo@montague.example", True),
        (None, ME, True),
        (None, NURSE, False),
        (None, "romeo@montague.example/elsewhere", False),
    ],
)
def test_only_who_was_asked_answers(replies: Replies, to: str | None, sender: str | None, fits: bool) -> None:
    pending = replies.expect("1", to)
    reply = iq(sender)
    replies.offer(reply)
    assert pending.reply is (reply if fits else None)


@pytest.mark.parametrize(
    "frame",
    [iq(NURSE, "2"), iq(NURSE, kind="message"), iq(NURSE, type_="get"), iq(NURSE, type_="set")],
    ids=["id", "message", "get", "set"],
)
def test_only_an_iq_result_or_error_with_the_id_is_an_answer(replies: Replies, frame: Frame) -> None:
    pending = replies.expect("1", NURSE)
    replies.offer(frame)
    assert pending.reply is None
    replies.offer(iq(NURSE, type_="error"))
    assert pending.reply is not None


def test_a_reply_goes_to_the_oldest_request_of_its_sender(replies: Replies) -> None:
    first, other, second = replies.expect("1", NURSE), replies.expect("1", "b@c"), replies.expect("1", NURSE)
    answers = [iq(NURSE), iq(NURSE), iq(NURSE)]
    for answer in answers:
        replies.offer(answer)
    assert (first.reply, second.reply, other.reply) == (answers[0], answers[1], None)


def test_what_is_forgotten_takes_no_reply(replies: Replies) -> None:
    pending = replies.expect("1", NURSE)
    replies.forget(pending)
    replies.forget(pending)
    replies.offer(iq(NURSE))
    assert pending.reply is None


@pytest.mark.parametrize(
    ("sender", "may"),
    [
        (None, True),
        (f"{NURSE}/kitchen", True),
        (NURSE, True),
        ("capulet.example", True),
        ("montague.example", True),
        ("romeo@montague.example", True),
        (f"{NURSE}/garden", False),
        ("mallory@capulet.example", False),
        ("evil.example", False),
        (ME, False),
    ],
)
def test_who_may_refuse_a_message(replies: Replies, sender: str | None, may: bool) -> None:
    assert (sender in replies.refusers(f"{NURSE}/kitchen")) is may


def test_what_has_no_addressee_is_refused_by_the_own_server_alone(replies: Replies) -> None:
    assert replies.refusers(None) == {None, "romeo@montague.example", "montague.example"}


def test_what_is_no_jid_is_compared_as_it_came() -> None:
    assert prepared("@@") == "@@" and prepared(None) is None and prepared("A@B/C") == "a@b/C"
