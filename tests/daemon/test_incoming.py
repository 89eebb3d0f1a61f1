from __future__ import annotations

import pytest

from tests.daemon.conftest import FULL, House, Talker, attribute
from xmppctl.daemon import incoming as module

PEER = "juliet@capulet.example/balcony"
REFUSED = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def asks(id_: str = "q", sender: str | None = PEER, namespace: str = "jabber:iq:version") -> str:
    address = f" from='{sender}'" if sender else ""
    return f"<iq type='get' id='{id_}'{address} to='{FULL}'><query xmlns='{namespace}'/></iq>"


def answers(id_: str = "q", to: str | None = PEER, type_: str = "result") -> str:
    return (
        f"<iq type='{type_}' id='{id_}'"
        + (f" to='{to}'" if to else "")
        + "><query xmlns='jabber:iq:version'/></iq>"
    )


def serving(house: House, namespace: str = "jabber:iq:version") -> Talker:
    talker = house.bound()
    talker.say(
        f"<iq type='set' id='s' to='daemon.xmppctl.invalid'>"
        f"<serve xmlns='urn:xmppctl:daemon:1' namespace='{namespace}'/></iq>"
    )
    (told,) = talker.read()
    assert attribute(told, "type") == "result"
    return talker


def test_what_nobody_serves_is_answered_at_once_and_once_and_seen_by_all(house: House) -> None:
    talkers = [house.bound(), house.bound()]
    house.link.receive(asks())
    assert house.link.texts == [f"<iq type='error' id='q' to='{PEER}'>{REFUSED}</iq>"]
    for talker in talkers:
        assert talker.read() == [asks()]
        talker.say(answers())
    assert len(house.link.texts) == 1, "answers of clients that do not serve it go nowhere"
    assert house.hub.facts()["requests"]["swallowed_answers"] == 2


def test_it_is_answered_with_no_client_at_all(house: House) -> None:
    house.link.receive(asks())
    assert house.link.texts == [f"<iq type='error' id='q' to='{PEER}'>{REFUSED}</iq>"]


@pytest.mark.parametrize("type_", ["result", "error"])
def test_who_serves_answers_and_only_the_first_answer_counts(house: House, type_: str) -> None:
    one, two, other = serving(house), serving(house), house.bound()
    house.link.receive(asks())
    assert house.link.texts == []
    assert one.read() == two.read() == other.read() == [asks()]
    other.say(answers())
    assert house.link.texts == []
    two.say(answers(type_=type_))
    one.say(answers())
    two.say(answers())
    assert house.link.texts == [answers(type_=type_)]
    house.clock.advance(100)
    assert house.link.texts == [answers(type_=type_)]
    assert (
        house.hub.facts()["requests"] | {"unanswered": 0, "swallowed_answers": 3}
        == house.hub.facts()["requests"]
    )


@pytest.mark.parametrize(
    "answer",
    [
        answers("other"),
        answers(to="romeo@capulet.example"),
        answers(to="juliet@capulet.example"),
        answers(to=None),
    ],
)
def test_an_answer_to_what_was_not_asked_goes_nowhere(house: House, answer: str) -> None:
    talker = serving(house)
    house.link.receive(asks())
    talker.say(answer)
    assert house.link.texts == []


def test_other_namespaces_are_the_daemons(house: House) -> None:
    serving(house)
    house.link.receive(asks(namespace="urn:xmpp:ping"))
    assert REFUSED in house.link.last


def test_what_is_not_answered_in_time_is_answered_by_the_daemon(house: House) -> None:
    talker = serving(house)
    house.link.receive(asks())
    house.clock.advance(29)
    assert house.link.texts == []
    house.clock.advance(1)
    assert house.link.texts == [f"<iq type='error' id='q' to='{PEER}'>{REFUSED}</iq>"]
    talker.say(answers())
    assert len(house.link.texts) == 1


@pytest.mark.parametrize("how", ["die", "close"])
def test_what_only_a_client_that_went_could_answer_is_answered_at_once(house: House, how: str) -> None:
    one, two = serving(house), serving(house)
    house.link.receive(asks())
    getattr(one, how)()
    assert house.link.texts == []
    getattr(two, how)()
    assert house.link.texts == [f"<iq type='error' id='q' to='{PEER}'>{REFUSED}</iq>"]
    house.clock.advance(100)
    house.link.receive(asks("next"))
    assert len(house.link.texts) == 2 and REFUSED in house.link.last, "nobody serves any more"


def test_an_answer_is_sent_though_its_client_goes_while_offline(house: House) -> None:
    talker = serving(house)
    house.link.receive(asks())
    house.link.cut()
    talker.say(answers() + "<message/>")
    talker.die()
    house.link.online(resumed=True)
    assert house.link.texts == [answers()]


def test_the_same_id_of_two_who_ask(house: House) -> None:
    talker = serving(house)
    house.link.receive(asks(), asks(sender="nurse@capulet.example/kitchen"), asks())
    talker.say(answers() + answers(to="nurse@capulet.example/kitchen") + answers() + answers())
    assert len(house.link.texts) == 3


@pytest.mark.parametrize("sender", [None, "romeo@montague.example"])
@pytest.mark.parametrize("to", [None, "romeo@montague.example"])
def test_the_own_account_may_be_named_or_not(house: House, sender: str | None, to: str | None) -> None:
    talker = serving(house)
    house.link.receive(asks(sender=sender))
    talker.say(answers(to=to))
    assert house.link.texts == [answers(to=to)]


@pytest.mark.parametrize(
    "request_",
    [
        "<serve xmlns='urn:xmppctl:daemon:1'/>",
        "<serve xmlns='urn:xmppctl:daemon:1' namespace=''/>",
        "<serve xmlns='urn:xmppctl:daemon:1' namespace='jabber:iq:roster'/>",
    ],
)
def test_what_cannot_be_served_is_refused(house: House, request_: str) -> None:
    talker = house.bound()
    talker.say(f"<iq type='set' id='s' to='daemon.xmppctl.invalid'>{request_}</iq>")
    assert "name='usage'" in talker.read()[0]


def test_an_answer_counts_as_a_stanza_of_the_client(house: House) -> None:
    talker = serving(house)
    talker.say("<enable xmlns='urn:xmpp:sm:3'/>")
    house.link.receive(asks())
    talker.say(answers() + "<r xmlns='urn:xmpp:sm:3'/>")
    talker.read()
    house.link.acknowledge()
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]


def test_roster_pushes_of_the_own_server_are_acknowledged_and_those_of_others_refused(house: House) -> None:
    talker = house.bound()
    push = "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>"
    house.link.receive(
        f"<iq type='set' id='p'>{push}</iq>", f"<iq type='set' id='p' from='{PEER}'>{push}</iq>"
    )
    assert house.link.texts[0] == "<iq type='result' id='p'/>"
    assert REFUSED in house.link.texts[1]
    assert len(talker.read()) == 2


def test_a_new_stream_owes_no_answers_to_the_old_ones_requests(house: House) -> None:
    talker = serving(house)
    house.link.receive(asks("early"))
    house.link.cut()
    house.link.online()
    talker.say(answers("early"))
    house.clock.advance(100)
    assert house.link.texts == []
    house.link.receive(asks("late"))
    talker.say(answers("late"))
    assert house.link.texts == [answers("late")]


def test_a_flood_of_requests_fills_no_memory(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNREAD_ANSWERS", 2000)
    for number in range(100):
        house.link.receive(asks(str(number)))
    answered = len(house.link.texts)
    assert sum(map(len, house.link.texts)) <= 2000 and house.link.asked > 0
    assert house.hub.facts()["requests"]["flooded"] == 100 - answered and len(house.notes) == 1
    house.link.acknowledge()
    house.link.receive(asks("after"))
    assert attribute(house.link.last, "id") == "after"


def test_what_is_unread_of_a_lost_stream_does_not_count(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNREAD_ANSWERS", 200)
    house.link.receive(asks("1"), asks("2"))
    house.link.cut()
    house.link.online()
    house.link.receive(asks("3"))
    assert attribute(house.link.last, "id") == "3"


def test_clients_are_given_no_more_than_they_can_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    serving(house)
    house.link.receive(asks("1"), asks("2"), asks("3"))
    assert [attribute(text, "id") for text in house.link.texts] == ["3"]


def test_requests_that_wait_for_clients_are_bounded_by_their_bytes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN_BYTES", 2 * len(asks("1")))
    talker = serving(house)
    house.link.receive(asks("1"), asks("2"), asks("3"))
    assert [attribute(text, "id") for text in house.link.texts] == ["3"]
    talker.say(answers("1"))
    house.link.receive(asks("4"), asks("5"))
    assert [attribute(text, "id") for text in house.link.texts] == ["3", "1", "5"]


def test_who_is_not_bound_gets_no_requests_and_so_answers_none(house: House) -> None:
    talker = house.join()
    talker.say(
        "<iq type='set' id='s' to='daemon.xmppctl.invalid'>"
        "<serve xmlns='urn:xmppctl:daemon:1' namespace='jabber:iq:version'/></iq>"
    )
    talker.read()
    house.link.receive(asks())
    assert talker.read() == []
    assert REFUSED in house.link.last, "nobody waits for an answer that cannot come"


def test_a_roster_push_is_the_daemons_whatever_stands_before_it(house: House) -> None:
    serving(house)
    house.link.receive(
        "<iq type='set' id='p'><query xmlns='jabber:iq:version'/><query xmlns='jabber:iq:roster'/></iq>"
    )
    assert house.link.texts == ["<iq type='result' id='p'/>"]


def test_who_serves_and_is_not_bound_is_not_waited_for(house: House) -> None:
    house.join().say(
        "<iq type='set' id='s' to='daemon.xmppctl.invalid'>"
        "<serve xmlns='urn:xmppctl:daemon:1' namespace='jabber:iq:version'/></iq>"
    )
    house.link.receive(asks())
    assert house.link.texts == [f"<iq type='error' id='q' to='{PEER}'>{REFUSED}</iq>"]


def test_an_answer_is_not_sent_again_on_a_new_stream(house: House) -> None:
    talker = serving(house)
    house.link.receive(asks())
    talker.say(answers())
    house.link.cut()
    house.link.online()
    assert house.link.texts == [answers()]
