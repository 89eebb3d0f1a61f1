"""Writing accounts: comments survive, other people's work survives, and a crash leaves a whole file."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.conftest import SECRET, Home, Planted
from xmppctl.config import accounts, store
from xmppctl.config.secrets import Secret
from xmppctl.errors import ConfigError

FILE = """\
# my accounts, kept by hand

[accounts.work]   # the day job
jid = "romeo@montague.example"  # mind the domain
host = "xmpp.montague.example"
# end of work

# the second one
[accounts.home]
jid = "romeo@home.example"
"""


def test_the_first_account_makes_the_file_and_is_the_default(home: Home) -> None:
    assert store.add_account("work", {"jid": "romeo@montague.example", "port": 5223, "keyring": True})
    assert home.file.read_text() == (
        'default = "work"\n\n[accounts.work]\njid = "romeo@montague.example"\nport = 5223\nkeyring = true\n'
    )
    assert stat.S_IMODE(home.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.file.parent.stat().st_mode) == 0o700


def test_adding_keeps_every_line_that_was_there(home: Home) -> None:
    home.write(FILE)
    assert not store.add_account("third", {"jid": "a@b"})
    text = home.file.read_text()
    assert text == FILE + '\n[accounts.third]\njid = "a@b"\n'


def test_default_is_set_on_demand(home: Home) -> None:
    home.write(FILE)
    assert store.add_account("third", {"jid": "a@b"}, default=True)
    assert accounts.load(home.file).default == "third"
    assert "# my accounts, kept by hand" in home.file.read_text()


def test_an_account_that_is_not_there_cannot_be_changed(home: Home) -> None:
    home.write(FILE)
    for change in (store.remove_account, lambda name: store.update_account(name, {"host": "h"})):
        with pytest.raises(ConfigError, match="no account 'hmoe'") as caught:
            change("hmoe")
        assert "home" in caught.value.hint
    assert home.file.read_text() == FILE


def test_updating_changes_one_line(home: Home) -> None:
    home.write(FILE)
    store.update_account("work", {"host": "new.example"})
    assert home.file.read_text() == FILE.replace("xmpp.montague.example", "new.example")
    store.update_account("work", {"host": None, "keyring": True})
    values = accounts.load(home.file).accounts["work"].values
    assert values == {"jid": "romeo@montague.example", "keyring": True}
    assert "# mind the domain" in home.file.read_text()


def test_removing_takes_only_its_own_lines(home: Home) -> None:
    home.write('default = "work"\n' + FILE)
    assert store.remove_account("work")
    assert home.file.read_text() == (
        '# my accounts, kept by hand\n\n# the second one\n[accounts.home]\njid = "romeo@home.example"\n'
    )
    assert not store.remove_account("home")
    assert accounts.load(home.file).accounts == {}
    with pytest.raises(ConfigError, match="no account 'home'"):
        store.remove_account("home")


def test_a_taken_name_is_refused(home: Home) -> None:
    home.write(FILE)
    with pytest.raises(ConfigError, match="already"):
        store.add_account("work", {"jid": "a@b"})
    assert home.file.read_text() == FILE


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a b", {"jid": "a@b"}),
        ("", {"jid": "a@b"}),
        ("x", {}),
        ("x", {"jid": "a@b", "hots": "y"}),
        ("x", {"jid": 5}),
    ],
)
def test_what_could_not_be_read_is_not_written(
    home: Home, name: str, values: dict[str, accounts.Value]
) -> None:
    with pytest.raises(ConfigError):
        store.add_account(name, values)
    assert not home.file.exists()


def test_a_broken_file_is_left_alone(home: Home) -> None:
    home.write(FILE + "this is no TOML\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        store.add_account("x", {"jid": "a@b"})
    assert home.file.read_text().endswith("this is no TOML\n")


@pytest.mark.parametrize(
    "text",
    [
        'accounts.work.jid = "a@b"\n',
        '[accounts]\nwork = {jid = "a@b"}\n',
        'accounts = {work = {jid = "a@b"}}\n',
        '\r\n# c\r\n[accounts.work]\r\njid = "a@b"\r\n',
        '[accounts.work]\njid = "a@b"',
        '\ufeff[accounts.work]\njid = "a@b"\n',
    ],
)
def test_other_layouts_are_edited_right_or_not_at_all(home: Home, text: str) -> None:
    home.write(text)
    try:
        store.add_account("new", {"jid": "new@b"}, default=True)
    except ConfigError as error:
        assert "edit it by hand" in error.hint or "not valid TOML" in error.message
        assert home.file.read_bytes() == text.encode()
        return
    content = accounts.load(home.file)
    assert content.default == "new" and set(content.accounts) == {"work", "new"}
    assert content.accounts["work"].values == {"jid": "a@b"}


def test_hostile_values_are_only_values(home: Home) -> None:
    value = 'x"\n[accounts.evil]\njid = "e@v"\u2028\\'
    store.add_account("a.b", {"jid": "a@b", "password_command": value})
    content = accounts.load(home.file)
    assert set(content.accounts) == {"a.b"}
    assert content.accounts["a.b"].values["password_command"] == value


def test_a_link_to_the_file_stays_a_link(home: Home, tmp_path: Path) -> None:
    real = home.write(FILE, file=tmp_path / "dotfiles/xmppctl.toml")
    home.file.parent.mkdir(parents=True)
    home.file.symlink_to(real)
    store.add_account("third", {"jid": "a@b"})
    assert home.file.is_symlink()
    assert "third" in real.read_text()


def test_passwords_are_written_only_into_a_private_file(home: Home) -> None:
    home.write(FILE, 0o644)
    store.add_account("x", {"jid": "a@b", "password": Secret(SECRET)})
    assert stat.S_IMODE(home.file.stat().st_mode) == 0o600
    secret = accounts.load(home.file).accounts["x"].values["password"]
    assert isinstance(secret, Secret) and secret.reveal() == SECRET


def test_no_error_shows_a_password(
    home: Home, shows_no_secret: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write(f'accounts = {{work = {{jid = "a@b", password = "{SECRET}"}}}}\n')
    with pytest.raises(ConfigError, match="cannot edit") as caught:
        store.add_account("x", {"jid": "a@b"})
    shows_no_secret(caught.value)
    home.write(f'[accounts.work]\njid = "a@b"\npassword = "{SECRET}"\n')

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match="No space left") as caught:
        store.update_account("work", {"host": "h"})
    shows_no_secret(caught.value)


def test_writers_at_the_same_time_lose_nothing(home: Home) -> None:
    code = (
        "import sys\nfrom xmppctl.config import store\n"
        "for n in range(5): store.add_account(f'{sys.argv[1]}-{n}', {'jid': 'a@b'})"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"w{number}"], env={**home.environ, "PATH": "/usr/bin:/bin"}
        )
        for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert len(accounts.load(home.file).accounts) == 20
    assert accounts.load(home.file).default is not None


def test_a_lock_that_stays_has_a_deadline(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    home.write(FILE)
    monkeypatch.setattr(store, "LOCK_PATIENCE", 0.1)
    with (home.file.parent / ".config.toml.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process"):
            store.add_account("x", {"jid": "a@b"})
