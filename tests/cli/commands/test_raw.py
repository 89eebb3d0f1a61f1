"""`raw`: bytes as typed, replies paired, errors told."""

from __future__ import annotations

import json
from xml.sax.saxutils import quoteattr

import pytest

JULIET = "juliet@capulet.example"
ERROR = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def typed(ran):
    """What was sent but for the barrier's ping."""
    return [frame.raw.decode() for frame in ran.sent if b"<ping xmlns='urn:xmpp:ping'/>" not in frame.raw]


def answering(frame):
    """Everybody answers iqs."""
    if frame.kind == "iq" and frame.type in ("get", "set"):
        sender = f" from='{frame.to}'" if frame.to else ""
        return [f"<iq type='result' id={quoteattr(frame.id)}{sender}><y xmlns='urn:y'/></iq>"]
    return None


def refusing(frame):
    if frame.kind == "iq" and frame.to != "montague.example":
        return [f"<iq type='error' id='{frame.id}' from='{frame.to}'>{ERROR}</iq>"]
    return answering(frame)


ODD = f"<iq  to=\"{JULIET}\"\ttype='get' id='a&amp;b' ><x xmlns='urn:x'  b=\"1\" a='2'></x >\n</iq >"


def test_sends_exactly_what_was_typed_and_prints_the_reply(run_cli):
    ran = run_cli("raw", ODD, "-o", "jsonl", responder=answering)
    assert ran.code == 0
    assert typed(ran) == [ODD]
    (record,) = ran.records
    assert (record["type"], record["id"], record["from"]) == ("result", "a&b", JULIET)
    # A daemon has given the request an id of its own, and gives the reply ours.
    assert (
        record["xml"].replace('"', "'")
        == f"<iq type='result' id='a&amp;b' from='{JULIET}'><y xmlns='urn:y'/></iq>"
    )


def test_an_iq_without_id_gets_one_and_keeps_the_rest(run_cli):
    ran = run_cli("raw", "<iq type='get'><x xmlns='urn:x'/></iq>", responder=answering)
    (sent,) = typed(ran)
    before, _, after = sent.partition(" id='")
    assert before == "<iq" and after.partition("'")[2] == " type='get'><x xmlns='urn:x'/></iq>"
    assert ran.code == 0


@pytest.mark.parametrize(
    "xml",
    [
        "<iq type='result' id='1' to='x@y'/>",
        "<iq type='error' id='1' to='x@y'/>",
        "<message to='x@y'><body>hi</body></message>",
        "<presence/>",
    ],
)
def test_what_needs_no_reply_gets_none_and_no_id(run_cli, xml):
    ran = run_cli("raw", xml)
    assert (ran.code, ran.stdout, typed(ran)) == (0, "", [xml])


@pytest.mark.kinds("memory", "direct", why="it has a stream of its own where there is a daemon")
def test_what_is_no_stanza_is_sent_as_well(run_cli):
    active = "<active xmlns='urn:xmpp:csi:0'/>"
    ran = run_cli("raw", active)
    assert (ran.code, ran.stdout, typed(ran)) == (0, "", [active])


def test_exit_0_means_that_the_server_has_it(run_cli):
    ran = run_cli("raw", "<presence/>", responder=lambda frame: [])
    assert ran.code == 6


def test_text_lays_the_reply_out(run_cli):
    ran = run_cli("raw", ODD, responder=answering)
    assert "iq result" in ran.stdout and "\n    <y xmlns='urn:y'/>\n" in ran.stdout


def test_xml_holds_the_bytes_of_the_wire(run_cli):
    ran = run_cli("raw", ODD, "-o", "xml", responder=answering)
    assert "<y xmlns='urn:y'/>" in ran.stdout and ran.stdout.endswith("</xmppctl:log>\n")


def test_standard_input(run_cli):
    ran = run_cli("raw", "-", stdin=b"<presence/>\n<presence type='unavailable'/>\n")
    assert typed(ran) == ["<presence/>", "<presence type='unavailable'/>"]


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        ("<iq type='get'", "line 1"),
        ("<presence/>\n<message></iq>", "line 2, column 10"),
        ("<presence/>text", "line 1"),
        ("", "no stanza"),
        ("<presence><!-- x --></presence>", "comment"),
        ("<!DOCTYPE x><presence/>", "line 1"),
        ("<stream:stream>", "stream"),
        ("</stream:stream>", "line 1"),
        ("<p:presence/>", "p:"),
        ("<presence/>\x07", "U+0007"),
    ],
)
def test_malformed_input_is_8_and_sends_nothing(run_cli, xml, told):
    ran = run_cli("raw", xml)
    assert ran.code == 8 and ran.session is None
    assert told in ran.stderr


def test_malformed_standard_input_is_told_with_its_place(run_cli):
    ran = run_cli("raw", "-", "-o", "json", stdin=b"<presence/>\n<message>\xff</message>")
    assert ran.code == 8 and ran.session is None
    assert "line 2, column 10" in ran.errors[0]["message"]


@pytest.mark.parametrize(("words", "stdin"), [((), b"<presence/>"), (("-",), b""), (("-",), b" \n")])
def test_without_input_it_is_2(run_cli, words, stdin):
    ran = run_cli("raw", *words, stdin=stdin)
    assert ran.code == 2 and ran.session is None


def test_an_error_reply_is_shown_and_1(run_cli):
    ran = run_cli(
        "raw",
        f"<iq type='get' id='1' to='{JULIET}'><x xmlns='urn:x'/></iq>",
        "-o",
        "jsonl",
        responder=refusing,
    )
    assert ran.code == 1
    assert ran.records[0]["type"] == "error"
    assert ran.errors[0]["error"] == "stanza-error" and "service-unavailable" in ran.errors[0]["message"]


def test_a_bounce_is_shown_and_1(run_cli):
    def respond(frame):
        return (
            [f"<message type='error' id='m' from='{JULIET}'>{ERROR}</message>"]
            if frame.kind == "message"
            else None
        )

    ran = run_cli(
        "raw", f"<message id='m' to='{JULIET}'><body>x</body></message>", "-o", "jsonl", responder=respond
    )
    assert ran.code == 1 and ran.records[0]["kind"] == "message"


def test_an_error_from_a_stranger_is_neither_reply_nor_bounce(run_cli):
    def respond(frame):
        if frame.kind == "message":
            return [f"<message type='error' id='m' from='mallory@evil.example'>{ERROR}</message>"]
        return None

    ran = run_cli("raw", f"<message id='m' to='{JULIET}'><body>x</body></message>", responder=respond)
    assert (ran.code, ran.stdout) == (0, "")


def test_a_reply_from_a_stranger_does_not_count(run_cli):
    def respond(frame):
        if frame.kind == "iq" and frame.to == JULIET:
            return [f"<iq type='result' id={quoteattr(frame.id)} from='mallory@evil.example'/>"]
        return None

    ran = run_cli("raw", ODD, responder=respond)
    assert ran.code == 6 and ran.stdout == "" and "a&b" in ran.stderr


def test_some_refused_is_10_and_each_is_told(run_cli):
    xml = (
        f"<iq type='get' id='1' to='{JULIET}'><x xmlns='urn:x'/></iq>"
        "<iq type='get' id='2' to='montague.example'><x xmlns='urn:x'/></iq>"
    )
    ran = run_cli("raw", xml, "-o", "jsonl", responder=refusing)
    assert ran.code == 10
    assert [record["type"] for record in ran.records] == ["error", "result"]
    assert [error["error"] for error in ran.errors] == ["stanza-error", "partial"]


def test_one_id_may_be_used_again(run_cli):
    one = f"<iq type='get' id='same' to='{JULIET}'><x xmlns='urn:x'/></iq>"
    other = "<iq type='get' id='same' to='nurse@capulet.example'><x xmlns='urn:x'/></iq>"
    ran = run_cli("raw", one + one + other, "-o", "jsonl", responder=answering)
    assert ran.code == 0
    assert [record["from"] for record in ran.records] == [JULIET, JULIET, "nurse@capulet.example"]


def test_replies_come_in_the_order_of_the_requests(run_cli):
    held = []

    def respond(frame):
        if frame.id in ("0", "1"):
            held.append(frame)
            return []
        late = [answering(each)[0] for each in reversed(held)]
        held.clear()
        return late + (answering(frame) or [])

    xml = "".join(f"<iq type='get' id='{n}' to='{JULIET}'><x xmlns='urn:x'/></iq>" for n in range(3))
    ran = run_cli("raw", xml, "-o", "jsonl", responder=respond)
    assert [record["id"] for record in ran.records] == ["0", "1", "2"]


def test_silence_is_6_and_says_whose_while_the_rest_is_shown(run_cli):
    def respond(frame):
        return [] if frame.id == "mute" else answering(frame)

    xml = "".join(
        f"<iq type='get' id='{n}' to='{JULIET}'><x xmlns='urn:x'/></iq>" for n in ("a", "mute", "b")
    )
    ran = run_cli("raw", xml, "-o", "jsonl", responder=respond)
    assert ran.code == 6
    assert [record["id"] for record in ran.records] == ["a", "b"]
    assert "mute" in ran.errors[-1]["message"]


def test_a_stream_error_is_4_with_its_condition(run_cli):
    def respond(frame):
        return [
            "<stream:error><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        ]

    ran = run_cli("raw", "<x xmlns='urn:x'/>", responder=respond)
    assert ran.code == 4 and "unsupported-stanza-type" in ran.stderr


def test_thousands_are_pipelined_within_bounds(run_cli):
    waiting = []
    most = []

    def respond(frame):
        if frame.id.startswith("i"):
            waiting.append(frame)
            most.append(len(waiting))
            if len(waiting) < 100:
                return []
        answers = [answering(each)[0] for each in waiting]
        waiting.clear()
        return answers + ([] if frame.id.startswith("i") else answering(frame) or [])

    xml = "".join(f"<iq type='get' id='i{n}' to='{JULIET}'><x xmlns='urn:x'/></iq>" for n in range(3000))
    ran = run_cli("raw", "-", "-o", "jsonl", stdin=xml.encode(), responder=respond)
    assert ran.code == 0
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == [f"i{n}" for n in range(3000)]
    assert max(most) == 100


def test_hostile_replies_are_made_visible(run_cli):
    def respond(frame):
        return [f"<iq type='result' id='1' from='{JULIET}'><x xmlns='urn:x'>\u202e\x9b</x></iq>"]

    xml = f"<iq type='get' id='1' to='{JULIET}'><x xmlns='urn:x'/></iq>"
    for form in ("text", "jsonl", "xml"):
        out = run_cli(
            "raw", xml, "-o", form, responder=lambda f: respond(f) if f.to == JULIET else None
        ).stdout
        assert "\u202e" not in out and "\x9b" not in out
