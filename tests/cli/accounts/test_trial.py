"""`account test`: each step with its time, and where it broke."""

from __future__ import annotations

import pytest

from tests.cli.accounts.conftest import SECRET, Accounts
from xmppctl.errors import (
    AuthError,
    CertificateError,
    ConnectionLost,
    DeadlineExceeded,
    DnsError,
    Interrupted,
    OutputClosed,
    StreamError,
    TcpError,
    XmppctlError,
)
from xmppctl.session.login import Step

DNS = Step("dns", 0.0015, {"host": "h", "port": 5223, "source": "SRV", "addresses": ["192.0.2.1"]})
TCP = Step("tcp", 0.01, {"address": "192.0.2.1:5223"})
TLS = Step(
    "tls",
    0.02,
    {
        "version": "TLSv1.3",
        "cipher": "AES",
        "alpn": "xmpp-client",
        "subject": "commonName=\x1b[31mh",
        "issuer": "commonName=CA",
        "not_after": "Nov 23 21:35:27 2099 GMT",
        "names": ["h", "*.h"],
        "pin": "abc=",
    },
)
SASL = Step("sasl", 0.03, {"mechanism": "SCRAM-SHA-256", "tls": True})
BIND = Step("bind", 0.04, {"jid": "romeo@montague.example/r"})
FEATURES = Step("features", 0.0, {"features": ["urn:xmpp:sm:3 sm", "urn:x:unknown y"]})
ALL = [DNS, TCP, TLS, SASL, BIND, FEATURES]


@pytest.fixture
def work(account: Accounts) -> Accounts:
    account.write(f'[accounts.work]\njid = "romeo@montague.example"\npassword = "{SECRET}"\n')
    account.server.steps = list(ALL)
    return account


def test_every_step_is_a_line_with_its_time(work: Accounts) -> None:
    ran = work("test", "work")
    assert ran.code == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "dns", "tcp", "tls", "sasl", "bind", "features", "done",
    ]  # fmt: skip
    assert lines[0] == "dns           1.5 ms  h:5223 (SRV): 192.0.2.1"
    assert "TLSv1.3 AES, ALPN xmpp-client" in ran.stdout
    assert "for h, *.h" in ran.stdout and "issued by commonName=CA" in ran.stdout and "days)" in ran.stdout
    assert "pin sha256/abc=" in ran.stdout
    assert "urn:xmpp:sm:3 (XEP-0198)" in ran.stdout and "urn:x:unknown" in ran.stdout
    assert "romeo@montague.example can log in" in lines[-1]
    assert "\x1b" not in ran.stdout


def test_steps_as_json_lines(work: Accounts) -> None:
    records = work("test", "-o", "jsonl").records
    assert [(r["step"], r["ok"]) for r in records] == [
        (step, True) for step in ("dns", "tcp", "tls", "sasl", "bind", "features", "done")
    ]
    assert records[3]["mechanism"] == "SCRAM-SHA-256" and records[3]["ms"] == 30.0
    assert all(r["schema"] == 1 and r["time"] for r in records)


@pytest.mark.parametrize(
    ("error", "after", "step", "code"),
    [
        (DnsError("no such name"), 0, "dns", 4),
        (TcpError("refused"), 1, "tcp", 4),
        (CertificateError("expired"), 2, "tls", 4),
        (StreamError("host-unknown"), 2, "tls", 4),
        (AuthError("wrong password"), 3, "sasl", 5),
        (DeadlineExceeded("time ran out"), 3, "sasl", 6),
        (ConnectionLost("hung up"), 4, "bind", 4),
        (ConnectionLost("hung up"), 0, "dns", 4),
    ],
)
def test_where_it_broke(work: Accounts, error: XmppctlError, after: int, step: str, code: int) -> None:
    work.server.steps = ALL[:after]
    work.server.fail = error
    ran = work("test", "work")
    assert ran.code == code
    last = ran.stdout.splitlines()[-1]
    assert last.split()[0] == step and last.endswith(" FAILED")
    assert error.message in ran.stderr
    last_record = work("test", "work", "-o", "jsonl").records[-1]
    assert (last_record["step"], last_record["ok"], last_record["error"]) == (step, False, error.name)


@pytest.mark.parametrize("error", [Interrupted("interrupted"), OutputClosed("")])
def test_what_breaks_no_step_is_not_shown_as_one(work: Accounts, error: XmppctlError) -> None:
    work.server.fail = error
    ran = work("test", "work")
    assert ran.code == error.code and "FAILED" not in ran.stdout


def test_a_missing_password_is_a_step_too(work: Accounts) -> None:
    work.write('[accounts.work]\njid = "romeo@montague.example"\n')
    ran = work("test", "-o", "jsonl")
    assert ran.code == 3 and ran.records[-1]["step"] == "password"


def test_a_certificate_that_was_not_checked(work: Accounts) -> None:
    work.server.steps = [Step("tls", 0.1, {"version": "TLSv1.3", "cipher": "AES", "pin": "abc="})]
    assert "the certificate was not checked" in work("test", "work").stdout


def test_the_argument_and_the_option_must_agree(work: Accounts) -> None:
    assert work("test", "work", "-a", "work").code == 0
    ran = work("test", "work", "-a", "home")
    assert ran.code == 2 and "work or home" in ran.stderr
    assert work("test", "nobody").code == 3


@pytest.mark.parametrize(("option", "count"), [("-v", 6), ("-vv", 9)])
def test_every_command_tells_the_steps_with_verbose(work: Accounts, option: str, count: int) -> None:
    work.server.responder = lambda frame: [f"<iq type='result' id='{frame.id}' from='{frame.to}'/>"]
    ran = work.run("ping", "-a", "work", option)
    assert ran.code == 0, ran.stderr
    told = ran.stderr.splitlines()
    assert told[0] == "xmppctl: dns           1.5 ms  h:5223 (SRV): 192.0.2.1" and len(told) == count
    assert "\x1b" not in ran.stderr
    assert work.run("ping", "-a", "work").stderr == ""
