"""Units: what of a command line lasts, and whose password a service can get."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from xmppctl.cli import daemon_unit
from xmppctl.cli.app import App
from xmppctl.errors import SecretError

SOURCES = {
    "password_file": 'password_file = "secret"',
    "password_command": 'password_command = "echo hunter2"',
    "keyring": "keyring = true",
    "stored": 'password = "hunter2"',
}


def app(home: Path, account: str, **options: str) -> App:
    config = home / "config.toml"
    config.write_text(f'[accounts.work]\njid = "a@b.example"\n{account}\n')
    config.chmod(0o600)
    made = App(
        stdin=io.StringIO(),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
        environ={"XMPPCTL_CONFIG": str(config), "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
    )
    made.options = {"account": "work", **options}
    return made


@pytest.mark.parametrize("source", SOURCES)
def test_an_account_that_says_where_its_password_is_gets_a_unit_without_it(
    tmp_path: Path, source: str
) -> None:
    record, text = daemon_unit.make(app(tmp_path, SOURCES[source]), "systemd")
    assert record["manager"] == "systemd" and record["unit"].rstrip() == text
    assert "--account work" in text and "hunter2" not in text


def test_an_account_whose_password_is_asked_for_gets_none(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="prompt"):
        daemon_unit.make(app(tmp_path, ""), "systemd")


def test_what_is_of_this_command_alone_does_not_last(tmp_path: Path) -> None:
    options = {
        "output": "json",
        "timeout": "5",
        "trace": "x",
        "quiet": "true",
        "daemon": "off",
        "no_input": "true",
    }
    plain, text = (
        daemon_unit.make(app(tmp_path, SOURCES["keyring"], **more), "systemd")[1] for more in ({}, options)
    )
    assert plain == text


def test_places_that_are_not_the_usual_ones_are_kept(tmp_path: Path) -> None:
    _, text = daemon_unit.make(app(tmp_path, SOURCES["keyring"]), "systemd")
    assert f"Environment=XDG_STATE_HOME={tmp_path}/state" in text
    assert "XDG_CONFIG_HOME" not in text


def test_the_program_is_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "xmppctl"
    script.touch()
    monkeypatch.setattr(sys, "argv", [str(script), "daemon"])
    assert daemon_unit.program() == (str(script),)
    monkeypatch.setattr(sys, "argv", ["/somewhere/xmppctl/__main__.py"])
    assert daemon_unit.program() == (sys.executable, "-m", "xmppctl")
