"""What a new account is made of."""

from __future__ import annotations

import pytest

from tests.cli.accounts.conftest import Accounts
from xmppctl.config import accounts


def test_only_what_this_command_line_says_is_written(account: Accounts) -> None:
    account.environ = {"XMPPCTL_HOST": "env.example", "XMPPCTL_JID": "env@x", "XMPPCTL_TLS": "bogus"}
    ran = account("add", "work", "--jid", "romeo@montague.example", "--port", "5223", "--insecure")
    assert ran.code == 0, ran.stderr
    assert accounts.load(account.file).accounts["work"].values == {
        "jid": "romeo@montague.example",
        "port": 5223,
        "insecure": True,
    }


def test_relative_paths_become_absolute(account: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(account.home)
    (account.home / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert account("add", "work", "--jid", "a@b", "--ca", "ca.pem", "--password-file", "pw").code == 0
    values = accounts.load(account.file).accounts["work"].values
    assert values["ca"] == f"{account.home}/ca.pem" and values["password_file"] == f"{account.home}/pw"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("work", "--jid", "@@"), 2, "not a JID"),
        (("work", "--jid", "a@b", "--port", "0"), 2, "--port"),
        (("work", "--jid", "a@b", "--ca", "/missing"), 2, "cannot read /missing"),
        (("work", "--jid", "a@b", "--tls", "none"), 2, "without TLS"),
        (("work", "--jid", "a@b", "--persist", "x"), 2, "--persist"),
        (("work", "--jid", "a@b", "-a", "other"), 2, "the name is the argument"),
        (("work",), 2, "--jid is missing"),
        (("a b", "--jid", "a@b"), 2, "cannot name an account"),
        (("work", "--jid", "a@b", "--keyring", "--password-command", "x"), 2, "exclude each other"),
    ],
)
def test_what_is_wrong_is_not_written(account: Accounts, words: tuple[str, ...], code: int, why: str) -> None:
    ran = account("add", *words)
    assert (ran.code, why in ran.stderr) == (code, True), ran.stderr
    assert not account.file.exists()
