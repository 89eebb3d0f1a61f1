"""`send`: what goes out, what is told, how it ends."""

from __future__ import annotations

import os
import threading
import time

import pytest

from xmppctl.stanza.frame import Frame

JULIET = "juliet@capulet.example"
NURSE = "nurse@capulet.example"
GONE = "gone@capulet.example"


def bounce(frame: Frame, sender: str | None = None) -> str:
    return (
        f"<message type='error' id='{frame.id}' from='{sender or frame.to}'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )


def bouncing(*gone: str):
    """A server that sends back what is for `gone`."""

    def respond(frame: Frame):
        return [bounce(frame)] if frame.kind == "message" and frame.to in gone else None

    return respond


def messages(ran):
    return [frame for frame in ran.sent if frame.kind == "message"]


def test_sends_a_chat_message_and_says_nothing(run_cli):
    ran = run_cli("send", "Juliet@Capulet.example", "Wherefore & <art>?")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    (message,) = messages(ran)
    assert (message.to, message.type, message.body) == (JULIET, "chat", "Wherefore & <art>?")


def test_asks_the_server_whether_it_has_it(run_cli):
    ran = run_cli("send", JULIET, "hi", responder=lambda frame: [])
    assert ran.code == 6
    assert "not acknowledged" in ran.stderr and JULIET in ran.stderr


def test_wait_none_asks_nobody(run_cli):
    ran = run_cli("send", JULIET, "hi", "--wait", "none", "-o", "jsonl", responder=lambda frame: [])
    assert ran.code == 0
    assert [frame.kind for frame in ran.sent] == ["message"]
    assert [record["state"] for record in ran.records] == ["sent"]


def test_verbose_tells_that_it_arrived(run_cli):
    assert "the server has 1 message" in run_cli("send", JULIET, "hi", "-v").stderr


def test_type_subject_thread_and_id(run_cli):
    ran = run_cli(
        "send", JULIET, "hi", "--type", "headline", "--subject", "S", "--thread", "t1", "--id", "me & you"
    )
    (message,) = messages(ran)
    assert (message.type, message.id) == ("headline", "me & you")
    texts = {child.tag.rpartition("}")[2]: child.text for child in message.element()}
    assert texts == {"subject": "S", "body": "hi", "thread": "t1", "origin-id": None}


def test_each_message_has_its_id_as_origin_id(run_cli):
    """XEP-0359: whoever gets a message twice knows it again."""
    ran = run_cli("send", JULIET, "--to", NURSE, "--lines", stdin=b"one\ntwo\n")
    for message in messages(ran):
        (origin,) = message.element().iterfind("{urn:xmpp:sid:0}origin-id")
        assert origin.get("id") == message.id
    assert messages(run_cli("send", JULIET, "hi", "--id", "a'b"))[0].raw.count(b"id='a&apos;b'") == 2


def test_a_normal_message_has_no_type(run_cli):
    (message,) = messages(run_cli("send", JULIET, "hi", "--type", "normal"))
    assert message.type is None


def test_a_subject_needs_no_body(run_cli):
    ran = run_cli("send", JULIET, "--subject", "only this")
    (message,) = messages(ran)
    assert ran.code == 0 and message.body is None


def test_body_from_standard_input_without_its_last_line_end(run_cli):
    (message,) = messages(run_cli("send", JULIET, "-", stdin="é\n\nzwei\n\n".encode()))
    assert message.body == "é\n\nzwei\n"


def test_many_recipients_get_one_each(run_cli):
    ran = run_cli("send", JULIET, "--to", NURSE, "--to", "JULIET@capulet.example", "hi")
    assert [frame.to for frame in messages(ran)] == [JULIET, NURSE]
    assert len({frame.id for frame in messages(ran)}) == 2


def test_a_bounce_is_1_with_its_condition(run_cli):
    ran = run_cli("send", GONE, "hi", responder=bouncing(GONE))
    assert ran.code == 1
    assert "service-unavailable" in ran.stderr and GONE in ran.stderr


def test_a_bounce_as_json(run_cli):
    ran = run_cli("send", GONE, "hi", "-o", "jsonl", responder=bouncing(GONE))
    assert ran.code == 1
    (record,) = ran.records
    assert (record["state"], record["condition"], record["to"]) == ("bounced", "service-unavailable", GONE)
    assert record["schema"] == 1 and record["time"].endswith("Z")
    (error,) = ran.errors
    assert (error["error"], error["exit"]) == ("stanza-error", 1)
    assert "service-unavailable" in error["stanza"]


def test_an_error_of_a_stranger_is_no_bounce(run_cli):
    def respond(frame):
        return [bounce(frame, "mallory@evil.example")] if frame.kind == "message" else None

    assert run_cli("send", JULIET, "hi", responder=respond).code == 0


def test_an_error_with_another_id_is_no_bounce(run_cli):
    def respond(frame):
        if frame.kind != "message":
            return None
        return [bounce(frame).replace(frame.id, "other")]

    assert run_cli("send", JULIET, "hi", responder=respond).code == 0


def test_a_part_that_failed_is_10_and_each_is_told(run_cli):
    ran = run_cli("send", JULIET, "--to", GONE, "--to", NURSE, "hi", responder=bouncing(GONE, NURSE))
    assert ran.code == 10
    assert f"to {GONE}" in ran.stderr and f"to {NURSE}" in ran.stderr and "2 of 3" in ran.stderr


def test_each_failure_is_json_where_results_are(run_cli):
    ran = run_cli("send", JULIET, "--to", GONE, "hi", "-o", "json", responder=bouncing(GONE))
    assert [error["error"] for error in ran.errors] == ["stanza-error", "partial"]
    assert len(ran.stderr.splitlines()) == 2


def test_everything_that_failed_is_1(run_cli):
    ran = run_cli("send", GONE, "--to", NURSE, "hi", responder=bouncing(GONE, NURSE))
    assert ran.code == 1 and "all 2 messages" in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("send",),
        ("send", "not a jid", "hi"),
        ("send", JULIET, "--to", "@x", "hi"),
        ("send", JULIET, ""),
        ("send", JULIET, "--to", NURSE, "--id", "1", "hi"),
        ("send", JULIET, "--lines", "--id", "1"),
        ("send", JULIET, "--id", "", "hi"),
        ("send", JULIET, "hi", "--lines"),
        ("send", JULIET, "hi", "--type", "error"),
        ("send", JULIET, "hi", "-o", "xml"),
        ("send", JULIET, "-"),
    ],
)
def test_usage_errors_send_nothing(run_cli, words):
    ran = run_cli(*words)
    assert ran.code == 2 and ran.session is None and ran.stderr


def test_without_body_standard_input_is_not_read(run_cli):
    ran = run_cli("send", JULIET, stdin=b"never read")
    assert ran.code == 2 and "-" in ran.stderr and ran.session is None


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (("send", JULIET, "ring\x07"), b""),
        (("send", JULIET, "hi", "--subject", "\x1b[2J"), b""),
        (("send", JULIET, "lone \udc80"), b""),
        (("send", JULIET, "-"), b"ok\nnot \xff"),
        (("send", JULIET, "-"), b"ok\nring\x07"),
        (("send", JULIET, "--lines", "--subject", "\x07"), b"a\n"),
    ],
)
def test_what_xml_cannot_hold_is_8_and_sends_nothing(run_cli, words, stdin):
    ran = run_cli(*words, stdin=stdin)
    assert ran.code == 8 and ran.session is None
    assert "\x1b" not in ran.stderr and "\x07" not in ran.stderr


def test_bad_input_is_told_with_line_and_column(run_cli):
    assert "line 2, column 5" in run_cli("send", JULIET, "-", stdin=b"ok\nnot \xff").stderr


def test_lines_are_a_message_each(run_cli):
    ran = run_cli("send", JULIET, "--lines", "-o", "jsonl", stdin=b"one\n\n  \ntwo\r\nthree")
    assert [frame.body for frame in messages(ran)] == ["one", "two", "three"]
    assert [(record["line"], record["state"]) for record in ran.records] == [
        (1, "server"),
        (4, "server"),
        (5, "server"),
    ]


def test_lines_to_many(run_cli):
    ran = run_cli("send", JULIET, "--to", NURSE, "--lines", stdin=b"one\ntwo\n")
    assert [(frame.to, frame.body) for frame in messages(ran)] == [
        (JULIET, "one"),
        (NURSE, "one"),
        (JULIET, "two"),
        (NURSE, "two"),
    ]


def test_a_long_line_comes_whole(run_cli):
    line = b"x" * 300_000
    ran = run_cli("send", JULIET, "--lines", stdin=line + b"\nlast")
    assert [len(frame.body or "") for frame in messages(ran)] == [300_000, 4]


def test_lines_are_not_acknowledged_one_by_one(run_cli):
    ran = run_cli("send", JULIET, "--lines", stdin=b"line\n" * 2000)
    assert len(messages(ran)) == 2000
    assert len([frame for frame in ran.sent if frame.kind == "iq"]) <= 5


def test_unacknowledged_messages_are_bounded(run_cli):
    counts = []

    def respond(frame):
        if frame.kind == "message":
            counts.append(1)
            return []
        assert sum(counts) <= 500
        counts.clear()
        return None

    assert run_cli("send", JULIET, "--lines", stdin=b"line\n" * 3000, responder=respond).code == 0


def test_a_bad_line_ends_it_after_what_stands_before(run_cli):
    ran = run_cli("send", JULIET, "--lines", "-o", "jsonl", stdin=b"one\ntwo\nbad \xff\nfour\n")
    assert ran.code == 8
    assert [frame.body for frame in messages(ran)] == ["one", "two"]
    assert [record["state"] for record in ran.records] == ["server", "server"]
    assert "line 3, column 5" in ran.errors[0]["message"] and "2 of 2" in ran.errors[0]["message"]


def test_a_control_character_in_a_line_is_told_with_its_line(run_cli):
    ran = run_cli("send", JULIET, "--lines", stdin=b"one\nri\x07ng\n")
    assert ran.code == 8 and "line 2, column 3" in ran.stderr and "U+0007" in ran.stderr


def test_a_line_that_bounced_is_told_with_its_line(run_cli):
    def respond(frame):
        return [bounce(frame)] if frame.kind == "message" and frame.body == "two" else None

    ran = run_cli("send", JULIET, "--lines", stdin=b"one\ntwo\nthree\n", responder=respond)
    assert ran.code == 10 and "line 2" in ran.stderr and "1 of 3" in ran.stderr


def test_a_broken_connection_tells_which_lines_nobody_acknowledged(run_cli):
    """The script breaks while the third line is sent; nothing was acknowledged."""
    sessions = []

    def respond(frame):
        if frame.kind == "message" and frame.body == "three":
            sessions[0].hang_up()
        return None

    ran = run_cli(
        *("send", JULIET, "--lines", "-o", "jsonl"),
        stdin=b"one\ntwo\nthree\nfour\n",
        responder=respond,
        script=sessions.append,
    )
    assert ran.code == 4
    assert [(record["line"], record["state"]) for record in ran.records][:3] == [
        (1, "unknown"),
        (2, "unknown"),
        (3, "unknown"),
    ]
    assert "lines 1-" in ran.stderr


def test_a_late_bounce_is_still_told(run_cli):
    """The error comes from a remote server after the own one has acknowledged the message."""
    read, write = os.pipe()
    sessions = []
    first = []
    acknowledging = threading.Event()

    def respond(frame):
        if frame.kind == "message" and not first:
            first.append(frame)
        if frame.kind == "iq":
            acknowledging.set()
        return None

    def type_slowly():
        os.write(write, b"one\n")
        assert acknowledging.wait(5)
        time.sleep(0.1)
        sessions[0].deliver(bounce(first[0]))
        time.sleep(0.1)
        os.write(write, b"two\n")
        os.close(write)

    typist = threading.Thread(target=type_slowly)
    typist.start()
    ran = run_cli(
        "send", JULIET, "--lines", "-o", "jsonl", stdin=read, responder=respond, script=sessions.append
    )
    typist.join()
    assert ran.code == 10
    assert [(record["line"], record["state"]) for record in ran.records] == [
        (1, "server"),
        (1, "bounced"),
        (2, "server"),
    ]


def test_slow_lines_are_acknowledged_as_they_come(run_cli):
    read, write = os.pipe()
    sessions = []
    seen = []

    def type_slowly():
        os.write(write, b"one\n")
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if sessions and any(frame.kind == "iq" for frame in sessions[0].sent):
                seen.append("asked before the second line")
                break
            time.sleep(0.01)
        os.write(write, b"two")
        os.close(write)

    typist = threading.Thread(target=type_slowly)
    typist.start()
    ran = run_cli("send", JULIET, "--lines", stdin=read, script=sessions.append)
    typist.join()
    assert ran.code == 0 and seen
    assert [frame.body for frame in messages(ran)] == ["one", "two"]


def test_a_password_on_standard_input_is_its_first_line(run_cli, tmp_path):
    path = tmp_path / "both"
    path.write_bytes(b"wherefore\nthe body\n")
    descriptor = os.open(path, os.O_RDONLY)
    saved = os.dup(0)
    os.dup2(descriptor, 0)
    try:
        ran = run_cli("send", JULIET, "-", "--password-file", "-", stdin=os.dup(0))
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(descriptor)
    assert [frame.body for frame in messages(ran)] == ["the body"]
