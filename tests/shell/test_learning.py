"""A large frame, read in steps: others have their turn, and what comes meanwhile counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xmppctl.shell.knowledge import Knowledge
from xmppctl.shell.learning import is_worth
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

MANY = 2000


def frame(text: str) -> Frame:
    splitter = Splitter("in")
    splitter.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    (found,) = splitter.feed(text.encode())
    return found


def roster(*items: str, type: str = "result") -> Frame:
    inside = "".join(f"<item jid='{item}' name='old'/>" for item in items)
    return frame(f"<iq type='{type}'><query xmlns='jabber:iq:roster'>{inside}</query></iq>")


def push(attributes: str) -> Frame:
    return frame(f"<iq type='set'><query xmlns='jabber:iq:roster'><item {attributes}/></query></iq>")


def large(prefix: str = "user") -> Frame:
    return roster(*(f"{prefix}{n:04}@capulet.example" for n in range(MANY)))


def finish(steps: Iterator[None]) -> int:
    return sum(1 for _ in steps)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("<message><body>x</body></message>", False),
        ("<message><active xmlns='http://jabber.org/protocol/chatstates'/></message>", False),
        ("<iq><query xmlns='jabber:iq:roster'/></iq>", True),
        ("<iq><query xmlns='jabber:iq:version'/></iq>", False),
        ("<iq><a xmlns='b'><x xmlns='jabber:x:data'/></a></iq>", True),
        ("<message><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>", True),
    ],
)
def test_only_some_stanzas_are_looked_into(text: str, worth: bool) -> None:
    assert is_worth(frame(text)) is worth


def test_a_small_frame_has_no_step_and_a_large_one_many() -> None:
    knowledge = Knowledge()
    assert finish(knowledge.digest(roster("a@b.example"))) == 0
    assert knowledge.jids("a@") == [("a@b.example", "old")]
    assert finish(knowledge.digest(large())) >= 3
    assert len(knowledge.jids("user", limit=2 * MANY)) == MANY
    assert knowledge.jids("a@") == []


def test_the_old_roster_stays_until_the_new_one_is_read() -> None:
    knowledge = Knowledge()
    knowledge.take(roster("old@b.example"))
    steps = knowledge.digest(large())
    next(steps)
    assert knowledge.jids("old") == [("old@b.example", "old")]
    finish(steps)
    assert knowledge.jids("old") == []


def test_what_is_pushed_meanwhile_counts_more() -> None:
    knowledge = Knowledge()
    steps = knowledge.digest(large())
    next(steps)
    knowledge.take(push("jid='user0000@capulet.example' subscription='remove'"))
    knowledge.take(push(f"jid='user{MANY - 1}@capulet.example' name='new'"))
    knowledge.take(push("jid='other@capulet.example' name='new'"))
    knowledge.take(frame("<message from='romeo@montague.example'/>"))
    finish(steps)
    assert knowledge.jids("user0000") == []
    assert knowledge.jids(f"user{MANY - 1}")[0][1] == "new"
    assert knowledge.jids("other") == [("other@capulet.example", "new")]
    assert knowledge.jids("romeo") == [("romeo@montague.example", "seen")]


def test_of_two_rosters_the_later_one_counts() -> None:
    knowledge = Knowledge()
    first, second = knowledge.digest(large("first")), knowledge.digest(large("second"))
    next(first)
    next(second)
    finish(second)
    finish(first)
    assert len(knowledge.jids("second", limit=2 * MANY)) == MANY
    assert knowledge.jids("first") == []


def test_a_roster_that_is_never_read_to_its_end_changes_nothing() -> None:
    knowledge = Knowledge()
    knowledge.take(roster("old@b.example"))
    next(knowledge.digest(large()))
    torn = large()
    for _ in knowledge.digest(torn.with_raw(torn.raw[:-10], torn.names, torn.payloads, torn.attributes)):
        pass
    assert [jid for jid, _ in knowledge.jids("")] == ["old@b.example"]
