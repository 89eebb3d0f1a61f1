"""`version`: through slixmpp's plugin."""

from __future__ import annotations

NS = "jabber:iq:version"


def answer(frame):
    if f"{NS} query" in frame.payloads:
        inside = "<name>Prosody</name><version>0.12.3</version><os>Linux</os>"
        return [
            f"<iq type='result' id='{frame.id}' from='{frame.to}'><query xmlns='{NS}'>{inside}</query></iq>"
        ]
    return None


def test_asks_the_own_server_by_default(run_cli):
    ran = run_cli("version", responder=answer)
    assert (ran.code, ran.stdout) == (0, "montague.example: Prosody 0.12.3 on Linux\n")


def test_as_json(run_cli):
    (record,) = run_cli("version", "capulet.example", "-o", "jsonl", responder=answer).records
    assert {key: record[key] for key in ("jid", "name", "version", "os")} == {
        "jid": "capulet.example",
        "name": "Prosody",
        "version": "0.12.3",
        "os": "Linux",
    }


def test_one_that_says_nothing(run_cli):
    ran = run_cli("version", responder=lambda f: [f"<iq type='result' id='{f.id}' from='{f.to}'/>"])
    assert ran.code == 0 and "does not say" in ran.stdout


def test_hostile_text_is_made_visible(run_cli):
    def respond(frame):
        return (
            [answer(frame)[0].replace("Prosody", "\u202ePro&#10;sody")]
            if frame.kind == "iq" and answer(frame)
            else None
        )

    ran = run_cli("version", responder=respond)
    assert "\u202e" not in ran.stdout and len(ran.stdout.splitlines()) == 1


def test_a_refusal_is_1(run_cli):
    def respond(frame):
        return [
            f"<iq type='error' id='{frame.id}' from='{frame.to}'><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ]

    ran = run_cli("version", "juliet@capulet.example", responder=respond)
    assert ran.code == 1 and "service-unavailable" in ran.stderr


def test_silence_is_6(run_cli):
    assert run_cli("version", responder=lambda frame: []).code == 6


def test_a_bad_jid_sends_nothing(run_cli):
    ran = run_cli("version", "a@@b")
    assert ran.code == 2 and ran.session is None
