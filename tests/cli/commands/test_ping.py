"""`ping`: round trips, series of them, and those that are lost."""

from __future__ import annotations

import pytest

JULIET = "juliet@capulet.example/balcony"


def answer(frame, sender=None):
    return [f"<iq type='result' id='{frame.id}' from='{sender or frame.to}'/>"]


def refuse(frame, condition):
    return [
        f"<iq type='error' id='{frame.id}' from='{frame.to}'><error type='cancel'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ]


def test_pings_the_own_server_by_default(run_cli):
    ran = run_cli("ping", responder=answer)
    assert ran.code == 0
    assert ran.stdout.startswith("montague.example: ") and ran.stdout.endswith(" ms\n")
    assert [frame.to for frame in ran.sent] == ["montague.example"]


def test_as_json(run_cli):
    (record,) = run_cli("ping", "Juliet@capulet.example/balcony", "-o", "jsonl", responder=answer).records
    assert (record["to"], record["sequence"], record["supported"]) == (JULIET, 1, True)
    assert record["ms"] >= 0


@pytest.mark.parametrize(
    ("to", "condition"), [(JULIET, "feature-not-implemented"), ("montague.example", "service-unavailable")]
)
def test_an_entity_that_does_not_know_pings_answers_all_the_same(run_cli, to, condition):
    ran = run_cli("ping", to, responder=lambda frame: refuse(frame, condition))
    assert ran.code == 0 and "does not know pings" in ran.stdout


@pytest.mark.parametrize(
    ("to", "condition"), [(JULIET, "service-unavailable"), ("nowhere.example", "remote-server-not-found")]
)
def test_an_entity_that_is_not_there_is_1(run_cli, to, condition):
    ran = run_cli("ping", to, responder=lambda frame: refuse(frame, condition))
    assert ran.code == 1 and condition in ran.stderr


def test_silence_is_6(run_cli):
    ran = run_cli("ping", JULIET, responder=lambda frame: [])
    assert (ran.code == 6 and ran.stdout == "") or "no answer" in ran.stdout


def test_an_answer_of_somebody_else_is_none(run_cli):
    assert run_cli("ping", JULIET, responder=lambda frame: answer(frame, "mallory@evil.example")).code == 6


def test_a_series_ends_with_a_summary(run_cli):
    ran = run_cli("ping", JULIET, "--count", "3", "--interval", "0.01", "-o", "jsonl", responder=answer)
    assert ran.code == 0
    *pings, summary = ran.records
    assert [record["sequence"] for record in pings] == [1, 2, 3]
    assert (summary["sent"], summary["received"]) == (3, 3)
    assert summary["min_ms"] <= summary["avg_ms"] <= summary["max_ms"]
    assert summary["min_ms"] == min(record["ms"] for record in pings)


def test_lost_ones_are_told_and_make_it_10(run_cli):
    count = []

    def respond(frame):
        count.append(frame)
        return [] if len(count) == 2 else answer(frame)

    ran = run_cli("ping", JULIET, "--count", "3", "--interval", "0", "-o", "jsonl", responder=respond)
    assert ran.code == 10
    assert [record.get("lost", False) for record in ran.records[:3]] == [False, True, False]
    assert (ran.records[3]["sent"], ran.records[3]["received"]) == (3, 2)
    assert "1 of 3" in ran.errors[0]["message"]


def test_all_lost_is_6(run_cli):
    ran = run_cli("ping", JULIET, "--count", "2", "--interval", "0", responder=lambda frame: [])
    assert ran.code == 6 and "2 sent, 0 answered" in ran.stdout


@pytest.mark.parametrize(
    "words", [("not a jid",), (JULIET, "--count", "0"), (JULIET, "--interval", "-1"), (JULIET, "-o", "xml")]
)
def test_usage_errors_send_nothing(run_cli, words):
    ran = run_cli("ping", *words)
    assert ran.code == 2 and ran.session is None


@pytest.mark.parametrize("option", ["--interval", "--wait"])
def test_not_a_number_is_no_time(run_cli, option):
    ran = run_cli("ping", "--count", "2", option, "nan", responder=answer)
    assert (ran.code, ran.sent) == (2, []) and option in ran.stderr
