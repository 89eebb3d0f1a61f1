from __future__ import annotations

import re

import pytest

from tests.daemon.conftest import BIND, FULL, HEADER, OTHER, House, only
from xmppctl.daemon.parts import Outgoing
from xmppctl.errors import AuthError, ConnectionLost
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.tree import parse

MESSAGE = "<message from='juliet@capulet.example/b' to='romeo@montague.example'><body>hi</body></message>"
PRESENCE = "<presence from='juliet@capulet.example/b'/>"


def test_messages_and_presence_of_the_server_go_to_every_bound_client(house: House) -> None:
    one, two, unbound = house.bound(), house.bound(), house.join()
    unbound.read()
    house.link.receive(MESSAGE, PRESENCE)
    assert one.read() == two.read() == [MESSAGE, PRESENCE]
    assert unbound.read() == []


def test_replies_nobody_waits_for_go_to_nobody(house: House) -> None:
    talker = house.bound()
    house.link.receive("<iq type='result' id='1' from='a@b'/>", "<iq type='error' id='1'/>")
    assert talker.read() == [] and house.link.texts == []


def test_prefixes_of_an_unusual_server_are_declared_for_the_clients(house: House) -> None:
    header = HEADER.replace(" to=", " xmlns:x='urn:x' to=")
    talker = house.bound()
    talker.say("<iq type='get' id='1' to='a@b'/>")
    id_ = re.search("id='([^']*)'", house.link.last)
    assert id_
    house.link.receive(
        "<message><x:thing/></message>",
        f"<iq type='result' from='a@b' id='{id_[1]}'><x:thing/></iq>",
        header=header,
    )
    for text in talker.read():
        assert [child.tag for child in parse(text)] == ["{urn:x}thing"]


def test_what_others_hear_does_not_wait_for_a_client_that_does_not_read(house: House) -> None:
    deaf, other = house.bound(), house.bound()
    for _ in range(20_000):
        house.link.receive(MESSAGE)
        assert other.read() == [MESSAGE]
    deaf.client.deliver(b"<iq/>")
    heard = deaf.read()
    told = re.search("count='([0-9]+)'", heard[0])
    assert told and int(told[1]) + heard.count(MESSAGE) == 20_000 and heard[-1] == "<iq/>"
    assert 1 < heard.count(MESSAGE) < 20_000


# -- what hangs on it --


def test_listeners_hear_everything_first_and_their_mistakes_end_nothing(house: House) -> None:
    talker = house.bound()
    heard: list[tuple[str, int]] = []

    def fail(_: Frame) -> None:
        raise ValueError("hunter2")

    house.hub.on_stanza(fail)
    house.hub.on_stanza(lambda frame: heard.append((frame.name, len(talker.client._out._runs))))
    house.link.receive(MESSAGE, "<iq type='result' id='x'/>")
    assert heard == [("message", 0), ("iq", 1)]
    assert talker.read() == [MESSAGE]
    assert len(house.notes) == 2 and "hunter2" not in "".join(house.notes)


def test_watchers_see_the_wire(house: House) -> None:
    seen: list[Frame] = []
    house.hub.on_wire(seen.append)
    frame = Frame(b"<r/>")
    house.hub.wire(frame)
    assert seen == [frame]


def test_states_are_told_when_they_are_reached(offline: House) -> None:
    seen: list[str] = []
    offline.hub.on_state(lambda: seen.append(offline.link.state))
    offline.link.online()
    offline.link.cut()
    offline.link.online(resumed=True)
    offline.link.fail(AuthError("no"))
    assert seen == ["online", "waiting", "online", "failed"]


def test_what_must_be_sent_first_comes_in_order_and_before_all_that_waits(offline: House) -> None:
    resumed: list[bool] = []

    def roster(again: bool) -> list[Outgoing]:
        resumed.append(again)
        return [] if again else [Outgoing(b"<iq id='roster'/>", again=False)]

    def fail(_: bool) -> list[Outgoing]:
        raise ValueError("a mistake")

    offline.hub.on_online(fail)
    offline.hub.on_online(roster)
    offline.hub.on_online(lambda again: [] if again else [Outgoing(b"<iq id='second'/>", again=False)])
    offline.hub.send(Outgoing(b"<message/>"))
    offline.link.online()
    assert offline.link.texts == ["<iq id='roster'/>", "<iq id='second'/>", "<message/>"]
    offline.link.cut()
    offline.link.online(resumed=True)
    assert resumed == [False, True] and len(offline.notes) == 2


# -- streams come and go --


def test_clients_stay_while_the_link_is_offline(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say("<message to='a@b'/>")
    assert house.link.texts == [] and not talker.client.ended
    house.link.online()
    assert house.link.texts == ["<message to='a@b'/>"]
    house.link.receive(MESSAGE)
    assert talker.read() == [MESSAGE]


def test_another_jid_than_was_told_ends_those_who_were_told(house: House) -> None:
    told, waits = house.bound(), None
    house.link.cut()
    waits = house.join().say(BIND)
    waits.read()
    house.link.online(OTHER)
    end = told.read()
    assert "<reset " in end[0] and end[-1] == "</stream:stream>" and str(OTHER) in end[0]
    assert str(OTHER) in only(waits.read())
    assert house.hub.clients == {waits.client}


def test_the_same_jid_ends_nobody(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    house.link.online(FULL)
    assert talker.read() == [] and not talker.client.ended


def test_a_link_that_gives_up_tells_everybody_why(house: House) -> None:
    bound, unbound = house.bound(), house.join()
    unbound.read()
    house.link.fail(AuthError("the password has changed", hint="tell it"))
    told = "".join(bound.read())
    assert "<remote-connection-failed " in told and told.endswith("</stream:stream>")
    assert "name='auth'" in told and "hint='tell it'" in told and "the password has changed" in told
    assert not unbound.client.ended
    assert "name='auth'" in only(unbound.say(BIND).read())


def test_why_is_told_whatever_the_server_has_put_into_it(house: House) -> None:
    bound = house.bound()
    house.link.fail(AuthError("refused: \x07\ud800<&"))
    (told, end) = bound.frames()
    assert "refused: \ufffd\ufffd<&" in "".join(told.element().itertext())
    assert end.text == "</stream:stream>"


@pytest.mark.parametrize("acks", [False, True])
def test_one_that_dies_in_the_middle_of_others_leaves_them_alone(house: House, acks: bool) -> None:
    one, two, three = (house.bound(acks=acks) for _ in range(3))
    for talker in (one, two, three):
        talker.say("<iq type='get' id='1' to='a@b'/><message to='a@b'/><presence/><presence to='a@b'/>")
    two.client.receive(b"<message to='a@b'><bo")
    two.die()
    house.link.cut()
    house.link.fail(ConnectionLost("gone"))
    assert house.hub.clients == set()


def test_facts_are_json(house: House) -> None:
    import json

    house.bound()
    facts = json.loads(json.dumps(house.hub.facts()))
    assert [client["number"] for client in facts["clients"]] == [1]
    assert facts["requests"] == {
        "waiting": 0,
        "stray_replies": 0,
        "serving": [],
        "unanswered": 0,
        "swallowed_answers": 0,
        "flooded": 0,
    }
    assert facts["presence"] == {
        "shown": None,
        "lasting": False,
        "rooms": [],
        "directed": 0,
        "carbons": False,
    }


def test_who_comes_when_the_link_has_stopped_is_not_kept_waiting(house: House) -> None:
    house.link.cut()
    house.link.state = "stopped"
    talker = house.join()
    talker.read()
    (told,) = talker.say(BIND).read()
    assert "<service-unavailable " in told


def test_who_waits_for_the_connection_has_it_tried_soon(house: House) -> None:
    house.link.cut()
    house.join().say(BIND)
    assert house.link.hurried == 1
