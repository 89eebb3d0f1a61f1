"""What a command and a daemon say to each other: requests, answers, and errors that come out as they went in."""

from __future__ import annotations

import pytest

from xmppctl.errors import (
    AuthError,
    ConfigError,
    DaemonError,
    DeadlineExceeded,
    StanzaCondition,
    StanzaRefused,
    StreamError,
)
from xmppctl.session.drive import drive
from xmppctl.session.local import DAEMON, NS_DAEMON, ask, error_of, failure, lost, payload, tell
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.frame import Frame


def daemon(answer: str, type: str = "result") -> MemorySession:
    """A session whose daemon answers with this."""
    return MemorySession(lambda frame: [f"<iq type='{type}' id='{frame.id}' from='{DAEMON}'>{answer}</iq>"])


def dropped(attributes: str, namespace: str = NS_DAEMON) -> Frame:
    return Frame(b"", [f"{namespace} dropped"], attributes={"count": attributes})


def test_a_payload_is_escaped_and_leaves_out_what_is_none():
    assert payload("x", "<y/>", {"a": "<'", "b": None}) == f"<x xmlns='{NS_DAEMON}' a='&lt;&apos;'><y/></x>"


def test_a_request_gets_its_answers_payload():
    session = daemon(payload("contacts", attributes={"known": "true"}))
    answer = drive(ask(session, "get", payload("contacts")))
    assert (answer.tag, answer.get("known")) == (f"{{{NS_DAEMON}}}contacts", "true")
    (sent,) = session.sent
    assert (sent.type, sent.to, sent.payloads) == ("get", DAEMON, [f"{NS_DAEMON} contacts"])


def test_an_answer_can_be_empty():
    assert drive(ask(daemon(""), "set", payload("stop"))).tag == "{jabber:client}iq"
    assert drive(tell(daemon(""), "set", payload("stop"))).type == "result"


@pytest.mark.parametrize(
    "error",
    [
        AuthError("no <such> account", hint="see 'account add'"),
        ConfigError("x" * 5000),
        StreamError("conflict"),
        DeadlineExceeded("too late"),
        DaemonError("another version", hint="stop & start it"),
    ],
)
@pytest.mark.parametrize("call", [ask, tell])
def test_errors_come_out_as_they_went_in(error, call):
    with pytest.raises(type(error)) as raised:
        drive(call(daemon(failure(error), "error"), "get", payload("info")))
    assert (raised.value.message, raised.value.hint) == (error.message, error.hint)
    assert type(raised.value) is type(error)


def test_an_error_of_another_class_or_release_is_the_daemons():
    refused = StanzaRefused("forbidden", reason=StanzaCondition("forbidden"))
    for told in (failure(refused), failure(refused).replace("stanza-error", "of-next-year")):
        with pytest.raises(DaemonError, match="forbidden"):
            drive(tell(daemon(told, "error"), "get", payload("info")))


def test_what_xml_cannot_hold_does_not_keep_an_error_from_being_told():
    with pytest.raises(ConfigError, match=r"bad. name"):
        drive(tell(daemon(failure(ConfigError("bad\0 name")), "error"), "get", payload("info")))


def test_a_request_that_a_daemon_does_not_know():
    with pytest.raises(DaemonError, match="does not know"):
        drive(tell(daemon("<error type='cancel'/>", "error"), "get", payload("info")))
    assert error_of(Frame(b"<iq type='error'/>")) is None


def test_who_is_not_the_daemon_cannot_answer_for_it():
    session = MemorySession(
        lambda frame: [f"<iq type='result' id='{frame.id}' from='mallory@evil.example'/>"]
    )
    with pytest.raises(DeadlineExceeded):
        drive(tell(session, "get", payload("info")))


def test_how_many_were_lost():
    assert lost(dropped("12")) == 12
    assert lost(dropped("12", "urn:other")) is None
    for wrong in ("", "-1", "x", "1 2"):
        with pytest.raises(DaemonError):
            lost(dropped(wrong))
