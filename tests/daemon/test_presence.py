from __future__ import annotations

import pytest

from tests.daemon.conftest import House, Talker, attribute, only

NS = "jabber:client"
GONE = "<presence type='unavailable'/>"
R = "<r xmlns='urn:xmpp:sm:3'/>"


def shows(text: str, priority: int | None = None) -> str:
    """A presence as a client sends it by itself."""
    more = "" if priority is None else f"<priority>{priority}</priority>"
    return f"<presence><show>{text}</show>{more}</presence>"


def asks(name: str, presence: str, attributes: str = "", id_: str = "s") -> str:
    inner = presence.replace("<presence", f"<presence xmlns='{NS}'", 1)
    return (
        f"<iq type='set' id='{id_}' to='daemon.xmppctl.invalid'>"
        f"<{name} xmlns='urn:xmppctl:daemon:1'{attributes}>{inner}</{name}></iq>"
    )


def status(presence: str, *, hold: bool = False, id_: str = "s") -> str:
    return asks("status", presence, " hold='true'" if hold else "", id_)


def online(presence: str) -> str:
    return asks("online", presence)


def plain(text: str) -> str:
    """A presence without its declaration, for comparing."""
    return text.replace(f" xmlns='{NS}'", "")


def shown(house: House) -> list[str]:
    return [plain(text) for text in house.link.texts]


def settle(talker: Talker, house: House) -> str:
    """What the daemon answers once the server has all."""
    house.link.acknowledge()
    return attribute(only(talker.read()), "type")


# -- the status that lasts --


def test_a_status_is_shown_answered_when_the_server_has_it_and_lasts(house: House) -> None:
    talker = house.bound()
    talker.say(status(shows("away", 5)))
    assert shown(house) == [shows("away", 5)]
    assert talker.read() == [] and house.link.asked == 1
    assert settle(talker, house) == "result"
    talker.close()
    assert shown(house) == [shows("away", 5)]
    assert house.hub.presence.lasting and house.hub.presence.shows


def test_only_changes_are_sent_but_all_are_answered(house: House) -> None:
    talker = house.bound()
    talker.say(status(shows("away")) + status(shows("away")))
    assert shown(house) == [shows("away")] and talker.read() == []
    house.link.acknowledge()
    assert len(talker.read()) == 2
    talker.say(status(shows("away")))
    assert len(talker.read()) == 1 and len(house.link.sent) == 1


def test_each_is_answered_when_its_own_presence_is_there(house: House) -> None:
    talker = house.bound()
    talker.say(status(shows("away"), id_="1") + status(shows("dnd"), id_="2"))
    house.link.acknowledge(1)
    assert attribute(only(talker.read()), "id") == "1"
    house.link.acknowledge(1)
    assert attribute(only(talker.read()), "id") == "2"


def test_unavailable_clears_it(house: House) -> None:
    talker = house.bound()
    talker.say(status(shows("away")) + status("<presence type='unavailable'/>"))
    assert shown(house) == [shows("away"), GONE]
    house.link.acknowledge()
    assert len(talker.read()) == 2
    assert not house.hub.presence.lasting and not house.hub.presence.shows
    talker.say(status("<presence type='unavailable'/>"))
    assert len(talker.read()) == 1 and len(house.link.sent) == 2, "there was nothing to take back"


@pytest.mark.parametrize("resumed", [False, True])
def test_it_survives_a_reconnect(house: House, resumed: bool) -> None:
    talker = house.bound()
    talker.say(status(shows("away")))
    settle(talker, house)
    talker.close()
    house.link.cut()
    house.link.online(resumed=resumed)
    assert shown(house) == [shows("away")] * (1 if resumed else 2)


@pytest.mark.parametrize("resumed", [False, True])
def test_what_was_set_while_offline_is_shown_once_the_newest_alone(house: House, resumed: bool) -> None:
    talker = house.bound()
    talker.say(status(shows("chat")))
    settle(talker, house)
    house.link.cut()
    talker.say(status(shows("away")) + status(shows("dnd")))
    assert talker.read() == [] and len(house.link.sent) == 1
    house.link.online(resumed=resumed)
    assert shown(house) == [shows("chat"), shows("dnd")]
    house.link.acknowledge()
    assert len(talker.read()) == 2


@pytest.mark.parametrize("resumed", [False, True])
def test_one_that_was_on_its_way_is_answered_after_all(house: House, resumed: bool) -> None:
    talker = house.bound()
    talker.say(status(shows("away")))
    house.link.cut()
    house.link.online(resumed=resumed)
    assert talker.read() == []
    assert settle(talker, house) == "result"


def test_one_that_was_cleared_while_offline_needs_no_word_on_a_new_stream(house: House) -> None:
    talker = house.bound()
    talker.say(status(shows("away")))
    settle(talker, house)
    house.link.cut()
    talker.say(status(GONE))
    house.link.online()
    assert len(talker.read()) == 1 and len(house.link.sent) == 1


def test_it_can_be_set_before_the_daemon_was_ever_online(offline: House) -> None:
    talker = offline.join()
    talker.read()
    talker.say(status(shows("away")))
    offline.link.online()
    assert shown(offline) == [shows("away")]
    assert settle(talker, offline) == "result"


@pytest.mark.parametrize(
    "request_",
    [
        asks("status", ""),
        asks("status", "<message xmlns='jabber:client'/>"),
        asks("status", "<presence type='subscribe'/>"),
        asks("status", "<presence to='a@b'/>"),
        asks("status", "<presence/>").replace("type='set'", "type='get'"),
        asks("online", ""),
    ],
)
def test_what_is_no_presence_is_refused_and_changes_nothing(house: House, request_: str) -> None:
    talker = house.bound()
    assert "name='usage'" in only(talker.say(request_).read())
    assert house.link.sent == [] and not house.hub.presence.shows


# -- those of clients --


def test_plain_presence_of_a_client_is_taken_back_when_it_goes(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(shows("away") + R)
    assert house.link.texts == [shows("away")], "byte for byte"
    assert talker.read() == []
    house.link.acknowledge()
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]
    talker.die()
    assert house.link.texts == [shows("away"), GONE]


def test_a_client_takes_its_own_back(house: House) -> None:
    one, two = house.bound(), house.bound()
    one.say(shows("away"))
    two.say(GONE)
    assert house.link.texts == [shows("away")]
    one.say(GONE)
    assert house.link.texts == [shows("away"), GONE]


@pytest.mark.parametrize("hold", [True, False])
def test_the_newest_is_shown_and_what_was_before_it_after_it(house: House, hold: bool) -> None:
    lasting, one, two = house.bound(), house.bound(), house.bound()
    lasting.say(status(shows("chat")))
    one.say(status(shows("away"), hold=True) if hold else shows("away"))
    two.say(status(shows("dnd"), hold=True) if hold else shows("dnd"))
    one.die()
    two.die()
    assert shown(house) == [shows(each) for each in ("chat", "away", "dnd", "chat")]


def test_a_lasting_one_that_is_newer_goes_on_top(house: House) -> None:
    lasting, one = house.bound(), house.bound()
    one.say(status(shows("away"), hold=True))
    lasting.say(status(shows("chat")))
    lasting.close()
    one.die()
    assert shown(house) == [shows("away"), shows("chat")]


def test_a_client_has_one_at_a_time(house: House) -> None:
    talker = house.bound()
    talker.say(status(shows("away"), hold=True) + shows("dnd") + GONE)
    assert shown(house) == [shows("away"), shows("dnd"), GONE]


def test_one_that_is_held_needs_no_binding(house: House) -> None:
    talker = house.join()
    talker.say(status(shows("away"), hold=True))
    talker.die()
    assert shown(house) == [shows("away"), GONE]


@pytest.mark.parametrize("resumed", [False, True])
def test_those_of_clients_survive_and_end_across_reconnects(house: House, resumed: bool) -> None:
    one, two = house.bound(acks=True), house.bound()
    one.say(shows("away") + R)
    two.say(shows("dnd"))
    house.link.cut()
    two.die()
    assert len(house.link.sent) == 2
    house.link.online(resumed=resumed)
    assert house.link.texts[2:] == (
        [shows("away")] if not resumed else [*house.link.texts[:2], shows("away")]
    )
    house.link.acknowledge()
    assert one.read() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]


def test_presence_that_shows_nothing_new_is_acknowledged(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(GONE + R)
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]


# -- being online at least --


def test_who_must_be_online_is_where_nothing_else_is_shown(house: House) -> None:
    talker = house.bound()
    talker.say(online("<presence><priority>3</priority></presence>"))
    assert shown(house) == ["<presence><priority>3</priority></presence>"]
    assert settle(talker, house) == "result"
    talker.die()
    assert shown(house)[1:] == [GONE]


@pytest.mark.parametrize(
    ("strong", "least", "expected"),
    [
        (
            shows("away", -1),
            0,
            "<presence><show>away</show><priority xmlns='jabber:client'>0</priority></presence>",
        ),
        (shows("away", 5), 0, None),
        (shows("away"), 0, None),
        (shows("away"), -1, None),
        (
            shows("away"),
            7,
            "<presence><show>away</show><priority xmlns='jabber:client'>7</priority></presence>",
        ),
        ("<presence/>", 7, "<presence><priority xmlns='jabber:client'>7</priority></presence>"),
        ("<presence><priority>x</priority></presence>", 0, None),
    ],
)
def test_it_raises_the_priority_of_what_is_shown(
    house: House, strong: str, least: int, expected: str | None
) -> None:
    one, two = house.bound(), house.bound()
    one.say(strong)
    two.say(online(f"<presence><priority>{least}</priority></presence>"))
    assert house.link.texts[1:] == ([expected] if expected else [])
    two.die()
    assert house.link.texts[1:] == ([expected, strong] if expected else [])


def test_the_highest_of_several_counts_and_a_strong_one_is_shown_over_all(house: House) -> None:
    one, two, three = house.bound(), house.bound(), house.bound()
    one.say(online("<presence><priority>9</priority></presence>"))
    two.say(online("<presence><show>chat</show><priority>1</priority></presence>"))
    three.say(shows("dnd"))
    three.die()
    two.die()
    high = "<priority xmlns='jabber:client'>9</priority></presence>"
    assert shown(house) == [
        "<presence><priority>9</priority></presence>",
        plain(f"<presence><show>chat</show>{high}"),
        plain(f"<presence><show>dnd</show>{high}"),
        plain(f"<presence><show>chat</show>{high}"),
        "<presence><priority>9</priority></presence>",
    ]


def test_it_can_be_taken_back(house: House) -> None:
    talker = house.bound()
    talker.say(online("<presence/>") + online(GONE))
    assert shown(house) == ["<presence/>", GONE]


def test_it_is_told_when_none_is_shown_any_more(house: House) -> None:
    hidden: list[int] = []
    house.hub.presence.on_hidden = lambda: hidden.append(len(house.link.texts))
    talker = house.bound()
    talker.say(online(shows("chat")))
    talker.say(status(shows("away")) + status(GONE))
    assert hidden == []
    talker.close()
    assert shown(house)[-1] == GONE and hidden == [len(house.link.texts)]


def test_facts_tell_what_is_shown(house: House) -> None:
    talker = house.bound()
    talker.say(status("<presence><show>away</show><status>out &amp; about</status></presence>"))
    talker.say(online("<presence><priority>4</priority></presence>"))
    facts = house.hub.presence.facts()
    assert (
        facts["shown"] == {"show": "away", "status": "out & about", "priority": 4}
        and facts["lasting"] is True
    )
    talker.die()
    assert house.hub.presence.facts()["shown"]["priority"] == 0


def test_what_was_not_shown_yet_when_the_stream_broke_is_not_shown_behind_what_is_right(house: House) -> None:
    talker = house.bound()
    house.link.slow = True
    talker.say(status(shows("away"), id_="1"))
    house.link.cut()
    talker.say(status(shows("dnd"), id_="2"))
    house.link.slow = False
    house.link.online()
    assert shown(house) == [shows("dnd")]
    house.link.acknowledge()
    assert [attribute(text, "id") for text in talker.read()] == ["1", "2"]


def test_what_nobody_wants_shown_any_more_is_not_shown_on_a_new_stream(house: House) -> None:
    talker = house.bound()
    house.link.slow = True
    talker.say(shows("away"))
    house.link.cut()
    talker.die()
    house.link.slow = False
    house.link.online()
    assert shown(house) == []
