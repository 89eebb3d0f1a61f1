"""When it is tried again, and which errors end it."""

from __future__ import annotations

import random

import pytest

from xmppctl.daemon.retry import CEILING, FLOOR, STEADY, Backoff, blames, passes
from xmppctl.errors import (
    AuthError,
    Bug,
    CertificateError,
    ConfigError,
    ConnectionLost,
    DeadlineExceeded,
    DnsError,
    SecretError,
    StanzaCondition,
    StanzaRefused,
    StreamError,
    TcpError,
    TlsError,
)


def test_the_longest_wait_doubles_up_to_the_ceiling() -> None:
    backoff = Backoff(draw=lambda low, high: high)
    assert [backoff.next() for _ in range(10)] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_the_jitter_is_full_and_never_less_than_the_floor() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    backoff = Backoff(draw=draw)
    assert [backoff.next() for _ in range(3)] == [FLOOR] * 3
    assert drawn == [(0, 2), (0, 4), (0, 8)]


def test_it_stays_within_its_limits_for_ever() -> None:
    backoff = Backoff(draw=random.Random(3).uniform)
    waits = [backoff.next() for _ in range(5000)]
    assert min(waits) >= FLOOR and max(waits) <= CEILING
    assert max(waits) > CEILING / 2


def test_a_good_connection_makes_the_next_failure_the_first() -> None:
    backoff = Backoff(draw=lambda low, high: high)
    for _ in range(5):
        backoff.next()
    backoff.lasted(STEADY - 1)
    assert backoff.next() == 64
    backoff.lasted(STEADY)
    assert backoff.next() == 2


def test_one_that_served_for_a_while_does_not_start_at_the_end_of_the_scale() -> None:
    backoff = Backoff(draw=lambda low, high: high)
    for _ in range(8):
        backoff.next()
    backoff.lasted(3, served=True)
    assert [backoff.next(), backoff.next()] == [8, 16]
    backoff.lasted(3)
    assert backoff.next() == 32


@pytest.mark.parametrize(
    "error",
    [
        DnsError("no such name"),
        TcpError("refused"),
        TlsError("no"),
        CertificateError("expired"),
        ConnectionLost("gone"),
        DeadlineExceeded("slow"),
        StreamError("down", condition="system-shutdown"),
        StreamError("slow", condition="connection-timeout"),
        StreamError("too much", condition="policy-violation"),
        AuthError("later", condition="temporary-auth-failure"),
        StanzaRefused("full", reason=StanzaCondition("resource-constraint")),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'condition', '')}",
)
def test_what_may_pass(error: Exception) -> None:
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        AuthError("wrong", condition="not-authorized"),
        AuthError("gone", condition="account-disabled"),
        AuthError("no mechanism", condition="invalid-mechanism"),
        StreamError("elsewhere", condition="conflict"),
        StreamError("deleted", condition="not-authorized"),
        StreamError("who", condition="host-unknown"),
        ConfigError("unsafe"),
        SecretError("missing"),
        Bug("ours"),
        ValueError("ours as well"),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'condition', '')}",
)
def test_what_will_not_pass(error: Exception) -> None:
    assert not passes(error)


def test_only_an_error_about_what_was_sent_blames_it() -> None:
    assert blames(StreamError("large", condition="policy-violation", stanza="<stream:error/>"))
    assert blames(StreamError("odd", condition="invalid-xml", stanza="<stream:error/>"))
    assert not blames(StreamError("down", condition="system-shutdown", stanza="<stream:error/>"))
    assert not blames(StreamError("it is we who refuse", condition="policy-violation"))
    assert not blames(ConnectionLost("gone"))
    assert not blames(None)
