"""`watch`: what it shows, when it ends, and how."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Terminal
from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.errors import Interrupted, OutputClosed
from xmppctl.stanza.event import Event
from xmppctl.stanza.splitter import Splitter

ACCOUNT = ("--jid", "romeo@montague.example")
HI = "<message from='juliet@capulet.example/b' type='chat' id='m1'><body>hi</body></message>"
FOOTER = "</stream:stream>"
PING = "<iq type='get' id='p1' from='montague.example'><ping xmlns='urn:xmpp:ping'/></iq>"


def deliver(*stanzas):
    return lambda session: session.deliver(*stanzas)


def test_shows_both_directions_byte_for_byte(run_cli):
    odd = "<message  from=\"a@b\"\tid='x' ><body>a &gt; b</body><y:z xmlns:y='urn:y'></y:z></message >"
    ran = run_cli("watch", "-o", "jsonl", script=deliver(odd, PING))
    assert ran.code == 0
    shown = [(record["direction"], record["xml"]) for record in ran.records]
    assert ("in", odd) in shown and ("in", PING) in shown
    assert any(way == "out" and xml.endswith("><priority>0</priority></presence>") for way, xml in shown)
    # The request is answered, and the answer shown; so is the end of the stream, both ways, where it is ours.
    answer = next(
        record for record in ran.records if record.get("id") == "p1" and record["direction"] == "out"
    )
    assert answer["type"] == "error"
    if not ran.session.attached:
        assert shown[0][1].startswith("<presence")
        assert shown[-2:] == [("out", FOOTER), ("in", FOOTER)]


def test_terms_select(run_cli):
    ran = run_cli("watch", "kind:message", "from:juliet@*", "-o", "jsonl", script=deliver(PING, HI))
    assert [record["id"] for record in ran.records] == ["m1"]


@pytest.mark.parametrize("words", [("-kind:iq,stream",), ("dir:in", "-kind:iq", "-from:nobody@x")])
def test_a_negated_term_is_no_option(run_cli, words):
    ran = run_cli("watch", "-o", "jsonl", *words, script=deliver(HI, PING))
    assert ran.code == 0
    kinds = {record["kind"] for record in ran.records}
    assert "message" in kinds and "iq" not in kinds


def test_a_negated_term_behind_two_dashes(run_cli):
    words = ("watch", "-o", "jsonl", *ACCOUNT, "--", "-kind:iq,stream")
    ran = run_cli(*words, account=(), script=deliver(HI, PING))
    kinds = {record["kind"] for record in ran.records}
    assert kinds >= {"message", "presence"} and not kinds & {"iq", "stream"}


@pytest.mark.parametrize("term", ["kind:letter", "nonsense", "xpath:][", "body:~(", "-", "from:"])
def test_a_bad_filter_is_2_and_connects_nowhere(run_cli, term):
    ran = run_cli("watch", "kind:iq", term)
    assert ran.code == 2 and ran.session is None and ran.stderr


@pytest.mark.parametrize(
    "words", [("--until-idle", "soon"), ("--until-idle", "0"), ("--count", "0"), ("--presence", "here")]
)
def test_usage_errors_connect_nowhere(run_cli, words):
    ran = run_cli("watch", *words)
    assert ran.code == 2 and ran.session is None


def test_presence_none_stays_invisible(run_cli):
    ran = run_cli("watch", "--presence", "none", script=deliver(HI))
    assert [frame for frame in ran.sent if frame.kind == "presence"] == []


def test_presence_can_be_away(run_cli):
    (shown,) = [frame for frame in run_cli("watch", "--presence", "away").sent if b"<presence" in frame.raw]
    assert b"<show>away</show>" in shown.raw


def test_count_ends_it_with_0_after_exactly_so_many(run_cli):
    ran = run_cli("watch", "kind:message", "--count", "2", "-o", "jsonl", script=deliver(HI, PING, HI, HI))
    assert ran.code == 0 and len(ran.records) == 2
    assert ran.session.closed


def test_a_count_that_is_not_reached_is_6(run_cli):
    ran = run_cli("watch", "kind:message", "--count", "3", "--timeout", "5", script=deliver(HI))
    assert ran.code == 6 and "1 of 3" in ran.stderr


def test_a_timeout_without_count_is_a_normal_end(run_cli):
    assert run_cli("watch", "--timeout", "5", script=deliver(HI)).code == 0


def test_idle_ends_it(run_cli):
    """Time does not pass on a scripted session: every wait ends at once, as after that long."""
    ran = run_cli("watch", "kind:message", "--until-idle", "0.01", "-o", "jsonl", script=deliver(HI))
    assert ran.code == 0 and len(ran.records) == 1


def test_text_is_laid_out_and_line_is_one_line(run_cli):
    pretty = run_cli("watch", "kind:message", script=deliver(HI)).stdout
    assert "    <body>hi</body>\n" in pretty
    line = run_cli("watch", "kind:message", "--format", "line", script=deliver(HI)).stdout
    assert len(line.splitlines()) == 1 and '"hi"' in line


def test_json_is_an_array_and_xml_a_document(run_cli):
    array = json.loads(run_cli("watch", "kind:message", "-o", "json", script=deliver(HI)).stdout)
    assert [record["xml"] for record in array] == [HI]
    assert run_cli("watch", "kind:message", "-o", "json").stdout == "[]\n"
    document = run_cli("watch", "kind:message", "-o", "xml", script=deliver(HI)).stdout
    assert HI in document
    assert len(ElementTree.fromstring(document)) == 1


def test_hostile_text_is_made_visible(run_cli):
    evil = "<message><body>\u202e\x9b2J&#13;\n12:00:00.000 ← message fake</body></message>"
    ran = run_cli("watch", "kind:message", "--format", "line", script=deliver(evil), tty=True)
    assert "\u202e" not in ran.stdout and "\x9b" not in ran.stdout and "\r" not in ran.stdout
    assert len(ran.stdout.splitlines()) == 1


def test_an_interrupt_is_130_after_the_footers(run_cli):
    def script(session):
        session.deliver(HI)
        received = session._received

        def interrupt(frame):
            received(frame)
            if b"id='m1'" in frame.raw:  # a daemon tells of it in an element of its own
                session.fail(Interrupted("interrupted"))

        session._received = interrupt

    ran = run_cli("watch", "-o", "jsonl", script=script)
    assert ran.code == 130
    shown = [record["xml"] for record in ran.records]
    assert HI in shown
    if not ran.session.attached:
        assert shown[-2:] == [FOOTER, FOOTER]


def test_a_lost_connection_is_4_after_what_was_seen(run_cli):
    sessions = []

    def respond(frame):
        if frame.kind == "presence":
            sessions[0].hang_up()
        return None

    ran = run_cli("watch", "-o", "jsonl", responder=respond, script=sessions.append)
    assert ran.code == 4 and ran.records[0]["kind"] == "presence"


def observed(play, *words, tty=False):
    """Run it where a daemon tells of the wire: `play(observe)` is what that tells. Code, standard output and error."""
    seen = []

    def runner(*_, observe, **__):
        seen.append(observe)
        play(observe)

    stdout, stderr = Terminal(tty), Terminal(tty)
    app = App(stdout=stdout, stderr=stderr, environ={"XMPPCTL_PASSWORD": "wherefore"}, runner=runner)
    code = run(["watch", *words, *ACCOUNT], app)
    return code, stdout.text, stderr.text, seen[0]


def hi():
    return Splitter().feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='urn:s'>" + HI.encode())[1]


def test_a_daemon_is_told_the_terms_and_that_nothing_else_is_wanted():
    _, _, _, observe = observed(lambda _: None, "kind:message", "-type:error")
    assert observe.terms == ("kind:message", "-type:error") and observe.only


def test_what_a_daemon_could_not_evaluate_is_evaluated_here():
    def play(observe):
        observe.take(hi())

    assert len(observed(play, "body:~h.$", "-o", "jsonl")[1].splitlines()) == 1
    assert observed(play, "body:~^i", "-o", "jsonl")[1] == ""


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_what_was_lost_is_told_once_for_a_burst_and_at_the_end_and_is_no_failure(quiet):
    def play(observe):
        observe.take(hi())
        observe.dropped(3)
        observe.dropped(4)
        observe.take(hi())

    code, stdout, stderr, _ = observed(play, "-o", "jsonl", *quiet)
    assert code == 0
    records = [json.loads(line) for line in stdout.splitlines()]
    assert [record.get("xml", (record.get("event"), record.get("count"))) for record in records] == [
        HI,
        ("lost", 3),
        ("lost", 4),
        HI,
    ]
    assert [line.partition(": they")[0] for line in stderr.splitlines()] == [
        "xmppctl: lost 3 stanzas",
        "xmppctl: lost 7 stanzas in all",
    ]


def test_on_a_terminal_each_loss_is_told_once_where_it_was():
    _, stdout, stderr, _ = observed(lambda observe: (observe.dropped(3), observe.dropped(4)), tty=True)
    assert [stdout.count(each) for each in ("•", "• 3 lost here", "• 4 lost here")] == [2, 1, 1], stdout
    assert [line for line in stderr.splitlines() if "lost" in line] == ["xmppctl: lost 7 stanzas in all"]


def test_what_was_lost_is_told_however_it_ends():
    def play(observe):
        observe.dropped(2)
        raise OutputClosed("gone")

    code, _, stderr, _ = observed(play)
    assert code == 0 and "lost 2 stanzas in all" in stderr


def test_the_help_says_what_becomes_of_a_slow_reader(capsys):
    run(["watch", "--help"], App())
    assert "exit code stays 0" in " ".join(capsys.readouterr().out.split())


def test_what_is_expected_ends_it_and_is_what_is_shown(run_cli):
    ran = run_cli("watch", "--expect", "kind:message", "body:hi", "-o", "jsonl", script=deliver(PING, HI, HI))
    assert ran.code == 0 and [record["xml"] for record in ran.records] == [HI]


def test_terms_beside_an_expectation_decide_what_is_shown(run_cli):
    words = ("kind:iq", "-dir:out", "--expect", "body:hi", "-o", "jsonl")
    ran = run_cli("watch", *words, script=deliver(PING, HI))
    assert ran.code == 0 and [record["xml"] for record in ran.records] == [PING]


def test_what_does_not_come_in_time_is_6_and_another_end_is_7(run_cli):
    late = run_cli("watch", "--expect", "body:bye", "--timeout", "5", script=deliver(HI))
    assert late.code == 6 and "body:bye" in late.stderr
    words = ("watch", "kind:message", "--expect", "body:bye", "--count", "1")
    other = run_cli(*words, script=deliver(HI))
    assert other.code == 7 and "body:bye" in other.stderr


def test_pairs_are_shown_together(run_cli):
    ran = run_cli("watch", "--pair", "xep:0199", "-o", "jsonl", script=deliver(PING, HI))
    shown = [(record["type"], record.get("pair")) for record in ran.records]
    assert ran.code == 0 and ("get", "request") in shown and ("error", "reply") in shown


def test_what_is_shown_is_recorded(run_cli, tmp_path):
    file = tmp_path / "r"
    ran = run_cli("watch", "kind:message", "--record", str(file), "-o", "jsonl", script=deliver(HI, PING))
    assert ran.code == 0 and len(ran.records) == 1
    again = run_cli("replay", str(file), "-o", "jsonl", account=())
    assert again.records == ran.records


def test_carbons_and_a_priority(run_cli):
    words = ("watch", "--carbons", "--priority", "-5")
    ran = run_cli(
        *words,
        responder=lambda frame: [f"<iq type='result' id='{frame.id}'/>"] if frame.kind == "iq" else None,
    )
    assert any("urn:xmpp:carbons:2 enable" in frame.payloads for frame in ran.sent)
    assert any(b"<priority>-5</priority>" in frame.raw for frame in ran.sent)


def test_a_priority_of_no_presence_is_refused(run_cli):
    ran = run_cli("watch", "--presence", "none", "--priority", "1")
    assert ran.code == 2 and ran.session is None


def test_statistics_are_shown_at_the_end(run_cli):
    ran = run_cli("watch", "--stats", "-o", "jsonl", script=deliver(HI, HI))
    (found,) = ran.records
    assert found["event"] == "stats" and {"kind": "message chat"}.items() <= found["kinds"][0].items()


def test_a_daemon_sends_all_where_a_reply_or_more_than_one_filter_may_be_wanted():
    for words in (("kind:iq", "--pair"), ("kind:iq", "--expect", "kind:message"), ("--stats", "kind:iq")):
        assert observed(lambda _: None, *words)[3].terms == ()
    assert observed(lambda _: None, "--expect", "kind:message", "--timeout", "1")[3].terms == (
        "kind:message",
    )


def test_changes_of_the_connection_are_shown():
    def play(observe):
        observe.event(Event("offline", 12.0, "reset\x1b[2J"))

    _, stdout, _, _ = observed(play)
    assert "connection lost: reset\\x1b[2J" in stdout
