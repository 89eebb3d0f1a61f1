"""`xmppctl shell` with a script, on sessions of every kind."""

from __future__ import annotations

import os

import pytest

from xmppctl.errors import ExitCode

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
VERSION = "<iq type='get' id='v1' to='juliet@capulet.example/b'><query xmlns='jabber:iq:version'/></iq>"


def answering(**answers):
    """A server that answers iqs by their id; {} in an answer is the id."""

    def respond(frame):
        answer = answers.get(frame.id or "")
        return None if answer is None else [answer]

    return respond


RESULT = "<iq type='result' id='p1' from='montague.example'/>"
REFUSED = (
    "<iq type='error' id='v1' from='juliet@capulet.example/b'><error type='cancel'>"
    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
)
MESSAGE = "<message from='juliet@capulet.example/b' type='chat' id='m1'><body>wherefore</body></message>"


def sent(ran):
    return [
        frame.text
        for frame in ran.sent
        if frame.kind != "nonza" and not (frame.id or "").startswith("xc") and "ping'" not in frame.text[60:]
    ]


def test_stanzas_are_sent_as_typed_and_answers_shown(run_cli):
    script = f"# a comment\n{PING}\n<message  to='juliet@capulet.example'><body>a &amp; b</body></message>\n"
    ran = run_cli("shell", "-o", "jsonl", stdin=script.encode(), responder=answering(p1=RESULT))
    assert ran.code == 0, ran.stderr
    assert [frame.text for frame in ran.sent if frame.kind != "nonza"][:2] == [
        PING,
        "<message  to='juliet@capulet.example'><body>a &amp; b</body></message>",
    ]
    (record,) = ran.records
    assert (record["id"], record["answers"], record["type"]) == ("p1", 1, "result")
    assert record["rtt"] >= 0


def test_a_request_gets_an_id(run_cli):
    def respond(frame):
        return [f"<iq type='result' id='{frame.id}' from='montague.example'/>"] if frame.kind == "iq" else []

    ran = run_cli("shell", "-o", "jsonl", stdin=PING.replace(" id='p1'", "").encode(), responder=respond)
    assert ran.code == 0, ran.stderr
    assert ran.records[0]["id"] == ran.sent[0].id if ran.sent[0].kind == "iq" else True
    assert ran.records[0]["answers"] == 1


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (VERSION, ExitCode.REFUSED),
        (f"{PING}{VERSION}", ExitCode.PARTIAL),
        (f"{VERSION}\n/expect type:error", ExitCode.OK),
        (f"{PING}\n/expect type:result id:p1", ExitCode.OK),
        (f"{PING}\n/expect type:error", ExitCode.EXPECTATION),
        ("<presence/>\n/wait kind:message body:~where", ExitCode.OK),
        ("<presence/>\n/wait kind:message from:nobody@*", ExitCode.TIMEOUT),
        ("<presence/>\n/expect kind:message", ExitCode.OK),
        ("<presence/>\n/expect kind:iq", ExitCode.EXPECTATION),
        ("/wait\n", ExitCode.USAGE),
        ("/wait nonsense:1\n", ExitCode.USAGE),
        ("/no-such-thing\n", ExitCode.USAGE),
        ("/send 'open quote\n", ExitCode.USAGE),
        ("<presence/>\nhello\n", ExitCode.MALFORMED),
        ("<presence/>\n<message>", ExitCode.MALFORMED),
        ("<presence/>\n<message></iq>", ExitCode.MALFORMED),
        ("/roster no-such-command\n", ExitCode.USAGE),
        ("/quit\n<message></iq>", ExitCode.MALFORMED),
        ("", ExitCode.OK),
    ],
)
def test_the_exit_code_tells_how_a_script_ended(run_cli, script, code):
    def respond(frame):
        if frame.kind == "presence":
            return [MESSAGE]
        return {"p1": [RESULT], "v1": [REFUSED]}.get(frame.id or "")

    script = script.replace("/wait k", "/wait 0.2 k")
    ran = run_cli("shell", stdin=script.encode(), responder=respond)
    assert ran.code == code, ran.stderr
    if code in (ExitCode.USAGE, ExitCode.MALFORMED):
        told = [line for line in ran.stderr.splitlines() if line.startswith("xmppctl:")]
        assert len(told) == 1
        assert "line" in told[0] or "roster" in script
        assert not [frame for frame in ran.sent if frame.kind == "presence"]


def test_a_pipe_is_played_as_it_comes(run_cli):
    reading, writing = os.pipe()
    os.write(writing, f"<presence/>\n{PING}\n<oops".encode())
    os.close(writing)
    ran = run_cli("shell", stdin=reading, responder=answering(p1=RESULT))
    assert ran.code == ExitCode.MALFORMED
    assert [frame.name for frame in ran.sent if frame.kind != "nonza"][:2] == ["presence", "iq"]
    assert "line 3" in ran.stderr
    assert "answers after" in ran.stdout


def test_commands_run_on_the_same_stream(run_cli):
    roster = (
        "<iq type='result' id='{}' to='romeo@montague.example/orchard'>"
        "<query xmlns='jabber:iq:roster'><item jid='juliet@capulet.example' subscription='both'/></query></iq>"
    )

    def respond(frame):
        if "jabber:iq:roster query" in frame.payloads:
            return [roster.replace("{}", frame.id or "")]
        return None

    ran = run_cli(
        "shell", "-o", "jsonl", stdin=b"/ping\n/roster list\n/roster list -o text\n", responder=respond
    )
    assert ran.code == 0, ran.stderr
    assert "juliet@capulet.example" in ran.stdout
    assert ran.stdout.count("juliet@capulet.example") == 2
    # Replies to what commands ask are theirs to show.
    assert '"kind":"iq"' not in ran.stdout


def test_a_failing_command_ends_the_script_with_its_code(run_cli):
    ran = run_cli(
        "shell", stdin=b"/roster set nobody@example.org --name x\n<presence/>\n", responder=lambda _: None
    )
    assert ran.code != 0
    assert not [frame for frame in ran.sent if frame.kind == "presence"]


def test_templates_are_filled_in_a_script(run_cli):
    ran = run_cli(
        "shell", stdin=b"/t chat juliet@capulet.example 'a < b'\n/t chat\n", responder=lambda _: None
    )
    assert ran.code == ExitCode.USAGE
    assert "line 2" in ran.stderr
    (message,) = [frame for frame in ran.sent if frame.kind == "message"]
    assert message.to == "juliet@capulet.example"
    assert message.body == "a < b"


def test_reply_answers_what_came(run_cli):
    def respond(frame):
        return [MESSAGE] if frame.kind == "presence" else None

    ran = run_cli("shell", stdin=b"<presence/>\n/wait kind:message\n/reply\n", responder=respond)
    assert ran.code == 0, ran.stderr
    (message,) = [frame for frame in ran.sent if frame.kind == "message"]
    assert message.text == "<message type='chat' to='juliet@capulet.example/b'><body></body></message>"


def test_a_hostile_stanza_is_harmless(run_cli):
    hostile = "<message from='juliet@capulet.example/b'><body>\u202e\x85 \u200b</body></message>"

    def respond(frame):
        return [hostile] if frame.kind == "presence" else None

    ran = run_cli("shell", stdin=b"<presence/>\n/wait kind:message\n/explain\n/last\n", responder=respond)
    assert ran.code == 0, ran.stderr
    assert not set("\u202e\x85\u200b") & set(ran.stdout + ran.stderr)


def test_saved_and_played_again(run_cli, tmp_path):
    file = tmp_path / "saved"
    secret = (
        "<iq type='set' id='r1'><query xmlns='jabber:iq:register'><password>hunter2</password></query></iq>"
    )
    script = f"{PING}\n{VERSION}\n/expect type:error\n{secret}\n/save --expect {file}\n"
    answers = answering(p1=RESULT, v1=REFUSED, r1=RESULT.replace("p1", "r1"))
    ran = run_cli("shell", stdin=script.encode(), responder=answers)
    assert ran.code == 0, ran.stderr
    saved = file.read_text()
    assert "hunter2" not in saved
    assert file.stat().st_mode & 0o777 == 0o600
    again = run_cli("shell", stdin=saved.encode(), responder=answers)
    assert again.code == 0, again.stderr
    assert [frame.id for frame in again.sent if frame.kind == "iq"][:3] == ["p1", "v1", "r1"]
    taken = run_cli("shell", stdin=f"/save {file}\n".encode())
    assert taken.code == ExitCode.USAGE


def test_a_recording_is_made(run_cli, tmp_path):
    file = tmp_path / "rec"
    ran = run_cli(
        "shell", stdin=f"/record {file}\n{PING}\n/record\n".encode(), responder=answering(p1=RESULT)
    )
    assert ran.code == 0, ran.stderr
    shown = run_cli("replay", str(file), "-o", "jsonl")
    assert [
        (record["direction"], record.get("id")) for record in shown.records if record["kind"] == "iq"
    ] == [
        ("out", "p1"),
        ("in", "p1"),
    ]


@pytest.mark.kinds("memory", "direct", why="a daemon's socket speaks XML")
def test_raw_bytes_go_as_they_are(run_cli):
    script = "/send-raw <message to='a@b'\n/send-raw --hex 3e3c2f6d6573736167653e\n"
    ran = run_cli("shell", "--no-acks", stdin=script.encode())
    assert ran.code == 0, ran.stderr
    assert ran.sent[0].text == "<message to='a@b'></message>"


def test_the_levels(run_cli):
    def respond(frame):
        return [MESSAGE] if frame.kind == "presence" else {"p1": [RESULT]}.get(frame.id or "")

    for level, shown in (("quiet", ["iq"]), ("normal", ["message", "iq"]), ("filter type:groupchat", ["iq"])):
        script = f"/{level}\n<presence/>\n/wait kind:message\n{PING}\n"
        ran = run_cli("shell", "-o", "jsonl", stdin=script.encode(), responder=respond)
        assert ran.code == 0, ran.stderr
        assert [record["kind"] for record in ran.records] == shown, level
    loud = run_cli("shell", "-o", "jsonl", stdin=f"/loud\n<presence/>\n{PING}\n".encode(), responder=respond)
    assert {("out", "presence"), ("in", "message"), ("out", "iq"), ("in", "iq")} <= {
        (record["direction"], record["kind"]) for record in loud.records
    }


ASKED = "<iq type='get' id='q1' from='juliet@capulet.example/b'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.mark.kinds("memory", "direct", why="a daemon answers requests itself")
@pytest.mark.parametrize(
    "answer", ["/reply", "<iq type='result' id='q1' to='juliet@capulet.example/b'/>", ""]
)
def test_a_request_is_answered_once_by_hand_or_else_at_the_end(run_cli, answer):
    def respond(frame):
        return [ASKED] if frame.kind == "presence" else None

    ran = run_cli("shell", stdin=f"<presence/>\n/wait kind:iq\n{answer}\n".encode(), responder=respond)
    assert ran.code == 0, ran.stderr
    (sent,) = [frame for frame in ran.sent if frame.id == "q1"]
    assert sent.to == "juliet@capulet.example/b"
    assert sent.type == ("result" if answer else "error")


def test_an_acknowledgement_is_shown_to_who_asked_for_it(run_cli):
    stanzas = []

    def respond(frame):
        if frame.kind != "nonza":
            stanzas.append(frame)
            return None
        told = {"r": f"a h='{len(stanzas)}'", "enable": "enabled"}[frame.name]
        return [f"<{told} xmlns='urn:xmpp:sm:3'/>"]

    script = b"<presence/>\n<r xmlns='urn:xmpp:sm:3'/>\n/wait 5 kind:nonza ns:urn:xmpp:sm:3\n<presence/>\n"
    ran = run_cli("shell", "-o", "jsonl", stdin=script, responder=respond, features=("urn:xmpp:sm:3 sm",))
    assert ran.code == 0, ran.stderr
    (record,) = ran.records
    assert record["xml"].startswith("<a ")


@pytest.mark.kinds("attached", why="others have a stream of their own")
def test_a_daemon_would_not_pass_on_raw_bytes(run_cli):
    ran = run_cli("shell", stdin=b"/send-raw <oops\n")
    assert ran.code == ExitCode.USAGE
    assert "--no-validate" in ran.stderr


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        ("juliet@capulet.example", True),
        ("romeo@montague.example", False),
        ("Romeo@montague.example/orchard", False),
    ],
)
def test_a_sender_that_is_somebody_else_is_told(run_cli, sender, told):
    ran = run_cli("shell", stdin=f"<message from='{sender}' to='nurse@capulet.example'/>".encode())
    assert ran.code == 0, ran.stderr
    assert ("is not you" in ran.stderr) == told
    assert [frame.sender for frame in ran.sent if frame.kind == "message"] == [sender]


# -- secrets, and text that is not ours --

TYPED_SECRETS = [
    "<iq type='set' id='r1'><query xmlns='jabber:iq:register'><password>hunter2</password></query></iq>",
    "<iq type='set' id='r2'><query xmlns='jabber:iq:auth'><password>hunter2</password></query></iq>",
    "<presence to='r@muc.example/me'><x xmlns='http://jabber.org/protocol/muc'><password>hunter2</password></x></presence>",
]


@pytest.mark.parametrize("output", ["text", "jsonl"])
def test_a_typed_secret_is_shown_nowhere(run_cli, tmp_path, output):
    def respond(frame):
        return (
            [f"<iq type='result' id='{frame.id}'/>"] if frame.kind == "iq" and frame.type == "set" else None
        )

    saved, recorded = tmp_path / "saved", tmp_path / "recorded"
    commands = f"/last\n/explain 1\n/last 3\n/explain {TYPED_SECRETS[2]}\n/save {saved}\n/record\n"
    script = f"/loud\n/record {recorded}\n" + "\n".join(TYPED_SECRETS) + f"\n{commands}/t save secret\n"
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}
    ran = run_cli("shell", "-o", output, stdin=script.encode(), responder=respond, environ=environ)
    assert ran.code == ExitCode.USAGE, ran.stderr
    assert len([frame for frame in ran.sent if "hunter2" in frame.text]) == 3, "it is sent all the same"
    assert "redacted" in ran.stdout
    assert "hunter2" not in ran.stdout + ran.stderr
    for file in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "stdin"):
        assert b"hunter2" not in file.read_bytes(), file


@pytest.mark.parametrize(
    "line",
    [
        "<iq type='set'><query xmlns='jabber:iq:register'><password>hunter2</password></quer></iq>",
        "<iq type='set'><query xmlns='jabber:iq:register'><password>hunter2</password></query></iq",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>hunter2</auth",
    ],
)
def test_a_mistake_is_told_without_the_secret_beside_it(run_cli, line):
    ran = run_cli("shell", stdin=line.encode())
    assert ran.code == ExitCode.MALFORMED
    assert "hunter2" not in ran.stdout + ran.stderr


BAD = "\u202e\x85\u200b\u2028"


@pytest.mark.parametrize("form", ["pretty", "line"])
def test_whatever_somebody_else_says_cannot_act_on_the_terminal(run_cli, tmp_path, form):
    """Neither as what is shown, nor in an explanation, a note or an error, nor as a name that is typed again."""
    own = tmp_path / "config" / "xmppctl" / "templates"
    own.mkdir(parents=True)
    (own / "bad.xml").write_text(f"# {BAD}\x1b]0;x\x07\n<message/>\n")
    hostile = (
        f"<message from='juliet@capulet.example/{BAD}' id='{BAD}'><body>{BAD}&#10;fake</body>"
        f"<x xmlns='urn:{BAD}' {'y'}='{BAD}'/></message>"
    )
    refused = (
        f"<iq type='error' id='p1' from='montague.example'><error type='cancel'>"
        f"<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        f"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>{BAD}</text></error></iq>"
    )

    def respond(frame):
        return [hostile] if frame.kind == "presence" else [refused] if frame.id == "p1" else None

    script = (
        f"/loud\n<presence/>\n/wait kind:message\n/explain\n/reply\n/last\n/t\n/help\n{PING}\n/explain 3\n"
        f"/watch from:{BAD} &\n/jobs\n/stop\n<presence/>\n/expect kind:iq id:{BAD}\n"
    )
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    for text in (
        script,
        "<presence/>\n/expect kind:iq",
        f"/wait 0 id:{BAD}",
        f"/{BAD}",
        f"/last {BAD}",
        PING,
    ):
        ran = run_cli(
            "shell", "--format", form, stdin=text.encode(), responder=respond, environ=environ, tty=True
        )
        shown = ran.stdout + ran.stderr
        assert not set(BAD) & set(shown) and "\x1b]0" not in shown and "\x07" not in shown
        assert ran.stderr and ran.code != 0, text


@pytest.mark.kinds(
    "memory", "direct", why="it is the server's stream error that is told, and a daemon tells its own"
)
def test_the_server_s_last_words_are_harmless(run_cli):
    gone = (
        f"<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        f"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{BAD}</text></stream:error>"
    )

    def respond(frame):
        return [gone] if frame.kind == "presence" else None

    ran = run_cli("shell", stdin=b"<presence/>\n/wait kind:iq\n", responder=respond)
    assert ran.code == ExitCode.CONNECT
    assert not set(BAD) & set(ran.stdout + ran.stderr)
    assert "\\u202e" in ran.stdout + ran.stderr


# -- how it ends --


@pytest.mark.kinds("direct", "attached", why="in memory no time passes")
@pytest.mark.parametrize("begun", [b"", b"<message><body>", b"# "])
def test_a_stalled_pipe_has_the_time_of_the_whole_command(run_cli, begun):
    reading, writing = os.pipe()
    os.write(writing, b"<presence/>\n" + begun)
    ran = run_cli("shell", "--timeout", "1", stdin=reading)
    os.close(writing)
    assert ran.code == ExitCode.TIMEOUT, ran.stderr
    assert [frame.name for frame in ran.sent if frame.kind != "nonza"] == ["presence"]


def test_a_stream_that_is_lost_ends_it(run_cli):
    def script(session):
        received = session._received

        def break_down(frame):
            received(frame)
            if frame.id == "p1":
                session.hang_up()

        session._received = break_down

    for text in (f"{PING}\n<presence/>\n", f"{PING}\n/wait 5 kind:presence\n", f"{PING}\n/ping\n"):
        ran = run_cli("shell", stdin=text.encode(), responder=answering(p1=RESULT), script=script)
        # What was written before the loss could be noticed is not taken for delivered.
        assert ran.code == ExitCode.CONNECT, ran.stderr


@pytest.mark.parametrize("name", ["shell", "demo", "completion"])
def test_what_makes_no_sense_inside_says_why(run_cli, name):
    ran = run_cli("shell", stdin=f"<presence/>\n/{name} bash\n".encode())
    assert ran.code == ExitCode.USAGE
    assert not [frame for frame in ran.sent if frame.kind != "nonza"]
    assert f"line 2: /{name} does not run inside the shell" in ran.stderr
    assert f"xmppctl {name} in another terminal" in ran.stderr


def test_each_command_has_options_of_its_own(run_cli):
    script = b"/ping -o jsonl\n/ping\n/version montague.example -o nonsense\n"
    ran = run_cli("shell", stdin=script)
    assert ran.code == ExitCode.USAGE
    assert [line.startswith("{") for line in ran.stdout.splitlines()] == [True, False]
