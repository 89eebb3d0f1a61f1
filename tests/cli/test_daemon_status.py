"""What a daemon tells of itself: as lines for people, as a record for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xmppctl.cli.daemon_status import lines, record, seconds, size


def told(**connection: Any) -> dict[str, Any]:
    """What a daemon of the account work tells."""
    return {
        "account": "work",
        "name": "work",
        "jid": "romeo@montague.example/orchard",
        "pid": 4711,
        "version": "9.8.7",
        "protocol": "1",
        "started": 0.25,
        "uptime": 3725.0004,
        "until_idle": None,
        "connection": {
            "state": "online",
            "jid": "romeo@montague.example/orchard",
            "since": 60.0,
            "failure": None,
            "history": [[0.5, "connecting", ""], [1.0, "waiting", "no route"], [60.0, "online", "resumed"]],
            "server": "xmpp.montague.example:5223",
            "address": "192.0.2.1:5223",
            "tls": {
                "version": "TLSv1.3",
                "cipher": "TLS_X",
                "subject": "CN=montague.example",
                "not_after": "2030",
            },
            "mechanism": "SCRAM-SHA-256",
            "stream_management": {
                "enabled": True,
                "resumable": True,
                "resumed": 2,
                "max": 300,
                "location": None,
            },
            "counts": {"stanzas_in": 3, "bytes_in": 2048, "stanzas_out": 1, "bytes_out": 10},
            "unacknowledged": 0,
            "held": 0,
            **connection,
        },
        "clients": [],
        "requests": {},
        "presence": {"shown": None, "lasting": False, "rooms": [], "directed": 0, "carbons": False},
        "contacts": {"contacts": 12, "online": 3, "resources": 4},
        "watchers": {"watchers": 0, "filters": 0},
        "spool": {"spooled": 0, "refused": 0},
        "memory": {"resident": 30 * 1024 * 1024, "peak": 31 * 1024 * 1024},
        "socket": "/run/work.sock",
        "log": "/state/work.log",
    }


def shown(told: dict[str, Any]) -> dict[str, str]:
    """The lines by their labels; those without one belong to the label above."""
    made: dict[str, str] = {}
    label = ""
    for line in lines(told):
        label = line[:12].strip() or label
        made[label] = "\n".join(filter(None, (made.get(label), line[12:])))
    return made


def test_people_see_everything_that_was_promised() -> None:
    text = shown(told())
    assert text["daemon"] == "work: process 4711, up 1 h 2 min, xmppctl 9.8.7"
    assert text["jid"] == "romeo@montague.example/orchard"
    assert text["connection"] == "online since 1970-01-01T00:01:00.000Z"
    assert text["server"] == "xmpp.montague.example:5223 (192.0.2.1:5223)"
    assert text["tls"] == "TLSv1.3 TLS_X, certificate CN=montague.example until 2030"
    assert text["sasl"] == "SCRAM-SHA-256"
    assert text["stream"] == "acknowledged, resumable, resumed 2 times"
    assert text["traffic"] == "in 3 stanzas, 2.0 KiB; out 1 stanzas, 10 B"
    assert text["presence"] == "none"
    assert text["contacts"] == "12, 3 online"
    assert text["spool"] == "empty"
    assert text["memory"] == "30.0 MiB, at most 31.0 MiB"
    assert text["clients"] == "none"
    assert text["log"] == "/state/work.log"
    assert text["history"].splitlines() == [
        "1970-01-01T00:00:00.500Z  connecting",
        "1970-01-01T00:00:01.000Z  waiting    no route",
        "1970-01-01T00:01:00.000Z  online     resumed",
    ]


def test_a_connection_that_is_not_there_has_no_facts_and_a_reason() -> None:
    text = shown(told(state="waiting", failure="no route", tls=None, server=None, unacknowledged=2, held=5))
    assert text["connection"].endswith(": no route")
    assert not {"server", "tls", "sasl", "stream"} & set(text)
    assert text["traffic"].endswith("; 2 unacknowledged; 5 held")


def test_what_is_shown_to_others_is_told() -> None:
    facts = told()
    facts["presence"] |= {
        "shown": {"show": "away", "status": "back soon", "priority": -1},
        "lasting": True,
        "rooms": ["r@rooms.example"],
    }
    assert shown(facts)["presence"] == 'away "back soon", priority -1; rooms: r@rooms.example'
    facts["presence"]["lasting"] = False
    assert "while a client wants it" in shown(facts)["presence"]


def test_clients_are_told_one_by_one() -> None:
    facts = told()
    facts["clients"] = [
        {"number": 1, "pid": 7, "since": 0.0, "bound": True, "stanzas": 4, "unacknowledged": 1, "queued": 0,
         "dropped": 9},
        {"number": 2, "pid": None, "since": 0.0, "bound": False, "stanzas": 0, "unacknowledged": 0, "queued": 0,
         "dropped": 0},
    ]  # fmt: skip
    assert shown(facts)["clients"].splitlines() == [
        "process 7 since 1970-01-01T00:00:00.000Z, 4 stanzas, 1 unacknowledged, 9 dropped",
        "process ? since 1970-01-01T00:00:00.000Z, 0 stanzas, not bound",
    ]


def test_a_log_that_cannot_be_written_is_told() -> None:
    assert "3 lines could not be written" in shown(told() | {"log_lost": 3})["log"]


def test_a_spool_with_trouble_is_told() -> None:
    facts = told()
    facts["spool"] = {"spooled": 3, "sending": 0, "refused": 1, "trouble": "the disk is full"}
    assert shown(facts)["spool"] == "3 spooled, 1 refused; the disk is full"


def test_programs_get_all_of_it_with_times_as_everywhere() -> None:
    facts = told()
    facts["clients"] = [{"number": 1, "since": 0.0}]
    made = record(facts)
    json.dumps(made)
    assert made["started"] == "1970-01-01T00:00:00.250Z"
    assert made["connection"]["since"] == "1970-01-01T00:01:00.000Z"
    assert made["clients"][0]["since"] == "1970-01-01T00:00:00.000Z"
    assert made["connection"]["history"][:2] == [
        {"time": "1970-01-01T00:00:00.500Z", "state": "connecting"},
        {"time": "1970-01-01T00:00:01.000Z", "state": "waiting", "reason": "no route"},
    ]
    assert made["uptime"] == 3725.0
    assert set(made) == set(facts)
    assert facts["started"] == 0.25  # what was given is left as it is


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (0.25, "0.2 s"), (9.96, "10.0 s"), (59.9, "59 s"), (60, "1 min"), (125, "2 min 5 s"),
     (3600, "1 h"), (90061, "1 d 1 h")],
)  # fmt: skip
def test_times_are_short(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (200 * 1024, "200 KiB"), (3 << 20, "3.0 MiB"),
     (5 << 30, "5.0 GiB"), (None, None)],
)  # fmt: skip
def test_sizes_are_short(count: int | None, text: str | None) -> None:
    assert size(count) == text


def test_text_of_a_server_fakes_no_line() -> None:
    nasty = "bye\n2026-01-01T00:00:00.000Z  online\x1b[2J\u202e"
    text = list(lines(told(failure=nasty, history=[[0.5, "waiting", nasty]], mechanism=nasty)))
    assert len(text) == len(list(lines(told(history=[[0.5, "waiting", ""]]))))
    assert sum("bye\\n2026" in line for line in text) == 3
    assert not any(character in line for line in text for character in "\n\x1b\u202e")
