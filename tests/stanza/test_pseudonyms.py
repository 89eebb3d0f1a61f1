"""Frames for a bug report: nobody named, nothing said, and still the same protocol."""

from __future__ import annotations

import re

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.pseudonyms import Pseudonyms
from xmppctl.stanza.splitter import Splitter

KEY = b"k" * 16
JID = re.compile(rb"(?<![\w.-])[\w.-]++@[\w.-]+\.[a-z]{2,}")
PSEUDONYM = re.compile(rb"u[0-9a-f]{10}@(?:[a-z]+\.)*d[0-9a-f]{10}\.example")


def frames(data: bytes, way: str = "in") -> list[Frame]:
    return Splitter(way).feed(HEADER + data)[1:]  # type: ignore[arg-type]


def hidden(xml: str, key: bytes = KEY) -> str:
    (frame,) = frames(xml.encode())
    return Pseudonyms(key)(frame).text


@pytest.mark.parametrize("name", [*EXAMPLES, *ODD])
def test_examples_lose_their_jids_and_keep_their_shape(name: str) -> None:
    data = (EXAMPLES | ODD)[name]
    hide = Pseudonyms(KEY)
    for frame in frames(data):
        made = hide(frame)
        for jid in JID.findall(frame.raw):
            assert jid not in made.raw
        assert all(PSEUDONYM.fullmatch(jid) for jid in JID.findall(made.raw))
        if frame.names:
            again = Splitter().feed(HEADER + made.raw)[-1]
            assert (again.raw, list(again.names)) == (made.raw, list(frame.names))
            assert (list(made.names), dict(made.attributes)) == (list(again.names), dict(again.attributes))
        body = frame.body
        if body and len(body) > 4:
            assert body not in made.text


def test_what_becomes_of_a_message() -> None:
    xml = (
        "<message  from='Juliet@Capulet.example/balcony' to=\"romeo@montague.example\" id='m1' type='chat'>"
        "<body>Art &amp; thou</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    made = hidden(xml)
    pattern = (
        "<message  from='u[0-9a-f]{10}@d[0-9a-f]{10}.example/r[0-9a-f]{10}' to=\"u[0-9a-f]{10}@d[0-9a-f]{10}.example\" "
        r"id='m1' type='chat'><body>\[redacted:10\]</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
        "</message>"
    )
    assert re.fullmatch(pattern, made), made


def test_one_jid_has_one_pseudonym_and_another_key_another() -> None:
    hide = Pseudonyms(KEY)
    full, bare = hide.jid("Romeo@montague.example/a"), hide.jid("romeo@montague.example")
    assert full.partition("/")[0] == bare == Pseudonyms(KEY).jid("romeo@Montague.example")
    assert hide.jid("romeo@montague.example/b") != full
    assert hide.jid("montague.example") == bare.partition("@")[2]
    assert hide.jid("conference.montague.example") == f"conference.{hide.jid('montague.example')}"
    assert Pseudonyms(b"other").jid("romeo@montague.example") != bare
    assert Pseudonyms().jid("romeo@montague.example") != Pseudonyms().jid("romeo@montague.example")


@pytest.mark.parametrize(
    "secret",
    [
        "<message><body>SECRET</body></message>",
        "<message><body><![CDATA[SECRET]]></body></message>",
        "<message><body>a<b xmlns='x'/>SECRET<c xmlns='x'>d</c>SECRET</body></message>",
        "<message><subject>SECRET</subject><x xmlns='urn:unknown'>SECRET</x></message>",
        "<presence><status>SECRET</status></presence>",
        "<iq type='result'><query xmlns='jabber:iq:roster'><item jid='a@b.example' name='SECRET'>"
        "<group>SECRET</group></item></query></iq>",
        "<iq type='set'><vCard xmlns='vcard-temp'><FN>SECRET</FN></vCard></iq>",
        "<message><x xmlns='jabber:x:data'><field var='v' label='SECRET'><value>SECRET</value></field></x></message>",
        "<message><x xmlns='jabber:x:oob'><url>https://host.example/SECRET</url></x></message>",
        "<iq type='result'><service xmlns='urn:xmpp:extdisco:2' host='SECRET.example' type='turn'/></iq>",
        "<message from='SECRET@b.example'/>",
        "<message from='SECRET&#64;b.example'/>",
        "<message from='a@b.example/SECRET'/>",
        "<message id='to-SECRET@b.example'/>",
        "<iq type='get' id='1'><query xmlns='x' node='xmpp:SECRET@b.example?x'/></iq>",
        "<iq type='error'><error type='cancel'><text xmlns='urn:x'>no SECRET here</text></error></iq>",
        "<message><y xmlns='urn:x'>  SECRET@b.example </y></message>",
        "<message><body>12345 SECRET</body></message>",
    ],
)
def test_what_is_no_protocol_is_gone(secret: str) -> None:
    assert "SECRET" not in hidden(secret)


@pytest.mark.parametrize(
    "xml",
    [
        "<presence><show>away</show><priority>5</priority></presence>",
        "<iq type='result' id='a'><query xmlns='http://jabber.org/protocol/disco#info'>"
        "<feature var='urn:xmpp:ping'/></query></iq>",
        "<message><delay xmlns='urn:xmpp:delay' stamp='2026-01-31T12:00:00Z'/></message>",
        "<message><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'>"
        "<value>http://jabber.org/protocol/pubsub#publish-options</value></field></x></message>",
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
        "<mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>",
        "<r xmlns='urn:xmpp:sm:3'/>",
    ],
)
def test_protocol_stays(xml: str) -> None:
    (frame,) = frames(xml.encode())
    assert Pseudonyms(KEY)(frame) is frame


def test_headers_and_footers() -> None:
    raw = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    (header,) = Splitter().feed(raw + b"from='capulet.example' to='Romeo@montague.example' id='x'>")
    made = Pseudonyms(KEY)(header)
    assert b"apulet" not in made.raw and b"ontague" not in made.raw and made.raw.startswith(raw)
    assert made.attributes == {"id": "x"} | {
        name: Pseudonyms(KEY).jid(jid) for name, jid in header.attributes.items() if name != "id"
    }
    footer = Frame(b"</stream:stream>", header.names)
    assert Pseudonyms(KEY)(footer) is footer


@pytest.mark.parametrize(
    "raw", [b"<message from='romeo@montague.example'><bo", b"romeo@montague.example", b"\xff\xfe"]
)
def test_what_is_torn_loses_everything(raw: bytes) -> None:
    made = Pseudonyms(KEY)(Frame(raw))
    assert b"romeo" not in made.raw and b"[redacted:" in made.raw


def test_white_space_stays() -> None:
    space = Frame(b" \n")
    assert Pseudonyms(KEY)(space) is space
