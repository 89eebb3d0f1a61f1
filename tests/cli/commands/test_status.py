"""`status`: what others see while it holds a presence, and how that ends."""

from __future__ import annotations

import pytest

from xmppctl.errors import Interrupted, Terminated
from xmppctl.session.local import DAEMON, NS_DAEMON


def presences(ran):
    """What was shown, one after the other: the type, and what is in it. A daemon is asked to show it."""
    shown = []
    for frame in ran.sent:
        if frame.kind == "presence":
            shown.append(frame.element())
        elif frame.to == DAEMON:
            shown += frame.element().findall(f"{{{NS_DAEMON}}}status[@hold='true']/{{jabber:client}}presence")
    return [(each.get("type"), texts(each)) for each in shown]


def texts(presence):
    return {child.tag.rpartition("}")[2]: child.text for child in presence}


def back(ran):
    """What takes the presence back; a daemon does that by itself when the command goes."""
    return [] if ran.session.attached else [("unavailable", {})]


@pytest.mark.kinds("memory", "direct", why="there is a daemon")
@pytest.mark.parametrize("state", ["away", "offline"])
@pytest.mark.kinds("memory", "direct", why="it is about having none")
def test_without_a_daemon_it_must_hold(run_cli, state):
    ran = run_cli("status", state)
    assert ran.code == 9 and ran.session is None
    assert (
        (f"xmppctl --jid romeo@montague.example status {state} --hold" in ran.stderr)
        == ("daemon start --jid romeo@montague.example" in ran.stderr)
        == (state == "away")
    )


@pytest.mark.kinds("attached", why="it is about what a daemon does")
def test_a_daemon_shows_it_and_the_command_is_done(run_cli):
    upstream = []

    def respond(frame):
        if frame.kind == "presence":
            upstream.append((frame.type, texts(frame.element())))
        return None

    ran = run_cli("status", "away", "out to lunch", "-o", "jsonl", responder=respond)
    assert ran.code == 0
    shown = {"show": "away", "status": "out to lunch", "priority": "-1"}
    assert upstream[0] == (None, shown)
    (record,) = ran.records
    assert {key: record[key] for key in ("jid", "state", "status", "priority")} == {
        "jid": "romeo@montague.example/orchard",
        "state": "away",
        "status": "out to lunch",
        "priority": -1,
    }


@pytest.mark.kinds("attached", why="it is about what a daemon does")
def test_a_daemon_takes_it_back(run_cli):
    ran = run_cli("status", "offline", "-o", "jsonl")
    assert ran.code == 0
    (record,) = ran.records
    assert record["state"] == "offline" and "priority" not in record


@pytest.mark.kinds("attached", why="it is about what a daemon does")
def test_a_presence_that_the_server_refuses_to_a_daemon_is_1(run_cli):
    def respond(frame):
        return (
            ["<presence type='error'><error type='auth'/></presence>"] if frame.kind == "presence" else None
        )

    assert run_cli("status", "chat", responder=respond).code == 1


def test_holds_a_presence_and_takes_it_back(run_cli):
    ran = run_cli("status", "away", "out to lunch", "--hold", "10", "--priority", "5")
    assert ran.code == 0 and ran.stdout == ""
    shown = (None, {"show": "away", "status": "out to lunch", "priority": "5"})
    assert presences(ran) == [shown, *back(ran)]
    assert "away" in ran.stderr


@pytest.mark.parametrize("words", [("--hold",), ("online", "--hold"), ("--hold", "1m")])
def test_online_is_the_default_and_has_no_show(run_cli, words):
    ran = run_cli("status", *words)
    assert ran.code == 0
    assert presences(ran)[0] == (None, {"priority": "-1"})


def test_a_state_right_behind_hold_is_no_duration(run_cli):
    ran = run_cli("status", "--hold", "dnd", "busy")
    assert ran.code == 0
    assert presences(ran)[0] == (None, {"show": "dnd", "status": "busy", "priority": "-1"})


def test_as_json(run_cli):
    ran = run_cli("status", "xa", "gone", "--hold", "-o", "jsonl")
    (record,) = ran.records
    assert {key: record[key] for key in ("jid", "state", "status", "priority")} == {
        "jid": "romeo@montague.example/orchard",
        "state": "xa",
        "status": "gone",
        "priority": -1,
    }


@pytest.mark.parametrize(
    "words",
    [
        ("offline", "--hold"),
        ("dancing", "--hold"),
        ("away", "out", "lunch", "--hold"),
        ("--hold", "soon"),
        ("--hold", "0"),
        ("--hold", "0m"),
        ("--hold", "--priority", "128"),
        ("--hold", "-o", "xml"),
    ],
)
def test_usage_errors_send_nothing(run_cli, words):
    ran = run_cli("status", *words)
    assert ran.code == 2 and ran.session is None


def test_control_characters_send_nothing(run_cli):
    ran = run_cli("status", "away", "\x1b[2J", "--hold")
    assert ran.code == 8 and ran.session is None and "\x1b" not in ran.stderr


@pytest.mark.parametrize(("error", "code"), [(Interrupted, 130), (Terminated, 143)])
def test_a_signal_takes_the_presence_back_first(run_cli, error, code):
    sessions = []

    def respond(frame):
        if frame.kind == "iq":
            sessions[0].fail(error("signal"))
        return None

    ran = run_cli("status", "--hold", responder=respond, script=sessions.append)
    assert ran.code == code
    # The signal came before the hold began: the close of the stream ends the presence.
    assert presences(ran)[0][0] is None


def test_a_signal_while_holding_sends_unavailable_and_closes(run_cli):
    sessions = []

    def respond(frame):
        if frame.kind == "iq" and frame.type == "get":
            sessions[0].deliver(f"<iq type='result' id='{frame.id}' from='montague.example'/>")
            sessions[0].deliver("<message id='trigger'/>")
            return []
        return None

    def script(session):
        sessions.append(session)
        received = session._received

        def interrupt(frame):
            received(frame)
            if frame.id == "trigger":
                session.fail(Interrupted("interrupted"))

        session._received = interrupt

    ran = run_cli("status", "--hold", responder=respond, script=script)
    assert ran.code == 130
    assert presences(ran) == [(None, {"priority": "-1"}), *back(ran)]
    assert ran.session.closed


def test_a_server_that_refuses_the_presence_is_1(run_cli):
    def respond(frame):
        if frame.kind != "presence":
            return None
        return [
            "<presence type='error' from='romeo@montague.example'><error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
        ]

    ran = run_cli("status", "--hold", responder=respond)
    assert ran.code == 1 and "forbidden" in ran.stderr


def test_an_error_from_a_contact_is_none_of_ours(run_cli):
    def respond(frame):
        if frame.kind != "presence":
            return None
        return ["<presence type='error' from='x@y'><error type='cancel'/></presence>"]

    assert run_cli("status", "--hold", responder=respond).code == 0


def test_a_lost_connection_is_4(run_cli):
    sessions = []

    def respond(frame):
        if frame.kind == "presence":
            sessions[0].hang_up()
        return None

    assert run_cli("status", "--hold", responder=respond, script=sessions.append).code == 4
