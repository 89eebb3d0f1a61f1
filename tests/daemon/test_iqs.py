from __future__ import annotations

import pytest

from tests.daemon.conftest import FULL, House, attribute
from xmppctl.daemon import iqs as module
from xmppctl.errors import AuthError
from xmppctl.stanza.frame import Frame

PEER = "juliet@capulet.example/balcony"


def ask(to: str | None = PEER, id_: str = "1", type_: str = "get") -> str:
    address = f" to='{to}'" if to else ""
    return f"<iq type='{type_}' id='{id_}'{address}><query xmlns='urn:x'/></iq>"


def reply(
    asked: str, sender: str | None = PEER, type_: str = "result", inner: str = "<a xmlns='urn:x'/>"
) -> str:
    address = f" from='{sender}'" if sender else ""
    return f"<iq type='{type_}'{address} to='{FULL}' id='{attribute(asked, 'id')}'>{inner}</iq>"


def test_a_request_goes_out_with_an_id_of_ours_and_no_other_byte_changed(house: House) -> None:
    talker = house.bound()
    talker.say('<iq  type="get"\n id="1" to=\'a@b\'><query xmlns="urn:x" id="1"/></iq>')
    id_ = attribute(house.link.last, "id")
    assert len(id_) >= 24 and id_ != "1"
    assert house.link.last == f'<iq  type="get" id=\'{id_}\' to=\'a@b\'><query xmlns="urn:x" id="1"/></iq>'


def test_a_reply_comes_with_the_clients_own_id_and_goes_to_nobody_else(house: House) -> None:
    one, other = house.bound(), house.bound()
    one.say(ask(id_="&lt;é&apos;"))
    house.link.receive(reply(house.link.last))
    assert one.read() == [
        f"<iq type='result' from='{PEER}' to='{FULL}' id='&lt;é&apos;'><a xmlns='urn:x'/></iq>"
    ]
    assert other.read() == []


def test_the_same_id_of_two_clients_and_twice_of_one(house: House) -> None:
    one, other = house.bound(), house.bound()
    one.say(ask() + ask())
    other.say(ask())
    first, second, third = house.link.texts
    assert len({attribute(text, "id") for text in house.link.texts}) == 3
    house.link.receive(
        reply(third, inner="<a n='3'/>"), reply(second, inner="<a n='2'/>"), reply(first, inner="<a n='1'/>")
    )
    assert [attribute(text.partition("><")[2], "n") for text in one.read()] == ["2", "1"]
    assert [attribute(text.partition("><")[2], "n") for text in other.read()] == ["3"]


def test_ids_cannot_be_guessed_and_differ_between_runs(house: House) -> None:
    house.bound().say(ask() * 3)
    other = House()
    other.link.online()
    other.bound().say(ask())
    ids = [attribute(text, "id") for text in (*house.link.texts, *other.link.texts)]
    assert len({id_[:16] for id_ in ids}) == 2, "a part is of the run"
    assert len({id_[24:32] for id_ in ids}) == 4, "a part is random each time"


@pytest.mark.parametrize("kind", ["result", "error"])
@pytest.mark.parametrize(
    "sender", ["juliet@capulet.example", "evil@capulet.example/balcony", "montague.example", None, str(FULL)]
)
def test_a_forged_reply_reaches_nobody_and_the_true_one_still_counts(
    house: House, sender: str | None, kind: str
) -> None:
    talker = house.bound()
    talker.say(ask())
    house.link.receive(reply(house.link.last, sender, kind))
    assert talker.read() == []
    assert house.hub.facts()["requests"]["stray_replies"] == 1
    house.link.receive(reply(house.link.last))
    assert len(talker.read()) == 1


@pytest.mark.parametrize(
    ("to", "senders"),
    [
        (None, [None, "romeo@montague.example", str(FULL), "montague.example"]),
        ("romeo@montague.example", [None, "ROMEO@montague.example"]),
        ("montague.example", [None, "Montague.Example"]),
    ],
)
def test_the_server_may_leave_out_its_name(house: House, to: str | None, senders: list[str | None]) -> None:
    talker = house.bound()
    for sender in senders:
        talker.say(ask(to))
        house.link.receive(reply(house.link.last, sender))
        assert len(talker.read()) == 1


def test_a_reply_counts_once(house: House) -> None:
    talker = house.bound()
    talker.say(ask())
    house.link.receive(reply(house.link.last), reply(house.link.last))
    assert len(talker.read()) == 1


@pytest.mark.parametrize(
    "stanza", ["<message id='{}' from='{}' type='error'/>", "<presence id='{}' from='{}'/>"]
)
def test_only_an_iq_is_a_reply(house: House, stanza: str) -> None:
    talker = house.bound()
    talker.say(ask())
    house.link.receive(stanza.format(attribute(house.link.last, "id"), PEER))
    talker.read()
    house.link.receive(reply(house.link.last))
    assert len(talker.read()) == 1


def test_a_request_without_id_gets_a_reply_without_one(house: House) -> None:
    talker = house.bound()
    talker.say(f"<iq type='get' to='{PEER}'><query xmlns='urn:x'/></iq>")
    house.link.receive(reply(house.link.last))
    assert " id=" not in talker.read()[0].partition(">")[0]


@pytest.mark.parametrize("how", ["die", "close"])
def test_a_client_that_goes_leaves_nothing(house: House, how: str) -> None:
    talker, other = house.bound(), house.bound()
    talker.say(ask() * 5)
    other.say(ask())
    asked = house.link.texts
    getattr(talker, how)()
    assert house.hub.facts()["requests"]["waiting"] == 1
    house.link.receive(*map(reply, asked))
    assert len(other.read()) == 1
    assert house.hub.facts()["requests"] | {"stray_replies": 5, "waiting": 0} == house.hub.facts()["requests"]


def test_too_many_at_once_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    talker, other = house.bound(), house.bound()
    talker.say(ask() * 3)
    (told,) = talker.read()
    assert "<resource-constraint" in told and attribute(told, "id") == "1"
    assert len(house.link.sent) == 2
    other.say(ask())
    assert len(house.link.sent) == 3


# -- streams that are lost --


def test_what_the_server_had_and_did_not_answer_is_refused_and_the_rest_asked_again(house: House) -> None:
    talker = house.bound()
    talker.say(ask(id_="had") + ask(None, "self") + ask(id_="lost"))
    house.link.acknowledge(2)
    house.link.cut()
    assert talker.read() == []
    house.link.online()
    had, own = talker.read()
    assert attribute(had, "id") == "had" and attribute(had, "from") == PEER and attribute(own, "id") == "self"
    assert " from=" not in own.partition(">")[0]
    for told in (had, own):
        assert attribute(told, "type") == "error"
        assert (
            "<error type='wait'><remote-server-timeout " in told and "not known whether it was done" in told
        )
    lost = house.link.texts[2]
    assert house.link.last == lost, "with the same id as before"
    house.link.receive(reply(lost))
    assert [attribute(text, "id") for text in talker.read()] == ["lost"]


def test_on_a_stream_that_is_resumed_everybody_goes_on_waiting(house: House) -> None:
    talker = house.bound()
    talker.say(ask())
    asked = house.link.last
    house.link.acknowledge()
    house.link.cut()
    house.link.online(resumed=True)
    assert talker.read() == []
    house.link.receive(reply(asked))
    assert len(talker.read()) == 1


def test_what_was_asked_while_offline_is_asked_when_there_is_a_stream(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say(ask())
    assert house.link.texts == []
    house.link.online()
    house.link.receive(reply(house.link.last))
    assert len(talker.read()) == 1


# -- the daemon's own --


def test_a_request_of_the_daemons_own(house: House) -> None:
    talker = house.bound()
    told: list[Frame | None] = []
    house.hub.request("get", "<query xmlns='urn:x'/>", PEER, told.append)
    house.link.receive(reply(house.link.last, "evil@b"))
    assert told == []
    house.link.receive(reply(house.link.last), reply(house.link.last))
    (frame,) = told
    assert frame is not None and frame.sender == PEER
    assert talker.read() == [] and house.clock.waiting == 0


def test_a_request_of_the_daemons_own_that_nobody_answers(house: House) -> None:
    told: list[Frame | None] = []
    house.hub.request("get", "", PEER, told.append)
    house.clock.advance(59)
    assert told == []
    house.clock.advance(1)
    house.link.receive(reply(house.link.last))
    assert told == [None]


def test_a_stream_that_is_lost_ends_the_daemons_own_and_does_not_ask_again(house: House) -> None:
    told: list[Frame | None] = []
    house.hub.request("get", "", PEER, told.append)
    house.link.cut()
    assert told == []
    house.link.online()
    assert told == [None] and len(house.link.texts) == 1 and house.clock.waiting == 0


def test_a_link_that_gives_up_ends_the_daemons_own(house: House) -> None:
    told: list[Frame | None] = []
    house.hub.request("get", "", None, told.append)
    house.link.fail(AuthError("no"))
    assert told == [None]


def test_who_hears_of_an_end_may_ask_again_at_once(house: House) -> None:
    told: list[Frame | None] = []

    def again(frame: Frame | None) -> None:
        told.append(frame)
        if len(told) == 1:
            house.hub.request("get", "", PEER, again)

    house.hub.request("get", "", PEER, again)
    house.link.cut()
    house.link.online()
    assert told == [None]
    house.link.receive(reply(house.link.last))
    assert len(told) == 2 and told[1] is not None


def test_a_request_that_was_answered_is_not_made_again_on_a_new_stream(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(ask(type_="set") + "<r xmlns='urn:xmpp:sm:3'/>")
    house.link.receive(reply(house.link.last))
    talker.read()
    house.link.cut()  # the server has not acknowledged it
    house.link.online()
    assert len(house.link.texts) == 1
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"], "it is done"


@pytest.mark.parametrize("how", ["dies", "closes"])
def test_a_request_of_who_is_gone_is_not_made_again_on_a_new_stream(house: House, how: str) -> None:
    talker = house.bound()
    talker.say(ask(type_="set"))
    talker.die() if how == "dies" else talker.close()
    house.link.cut()
    house.link.online()
    assert len(house.link.texts) == 1


def test_a_request_that_no_stream_has_seen_is_made_though_its_client_has_closed_its_stream(
    house: House,
) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say(ask(type_="set")).close()
    house.link.online()
    assert len(house.link.texts) == 1


def test_requests_that_were_answered_do_not_count_as_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    talker = house.bound()
    for number in range(5):
        talker.say(ask(id_=str(number)))
        house.link.receive(reply(house.link.last))
    assert [attribute(text, "type") for text in talker.read()] == ["result"] * 5
    talker.die()
    assert house.hub.facts()["requests"]["waiting"] == 0
