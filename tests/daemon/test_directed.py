from __future__ import annotations

import pytest

from tests.daemon.conftest import House, attribute

JULIET = "juliet@capulet.example"
ROOM = "hall@rooms.example"
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
R = "<r xmlns='urn:xmpp:sm:3'/>"
ENABLE = "<enable xmlns='urn:xmpp:carbons:2'/>"
DISABLE = "<disable xmlns='urn:xmpp:carbons:2'/>"


def to(whom: str, inner: str = "", type_: str = "") -> str:
    kind = f" type='{type_}'" if type_ else ""
    return f"<presence to='{whom}'{kind}>{inner}</presence>"


def join(nick: str = "romeo", room: str = ROOM) -> str:
    return to(f"{room}/{nick}", MUC)


def gone(whom: str) -> str:
    return f"<presence to='{whom}' type='unavailable'/>"


def carbons(what: str) -> str:
    return f"<iq type='set' id='c'>{what}</iq>"


# -- taken back --


@pytest.mark.parametrize("how", ["die", "close"])
def test_directed_presence_and_rooms_are_taken_back_when_the_client_goes(house: House, how: str) -> None:
    talker = house.bound()
    talker.say(to(JULIET) + join())
    assert house.link.texts == [to(JULIET), join()], "byte for byte"
    getattr(talker, how)()
    assert set(house.link.texts[2:]) == {
        f"<presence to='{JULIET}' type='unavailable'/>",
        f"<presence to='{ROOM}/romeo' type='unavailable'/>",
    }
    assert house.hub.facts()["presence"] | {"rooms": [], "directed": 0} == house.hub.facts()["presence"]


@pytest.mark.parametrize(
    "type_", ["subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"]
)
def test_what_shows_nothing_is_not_taken_back_and_is_sent_again(house: House, type_: str) -> None:
    talker = house.bound()
    talker.say(to(JULIET, type_=type_))
    talker.close()
    house.link.cut()
    house.link.online()
    assert house.link.texts == [to(JULIET, type_=type_)] * 2


def test_what_the_client_took_back_itself_is_not_taken_back_twice(house: House) -> None:
    talker = house.bound()
    talker.say(
        to(JULIET) + to(JULIET, type_="unavailable") + join() + to(f"{ROOM}/romeo", type_="unavailable")
    )
    talker.die()
    assert len(house.link.sent) == 4


def test_what_another_client_shows_as_well_stays_until_that_one_goes(house: House) -> None:
    one, two = house.bound(), house.bound()
    one.say(join() + to(JULIET))
    two.say(join() + to(JULIET))
    one.die()
    assert len(house.link.sent) == 4
    two.die()
    assert len(house.link.sent) == 6


def test_a_changed_nickname_is_the_one_that_leaves(house: House) -> None:
    talker = house.bound()
    talker.say(join() + to(f"{ROOM}/montague") + to(f"{ROOM}/montague", "<show>away</show>"))
    talker.die()
    assert house.link.texts[3:] == [gone(f"{ROOM}/montague")]


def test_what_no_stream_has_seen_is_not_taken_back(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say(to(JULIET) + join())
    talker.die()
    house.link.online()
    assert house.link.texts == []


def test_what_waits_of_a_client_that_closed_its_stream_is_taken_back_behind_it(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say(to(JULIET)).close()
    house.link.online()
    assert house.link.texts == [to(JULIET), gone(JULIET)]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_client_that_goes_while_offline(house: House, resumed: bool) -> None:
    talker = house.bound()
    talker.say(to(JULIET))
    house.link.acknowledge()
    house.link.cut()
    talker.die()
    house.link.online(resumed=resumed)
    assert house.link.texts == [to(JULIET)] + ([gone(JULIET)] if resumed else [])
    house.link.acknowledge()
    house.link.cut()
    house.link.online(resumed=True)
    assert len(house.link.texts) == (2 if resumed else 1)


# -- restored --


def test_they_are_said_again_on_a_new_stream_and_not_on_a_resumed_one(house: House) -> None:
    talker = house.bound()
    talker.say("<presence/>" + to(JULIET) + join() + to(f"{ROOM}/romeo", "<show>away</show>"))
    house.link.acknowledge()
    said = house.link.texts
    house.link.cut()
    house.link.online(resumed=True)
    assert house.link.texts == said
    house.link.cut()
    house.link.online()
    assert house.link.texts == said * 2


def test_the_latest_to_each_is_said_again(house: House) -> None:
    talker = house.bound()
    talker.say(to(JULIET, "<show>away</show>") + to(JULIET, "<show>dnd</show>"))
    house.link.cut()
    house.link.online()
    assert house.link.texts[2:] == [to(JULIET, "<show>dnd</show>")]


def test_a_room_is_joined_again_under_the_latest_nickname(house: House) -> None:
    talker = house.bound()
    talker.say(join() + to(f"{ROOM}/montague"))
    house.link.acknowledge()
    house.link.cut()
    house.link.online()
    assert house.link.texts[2:] == [join("montague"), to(f"{ROOM}/montague")]


def test_what_was_on_its_way_is_acknowledged_after_all(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(to(JULIET) + join() + to(JULIET, "<show>away</show>") + R)
    house.link.cut()
    house.link.online()
    assert talker.read() == [], "the newest ones are on their way again"
    house.link.acknowledge()
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='3'/>"]


def test_what_was_taken_back_on_a_stream_that_was_lost_is_of_no_use_any_more(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(to(JULIET) + to(JULIET, type_="unavailable") + R)
    house.link.cut()
    house.link.online()
    assert len(house.link.texts) == 2
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='2'/>"]


def test_what_waits_is_said_once(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say(to(JULIET) + join())
    house.link.online()
    assert house.link.texts == [to(JULIET), join()]


# -- rooms --


def put_out(nick: str = "romeo", type_: str = "unavailable") -> str:
    return f"<presence from='{ROOM}/{nick}' type='{type_}'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>"


@pytest.mark.parametrize("sender", [f"{ROOM}/romeo", ROOM])
@pytest.mark.parametrize("type_", ["unavailable", "error"])
def test_a_room_that_put_us_out_is_not_joined_again(house: House, type_: str, sender: str) -> None:
    talker = house.bound()
    talker.say(join())
    assert house.hub.facts()["presence"]["rooms"] == [ROOM]
    house.link.receive(f"<presence from='{sender}' type='{type_}'/>")
    assert house.hub.facts()["presence"]["rooms"] == []
    house.link.cut()
    house.link.online()
    talker.die()
    assert house.link.texts == [join()]


@pytest.mark.parametrize(
    "stanza",
    [
        put_out("juliet"),
        "<presence from='other@rooms.example/romeo' type='unavailable'/>",
        f"<presence from='{ROOM}/romeo'/>",
        f"<presence from='{JULIET}' type='unavailable'/>",
    ],
)
def test_what_others_do_puts_nobody_out(house: House, stanza: str) -> None:
    house.bound().say(join() + to(JULIET))
    house.link.receive(stanza)
    assert house.hub.facts()["presence"] | {"rooms": [ROOM], "directed": 2} == house.hub.facts()["presence"]


def test_a_nickname_that_was_refused_is_not_ours(house: House) -> None:
    talker = house.bound()
    talker.say(join() + to(f"{ROOM}/juliet"))
    house.link.receive(put_out("juliet", "error"))
    talker.die()
    assert house.link.last == gone(f"{ROOM}/romeo")


def test_changing_the_nickname_does_not_leave(house: House) -> None:
    talker = house.bound()
    talker.say(join() + to(f"{ROOM}/montague"))
    house.link.receive(put_out("romeo"))
    assert house.hub.facts()["presence"]["rooms"] == [ROOM]


# -- carbons --


def asked(house: House) -> list[str]:
    return [DISABLE if DISABLE in text else ENABLE for text in house.link.texts if "carbons" in text]


def test_carbons_are_enabled_again_on_a_new_stream(house: House) -> None:
    talker = house.bound()
    talker.say(carbons(ENABLE))
    house.link.acknowledge()
    house.link.receive(f"<iq type='result' id='{attribute(house.link.last, 'id')}'/>")
    house.link.cut()
    house.link.online(resumed=True)
    assert asked(house) == [ENABLE]
    house.link.cut()
    house.link.online()
    assert asked(house) == [ENABLE, ENABLE]
    talker.read()
    house.link.receive(f"<iq type='result' id='{attribute(house.link.last, 'id')}'/>")
    assert talker.read() == [], "it did not ask"
    assert house.hub.facts()["presence"]["carbons"] is True


def test_carbons_end_with_the_last_client_that_wants_them(house: House) -> None:
    one, two = house.bound(), house.bound()
    one.say(carbons(ENABLE))
    two.say(carbons(ENABLE))
    one.die()
    assert asked(house) == [ENABLE, ENABLE]
    two.die()
    assert asked(house) == [ENABLE, ENABLE, DISABLE]
    house.link.acknowledge()
    house.link.cut()
    house.link.online()
    assert len(asked(house)) == 3


def test_a_client_switches_carbons_off(house: House) -> None:
    talker = house.bound()
    talker.say(carbons(ENABLE) + carbons(DISABLE))
    house.link.acknowledge()
    house.link.cut()
    house.link.online()
    talker.die()
    assert asked(house) == [ENABLE, DISABLE]
