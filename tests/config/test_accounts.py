"""Reading account files: everything odd in one is an error that helps."""

from __future__ import annotations

import os
import threading

import pytest

from tests.config.conftest import SECRET, Home, Planted
from xmppctl.config import accounts
from xmppctl.config.secrets import Secret
from xmppctl.errors import ConfigError

WORK = '[accounts.work]\njid = "romeo@montague.example"\n'


def refused(home: Home, text: str, mode: int = 0o600) -> ConfigError:
    path = home.write(text, mode)
    with pytest.raises(ConfigError) as caught:
        accounts.load(path)
    assert caught.value.code == 3
    assert str(path) in caught.value.message
    return caught.value


def test_a_missing_file_has_no_accounts(home: Home) -> None:
    content = accounts.load(home.file)
    assert content.accounts == {} and content.default is None
    assert not home.file.parent.exists()


def test_all_keys(home: Home) -> None:
    path = home.write(
        'default = "work"\n'
        + WORK
        + 'password_command = "pass show x"\nhost = "h"\nport = 5223\ntls = "direct"\nca = "ca.pem"\npin = "00"\n'
        'insecure = false\ncertificate = "c.pem"\nkey = "k.pem"\nplain = true\nresource = "r"\npersist = "10m"\n'
        '[accounts."dotted.name"]\njid = "x@y"\nkeyring = true\npersist = 600\n'
    )
    content = accounts.load(path)
    assert content.default == "work"
    assert content.accounts["work"].values["port"] == 5223
    assert content.accounts["dotted.name"].values == {"jid": "x@y", "keyring": True, "persist": 600}


def test_a_password_becomes_a_secret(home: Home) -> None:
    content = accounts.load(home.write(WORK + f'password = "{SECRET}"\n'))
    secret = content.accounts["work"].values["password"]
    assert isinstance(secret, Secret) and secret.reveal() == SECRET
    assert SECRET not in repr(content)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_password_that_others_can_read(home: Home, mode: int, shows_no_secret: Planted) -> None:
    error = refused(home, WORK + f'password = "{SECRET}"\n', mode)
    assert error.hint == f"chmod 600 {home.file}"
    assert f"{mode:04o}" in error.message
    shows_no_secret(error)


def test_without_a_password_others_may_read(home: Home) -> None:
    assert accounts.load(home.write(WORK, 0o644)).accounts


def test_a_file_that_everybody_can_write(home: Home) -> None:
    assert "chmod" in refused(home, WORK, 0o666).hint


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_a_file_of_another_user(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.write(WORK)
    os.chown(path, 12345, 12345)
    assert accounts.load(path).accounts, "root reads its users' files"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="uid 12345"):
        accounts.load(path)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (WORK + 'hots = "x"\n', "accounts.work.hots: unknown key", "host"),
        (WORK + 'passwort = "x"\n', "accounts.work.passwort: unknown key", "password"),
        (WORK + "zzz = 1\n", "accounts.work.zzz: unknown key", "the keys are: jid"),
        ("defualt = 'work'\n" + WORK, "unknown key defualt", "default"),
        ('[account.work]\njid = "a@b"\n', "unknown key account", "accounts"),
        ('[accounts.my.work]\njid = "a@b"\n', "accounts.my.work: unknown key", '[accounts."my.work"]'),
        ("accounts = 3\n", "accounts must be a table", "[accounts.NAME]"),
        ("accounts.work = 'x'\n", "accounts.work must be a table", "[accounts.work]"),
        ("[accounts.work]\n", "accounts.work has no jid", "jid ="),
        ('[accounts."a b"]\njid = "a@b"\n', "'a b' cannot name an account", "letters"),
        ('[accounts.".."]\njid = "a@b"\n', "'..' cannot name an account", "letters"),
        (WORK + 'port = "5222"\n', "accounts.work.port must be a whole number", ""),
        (WORK + "port = true\n", "accounts.work.port must be a whole number", ""),
        (WORK + "host = 5\n", "accounts.work.host must be a string", ""),
        (WORK + "host = ['x']\n", "accounts.work.host must be a string", ""),
        (WORK + "insecure = 'yes'\n", "accounts.work.insecure must be true or false", ""),
        (WORK + "persist = true\n", "accounts.work.persist must be a duration", ""),
        (WORK + "password = 5\n", "accounts.work.password must be a string", ""),
        ("default = 3\n" + WORK, "default must be a string", ""),
        ("default = 'wrok'\n" + WORK, "default names an account that does not exist: 'wrok'", "work"),
        (WORK + "keyring = true\npassword_file = 'x'\n", "password_file and keyring", "keep one"),
    ],
)
def test_what_is_wrong_is_named(home: Home, text: str, message: str, hint: str) -> None:
    error = refused(home, text)
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (WORK + "host = \n", "line 3, column 8"),
        ("[accounts.work\n", "line 1, column 15"),
        (WORK + WORK, "line 3, column 15"),
        (WORK + 'jid = "c@d"\n', "line 3"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "9" * 5000, "integer"),
    ],
)
def test_toml_errors_have_a_place(home: Home, text: str, where: str) -> None:
    error = refused(home, text)
    assert "not valid TOML" in error.message and where in error.message


def test_bytes_that_are_not_utf8(home: Home) -> None:
    path = home.write(WORK)
    path.write_bytes(b'# one\nx = "\xff"\n')
    with pytest.raises(ConfigError, match="line 2 is not UTF-8"):
        accounts.load(path)


def test_a_huge_file_and_a_directory(home: Home) -> None:
    assert "larger than" in refused(home, "#" * (accounts.MAX_FILE_BYTES + 1)).message
    with pytest.raises(ConfigError, match="Is a directory"):
        accounts.load(home.root)


@pytest.mark.parametrize(
    "text",
    [
        WORK + f'password = "{SECRET}"\nhost = 5\n',
        WORK + f'passwrod = "{SECRET}"\n',
        WORK + f'password = ["{SECRET}"]\n',
        f'[accounts.work]\npassword = "{SECRET}"\n',
        f'[accounts.work]\njid = "a@b"\n[accounts.work.deep]\npassword = "{SECRET}"\n',
        WORK + f'password = "{SECRET}"\nthis is no TOML',
        f'password = "{SECRET}"\n',
        WORK + f'password = "{SECRET}"\nkeyring = true\n',
        f'accounts.work = "{SECRET}"\n',
    ],
)
def test_no_error_shows_a_password(home: Home, text: str, shows_no_secret: Planted) -> None:
    shows_no_secret(refused(home, text))


def test_own_accounts_win_over_the_sandbox(home: Home) -> None:
    home.write('[accounts.alice]\njid = "alice@real.example"\n')
    home.sandbox('[accounts.alice]\njid = "alice@localhost"\n[accounts.bob]\njid = "bob@localhost"\n')
    assert accounts.find("alice", home.environ).values["jid"] == "alice@real.example"
    assert accounts.find("bob", home.environ).values["jid"] == "bob@localhost"
    assert [str(a.values["jid"]) for a in accounts.everything(home.environ)] == [
        "alice@real.example",
        "bob@localhost",
    ]


def test_an_unknown_account_names_near_ones(home: Home) -> None:
    home.write(WORK)
    home.sandbox('[accounts.alice]\njid = "alice@localhost"\n')
    with pytest.raises(ConfigError, match="no account 'wrok'") as caught:
        accounts.find("wrok", home.environ)
    assert caught.value.hint == "did you mean work?"
    with pytest.raises(ConfigError) as caught:
        accounts.find("zzz", home.environ)
    assert caught.value.hint == "there are: work, alice"


def test_reading_makes_no_directories(home: Home) -> None:
    with pytest.raises(ConfigError) as caught:
        accounts.find("nobody", home.environ)
    assert "account add nobody" in caught.value.hint
    assert "sandbox" not in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        accounts.find("bob", home.environ)
    assert caught.value.hint.endswith("the sandbox's is there after: xmppctl sandbox start")
    assert list(home.root.iterdir()) == []


def test_a_pipe_is_read_to_its_end(home: Home) -> None:
    path = home.write("", 0o600)
    path.unlink()
    os.mkfifo(path, 0o600)
    writer = threading.Thread(target=path.write_text, args=(WORK,))
    writer.start()
    content = accounts.load(path)
    writer.join()
    assert list(content.accounts) == ["work"]


def test_a_pipe_that_nobody_writes_to_holds_nobody_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "PATIENCE", 0.1)
    path = home.write("", 0o600)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="is a pipe"):
        accounts.load(path)
