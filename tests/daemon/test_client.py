from __future__ import annotations

import pytest

from tests.daemon.conftest import BIND, FULL, HEADER, House, attribute
from xmppctl.daemon import client as module
from xmppctl.errors import AuthError

ENABLE = "<enable xmlns='urn:xmpp:sm:3'/>"
R = "<r xmlns='urn:xmpp:sm:3'/>"
MESSAGE = "<message to='juliet@capulet.example'><body>hi</body></message>"
PING = "<iq type='get' id='1' to='montague.example'><ping xmlns='urn:xmpp:ping'/></iq>"
INFO = "<iq type='get' id='i' to='daemon.xmppctl.invalid'><nothing xmlns='urn:xmppctl:daemon:1'/></iq>"


def a(count: int) -> str:
    return f"<a xmlns='urn:xmpp:sm:3' h='{count}'/>"


# -- opening --


def test_the_hello_tells_what_the_daemon_is(offline: House) -> None:
    header, features = offline.join().frames()
    assert header.kind == "stream" and header.attributes["from"] == "montague.example"
    assert len(header.attributes["id"]) >= 16
    element = features.element()
    hello = element.find("{urn:xmppctl:daemon:1}hello")
    assert hello is not None
    from xmppctl import __version__

    assert hello.attrib == {
        "version": "1",
        "program": __version__,
        "account": "work",
        "jid": "romeo@montague.example",
        "settings": "5f3a9c01",
        "state": "starting",
    }
    assert [child.tag for child in element] == [
        "{urn:xmppctl:daemon:1}hello",
        "{urn:ietf:params:xml:ns:xmpp-bind}bind",
        "{urn:xmpp:sm:3}sm",
    ]


def test_each_stream_has_an_id_of_its_own(house: House) -> None:
    assert house.join().frames()[0].attributes["id"] != house.join().frames()[0].attributes["id"]


@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_bytes_may_come_in_any_pieces(house: House, byte_by_byte: bool) -> None:
    talker = house.join("")
    text = "<?xml version='1.0'?>" + HEADER + "\n " + BIND + MESSAGE + " "
    for piece in text if byte_by_byte else [text]:
        talker.say(piece)
    assert str(FULL) in talker.read()[-1]
    assert house.link.texts == [MESSAGE]


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
        ("<html>", "invalid-namespace"),
        ("<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>", "invalid-namespace"),
        (HEADER.replace("montague.example", "capulet.example"), "host-unknown"),
        (HEADER + "<a></b>", "not-well-formed"),
        (HEADER + "<!-- x -->", "restricted-xml"),
        (HEADER + "<!DOCTYPE x>", "restricted-xml"),
        (HEADER + "text", "bad-format"),
        (HEADER + "<x:message/>", "bad-namespace-prefix"),
        (HEADER + MESSAGE, "not-authorized"),
        (HEADER + "<presence/>", "not-authorized"),
        (HEADER + PING, "not-authorized"),
        (HEADER + "<thing xmlns='urn:x'/>", "unsupported-stanza-type"),
        (HEADER + "<message xmlns='jabber:server'/>", "unsupported-stanza-type"),
        (HEADER + "<message xmlns='jabber:component:accept'/>", "unsupported-stanza-type"),
        (HEADER + "<message>" + "<x>" * 300, "policy-violation"),
    ],
)
def test_what_no_stream_may_hold_ends_it_and_touches_nobody_else(
    house: House, said: str, condition: str
) -> None:
    other = house.bound()
    talker = house.join("").say(said)
    told = "".join(talker.read())
    assert told.startswith("<?xml"), "an error needs a stream to stand in"
    assert f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in told
    assert told.endswith("</stream:error></stream:stream>") and told.count("<stream:stream") == 1
    assert talker.client.ended and house.hub.clients == {other.client}
    assert house.link.texts == []
    talker.say(MESSAGE)
    other.say(MESSAGE)
    assert house.link.texts == [MESSAGE]


def test_what_came_before_the_mistake_counts(house: House) -> None:
    house.bound().say(MESSAGE + "<a></b>")
    assert house.link.texts == [MESSAGE]


# -- binding --


def test_everybody_gets_the_jid_that_is_bound(house: House) -> None:
    for _ in range(2):
        talker = house.join()
        talker.read()
        (reply,) = talker.say(BIND).read()
        assert attribute(reply, "id") == "bind" and attribute(reply, "type") == "result"
        assert f"<jid>{FULL}</jid>" in reply
        assert talker.client.bound


def test_binding_waits_until_the_daemon_is_online(offline: House) -> None:
    talker = offline.join()
    talker.read()
    talker.say(BIND)
    assert talker.read() == [] and not talker.client.bound
    offline.link.online()
    assert f"<jid>{FULL}</jid>" in talker.read()[0]


def test_what_keeps_the_daemon_offline_for_good_answers_the_binding(offline: House) -> None:
    early, late = offline.join(), offline.join()
    early.say(BIND).read()
    offline.link.fail(AuthError("the password is wrong\x07", hint="check it"))
    late.read()
    late.say(BIND)
    for talker in (early, late):
        (reply,) = talker.read()
        assert attribute(reply, "type") == "error" and attribute(reply, "id") == "bind"
        assert (
            "name='auth'" in reply and "hint='check it'" in reply and "the password is wrong\ufffd" in reply
        )


def test_nobody_binds_twice(house: House) -> None:
    talker = house.bound()
    assert "<not-allowed" in talker.say(BIND).read()[0]


def test_a_client_that_goes_while_it_waits_is_not_bound(offline: House) -> None:
    talker = offline.join().say(BIND)
    talker.die()
    offline.link.online()
    offline.link.receive(MESSAGE)
    assert not talker.client.bound and talker.read() == []


# -- stanzas --


@pytest.mark.parametrize(
    "stanza",
    [
        MESSAGE,
        "<message  to=\"a@b\"\n  id='x' ><body>ü &amp; &#x41;<![CDATA[<]]></body ></message >",
        "<c:message xmlns:c='jabber:client' to='a@b'/>",
        "<message to='a@b' xml:lang='de'/>",
        "<presence to='a@b' type='subscribe'/>",
    ],
)
def test_stanzas_go_byte_for_byte(house: House, stanza: str) -> None:
    house.bound().say(stanza)
    assert house.link.texts == [stanza]


def test_prefixes_of_an_unusual_header_are_declared_where_they_are_needed(house: House) -> None:
    header = (
        "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:x='urn:x' "
        "to='montague.example'>"
    )
    talker = house.join(header)
    talker.say("<c:iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></c:iq>")
    talker.say("<c:message to='a@b'><c:body>hi</c:body><x:y/><z/></c:message>")
    from xmppctl.stanza.tree import parse

    (sent,) = house.link.texts
    element = parse(sent)
    assert [element.tag, *(child.tag for child in element)] == [
        "{jabber:client}message",
        "{jabber:client}body",
        "{urn:x}y",
        "z",
    ]


# -- acknowledgements --


def test_h_counts_what_the_server_has(house: House) -> None:
    talker = house.bound()
    assert talker.say(ENABLE).read() == ["<enabled xmlns='urn:xmpp:sm:3'/>"]
    assert talker.say(R).read() == [a(0)]
    talker.say(MESSAGE * 3 + R)
    assert talker.read() == [] and house.link.asked == 1
    house.link.acknowledge(2)
    assert talker.read() == []
    house.link.acknowledge(1)
    assert talker.read() == [a(3)]


def test_what_was_sent_before_they_were_asked_for_does_not_count(house: House) -> None:
    talker = house.bound()
    talker.say(MESSAGE * 2 + ENABLE + MESSAGE + R)
    house.link.acknowledge(2)
    assert talker.read() == ["<enabled xmlns='urn:xmpp:sm:3'/>"]
    house.link.acknowledge()
    assert talker.read() == [a(1)]


def test_each_question_is_answered_when_all_before_it_is_acknowledged(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(MESSAGE + R + MESSAGE + R + R)
    house.link.acknowledge(1)
    assert talker.read() == [a(1)]
    house.link.acknowledge()
    assert talker.read() == [a(2), a(2)]


def test_what_the_daemon_handles_counts_at_once_but_overtakes_nothing(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(INFO + R)
    assert talker.read()[1:] == [a(1)]
    talker.say(MESSAGE + INFO + R)
    assert len(talker.read()) == 1, "the answer to the request alone"
    house.link.acknowledge()
    assert talker.read() == [a(3)]


def test_acknowledgements_of_others_are_no_business_of_ours(house: House) -> None:
    one, other = house.bound(acks=True), house.bound(acks=True)
    one.say(MESSAGE + R)
    other.say(MESSAGE + R)
    house.link.acknowledge(1)
    assert one.read() == [a(1)] and other.read() == []


def test_an_acknowledged_message_is_one_that_the_server_had_after_the_stream_was_lost(house: House) -> None:
    talker = house.bound(acks=True)
    talker.say(MESSAGE + R)
    house.link.cut()
    house.link.online()
    assert talker.read() == [] and house.link.texts == [MESSAGE, MESSAGE]
    house.link.acknowledge()
    assert talker.read() == [a(1)]


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        (R, "unexpected-request"),
        (ENABLE + ENABLE, "unexpected-request"),
        ("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", "item-not-found"),
    ],
)
def test_what_acknowledgements_do_not_have_is_refused_and_the_stream_stays(
    house: House, said: str, condition: str
) -> None:
    talker = house.bound().say(said)
    assert f"<failed xmlns='urn:xmpp:sm:3'><{condition} " in talker.read()[-1]
    assert not talker.client.ended


# -- what it does not read, and what waits --


def test_replies_that_pile_up_end_the_client(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPLIES", 1000)
    talker = house.bound()
    while not talker.client.ended:
        talker.client.deliver(b"<iq/>" * 10)
    assert talker.read() == [] and not house.hub.clients
    assert "does not read" in house.notes[0]


def test_one_reply_may_be_as_large_as_a_stanza(house: House) -> None:
    talker = house.bound()
    large = b"<iq>" + b" " * (10 * 1024 * 1024) + b"</iq>"
    talker.client.deliver(large)
    assert not talker.client.ended
    talker.client.deliver(b"<iq/>")
    assert talker.client.ended


@pytest.mark.parametrize(("name", "said"), [("MAX_OPEN", INFO * 3), ("MAX_ASKED", R * 3)])
def test_it_is_not_read_from_while_too_many_wait(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setattr(module, name, 2)
    talker = house.bound(acks=True)
    talker.say(MESSAGE + said)
    assert not talker.client.readable and house.link.asked > 0
    house.link.acknowledge()
    assert talker.client.readable


def test_it_is_not_read_from_while_too_much_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNACKNOWLEDGED", len(MESSAGE) * 2)
    monkeypatch.setattr(module, "MAX_UNREAD", 100)
    talker = house.bound()
    client = talker.client
    talker.say(MESSAGE * 2)
    assert client.readable and house.link.asked == 0
    talker.say(MESSAGE)
    assert not client.readable and house.link.asked == 1
    before = talker.wakes
    house.link.acknowledge(1)
    assert client.readable and talker.wakes > before
    client.deliver(b"<iq/>" * 50)
    assert not client.readable
    talker.read()
    assert client.readable
    house.link.congested = True
    assert not client.readable


def test_facts_tell_what_waits(house: House) -> None:
    talker = house.bound()
    talker.say(MESSAGE * 3)
    house.link.acknowledge(1)
    talker.client.offer(b"<message/>")
    facts = talker.client.facts()
    assert facts["pid"] == 4711 and facts["bound"] is True
    assert (facts["stanzas"], facts["unacknowledged"], facts["queued"], facts["dropped"]) == (4, 2, 10, 0)


# -- going --


def test_a_proper_end_is_answered(house: House) -> None:
    talker = house.bound()
    talker.close()
    assert talker.read() == ["</stream:stream>"]
    assert talker.client.ended and not house.hub.clients


@pytest.mark.parametrize("how", ["dies", "asks", "breaks"])
def test_what_no_stream_has_seen_is_taken_back_if_the_client_did_not_close_its_stream(
    house: House, how: str
) -> None:
    talker = house.bound(acks=True)
    talker.say(MESSAGE)
    house.link.cut()
    talker.say(MESSAGE + PING)
    if how == "dies":
        talker.die()
    elif how == "asks":
        talker.say(R).close()
    else:
        talker.say("<a></b>")
    house.link.online()
    assert house.link.texts == [MESSAGE, MESSAGE], "what was written is sent again, what was not is not"


def test_what_a_client_sent_before_it_closed_its_stream_stays(house: House) -> None:
    talker = house.bound()
    house.link.cut()
    talker.say(MESSAGE).close()
    house.link.online()
    assert house.link.texts == [MESSAGE]
    house.link.acknowledge()


def test_whoever_waits_for_its_end_hears_of_it_once(house: House) -> None:
    talker = house.bound()
    heard: list[int] = []
    talker.client.on_leave.append(lambda: heard.append(1))
    talker.close()
    talker.die()
    talker.client.end("reset")
    assert heard == [1]


def test_what_stands_behind_the_end_of_a_stream_is_not_done(house: House) -> None:
    talker = house.bound()
    request = "<iq type='get' id='1' to='juliet@capulet.example'><q xmlns='urn:x'/></iq>"
    house.hub.service("quit", lambda request: talker.client.drop())
    talker.say(
        "<iq type='set' id='0' to='daemon.xmppctl.invalid'><quit xmlns='urn:xmppctl:daemon:1'/></iq>"
        f"{MESSAGE}{request}<a></b>"
    )
    assert house.link.texts == [] and house.hub.facts()["requests"]["waiting"] == 0


def test_who_only_asks_the_daemon_is_heard_while_the_link_is_congested(house: House) -> None:
    house.link.congested = True
    assert house.join().client.readable
    assert not house.bound().client.readable


def test_what_no_stream_has_seen_is_not_told_to_have_arrived(house: House) -> None:
    """Directed presence is not sent again where it was lost, but here it has yet to be sent for the first time."""
    talker = house.bound(acks=True)
    house.link.slow = True
    talker.say("<presence to='juliet@capulet.example'/>" + R)
    house.link.cut()
    house.link.slow = False
    house.link.online()
    assert talker.read() == []
    house.link.acknowledge()
    assert talker.read() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]
