"""Keeping passwords: where they go, that old ones are replaced whole, and that a pending one waits."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.config.conftest import SECRET, Home, Planted
from xmppctl.config import accounts, keep, store
from xmppctl.config.accounts import Account
from xmppctl.config.secrets import Secret
from xmppctl.config.settings import resolve
from xmppctl.errors import ConfigError, SecretError

USER = "romeo@montague.example"


def account(home: Home, lines: str) -> Account:
    return accounts.load(home.write(f'[accounts.work]\njid = "{USER}"\n{lines}\n')).accounts["work"]


def password(home: Home) -> str:
    return resolve({"account": "work"}, home.environ, no_input=True).password.get().reveal()


def test_a_password_in_a_file_of_its_own(home: Home) -> None:
    values = keep.save("work", USER, Secret(SECRET), "file", file=home.file)
    store.add_account("work", {"jid": USER, **values})
    assert password(home) == SECRET
    assert SECRET not in home.file.read_text()
    kept = home.file.parent / "passwords/work"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    keep.forget(accounts.load(home.file).accounts["work"])
    assert not kept.exists()


def test_only_our_own_file_is_removed(home: Home) -> None:
    mine = home.write("x", file=home.root / "mine")
    keep.forget(account(home, f'password_file = "{mine}"'))
    assert mine.exists()
    keep.forget(account(home, 'password_file = "passwords/other"'))
    keep.forget(account(home, 'password_file = "passwords/work"'))  # is not there: nothing to do


def test_a_password_in_the_keyring(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}
    backend = ModuleType("keyring")
    backend.__dict__.update(
        set_password=lambda service, user, text: kept.update({(service, user): text}),
        get_password=lambda service, user: kept.get((service, user)),
    )
    monkeypatch.setitem(sys.modules, "keyring", backend)
    assert keep.save("work", USER, Secret("one"), "keyring", file=home.file) == {"keyring": True}
    mine = account(home, "keyring = true")
    assert password(home) == "one"
    assert keep.check_replaceable(mine)
    keep.replace(mine, USER, Secret("two"))
    assert password(home) == "two"


def test_replacing_the_first_line_of_a_file(home: Home) -> None:
    file = home.write("old\nlogin: romeo\nurl: x\n", file=home.file.parent / "secret")
    mine = account(home, 'password_file = "secret"')
    assert keep.check_replaceable(mine)
    keep.replace(mine, USER, Secret(SECRET))
    assert file.read_text() == f"{SECRET}\nlogin: romeo\nurl: x\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_replacing_behind_a_link(home: Home) -> None:
    file = home.write("old\n", file=home.root / "real")
    home.file.parent.mkdir(parents=True, exist_ok=True)
    (home.file.parent / "link").symlink_to(file)
    keep.replace(account(home, 'password_file = "link"'), USER, Secret("new"))
    assert file.read_text() == "new\n" and (home.file.parent / "link").is_symlink()


def test_replacing_a_password_in_the_account_file(home: Home) -> None:
    mine = account(home, 'password = "old"  # change me')
    keep.replace(mine, USER, Secret(SECRET))
    assert password(home) == SECRET
    assert "# change me" in home.file.read_text()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('password_command = "pass x"', "comes from a command"),
        ('password_file = "missing"', "No such file"),
        ('password_file = "/dev/null"', "cannot be replaced from here"),
    ],
)
def test_what_cannot_be_replaced_is_told_before(home: Home, lines: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        keep.check_replaceable(account(home, lines))


def test_an_account_that_keeps_none(home: Home) -> None:
    assert not keep.check_replaceable(account(home, ""))
    assert not keep.check_replaceable(account(home, "keyring = false"))


def test_a_pending_password(home: Home) -> None:
    pending = keep.Pending(USER, home.environ)
    assert pending.read() is None
    pending.keep(Secret(SECRET))
    found = keep.Pending(USER, home.environ).read()
    assert found is not None and found.reveal() == SECRET
    assert stat.S_IMODE(pending.path.stat().st_mode) == 0o600
    pending.drop()
    pending.drop()
    assert pending.read() is None and not pending.path.exists()


def test_no_error_shows_a_password(
    home: Home, monkeypatch: pytest.MonkeyPatch, shows_no_secret: Planted
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    home.write(SECRET, file=home.file.parent / "secret")
    mine = account(home, 'password_file = "secret"')
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match="No space left") as caught:
        keep.replace(mine, USER, Secret(SECRET + "new"))
    shows_no_secret(caught.value)
    assert Path(home.file.parent / "secret").read_text() == SECRET
    with pytest.raises(ConfigError, match="No space left") as caught:
        keep.save("work", USER, Secret(SECRET), "file", file=home.file)
    shows_no_secret(caught.value)
    monkeypatch.undo()
    (home.file.parent / "secret").unlink()
    with pytest.raises(SecretError, match="No such file"):
        keep.replace(mine, USER, Secret(SECRET))
