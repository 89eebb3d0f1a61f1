"""`account add|list|show|remove`: the file from outside."""

from __future__ import annotations

import stat
import sys
from types import ModuleType

import pytest

from tests.cli.accounts.conftest import SECRET, Accounts
from tests.cli.accounts.conftest import account as account  # the fixture
from xmppctl.config import accounts
from xmppctl.errors import AuthError

TWO = (
    '# mine\ndefault = "work"\n[accounts.work]\njid = "romeo@montague.example"\npassword_command = "pass x"\n'
    f'[accounts.home]\njid = "romeo@home.example/desk"\npassword = "{SECRET}"\n'
)


def test_the_first_account_becomes_the_default(account: Accounts) -> None:
    ran = account(
        "add", "work", "--jid", "romeo@montague.example", "--password-command", "pass x", "-o", "jsonl"
    )
    assert ran.code == 0, ran.stderr
    assert ran.records[0]["default"] is True and ran.records[0]["jid"] == "romeo@montague.example"
    assert account.file.read_text() == (
        'default = "work"\n\n[accounts.work]\njid = "romeo@montague.example"\npassword_command = "pass x"\n'
    )
    assert account("add", "two", "--jid", "a@b").stdout == "added two: a@b\n"
    assert account("add", "three", "--jid", "a@b", "--default").stdout == "added three: a@b (the default)\n"
    assert accounts.load(account.file).default == "three"


def test_a_password_of_standard_input_goes_into_a_private_file(account: Accounts) -> None:
    ran = account("add", "work", "--jid", "a@b", "--password-file", "-", stdin=SECRET.encode() + b"\nrest")
    assert ran.code == 0 and f"kept in {account.file.parent / 'passwords/work'}" in ran.stderr
    assert account.kept("work") == SECRET + "\n"
    assert stat.S_IMODE((account.file.parent / "passwords/work").stat().st_mode) == 0o600
    assert SECRET not in account.file.read_text()


def test_the_password_of_the_environment_is_kept(account: Accounts) -> None:
    account.environ["XMPPCTL_PASSWORD"] = SECRET
    assert account("add", "work", "--jid", "a@b").code == 0
    assert account.kept("work") == SECRET + "\n"


def test_a_person_is_asked_for_what_is_missing(account: Accounts) -> None:
    account.answers = ["romeo@montague.example", SECRET]
    assert account("add", "work").code == 0
    assert account.asked[0].startswith("JID of work") and "romeo@montague.example" in account.asked[1]
    assert account.kept("work") == SECRET + "\n"
    account.answers = [""]
    ran = account("add", "later", "--jid", "a@b")
    assert ran.code == 0 and "password_file" not in accounts.load(account.file).accounts["later"].values
    assert "it has no password yet" in ran.stderr


def test_no_input_asks_nobody(account: Accounts) -> None:
    account.answers = ["never typed"]
    assert account("add", "work", "--no-input").code == 2
    assert account("add", "work", "--no-input", "--jid", "a@b").code == 0
    assert account.asked == []


def test_an_anonymous_account_needs_no_password(account: Accounts) -> None:
    account.answers = []
    assert account("add", "anon", "--jid", "anon.example").code == 0


def test_keyring(account: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}
    backend = ModuleType("keyring")
    backend.__dict__["set_password"] = lambda service, user, text: kept.update({(service, user): text})
    monkeypatch.setitem(sys.modules, "keyring", backend)
    assert (
        account(
            "add", "work", "--jid", "a@b", "--keyring", "--password-file", "-", stdin=SECRET.encode()
        ).code
        == 0
    )
    assert kept == {("xmppctl", "a@b"): SECRET}
    assert accounts.load(account.file).accounts["work"].values == {"jid": "a@b", "keyring": True}
    ran = account("add", "two", "--jid", "c@d", "--keyring")
    assert ran.code == 0 and "keyring set xmppctl c@d" in ran.stderr


def test_test_writes_nothing_if_it_fails(account: Accounts) -> None:
    account.server.fail = AuthError("refused", condition="not-authorized")
    words = ("add", "work", "--jid", "a@b", "--password-file", "-", "--test")
    assert account(*words, stdin=SECRET.encode()).code == 5
    assert not account.file.exists() and not (account.file.parent / "passwords").exists()
    account.server.fail = None
    ran = account(*words, stdin=SECRET.encode())
    assert ran.code == 0 and "a@b can log in" in ran.stdout and account.server.tried[-1] == SECRET
    assert account.kept("work") == SECRET + "\n"


def test_a_taken_name(account: Accounts) -> None:
    account.write(TWO)
    ran = account("add", "work", "--jid", "a@b")
    assert ran.code == 3 and "account show work" in ran.stderr and account.file.read_text() == TWO


def test_list(account: Accounts) -> None:
    account.write(TWO)
    sandbox = account.home / ".local/state/xmppctl/sandbox/accounts.toml"
    sandbox.parent.mkdir(parents=True)
    sandbox.write_text('[accounts.alice]\njid = "alice@localhost"\n')
    ran = account("list", "-o", "jsonl")
    assert [(r["account"], r["jid"], r["default"], r["password"]) for r in ran.records] == [
        ("work", "romeo@montague.example", True, "command"),
        ("home", "romeo@home.example/desk", False, "stored"),
        ("alice", "alice@localhost", False, "asked"),
    ]
    assert [line.split()[0] for line in account("list").stdout.splitlines()] == [
        "ACCOUNT",
        "work",
        "home",
        "alice",
    ]


def test_list_of_none(account: Accounts) -> None:
    ran = account("list")
    assert ran.code == 0 and ran.stdout == "" and "account add" in ran.stderr
    assert account("list", "-o", "json").stdout.strip() == "[]"


def test_show_never_shows_a_secret(account: Accounts) -> None:
    account.write(TWO)
    for form in ("text", "jsonl", "json"):
        for name in ("work", "home"):
            ran = account("show", name, "--origin", "-o", form)
            assert ran.code == 0 and SECRET not in ran.stdout
    account.write(f'[accounts.work]\njid = "a@b"\npassword_command = "echo {SECRET}"\n')
    assert "command echo ..." in account("show").stdout


def test_show_tells_where_each_value_comes_from(account: Accounts) -> None:
    account.write(TWO)
    account.environ["XMPPCTL_PORT"] = "5223"
    [record] = account("show", "home", "--origin", "--host", "h.example", "-o", "jsonl").records
    assert (record["jid"], record["resource"], record["host"], record["port"]) == (
        "romeo@home.example", "desk", "h.example", 5223,
    )  # fmt: skip
    assert record["origins"]["host"] == "option --host"
    assert record["origins"]["port"] == "environment XMPPCTL_PORT"
    assert record["origins"]["jid"] == f"account home ({account.file})"
    assert record["origins"]["tls"] == "default"
    lines = account("show", "home", "--origin").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("port")] == [
        ["port", "5223", "environment", "XMPPCTL_PORT"]
    ]
    plain = account("show").stdout
    assert "work" in plain and "default of" not in plain and "certificate" not in plain


def test_remove(account: Accounts) -> None:
    account("add", "work", "--jid", "a@b", "--password-file", "-", stdin=SECRET.encode())
    account.file.write_text("# mine\n" + account.file.read_text())
    ran = account("remove", "work", "-o", "jsonl")
    assert ran.code == 0 and ran.records[0]["removed"] is True
    assert not (account.file.parent / "passwords/work").exists()
    assert account.file.read_text().strip() == "# mine"
    ran = account("remove", "work")
    assert ran.code == 3 and "no account 'work'" in ran.stderr


def test_an_account_of_the_sandbox_is_not_removed(account: Accounts) -> None:
    sandbox = account.home / ".local/state/xmppctl/sandbox/accounts.toml"
    sandbox.parent.mkdir(parents=True)
    sandbox.write_text('[accounts.alice]\njid = "alice@localhost"\n')
    ran = account("remove", "alice")
    assert ran.code == 3 and "sandbox stop" in ran.stderr and sandbox.exists()


def test_a_broken_file_has_its_code(account: Accounts) -> None:
    account.write("[accounts.work\n")
    for words in (("list",), ("show",), ("add", "x", "--jid", "a@b"), ("remove", "x"), ("test", "x")):
        ran = account(*words)
        assert ran.code == 3 and "line 1, column 15" in ran.stderr
