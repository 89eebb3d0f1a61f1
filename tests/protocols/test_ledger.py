"""What answers what was sent, and what only pretends to."""

from __future__ import annotations

import pytest

from xmppctl.protocols.ledger import Ledger, Sent
from xmppctl.session.replies import Replies
from xmppctl.stanza.build import attributes
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

OWN = Jid.parse("romeo@montague.example/orchard")
JULIET = "juliet@capulet.example/balcony"
BARE = "juliet@capulet.example"
MALLORY = "mallory@evil.example"


def stanza(kind: str, type_: str | None = None, *, id_: str | None = "1", **more: str | None) -> Frame:
    given = {"type": type_, "id": id_, **more}
    head = {name: value for name, value in given.items() if value is not None}
    return Frame(
        f"<{kind}{attributes(head)}/>".encode(), [f"jabber:client {kind}"], attributes=head, time=7.5
    )


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Replies(OWN))


def taken(
    ledger: Ledger, kind: str, type_: str, sender: str | None = None, id_: str | None = "1"
) -> Sent | None:
    return ledger.take(stanza(kind, type_, id_=id_, **{"from": sender}))


@pytest.mark.parametrize(
    ("to", "senders", "strangers"),
    [
        (JULIET, [JULIET, "Juliet@CAPULET.example/balcony"], [None, MALLORY, BARE, "capulet.example"]),
        (None, [None, OWN.bare, str(OWN), OWN.domain], [MALLORY, JULIET]),
        (OWN.domain, [None, OWN.domain], [MALLORY, OWN.bare]),
        (OWN.bare, [None, OWN.bare], [MALLORY, str(OWN)]),
    ],
)
def test_a_reply_comes_from_whom_was_asked(
    to: str | None, senders: list[str | None], strangers: list[str | None]
) -> None:
    for sender in senders:
        for type_ in ("result", "error"):
            ledger = Ledger(Replies(OWN))
            entry = ledger.note(stanza("iq", "get", to=to), 5.0)
            for stranger in strangers:
                assert taken(ledger, "iq", type_, stranger) is None
            assert entry.answer is None and entry.seconds is None
            assert taken(ledger, "iq", type_, sender) is entry
            assert entry.answer is not None and entry.seconds == 2.5


@pytest.mark.parametrize("kind", ["message", "presence"])
@pytest.mark.parametrize(
    ("sender", "refuses"),
    [
        (JULIET, True),
        (BARE, True),
        ("capulet.example", True),
        (OWN.domain, True),
        (None, True),
        (MALLORY, False),
    ],
)
def test_a_bounce_comes_from_who_may_refuse(
    ledger: Ledger, kind: str, sender: str | None, refuses: bool
) -> None:
    entry = ledger.note(stanza(kind, "chat", to=JULIET), 5.0)
    assert (taken(ledger, kind, "error", sender) is entry) is refuses


@pytest.mark.parametrize(
    ("kind", "type_", "id_"),
    [
        ("message", "error", "1"),
        ("presence", "error", "1"),
        ("iq", "get", "1"),
        ("iq", "set", "1"),
        ("iq", "", "1"),
        ("iq", "result", "2"),
        ("iq", "result", None),
    ],
)
def test_what_is_no_reply(ledger: Ledger, kind: str, type_: str, id_: str | None) -> None:
    entry = ledger.note(stanza("iq", "get", to=JULIET), 5.0)
    assert taken(ledger, kind, type_, JULIET, id_) is None
    assert ledger.unanswered() == [entry]


def test_what_is_no_bounce(ledger: Ledger) -> None:
    ledger.note(stanza("message", "chat", to=JULIET), 5.0)
    for kind, type_ in (("message", "result"), ("message", "chat"), ("iq", "error"), ("presence", "error")):
        assert taken(ledger, kind, type_, JULIET) is None


def test_an_answer_counts_once_and_in_order(ledger: Ledger) -> None:
    first, second = (ledger.note(stanza("iq", "get", to=JULIET), 5.0) for _ in range(2))
    other = ledger.note(stanza("iq", "get", to=BARE), 5.0)
    assert [taken(ledger, "iq", "result", sender) for sender in (BARE, JULIET, JULIET, JULIET, BARE)] == [
        other,
        first,
        second,
        None,
        None,
    ]


def test_a_bounce_without_id(ledger: Ledger) -> None:
    entry = ledger.note(stanza("message", id_=None, to=JULIET), 5.0)
    assert taken(ledger, "message", "error", JULIET, None) is entry


@pytest.mark.parametrize("type_", ["result", "error"])
def test_answers_of_ours_are_not_answered(ledger: Ledger, type_: str) -> None:
    entry = ledger.note(stanza("iq", type_, to=JULIET), 5.0)
    assert not entry.asks and ledger.unanswered() == []
    assert taken(ledger, "iq", "error", JULIET) is None


def test_found_by_number(ledger: Ledger) -> None:
    assert ledger.get(0) is None and ledger.get(1) is None
    entries = [ledger.note(stanza("message"), 0.0) for _ in range(3)]
    assert [entry.number for entry in entries] == [1, 2, 3] and ledger.count == 3
    assert [ledger.get(number) for number in (1, 3, 0, -2, -3, 4)] == [
        entries[0],
        entries[2],
        entries[2],
        entries[0],
        None,
        None,
    ]
    assert list(ledger) == entries


def test_only_the_newest_are_kept() -> None:
    ledger = Ledger(Replies(OWN), limit=2)
    for number in range(1, 5):
        ledger.note(stanza("iq", "get", id_=str(number)), 0.0)
    assert [entry.number for entry in ledger] == [3, 4]
    assert [entry.number for entry in ledger.unanswered()] == [3, 4]
    assert ledger.get(2) is None
    assert taken(ledger, "iq", "result", None, "2") is None
    assert taken(ledger, "iq", "result", None, "3") is ledger.get(3)
    for _ in range(5):
        ledger.note(stanza("iq", "get", id_="same"), 0.0)
    assert len(ledger.unanswered()) == 2


def test_given_up_once(ledger: Ledger) -> None:
    message = ledger.note(stanza("message", id_="m", to=JULIET), 0.0)
    asked = [ledger.note(stanza("iq", "set", id_=str(number)), 0.0) for number in (2, 1)]
    answered = ledger.note(stanza("iq", "set", id_="0"), 0.0)
    taken(ledger, "iq", "result", None, "0")
    assert answered.answer is not None
    assert ledger.give_up() == asked
    assert ledger.give_up() == []
    assert taken(ledger, "iq", "result", None, "2") is None
    assert taken(ledger, "message", "error", JULIET, "m") is None
    assert ledger.get(message.number) is message
