"""XEP-0198 counts: what is sent before the server agrees, what it may claim, what it is told."""

from __future__ import annotations

import pytest

from xmppctl.session.acks import Acks, count
from xmppctl.stanza.frame import Frame


def nonza(name: str, **attributes: str) -> Frame:
    return Frame(b"<x/>", [f"urn:xmpp:sm:3 {name}"], attributes=attributes)


@pytest.fixture
def asked() -> Acks:
    acks = Acks()
    acks.enable()
    for _ in range(3):
        acks.note_sent()
    return acks


def test_without_them_nothing_is_waited_for():
    acks = Acks()
    acks.note_sent()
    assert acks.off and acks.sent == 0 and acks.cover(5)
    assert acks.take(nonza("r")) is None


def test_stanzas_count_from_the_request_on(asked):
    assert not asked.off and asked.sent == 3
    assert not asked.cover(1)
    asked.take(nonza("a", h="2"))
    assert asked.cover(2) and not asked.cover(3)


@pytest.mark.parametrize("h", ["-1", "x", "", "\u0663", "99999999999", "0x3", "3.0"])
def test_a_count_that_is_none_acknowledges_nothing(asked, h):
    asked.take(nonza("a", h=h))
    asked.take(nonza("a"))
    assert not asked.cover(1)


def test_more_than_was_sent_cannot_be_acknowledged_nor_taken_back(asked):
    asked.take(nonza("a", h="4294967295"))
    asked.note_sent()
    assert asked.cover(3) and not asked.cover(4)
    asked.take(nonza("a", h="1"))
    assert asked.cover(3)


def test_the_server_is_told_what_has_come_since_it_agreed(asked):
    asked.note_received()
    asked.take(nonza("enabled"))
    asked.note_received()
    asked.note_received()
    assert asked.take(nonza("r")) == b"<a xmlns='urn:xmpp:sm:3' h='2'/>"


def test_a_server_that_refuses_leaves_nothing_to_wait_for(asked):
    asked.take(nonza("failed"))
    assert asked.off and asked.cover(3)


def test_agreement_that_nobody_asked_for_is_none():
    acks = Acks()
    acks.take(nonza("enabled"))
    acks.note_received()
    assert acks.off and acks.take(nonza("r")) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("42", 42), ("4294967295", 2**32 - 1)]
    + [(text, None) for text in (None, "", "-1", " 1", "4294967296", "1" * 11, "٣", "1e3")],
)
def test_counts(text: str | None, value: int | None) -> None:
    assert count(text) == value


def test_counts_that_cannot_be_trusted_are_not_believed(asked):
    """What comes in is counted all the same: the server may ask for that."""
    asked.take(nonza("enabled"))
    asked.note_received()
    asked.distrust()
    assert asked.off and asked.cover(3)
    asked.note_sent()
    asked.note_received()
    assert asked.sent == 3
    assert asked.take(nonza("r")) == b"<a xmlns='urn:xmpp:sm:3' h='2'/>"
