"""`pubsub subscribe`: what is asked of the service, what events become, and what is left behind."""

from __future__ import annotations

import pytest

from xmppctl.errors import Interrupted
from xmppctl.session.local import DAEMON
from xmppctl.stanza.build import escape_attribute

SERVICE = "pubsub.shakespeare.example"
NODE = "princely_musings"
ME = "romeo@montague.example"
NS = "http://jabber.org/protocol/pubsub"
EVENT = f"{NS}#event"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"

ENTRY = (
    "<entry xmlns='http://www.w3.org/2005/Atom'  xml:lang='en'><title>Soliloquy</title>"
    "<author><name>Hamlet</name></author><summary>To be, or not to be</summary>"
    "<link rel='alternate' type='text/html' href='http://denmark.example/32397'/>"
    "<id>tag:denmark.example,2003:entry-32397</id><published>2003-12-13T18:30:02Z</published></entry>"
)


def event(inside, sender=SERVICE, extra=""):
    return f"<message from='{sender}' to='{ME}'><event xmlns='{EVENT}'>{inside}</event>{extra}</message>"


def items(inside, node=NODE):
    return f"<items node='{escape_attribute(node)}'>{inside}</items>"


class Service:
    """A PubSub service. `after` are the stanzas that come when somebody has subscribed."""

    def __init__(self, *after, state="subscribed", existing="", stored="", subid="s1", refuses=()):
        self.after = after
        self.state = state
        self.existing = existing
        self.stored = stored
        self.subid = subid
        self.refuses = dict(refuses)
        self.asked = []

    def __call__(self, frame):
        if f"{NS} pubsub" not in frame.payloads:
            return None
        action = frame.element()[0][0]
        name = action.tag.rpartition("}")[2]
        self.asked.append((name, dict(action.attrib)))
        if name in self.refuses:
            return [
                self._reply(
                    frame, f"<error type='cancel'><{self.refuses[name]} xmlns='{ERRORS}'/></error>", "error"
                )
            ]
        if name == "subscriptions":
            answer = [
                self._reply(
                    frame, f"<pubsub xmlns='{NS}'><subscriptions>{self.existing}</subscriptions></pubsub>"
                )
            ]
            return [*answer, *self.after] if self.existing else answer
        if name == "subscribe":
            told = (
                f"<subscription node='{NODE}' jid='{ME}' subid='{self.subid}' subscription='{self.state}'/>"
            )
            return [self._reply(frame, f"<pubsub xmlns='{NS}'>{told}</pubsub>"), *self.after]
        if name == "items":
            return [
                self._reply(
                    frame, f"<pubsub xmlns='{NS}'><items node='{NODE}'>{self.stored}</items></pubsub>"
                )
            ]
        return [self._reply(frame, "")]

    def _reply(self, frame, inside, type="result"):
        return f"<iq type='{type}' id='{frame.id}' from='{frame.to}'>{inside}</iq>"

    @property
    def names(self):
        return [name for name, _ in self.asked]


def subscribe(run_cli, service, *words, **more):
    return run_cli("pubsub", "subscribe", SERVICE, NODE, "-o", "jsonl", *words, responder=service, **more)


def without_time(record):
    return {name: value for name, value in record.items() if name != "time"}


def test_subscribes_the_bare_jid_online_and_undoes_it(run_cli):
    service = Service()
    ran = subscribe(run_cli, service)
    assert ran.code == 0
    assert service.asked == [
        ("subscriptions", {"node": NODE}),
        ("subscribe", {"node": NODE, "jid": ME}),
        ("unsubscribe", {"node": NODE, "jid": ME, "subid": "s1"}),
    ]
    online = ("iq", DAEMON) if ran.session.attached else ("presence", None)
    assert [(frame.kind, frame.to) for frame in ran.sent][:2] == [online, ("iq", SERVICE)]
    assert f"subscribed to {NODE} at {SERVICE}" in ran.stderr and ran.stdout == ""


def test_an_item_is_a_record_with_the_bytes_of_the_wire(run_cli):
    payload = "<p:x  xmlns:p='urn:x' b=\"1\" a='2' ><p:y/>&amp; é</p:x >"
    service = Service(event(items(f"<item id='i1' publisher='hamlet@denmark.example'>{payload}</item>")))
    ran = subscribe(run_cli, service)
    (record,) = ran.records
    assert without_time(record) == {
        "schema": 1,
        "event": "item",
        "service": SERVICE,
        "node": NODE,
        "id": "i1",
        "publisher": "hamlet@denmark.example",
        "payload": payload,
    }
    assert record["time"].endswith("Z")


def test_atom_is_read(run_cli):
    ran = subscribe(run_cli, Service(event(items(f"<item id='i1'>{ENTRY}</item>"))))
    (record,) = ran.records
    assert record["payload"] == ENTRY
    assert record["atom"] == {
        "title": "Soliloquy",
        "id": "tag:denmark.example,2003:entry-32397",
        "published": "2003-12-13T18:30:02Z",
        "summary": "To be, or not to be",
        "author": "Hamlet",
        "links": [{"href": "http://denmark.example/32397", "rel": "alternate", "type": "text/html"}],
    }


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (items("<retract id='i1'/>"), {"event": "retract", "id": "i1"}),
        (f"<purge node='{NODE}'/>", {"event": "purge"}),
        (
            f"<delete node='{NODE}'><redirect uri='xmpp:x?;node=y'/></delete>",
            {"event": "delete", "redirect": "xmpp:x?;node=y"},
        ),
        (
            f"<configuration node='{NODE}'><x xmlns='jabber:x:data' type='result'/></configuration>",
            {"event": "configure", "payload": "<x xmlns='jabber:x:data' type='result'/>"},
        ),
        (f"<configuration node='{NODE}'/>", {"event": "configure"}),
        (
            f"<subscription node='{NODE}' jid='{ME}' subscription='subscribed'/>",
            {"event": "subscription", "jid": ME, "subscription": "subscribed"},
        ),
    ],
)
def test_other_events(run_cli, inside, expected):
    (record,) = subscribe(run_cli, Service(event(inside))).records
    assert without_time(record) == {"schema": 1, "service": SERVICE, "node": NODE, **expected}


def test_several_items_in_one_message_are_a_record_each(run_cli):
    service = Service(event(items("<item id='1'/><retract id='2'/><item id='3'/>")))
    assert [(each["event"], each["id"]) for each in subscribe(run_cli, service).records] == [
        ("item", "1"),
        ("retract", "2"),
        ("item", "3"),
    ]


@pytest.mark.parametrize(
    "stanza",
    [
        event(items("<item id='x'/>"), sender="mallory@evil.example"),
        event(items("<item id='x'/>"), sender=f"{SERVICE}/evil"),
        event(items("<item id='x'/>"), sender=ME),
        event(items("<item id='x'/>")).replace(f" from='{SERVICE}'", ""),
        event(items("<item id='x'/>", node="another")),
        event(items("<item id='x'/>")).replace("<message", "<message type='error'"),
        f"<message from='{SERVICE}'><x xmlns='urn:x'>{event(items('<item/>'))}</x></message>",
    ],
)
def test_what_the_service_did_not_say_of_this_node_is_not_shown(run_cli, stanza):
    assert subscribe(run_cli, Service(stanza)).records == []


def test_a_service_that_is_the_own_account_may_leave_its_name_out(run_cli):
    service = Service(event(items("<item id='x'/>")).replace(f" from='{SERVICE}'", ""))
    ran = run_cli("pubsub", "subscribe", ME, NODE, "-o", "jsonl", responder=service)
    assert [each["service"] for each in ran.records] == [ME]


def test_text_is_readable_and_safe(run_cli):
    evil = "<item id='\u202ei&#10;2' publisher='p@q'><x xmlns='urn:x'>\x9b\n12:00 item fake</x></item>"
    service = Service(event(items(f"<item id='i1'>{ENTRY}</item>")), event(items(evil)))
    ran = run_cli("pubsub", "subscribe", SERVICE, NODE, responder=service)
    lines = ran.stdout.splitlines()
    assert lines[0].endswith(" item i1")
    assert lines[1:4] == ["  Soliloquy, by Hamlet", "  To be, or not to be", "  http://denmark.example/32397"]
    assert "\u202e" not in ran.stdout and "\x9b" not in ran.stdout
    assert lines[4].endswith("by p@q") and all(line.startswith("  ") for line in lines[5:])


def test_a_subscription_that_was_there_stays(run_cli):
    existing = f"<subscription jid='{ME}' subscription='subscribed' subid='old'/>"
    service = Service(event(items("<item id='1'/>")), existing=existing)
    ran = subscribe(run_cli, service)
    assert ran.code == 0 and service.names == ["subscriptions"] and len(ran.records) == 1
    assert "as before" in ran.stderr


@pytest.mark.parametrize(
    "existing",
    [
        f"<subscription jid='{ME}/other' subscription='subscribed'/>",
        f"<subscription jid='{ME}' node='another' subscription='subscribed'/>",
        f"<subscription jid='{ME}' subscription='none'/>",
        "<subscription jid='juliet@capulet.example' subscription='subscribed'/>",
    ],
)
def test_subscriptions_of_others_are_none_of_ours(run_cli, existing):
    service = Service(existing=existing)
    subscribe(run_cli, service)
    assert service.names == ["subscriptions", "subscribe", "unsubscribe"]


@pytest.mark.parametrize("condition", ["feature-not-implemented", "service-unavailable"])
def test_a_service_that_keeps_no_list_is_subscribed_to_all_the_same(run_cli, condition):
    service = Service(refuses={"subscriptions": condition})
    assert subscribe(run_cli, service).code == 0
    assert service.names == ["subscriptions", "subscribe", "unsubscribe"]


def test_keep_stays_subscribed(run_cli):
    service = Service()
    assert subscribe(run_cli, service, "--keep").code == 0
    assert service.names == ["subscriptions", "subscribe"]


def test_no_follow_subscribes_tells_and_leaves(run_cli):
    service = Service(event(items("<item id='1'/>")))
    ran = subscribe(run_cli, service, "--no-follow")
    assert ran.code == 0 and service.names == ["subscriptions", "subscribe"]
    (record,) = ran.records
    assert without_time(record) == {
        "schema": 1,
        "event": "subscription",
        "service": SERVICE,
        "node": NODE,
        "jid": ME,
        "subscription": "subscribed",
        "subid": "s1",
    }
    assert [frame for frame in ran.sent if frame.kind == "presence"] == []


@pytest.mark.parametrize(
    ("state", "told"), [("pending", "approve"), ("unconfigured", "options may have to be set")]
)
def test_a_subscription_that_brings_nothing_yet_is_told(run_cli, state, told):
    service = Service(state=state)
    ran = subscribe(run_cli, service)
    assert state in ran.stderr and told in ran.stderr
    assert service.names[-1] == "unsubscribe"


def test_count_ends_it(run_cli):
    service = Service(event(items("<item id='1'/><item id='2'/><item id='3'/>")))
    ran = subscribe(run_cli, service, "--count", "2")
    assert ran.code == 0 and [each["id"] for each in ran.records] == ["1", "2"]
    assert service.names[-1] == "unsubscribe"


def test_a_count_that_is_not_reached_is_6(run_cli):
    service = Service(event(items("<item id='1'/>")))
    ran = subscribe(run_cli, service, "--count", "2", "--timeout", "5")
    assert ran.code == 6 and "1 of 2" in ran.stderr and service.names[-1] == "unsubscribe"


def test_a_deleted_node_ends_it_and_nothing_is_undone(run_cli):
    service = Service(event(f"<delete node='{NODE}'/>"), event(items("<item id='1'/>")))
    ran = subscribe(run_cli, service)
    assert ran.code == 0 and [each["event"] for each in ran.records] == ["delete"]
    assert "unsubscribe" not in service.names


def test_a_deleted_node_before_the_count_is_7(run_cli):
    ran = subscribe(run_cli, Service(event(f"<delete node='{NODE}'/>")), "--count", "5")
    assert ran.code == 7 and "1 of 5" in ran.stderr


def test_being_unsubscribed_by_the_owner_ends_it(run_cli):
    service = Service(event(f"<subscription node='{NODE}' jid='{ME}' subscription='none'/>"))
    ran = subscribe(run_cli, service)
    assert ran.code == 0 and "unsubscribe" not in service.names


def test_items_come_first_and_are_not_repeated(run_cli):
    stored = f"<item id='1'/><item id='2'>{ENTRY}</item>"
    welcome = event(items(f"<item id='2'>{ENTRY}</item>"), extra="<delay xmlns='urn:xmpp:delay' stamp='x'/>")
    service = Service(welcome, stored=stored)

    def respond(frame):
        answer = service(frame)
        if answer and service.names[-1] == "items":
            return [*answer, welcome, event(items("<item id='2'><new xmlns='urn:n'/></item>"))]
        return answer

    ran = subscribe(run_cli, respond, "--items", "2")
    assert ("items", {"node": NODE, "max_items": "2"}) in service.asked
    assert [(each["id"], each.get("payload")) for each in ran.records] == [
        ("1", None),
        ("2", ENTRY),
        ("2", "<new xmlns='urn:n'/>"),
    ]


def test_count_counts_shown_items(run_cli):
    service = Service(stored="<item id='1'/><item id='2'/><item id='3'/>")
    ran = subscribe(run_cli, service, "--items", "3", "--count", "2")
    assert ran.code == 0 and [each["id"] for each in ran.records] == ["1", "2"]


@pytest.mark.parametrize("condition", ["item-not-found", "not-allowed", "not-authorized"])
def test_a_refusal_is_1_and_leaves_nothing(run_cli, condition):
    service = Service(refuses={"subscribe": condition})
    ran = subscribe(run_cli, service)
    assert ran.code == 1 and condition in ran.stderr and service.names == ["subscriptions", "subscribe"]


def test_an_interrupt_is_130_after_unsubscribing(run_cli):
    service = Service(event(items("<item id='1'/>")))

    def script(session):
        received = session._received

        def interrupt(frame):
            received(frame)
            if frame.kind == "message":
                session.fail(Interrupted("interrupted"))

        session._received = interrupt

    ran = subscribe(run_cli, service, script=script)
    assert ran.code == 130 and service.names[-1] == "unsubscribe"
    assert "not undone" not in ran.stderr


def test_an_interrupt_while_the_answer_is_out_unsubscribes_as_well(run_cli):
    service = Service()
    sessions = []

    def respond(frame):
        answer = service(frame)
        if answer and service.names[-1] == "subscribe":
            sessions[0].fail(Interrupted("interrupted"))
            return []
        return answer

    ran = subscribe(run_cli, respond, script=sessions.append)
    assert ran.code == 130 and service.names[-1] == "unsubscribe"


def test_a_subscription_that_cannot_be_undone_is_told(run_cli):
    ran = subscribe(run_cli, Service(refuses={"unsubscribe": "internal-server-error"}))
    assert ran.code == 1 and "was not undone" in ran.stderr


def test_one_that_is_gone_already_is_well_undone(run_cli):
    assert subscribe(run_cli, Service(refuses={"unsubscribe": "unexpected-request"})).code == 0


def test_a_lost_connection_is_4_and_tells_what_stays(run_cli):
    sessions = []
    service = Service()

    def respond(frame):
        answer = service(frame)
        if answer and service.names[-1] == "subscribe":
            sessions[0].deliver(*answer, "<message id='last'/>")
            return []
        return answer

    def script(session):
        sessions.append(session)
        received = session._received

        def break_down(frame):
            received(frame)
            if frame.id == "last":
                session.hang_up()

        session._received = break_down

    ran = subscribe(run_cli, respond, script=script)
    assert ran.code == 4 and "was not undone" in ran.stderr


def test_stanzas_that_break_slixmpp_handlers_do_not_reach_them(run_cli):
    service = Service(event("<items/>", sender="a@@b"), event("<items/>"))
    assert subscribe(run_cli, service).code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("a@@b", NODE), 2),
        ((SERVICE, ""), 2),
        ((SERVICE,), 2),
        ((SERVICE, NODE, "--count", "0"), 2),
        ((SERVICE, NODE, "--no-follow", "--count", "1"), 2),
        ((SERVICE, NODE, "-o", "xml"), 2),
        ((SERVICE, "\x07"), 8),
    ],
)
def test_what_is_wrong_sends_nothing(run_cli, words, code):
    ran = run_cli("pubsub", "subscribe", *words)
    assert ran.code == code and ran.session is None
