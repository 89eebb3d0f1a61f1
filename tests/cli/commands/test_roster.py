"""`roster`: what is listed, what is sent, what the server ends up with."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import pytest

NS = "jabber:iq:roster"
JULIET = "juliet@capulet.example"
NURSE = "nurse@capulet.example"


class Roster:
    """A server's roster: answers gets and sets as RFC 6121 has it."""

    has_roster = True

    def __init__(self, *items: str) -> None:
        self.items = {item.split("jid='")[1].split("'")[0]: item for item in items}
        self.sets = []
        self.presences = []
        self.refuses: dict[str, str] = {}

    def __call__(self, frame):
        if frame.kind == "presence":
            self.presences.append((frame.type, frame.to))
            return []
        if f"{NS} query" not in frame.payloads:
            return None
        if frame.type == "get":
            return [
                f"<iq type='result' id='{frame.id}'><query xmlns='{NS}'>{''.join(self.items.values())}</query></iq>"
            ]
        item = frame.element().find(f"{{{NS}}}query/{{{NS}}}item")
        jid = item.get("jid")
        groups = [group.text for group in item]
        self.sets.append((jid, item.get("name"), groups, item.get("subscription")))
        if jid in self.refuses:
            return [self._error("iq", frame, self.refuses[jid])]
        if item.get("subscription") == "remove":
            self.items.pop(jid, None)
        else:
            inside = "".join(f"<group>{group}</group>" for group in groups)
            name = f" name={quoteattr(item.get('name'))}" if item.get("name") else ""
            self.items[jid] = f"<item jid='{jid}'{name} subscription='none'>{inside}</item>"
        return [f"<iq type='result' id='{frame.id}'/>"]

    def _error(self, kind, frame, condition):
        sender = f" from='{frame.to}'" if frame.to else ""
        return (
            f"<{kind} type='error' id='{frame.id or ''}'{sender}><error type='cancel'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
        )


TWO = (
    f"<item jid='{NURSE}' subscription='from' ask='subscribe'/>",
    f"<item jid='{JULIET}' name='Juliet' subscription='both'><group>B</group><group>A</group></item>",
)


def test_lists_sorted_by_jid(run_cli):
    ran = run_cli("roster", "list", responder=Roster(*TWO))
    assert ran.code == 0
    assert ran.stdout.splitlines() == [
        "JID                     NAME    SUBSCRIPTION  ASK        GROUPS",
        "juliet@capulet.example  Juliet  both                     A, B",
        "nurse@capulet.example           from          subscribe",
    ]


def test_lists_as_json_lines(run_cli):
    ran = run_cli("roster", "list", "-o", "jsonl", responder=Roster(*TWO))
    juliet, nurse = ran.records
    assert {key: juliet[key] for key in ("jid", "name", "subscription", "groups")} == {
        "jid": JULIET,
        "name": "Juliet",
        "subscription": "both",
        "groups": ["A", "B"],
    }
    assert "name" not in nurse and nurse["ask"] == "subscribe" and nurse["groups"] == []


def test_an_empty_roster_is_an_empty_list(run_cli):
    assert run_cli("roster", "list", "-o", "json", responder=Roster()).stdout == "[]\n"
    assert run_cli("roster", "list", "-o", "json", responder=Roster(TWO[0])).stdout.startswith("[")


def test_a_hostile_name_is_made_visible(run_cli):
    evil = f"<item jid='{JULIET}' name='\u202eevil&#10;root@x both' subscription='none'/>"
    ran = run_cli("roster", "list", responder=Roster(evil))
    assert "\u202e" not in ran.stdout and "\\u202e" in ran.stdout
    assert len(ran.stdout.splitlines()) == 2


def test_a_push_of_a_stranger_changes_nothing(run_cli):
    def script(session):
        session.deliver(
            f"<iq type='set' id='p' from='mallory@evil.example'><query xmlns='{NS}'>"
            "<item jid='mallory@evil.example' subscription='both'/></query></iq>"
        )

    ran = run_cli("roster", "list", responder=Roster(*TWO), script=script)
    assert "mallory" not in ran.stdout
    # A daemon answers for the account itself.
    refusals = [] if ran.session.attached else ["error"]
    assert [frame.type for frame in ran.sent if frame.id == "p"] == refusals


def test_a_reply_of_a_stranger_is_no_roster(run_cli):
    def respond(frame):
        return [
            f"<iq type='result' id='{frame.id}' from='mallory@evil.example'><query xmlns='{NS}'>"
            "<item jid='mallory@evil.example' subscription='both'/></query></iq>"
        ]

    ran = run_cli("roster", "list", responder=respond)
    assert ran.code == 6 and "mallory" not in ran.stdout


def test_adds_and_asks_for_presence(run_cli):
    roster = Roster()
    ran = run_cli(
        "roster", "add", "Juliet@Capulet.example", "--name", "J & R", "-g", "A", "-g", "B", responder=roster
    )
    assert ran.code == 0 and ran.stdout == "" and "added" in ran.stderr
    assert roster.sets == [(JULIET, "J & R", ["A", "B"], None)]
    assert roster.presences == [("subscribe", JULIET)]


def test_adds_without_asking(run_cli):
    roster = Roster()
    assert run_cli("roster", "add", JULIET, "--no-subscribe", responder=roster).code == 0
    assert roster.sets and roster.presences == []


def test_adding_one_that_is_there_keeps_what_is_not_given(run_cli):
    roster = Roster(*TWO)
    ran = run_cli("roster", "add", JULIET, "-g", "C", "-o", "jsonl", responder=roster)
    assert roster.sets == [(JULIET, "Juliet", ["C"], None)]
    assert roster.presences == []  # her presence is subscribed to already
    assert ran.records[0]["done"] == "changed"


def test_add_tells_what_the_server_has(run_cli):
    (record,) = run_cli("roster", "add", JULIET, "--name", "J", "-o", "jsonl", responder=Roster()).records
    assert (record["jid"], record["name"], record["done"]) == (JULIET, "J", "added")


def test_a_subscription_that_cannot_be_had_is_1(run_cli):
    roster = Roster()

    def respond(frame):
        if frame.kind == "presence":
            return [roster._error("presence", frame, "remote-server-not-found")]
        return roster(frame)

    ran = run_cli("roster", "add", "x@nowhere.example", responder=respond)
    assert ran.code == 1 and "remote-server-not-found" in ran.stderr


def test_set_keeps_what_is_not_given(run_cli):
    roster = Roster(*TWO)
    assert run_cli("roster", "set", JULIET, "--name", "Jule", responder=roster).code == 0
    assert run_cli("roster", "set", JULIET, "-g", "C", responder=roster).code == 0
    assert roster.sets == [(JULIET, "Jule", ["A", "B"], None), (JULIET, "Jule", ["C"], None)]


def test_set_takes_away(run_cli):
    roster = Roster(*TWO)
    assert run_cli("roster", "set", JULIET, "--name", "", "--no-groups", responder=roster).code == 0
    assert roster.sets == [(JULIET, None, [], None)]


def test_set_of_nobody_is_1_and_changes_nothing(run_cli):
    roster = Roster()
    ran = run_cli("roster", "set", JULIET, "--name", "J", responder=roster)
    assert ran.code == 1 and "item-not-found" in ran.stderr and roster.sets == []


def test_removes(run_cli):
    roster = Roster(*TWO)
    ran = run_cli("roster", "remove", JULIET, NURSE, "-o", "jsonl", responder=roster)
    assert ran.code == 0 and roster.items == {}
    assert [record["done"] for record in ran.records] == ["removed", "removed"]


def test_removing_nobody_is_1(run_cli):
    ran = run_cli("roster", "remove", JULIET, responder=Roster())
    assert ran.code == 1 and "item-not-found" in ran.stderr


def test_removing_some_that_are_not_there_is_10(run_cli):
    roster = Roster(TWO[1])
    ran = run_cli("roster", "remove", NURSE, JULIET, responder=roster)
    assert ran.code == 10 and roster.items == {}
    assert NURSE in ran.stderr and "1 of 2" in ran.stderr


def test_a_refusal_is_1_with_its_condition(run_cli):
    roster = Roster()
    roster.refuses = {JULIET: "not-acceptable"}
    ran = run_cli("roster", "add", JULIET, responder=roster)
    assert ran.code == 1 and "not-acceptable" in ran.stderr and roster.presences == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "not a jid"), 2),
        (("add", f"{JULIET}/balcony"), 2),
        (("add", JULIET, "-g", ""), 2),
        (("add",), 2),
        (("set", JULIET), 2),
        (("set", JULIET, "-g", "A", "--no-groups"), 2),
        (("remove",), 2),
        (("list", "-o", "xml"), 2),
        (("add", JULIET, "--name", "\x07"), 8),
        (("set", JULIET, "-g", "\x1b"), 8),
    ],
)
def test_what_is_wrong_sends_nothing(run_cli, words, code):
    ran = run_cli("roster", *words)
    assert ran.code == code and ran.session is None


# -- list, through a daemon --


def attach(session):
    session.attached = True


def daemon(items, presence="true"):
    """A daemon that knows these items."""

    def respond(frame):
        assert frame.to == "daemon.xmppctl.invalid"
        return [
            f"<iq type='result' id='{frame.id}' from='daemon.xmppctl.invalid'>"
            f"<contacts xmlns='urn:xmppctl:daemon:1' known='true' total='2' presence='{presence}'>"
            f"{items}</contacts></iq>"
        ]

    return respond


HERE = (
    f"<item jid='{JULIET}' name='Juliet' subscription='both'><group>A</group><group>B</group>"
    "<resource name='cell' priority='-1'/><resource name='balcony' priority='5'><show>away</show>"
    "<status>\u202eout</status></resource></item>"
    f"<item jid='{NURSE}' subscription='from' ask='subscribe'/>"
)


@pytest.mark.kinds("memory", "direct", why="it plays the daemon itself")
def test_a_daemon_tells_who_is_online(run_cli):
    ran = run_cli("roster", "list", responder=daemon(HERE), script=attach)
    assert ran.code == 0 and ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "JID                     NAME    SUBSCRIPTION  ASK        GROUPS  ONLINE",
        "juliet@capulet.example  Juliet  both                     A, B    away (balcony), online (cell)",
        "nurse@capulet.example           from          subscribe",
    ]


@pytest.mark.kinds("memory", "direct", why="it plays the daemon itself")
def test_who_is_online_as_json_lines(run_cli):
    offline = HERE + "<item jid='tybalt@capulet.example' subscription='to'/>"
    juliet, nurse, tybalt = run_cli(
        "roster", "list", "-o", "jsonl", responder=daemon(offline), script=attach
    ).records
    assert juliet["groups"] == ["A", "B"] and juliet["resources"] == [
        {"resource": "cell", "priority": -1},
        {"resource": "balcony", "show": "away", "status": "\u202eout", "priority": 5},
    ]
    # Nobody tells us of the nurse's presence; Tybalt's would have come.
    assert "resources" not in nurse and tybalt["resources"] == []


@pytest.mark.kinds("memory", "direct", why="it plays the daemon itself")
def test_a_daemon_that_shows_no_presence_says_that_it_cannot_know(run_cli):
    without = HERE[: HERE.index("<resource")] + HERE[HERE.index("</item>") :]
    attached = run_cli("roster", "list", responder=daemon(without, "false"), script=attach)
    direct = run_cli("roster", "list", responder=Roster(*TWO))
    assert attached.code == 0 and attached.stdout == direct.stdout
    assert "xmppctl status" in attached.stderr and direct.stderr == ""
    records = run_cli(
        "roster", "list", "-o", "jsonl", responder=daemon(without, "false"), script=attach
    ).records
    assert all("resources" not in record for record in records)
