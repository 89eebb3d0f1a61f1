"""`disco`: identities, features, forms and items, through slixmpp's plugin."""

from __future__ import annotations

import pytest

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
WHAT = (
    "<identity category='server' type='im' name='Globe' xml:lang='en'/><identity category='pubsub' type='pep'/>"
    "<feature var='urn:xmpp:ping'/><feature var='urn:example:unknown'/><feature var='urn:xmpp:ping'/>"
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:form</value></field>"
    "<field var='abuse'><value>xmpp:a@b</value><value>mailto:a@b</value></field></x>"
)


def answering(info=WHAT, items=""):
    def respond(frame):
        for namespace, inside in ((INFO, info), (ITEMS, items)):
            if f"{namespace} query" in frame.payloads:
                query = f"<query xmlns='{namespace}'>{inside}</query>"
                return [f"<iq type='result' id='{frame.id}' from='{frame.to}'>{query}</iq>"]
        return None

    return respond


def test_info_as_tables(run_cli):
    ran = run_cli("disco", "info", responder=answering())
    assert ran.code == 0
    assert [" ".join(line.split()) for line in ran.stdout.splitlines()] == [
        "CATEGORY TYPE NAME LANGUAGE",
        "server im Globe en",
        "pubsub pep",
        "",
        "FEATURE DEFINED BY TITLE",
        "urn:example:unknown",
        "urn:xmpp:ping XEP-0199 XMPP Ping",
        "",
        "FORM FIELD VALUE",
        "urn:form abuse xmpp:a@b, mailto:a@b",
    ]
    assert ran.sent[0].to == "montague.example"


def test_info_as_json(run_cli):
    (record,) = run_cli(
        "disco", "info", "capulet.example", "--node", "n", "-o", "jsonl", responder=answering()
    ).records
    assert (record["jid"], record["node"]) == ("capulet.example", "n")
    assert record["identities"] == [
        {"category": "server", "type": "im", "name": "Globe", "lang": "en"},
        {"category": "pubsub", "type": "pep"},
    ]
    assert record["features"] == ["urn:example:unknown", "urn:xmpp:ping"]
    assert record["forms"] == [{"type": "urn:form", "fields": {"abuse": ["xmpp:a@b", "mailto:a@b"]}}]


def test_the_own_account_and_resource_are_asked_over_the_network(run_cli):
    for jid in ("romeo@montague.example", "romeo@montague.example/orchard"):
        ran = run_cli("disco", "info", jid, responder=answering())
        assert ran.code == 0 and ran.sent[0].to == jid and "Globe" in ran.stdout


def test_the_node_is_asked_for(run_cli):
    ran = run_cli("disco", "items", "--node", "a & b", responder=answering())
    assert ran.sent[0].element()[0].get("node") == "a & b"


def test_items(run_cli):
    items = "<item jid='conference.montague.example' name='Rooms'/><item jid='p.example' node='n'/>"
    ran = run_cli("disco", "items", responder=answering(items=items))
    assert [line.split() for line in ran.stdout.splitlines()] == [
        ["JID", "NODE", "NAME"],
        ["conference.montague.example", "Rooms"],
        ["p.example", "n"],
    ]
    ran = run_cli("disco", "items", "-o", "jsonl", responder=answering(items=items))
    assert [(each["jid"], each.get("node"), each.get("name")) for each in ran.records] == [
        ("conference.montague.example", None, "Rooms"),
        ("p.example", "n", None),
    ]


def test_no_items_is_an_empty_list(run_cli):
    assert run_cli("disco", "items", "-o", "json", responder=answering()).stdout == "[]\n"


def test_hostile_text_is_made_visible(run_cli):
    items = "<item jid='x' name='\u202e&#10;\x9bevil'/>"
    ran = run_cli("disco", "items", responder=answering(items=items))
    assert "\u202e" not in ran.stdout and "\x9b" not in ran.stdout and len(ran.stdout.splitlines()) == 2


def test_a_stranger_cannot_answer(run_cli):
    def respond(frame):
        return [
            f"<iq type='result' id='{frame.id}' from='mallory@evil.example'><query xmlns='{INFO}'>{WHAT}</query></iq>"
        ]

    ran = run_cli("disco", "info", responder=respond)
    assert ran.code == 6 and ran.stdout == ""


def test_stanzas_that_break_slixmpp_handlers_do_not_reach_them(run_cli):
    """Anybody may send a message; none of it is for the plugins while they only ask."""

    def script(session):
        session.deliver(
            "<message from='a@@b' type='chat'><body/></message>", "<presence from='@' type='subscribe'/>"
        )

    assert run_cli("disco", "info", responder=answering(), script=script).code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("info", "a@@b"), 2),
        (("items", "--node", "\x07"), 8),
        (("info", "-o", "xml"), 2),
        (("tree",), 2),
        ((), 2),
    ],
)
def test_what_is_wrong_sends_nothing(run_cli, words, code):
    ran = run_cli("disco", *words)
    assert ran.code == code and ran.session is None
