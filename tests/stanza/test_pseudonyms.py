"""Frames for a bug report: nobody named, nothing said, and still the same protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import EXAMPLES, HEADER, ODD
from xmppctl.stanza.build import escape, escape_attribute
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.pseudonyms import Pseudonyms
from xmppctl.stanza.splitter import Splitter

KEY = b"k" * 16
TOKEN = "[0-9a-f]{10}"
JID = re.compile(r"(?<![\w.-])[\w.-]++@[\w.-]++")
PSEUDONYM = re.compile(rf"u{TOKEN}@(?:[a-z]+\.)*d{TOKEN}\.example")
#: Whose domains people of the examples have as well.
NAMESPACE = re.compile(r"http://(?:jabber\.org|www\.w3\.org)/[\w/#.-]+")


def frames(data: bytes, way: Direction = "in") -> list[Frame]:
    return Splitter(way).feed(HEADER + data)[1:]


def one(xml: str) -> Frame:
    (frame,) = frames(xml.encode())
    return frame


def hidden(xml: str, key: bytes = KEY) -> str:
    return Pseudonyms(key)(one(xml)).text


def addresses(element: Element) -> Iterator[str]:
    """What stands where a JID does."""
    for each in element.iter():
        yield from (
            each.attrib[name] for name in ("from", "to", "jid", "by", "initiator") if name in each.attrib
        )


def texts(element: Element) -> Iterator[str]:
    """What somebody says, or a roster calls somebody."""
    for each in element.iter():
        if str(each.tag).rpartition("}")[2] in (
            "body",
            "subject",
            "status",
            "group",
            "FN",
            "reason",
            "nick",
            "title",
        ):
            yield from (text.strip() for text in each.itertext())
        yield from (each.attrib[name] for name in ("nick", "label", "password") if name in each.attrib)


def holds(made: Frame) -> None:
    """What a frame says of itself is what its bytes say."""
    again = Splitter().feed(HEADER + made.raw)[-1]
    assert again.raw == made.raw
    assert (list(again.names), list(again.payloads)) == (list(made.names), list(made.payloads))
    assert dict(again.attributes) == dict(made.attributes)


@pytest.mark.parametrize("name", [*EXAMPLES, *ODD])
def test_examples_lose_jids_and_texts_and_keep_their_shape(name: str) -> None:
    (frame,) = frames((EXAMPLES | ODD)[name])
    made = Pseudonyms(KEY)(frame)
    holds(made)
    assert list(made.names) == list(frame.names)
    assert all(PSEUDONYM.fullmatch(jid) for jid in JID.findall(made.text))
    left = NAMESPACE.sub("", made.text)
    for address in {*addresses(frame.element()), *JID.findall(frame.text)}:
        bare, _, resource = address.partition("/")
        domain = bare.rpartition("@")[2]
        assert address not in left or "." not in domain
        assert domain not in left or "." not in domain
        assert not resource or f"/{resource}" not in left
    for text in texts(frame.element()):
        assert len(text) < 5 or text not in left


@pytest.mark.parametrize("name", [*EXAMPLES, *ODD])
def test_of_examples_everything_but_values_and_texts_stays_byte_for_byte(name: str) -> None:
    (frame,) = frames((EXAMPLES | ODD)[name])

    def skeleton(raw: bytes) -> bytes:
        without = re.sub(rb"<!\[CDATA\[.*?\]\]>", b"x", raw, flags=re.DOTALL)
        without = re.sub(rb"(\s(?!xmlns)[^\s=<>]+\s*=\s*)(?:'[^']*'|\"[^\"]*\")", rb"\1", without)
        return re.sub(rb"(?<=>)(\s*)[^<]*?(\s*)(?=<)", rb"\1\2", without)

    if name != "tag ends":  # of which these patterns know too little
        assert skeleton(Pseudonyms(KEY)(frame).raw) == skeleton(frame.raw)


def test_what_becomes_of_a_message() -> None:
    xml = (
        "<message  from='Juliet@Capulet.example/balcony' to=\"romeo@montague.example\" id='m1' type='chat'>\n"
        "  <body>\n Art &amp; thou</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    pattern = (
        f"<message  from='u{TOKEN}@d{TOKEN}.example/r{TOKEN}' to=\"u{TOKEN}@d{TOKEN}.example\" id='m1' type='chat'>\n"
        r"  <body>\n \[redacted:14\]</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    made = hidden(xml)
    assert re.fullmatch(pattern, made), made


def test_one_jid_has_one_pseudonym_and_another_key_another() -> None:
    hide = Pseudonyms(KEY)
    full, bare = hide.jid("Romeo@montague.example/a"), hide.jid("romeo@montague.example")
    assert full.partition("/")[0] == bare == Pseudonyms(KEY).jid("romeo@Montague.example")
    assert hide.jid("romeo@montague.example/b") != full
    assert hide.jid("juliet@montague.example") != bare
    assert hide.jid("montague.example") == bare.partition("@")[2]
    assert Pseudonyms(b"other").jid("romeo@montague.example") != bare
    assert Pseudonyms().jid("romeo@montague.example") != Pseudonyms().jid("romeo@montague.example")


def test_services_of_a_domain_are_told_as_such() -> None:
    hide = Pseudonyms(KEY)
    assert hide.jid("conference.montague.example") == f"conference.{hide.jid('montague.example')}"
    assert hide.jid("rooms.chat.montague.example") == f"rooms.chat.{hide.jid('montague.example')}"
    assert hide.jid("conference.localhost") == f"conference.{hide.jid('localhost')}"
    assert hide.jid("secret.montague.example").startswith("d")
    assert "chat" not in hide.jid("chat.example")
    assert len(hide.jid("chat." * 10_000 + "x.y")) < 40


@pytest.mark.parametrize(
    "xml",
    [
        "<message><body>SECRET</body></message>",
        "<message><body><![CDATA[SECRET]]></body></message>",
        "<message><body>a<b xmlns='x'/>SECRET<c xmlns='x'>d</c>SECRET</body></message>",
        "<message><subject>SECRET</subject><x xmlns='urn:unknown'>SECRET</x></message>",
        "<message><thread>a SECRET talk</thread></message>",
        "<presence><status>SECRET</status></presence>",
        "<presence><show>SECRET show</show></presence>",
        "<presence><nick xmlns='http://jabber.org/protocol/nick'>SECRET</nick></presence>",
        "<iq type='result'><query xmlns='jabber:iq:roster'><item jid='a@b.example' name='SECRET'>"
        "<group>SECRET</group></item></query></iq>",
        "<iq type='result'><query xmlns='jabber:iq:search'><item jid='a@b.example'><first>SECRET</first>"
        "<last>SECRET</last></item></query></iq>",
        "<iq type='set'><vCard xmlns='vcard-temp'><FN>SECRET</FN></vCard></iq>",
        "<message><x xmlns='jabber:x:data'><field var='v' label='SECRET'><value>SECRET</value></field></x></message>",
        "<message><x xmlns='jabber:x:data'><field var='pubsub#title'><value>SECRET</value></field></x></message>",
        "<message><x xmlns='jabber:x:data'><field var='with'><value>SECRET.example</value></field></x></message>",
        "<iq><x xmlns='jabber:x:data'><field type='jid-single'><value>SECRET.example</value></field></x></iq>",
        "<message><x xmlns='jabber:x:oob'><url>https://host.example/SECRET</url></x></message>",
        "<iq type='result'><service xmlns='urn:xmpp:extdisco:2' host='SECRET.example' type='turn'/></iq>",
        "<enabled xmlns='urn:xmpp:sm:3' id='a' location='SECRET.example:5222'/>",
        "<message from='SECRET@b.example'/>",
        "<message from='SECRET&#64;b.example'/>",
        "<message from='SECRET&#x40;b.example'/>",
        "<message from='a@b.example/SECRET'/>",
        "<message from='a@b.example/a &apos;&amp; SECRET'/>",
        "<message from='a@SECRET'/>",
        "<message id='to-SECRET@b.example'/>",
        "<message id='to-SECRET&#64;b.example'/>",
        "<message id='to SECRET'/>",
        "<message id='SECRET@(b.example)'/>",
        "<message xmlns:p='urn:p' p:id='SECRET'/>",
        "<message xmlns:p='urn:p' xmlnsx='SECRET' xmln='SECRET'/>",
        "<message from='a@SECRET.example' id='1-SECRET.example-2'/>",
        "<message from='a@rooms.SECRET.example' id='upload.secret.example/SECRET.EXAMPLE'/>",
        "<message from='a@SECRET.example' id='a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.SECRET.example'/>",
        "<iq type='get' id='1'><query xmlns='x' node='xmpp:SECRET@b.example?x'/></iq>",
        "<iq type='get' id='1'><query xmlns='x' node='xmpp:SECRET.example'/></iq>",
        "<iq type='get' id='1'><query xmlns='x' node='xmpp:SECRET%40b.example'/></iq>",
        "<iq type='get' id='1'><query xmlns='x' node='/home/b.example/SECRET/x'/></iq>",
        "<iq type='get' id='1'><query xmlns='x' node='/home/SECRET.example/x'/></iq>",
        "<iq type='get' id='1'><query xmlns='x' node='our SECRET plans'/></iq>",
        "<message><reference xmlns='urn:xmpp:reference:0' uri='https://SECRET.example/photo'/></message>",
        "<message><reference xmlns='urn:xmpp:reference:0' uri='xmpp:SECRET%40b.example?a;body=SECRET'/></message>",
        "<message><reference xmlns='urn:xmpp:reference:0' uri='xmpp://SECRET@b.example/c@d.example'/></message>",
        "<iq type='error'><error type='cancel'><text xmlns='urn:x'>no SECRET here</text></error></iq>",
        "<iq type='error'><error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:a@SECRET</gone></error></iq>",
        "<iq type='error'><error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>by SECRET</gone></error></iq>",
        "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>SECRET.example</see-other-host>"
        "</stream:error>",
        "<iq type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid> a@b.example/SECRET\n</jid></bind></iq>",
        "<message><y xmlns='urn:x'>  SECRET@b.example </y></message>",
        "<iq><x xmlns='x'><set xmlns='http://jabber.org/protocol/rsm'><last>SECRET@b.example</last></set></x></iq>",
        "<message type='SECRET meeting' status='at SECRET'/>",
        "<message><body>12345 SECRET</body></message>",
    ],
)
def test_what_is_no_protocol_is_gone(xml: str) -> None:
    made = Pseudonyms(KEY)(one(xml))
    assert "secret" not in made.text.lower()
    assert "secret" not in str(made.attributes).lower()
    holds(made)


@pytest.mark.parametrize(
    "text", ["4711", "true", "1980-01-01T00:00:00Z", "urn:xmpp:ping", "open", "word", "-1.5"]
)
@pytest.mark.parametrize(
    "place",
    [
        "<message><body>{}</body></message>",
        "<presence><status>{}</status></presence>",
        "<iq><vCard xmlns='vcard-temp'><TEL><NUMBER>{}</NUMBER></TEL></vCard></iq>",
        "<message><lat xmlns='http://jabber.org/protocol/geoloc'>{}</lat></message>",
        "<iq><query xmlns='jabber:iq:register'><username>{}</username></query></iq>",
        "<iq><query xmlns='jabber:iq:roster'><item name='{}'/></query></iq>",
        "<message><x xmlns='urn:x'>{}</x></message>",
    ],
)
def test_no_text_of_people_is_spared_for_looking_like_protocol(place: str, text: str) -> None:
    assert hidden(place.format(text)) == place.format(f"[redacted:{len(text)}]")


@pytest.mark.parametrize("value", ["4711", "2026-01-31T12:00:00Z", "word"])
def test_in_forms_fields_that_people_fill_in_lose_what_others_keep(value: str) -> None:
    form = "<iq><x xmlns='jabber:x:data'><field var='{}'><value>{}</value></field></x></iq>"
    for var in ("", "tel", "muc#register_phone", "pubsub#title", "muc#roomconfig_roomname"):
        assert hidden(form.format(var, value)) == form.format(var, f"[redacted:{len(value)}]")


@pytest.mark.parametrize(
    "xml",
    [
        "<presence><show>away</show><priority>-5</priority></presence>",
        "<presence id='a1-b2' xml:lang='en'/>",
        "<message type='groupchat' id='0f1c'><thread>7edac73ab41e</thread></message>",
        "<message><origin-id xmlns='urn:xmpp:sid:0' id='de305d54-75b4-431b-adb2-eb6b9e546013'/></message>",
        "<iq type='result' id='a'><query xmlns='http://jabber.org/protocol/disco#info' node='urn:x#y'>"
        "<identity category='server' type='im'/><feature var='urn:xmpp:ping'/></query></iq>",
        "<iq type='error'><error type='cancel' code='404'><item-not-found "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        "<message><delay xmlns='urn:xmpp:delay' stamp='2026-01-31T12:00:00Z'/></message>",
        "<message><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'>"
        "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        "<field var='pubsub#access_model' type='list-single'><option><value>open</value></option><value>roster</value>"
        "</field><field var='pubsub#max_items'><value>10</value></field><field var='x'><value>1</value></field>"
        "<field var='start'><value>2010-08-07T00:00:00Z</value></field></x></message>",
        "<iq><x xmlns='x'><set xmlns='http://jabber.org/protocol/rsm'><first index='0'>09af3-cc343</first>"
        "<count>20</count></set></x></iq>",
        "<iq><query xmlns='jabber:iq:version'><name>Prosody</name><version>0.12.4</version></query></iq>",
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
        "<mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>",
        "<message><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'><key rid='3' prekey='true'/>"
        "</header></encrypted></message>",
        "<message><event xmlns='http://jabber.org/protocol/pubsub#event'>"
        "<items node='eu.siacs.conversations.axolotl.devicelist'/></event></message>",
        "<r xmlns='urn:xmpp:sm:3'/>",
        "<message> \n <x xmlns='x' y='' > </x>\t</message >",
    ],
)
def test_protocol_stays(xml: str) -> None:
    frame = one(xml)
    assert Pseudonyms(KEY)(frame) is frame


def test_namespaces_stay_although_their_domain_is_somebodys() -> None:
    made = hidden(
        "<iq from='jabber.org'><x xmlns='x' node='http://jabber.org/protocol/tune' id='x-jabber.org'/></iq>"
    )
    assert made.count("jabber.org") == 1
    assert "node='http://jabber.org/protocol/tune'" in made


def test_jids_are_the_same_wherever_they_stand() -> None:
    hide = Pseudonyms(KEY)
    bare, full = hide.jid("romeo@montague.example"), hide.jid("romeo@montague.example/o'r")
    made = hidden(
        "<iq from=\"Romeo&#64;montague.example/o'r\"><x xmlns='x' id='sub:romeo@montague.example' "
        "uri='xmpp:romeo%40Montague.example?join;password=x' node='pep/montague.example'><jid>\n"
        "romeo@montague.example</jid></x><service xmlns='y' host='turn.montague.example' ip='10.0.0.1'/></iq>"
    )
    assert f'from="{full}"' in made
    assert f"id='sub:{bare}'" in made
    assert f"uri='xmpp:{bare}?join;'" in made
    assert f"node='pep/{hide.jid('montague.example')}'" in made
    assert f"<jid>\n{bare}</jid>" in made
    assert f"host='{hide.jid('turn.montague.example')}' ip='{hide.jid('10.0.0.1')}'" in made


def test_ids_that_are_no_words_can_still_be_followed() -> None:
    first, again, other = (hidden(f"<message id='{id}'/>") for id in ("to you", "to you", "to me"))
    assert first == again != other
    assert re.fullmatch(f"<message id='id{TOKEN}'/>", first)


def test_markers_of_secrets_keep_their_length() -> None:
    frame = one(
        "<message><x xmlns='jabber:x:conference' password='[redacted:12]'>[redacted:300]</x></message>"
    )
    assert Pseudonyms(KEY)(frame) is frame


def test_headers_and_footers() -> None:
    raw = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    header, footer = Splitter().feed(
        raw + b"from='capulet.example' to='Romeo@montague.example' id='x'></stream:stream>"
    )
    hide = Pseudonyms(KEY)
    made = hide(header)
    assert b"apulet" not in made.raw and b"ontague" not in made.raw and made.raw.startswith(raw)
    assert made.kind == "stream"
    assert made.attributes == {
        "from": hide.jid("capulet.example"),
        "to": hide.jid("romeo@montague.example"),
        "id": "x",
    }
    assert hide(footer) is footer


def test_a_frame_keeps_its_time_and_direction() -> None:
    frame = Frame(b"<presence from='a@b'/>", ["jabber:client presence"], direction="out", time=5.0)
    made = Pseudonyms(KEY)(frame)
    assert (made.direction, made.time, made.kind) == ("out", 5.0, "presence")


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        (b"<message from='romeo@montague.example'><bo", b"<message[redacted:34]"),
        (b"\n<message", b"\n<message"),
        (b"<romeo@montague.example", b"[redacted:23]"),
        (b"romeo@montague.example", b"[redacted:22]"),
        (b"<?xml version='1.0'?><stream:stream to='rom", b"[redacted:43]"),
        (b"\xff\xfe", b"[redacted:2]"),
        (b" \n", b" \n"),
        (b"[redacted:5]", b"[redacted:5]"),
    ],
)
def test_what_is_torn_loses_everything(raw: bytes, made: bytes) -> None:
    frame = Frame(raw)
    found = Pseudonyms(KEY)(frame)
    assert found.raw == made
    assert (found is frame) == (raw == made)


@pytest.mark.parametrize(
    "raw",
    [
        b"romeo <presence/>",
        b"<presence/> romeo",
        b"<presence/><romeo/>",
        b"<presence/><romeo",
        b"<presence><!-- romeo --></presence>",
        b"<presence><?romeo ?></presence>",
        b"<presence/></w><romeo/>",
        b"<presence>romeo",
        b"</romeo romeo>",
    ],
)
def test_a_frame_that_is_not_what_it_says_loses_everything(raw: bytes) -> None:
    for name in ("jabber:client presence", "http://etherx.jabber.org/streams stream"):
        assert b"romeo" not in Pseudonyms(KEY)(Frame(raw, [name])).raw.removeprefix(b"<romeo")


def test_a_long_roster_is_hidden_item_by_item() -> None:
    items = "".join(f"<item jid='u{n}@d{n}.test' name='n {n}' id='d{n}.test'/>" for n in range(3000))
    made = hidden(f"<iq><query xmlns='jabber:iq:roster'>{items}</query></iq>")
    assert ".test" not in made
    assert len(set(re.findall(f"jid='(u{TOKEN}@d{TOKEN}.example)'", made))) == 3000


NASTY = st.text(st.sampled_from("aB0.@/:%&<>'\" \n\té\u202e[]#?;=\U0001f600"), max_size=12)
ATTRIBUTES = st.sampled_from(["from", "id", "node", "uri", "host", "name", "type", "jid", "stamp", "xmlnsx"])
TEXTS = st.sampled_from(["body", "thread", "jid", "x", "show"])


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(ATTRIBUTES, st.builds("{}SECRET{}".format, NASTY, NASTY), max_size=4),
    st.lists(st.tuples(TEXTS, st.builds("{}SECRET it{}".format, NASTY, NASTY), st.booleans()), max_size=3),
    st.sampled_from("'\""),
)
def test_whatever_is_written_the_result_is_well_formed(
    values: dict[str, str], written: list[tuple[str, str, bool]], quote: str
) -> None:
    tag = "".join(f" {name}={quote}{escape_attribute(value)}{quote}" for name, value in values.items())
    inside = "".join(
        f"<{name}>{f'<![CDATA[{text}]]>' if is_literal else escape(text)}</{name}>\n"
        for name, text, is_literal in written
    )
    frame = one(f"<message{tag}>{inside}</message>")
    made = Pseudonyms(KEY)(frame)
    holds(made)
    assert list(made.names) == list(frame.names)
    assert "SECRET" not in re.sub(r" (?:id|node|type)=(?:'[^']*'|\"[^\"]*\")", "", made.text)
    assert "@" not in re.sub(rf"u{TOKEN}@(?:[a-z]+\.)*d{TOKEN}", "", made.text)
