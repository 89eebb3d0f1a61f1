"""In-band registration: both kinds of forms, what is sent back, and that no error shows the password."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from xmppctl.config.secrets import Secret
from xmppctl.errors import StanzaRefused
from xmppctl.protocols import registration
from xmppctl.protocols.registration import Field, Form
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.frame import Frame

SECRET = "hunter2 <&> planted"
NS = "jabber:iq:register"


def reply(payload: str) -> Frame:
    return Frame(f"<iq type='result' id='x'>{payload}</iq>".encode(), ("jabber:client iq",))


class Stream:
    """Answers requests with what it was given; keeps what was sent."""

    def __init__(self, *answers: Frame | StanzaRefused) -> None:
        self.answers = list(answers)
        self.sent: list[ElementTree.Element] = []

    def request(self, stanza: str, doing: str) -> Frame:
        assert doing
        self.sent.append(ElementTree.fromstring(stanza))
        answer = self.answers.pop(0)
        if isinstance(answer, StanzaRefused):
            raise answer
        return answer


def test_plain_fields() -> None:
    stream = Stream(
        reply(
            f"<query xmlns='{NS}'><instructions>Choose.</instructions><username/><password/><email>me@x</email></query>"
        )
    )
    form = registration.ask_form(stream, "montague.example")
    assert stream.sent[0].get("to") == "montague.example" and stream.sent[0].get("type") == "get"
    assert form.instructions == "Choose." and not form.data
    assert form.open_fields == (Field("email", "email", values=("me@x",)),)


def test_plain_fields_are_filled_in_their_order() -> None:
    stream = Stream(reply(""))
    form = Form((Field("username", "username"), Field("password", "password"), Field("email", "email")))
    registration.submit(stream, "m.example", form, "romeo", Secret(SECRET), {"email": "r@<m>"})
    query = stream.sent[0].find(f"{{{NS}}}query")
    assert query is not None
    assert [(child.tag.rpartition("}")[2], child.text) for child in query] == [
        ("username", "romeo"),
        ("password", SECRET),
        ("email", "r@<m>"),
    ]


def test_a_server_that_names_no_fields_gets_name_and_password() -> None:
    stream = Stream(reply(""))
    registration.submit(stream, "m.example", Form(()), "romeo", Secret("p"), {})
    query = stream.sent[0].find(f"{{{NS}}}query")
    assert query is not None and [child.text for child in query] == ["romeo", "p"]


DATA = f"""<query xmlns='{NS}'><instructions>Use the form.</instructions>
<x xmlns='jabber:x:data' type='form'><title>Join</title><instructions>Type the word.</instructions>
<field var='FORM_TYPE' type='hidden'><value>{NS}</value></field>
<field var='username' type='text-single' label='Name'><required/></field>
<field var='password' type='text-private'><required/></field>
<field var='ocr' label='What you see'><required/></field>
<field var='nick' label='Nickname'/>
<field type='fixed'><value>hello</value></field></x>
<x xmlns='jabber:x:oob'><url>https://m.example/captcha</url></x></query>"""


def test_a_data_form() -> None:
    form = registration.parse_form(reply(DATA))
    assert form.data and form.instructions == "Join\nType the word."
    assert form.urls == ("https://m.example/captcha",)
    assert form.open_fields == (Field("ocr", "What you see", True), Field("nick", "Nickname", False))


def test_a_data_form_is_submitted_with_what_was_hidden() -> None:
    stream = Stream(reply(""))
    form = registration.parse_form(reply(DATA))
    registration.submit(stream, "m.example", form, "romeo", Secret(SECRET), {"ocr": "word"})
    data = stream.sent[0].find(f"{{{NS}}}query/{{jabber:x:data}}x")
    assert data is not None and data.get("type") == "submit"
    assert {field.get("var"): "".join(field.itertext()) for field in data} == {
        "FORM_TYPE": NS,
        "username": "romeo",
        "password": SECRET,
        "ocr": "word",
    }


def test_only_a_web_page() -> None:
    form = registration.parse_form(
        reply(f"<query xmlns='{NS}'><x xmlns='jabber:x:oob'><url>https://m.example/join</url></x></query>")
    )
    assert form.fields == () and form.urls == ("https://m.example/join",)
    assert registration.parse_form(reply("")) == Form(())


def test_changing_a_password() -> None:
    session = MemorySession(lambda frame: [f"<iq type='result' id='{frame.id}' from='montague.example'/>"])
    drive(registration.change_password(session, Secret(SECRET)))
    [sent] = session.sent
    query = sent.element().find(f"{{{NS}}}query")
    assert sent.to == "montague.example" and sent.type == "set" and query is not None
    assert [child.text for child in query] == ["romeo", SECRET]


def test_a_refused_change_repeats_no_password() -> None:
    def refuse(frame: Frame) -> list[str]:
        inner = frame.text.partition(">")[2].removesuffix("</iq>")
        return [
            f"<iq type='error' id='{frame.id}' from='montague.example'>{inner}<error type='modify'>"
            "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ]

    with pytest.raises(StanzaRefused, match="not-acceptable") as caught:
        drive(registration.change_password(MemorySession(refuse), Secret("hunter2")))
    assert "hunter2" not in caught.value.stanza and "redacted" in caught.value.stanza
