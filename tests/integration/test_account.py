"""The account commands on real servers: tested step by step, registered, the password changed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.integration.program import Cli, Result

STEPS = ["dns", "tcp", "tls", "sasl", "bind", "features", "done"]


def account(cli: Cli, *words: str) -> Result:
    """Run `xmppctl account ...`."""
    return cli.run("account", *words, account=None)


@pytest.mark.parametrize("tls", ["direct", "starttls"])
def test_steps_of_a_login(cli: Cli, tls: str) -> None:
    cli.add_account("carol", tls=tls)
    ran = account(cli, "test", "carol", "-o", "jsonl")
    assert [record["step"] for record in ran.records] == STEPS, ran.stderr
    told = {record["step"]: record for record in ran.records}
    assert told["tls"]["version"].startswith("TLSv1.") and told["tls"]["pin"]
    assert "localhost" in told["tls"]["names"]
    assert told["sasl"]["mechanism"].startswith("SCRAM-SHA-")
    assert told["bind"]["jid"].startswith(cli.jid("carol") + "/")


def test_the_pin_that_is_shown_is_the_one_that_is_accepted(cli: Cli) -> None:
    told = {r["step"]: r for r in account(cli, "test", "alice", "-o", "jsonl").records}
    assert account(cli, "test", "alice", "--pin", told["tls"]["pin"]).code == 0
    refused = account(cli, "test", "alice", "--pin", "00" * 32)
    assert refused.code == 4 and told["tls"]["pin"] in refused.stderr


def test_a_wrong_password(cli: Cli, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    wrong.chmod(0o600)
    ran = account(cli, "test", "alice", "--password-file", str(wrong), "-o", "jsonl")
    assert ran.code == 5
    assert (ran.records[-1]["step"], ran.records[-1]["ok"]) == ("sasl", False)


def test_register_use_and_change_the_password(cli: Cli) -> None:
    server = cli.server
    jid = f"new-{secrets.token_hex(4)}@{server.domain}"
    port = str(server.port_direct)
    new = (
        "--jid",
        jid,
        "--generate",
        "--host",
        server.host,
        "--port",
        port,
        "--tls",
        "direct",
        "--ca",
        str(server.ca),
    )
    registered = account(cli, "register", "new", *new)
    assert registered.code == 0, registered.stderr
    assert account(cli, "test", "new").code == 0
    again = account(cli, "register", "again", *new)
    assert again.code == 1 and "conflict" in again.stderr
    assert account(cli, "show", "again").code == 3

    kept = cli.home / ".config/xmppctl/passwords/new"
    before = kept.read_text()
    changed = account(cli, "password", "new", "--generate")
    assert changed.code == 0, changed.stderr
    assert kept.read_text() != before
    assert account(cli, "test", "new").code == 0
    kept.write_text(before)
    assert account(cli, "test", "new").code == 5, "the old password is of no more use"
