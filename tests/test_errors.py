"""Errors: each class has its own name and the exit code that the contract gives it."""

from __future__ import annotations

import pytest

from xmppctl import errors
from xmppctl.errors import Bug, ExitCode, XmppctlError


def all_errors() -> list[type[XmppctlError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, XmppctlError) and value is not XmppctlError
    ]


def test_the_codes_of_the_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "REFUSED": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "CONNECT": 4,
        "AUTH": 5,
        "TIMEOUT": 6,
        "EXPECTATION": 7,
        "MALFORMED": 8,
        "DAEMON": 9,
        "PARTIAL": 10,
        "BUG": 70,
        "OUTPUT": 74,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


def test_every_code_says_what_it_means() -> None:
    for code in ExitCode:
        assert len(code.meaning) > 5
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)


@pytest.mark.parametrize("error", all_errors())
def test_every_error_has_a_code_and_says_so(error: type[XmppctlError]) -> None:
    assert isinstance(error.code, ExitCode)
    assert (error.code is ExitCode.BUG) == (error is Bug)
    assert error.name == error.name.lower() != "error"
    assert error.__doc__


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("StanzaRefused", 1),
        ("BadJid", 2),
        ("BadFilter", 2),
        ("SecretError", 3),
        ("DnsError", 4),
        ("TcpError", 4),
        ("CertificateError", 4),
        ("StreamError", 4),
        ("ConnectionLost", 4),
        ("AuthError", 5),
        ("DeadlineExceeded", 6),
        ("ExpectationFailed", 7),
        ("MalformedInput", 8),
        ("IncompleteInput", 8),
        ("DaemonError", 9),
        ("PartialFailure", 10),
        ("OutputFailed", 74),
        ("OutputClosed", 0),
        ("Interrupted", 130),
        ("Terminated", 143),
    ],
)
def test_codes_of_classes(name: str, code: int) -> None:
    assert getattr(errors, name).code == code


def test_an_error_carries_message_hint_and_stanza() -> None:
    error = errors.ConfigError("what and why", hint="try", stanza="<iq/>")
    assert (str(error), error.message, error.hint, error.stanza) == (
        "what and why",
        "what and why",
        "try",
        "<iq/>",
    )
    place = errors.MalformedInput("bad", line=3, column=4)
    assert (place.line, place.column) == (3, 4)
    reason = errors.StanzaCondition("gone", type="cancel")
    assert errors.StanzaRefused("no", reason=reason).reason is reason
