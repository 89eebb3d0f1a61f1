"""Secrets show nowhere, and each source gives the password or says why not."""

from __future__ import annotations

import copy
import json
import os
import pickle
import threading
from pathlib import Path

import pytest

from tests.config.conftest import SECRET, Planted
from xmppctl.config import secrets
from xmppctl.config.secrets import (
    FilePassword,
    GivenPassword,
    NoPassword,
    PromptPassword,
    Secret,
)
from xmppctl.errors import SecretError


def test_a_secret_shows_nowhere() -> None:
    secret = Secret(SECRET)
    assert f"{secret} {secret!r} {secret!s} {secret:>30} {[secret]} { ({'a': secret}) }".count(SECRET) == 0
    assert "%s" % secret == "***"  # noqa: UP031
    assert secret.reveal() == SECRET
    assert copy.copy(secret) is secret and copy.deepcopy([secret])[0] is secret
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert not hasattr(secret, "__dict__")


def test_sources_do_not_show_what_they_hold() -> None:
    assert SECRET not in repr(GivenPassword(Secret(SECRET), "environment X"))


@pytest.mark.parametrize("text", [SECRET, SECRET + "\n", SECRET + "\r\n", SECRET + "\nsecond line\n"])
def test_the_first_line_is_the_password(text: str) -> None:
    assert GivenPassword(Secret(text), "x").get().reveal() == SECRET


def test_spaces_belong_to_the_password() -> None:
    assert GivenPassword(Secret("  a b "), "x").get().reveal() == "  a b "


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("\n" + SECRET, "is empty"),
        (SECRET + "\0", "NUL"),
        (SECRET + "\udcff", "not UTF-8"),
        (SECRET * 1000, "longer than 4096"),
    ],
)
def test_what_is_no_password_is_refused(text: str, why: str, shows_no_secret: Planted) -> None:
    source = GivenPassword(Secret(text), "environment XMPPCTL_PASSWORD")
    with pytest.raises(SecretError, match=why) as caught:
        source.get()
    assert "environment XMPPCTL_PASSWORD" in caught.value.message
    assert caught.value.code == 3
    shows_no_secret(caught.value)


def test_no_password_is_not_available() -> None:
    source = NoPassword("none needed: the login is anonymous")
    assert not source.available
    with pytest.raises(SecretError, match="anonymous"):
        source.get()


# -- files --


def file(tmp_path: Path, data: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "password"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_file(tmp_path: Path) -> None:
    source = FilePassword(file(tmp_path, b"p\xc3\xa4ss\nrest"), "option --password-file")
    assert source.get().reveal() == "päss"
    file(tmp_path, b"changed")
    assert source.get().reveal() == "changed", "a file is read each time it is asked for"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int, shows_no_secret: Planted) -> None:
    path = file(tmp_path, SECRET.encode(), mode)
    with pytest.raises(SecretError, match=f"{mode:04o}") as caught:
        FilePassword(path, "x").get()
    assert caught.value.hint == f"chmod 600 {path}"
    shows_no_secret(caught.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (SECRET.encode() + b"\xff", "UTF-8"),
        (b"\0", "NUL"),
        (SECRET.encode() * 9999, "longer"),
    ],
)
def test_a_file_without_a_password(tmp_path: Path, data: bytes, why: str, shows_no_secret: Planted) -> None:
    with pytest.raises(SecretError, match=why) as caught:
        FilePassword(file(tmp_path, data), "x").get()
    shows_no_secret(caught.value)


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="No such file"):
        FilePassword(tmp_path / "missing", "x").get()
    with pytest.raises(SecretError, match="neither a regular file nor a pipe"):
        FilePassword(tmp_path, "x").get()
    with pytest.raises(SecretError, match="neither a regular file nor a pipe"):
        FilePassword(Path("/dev/zero"), "x").get()


def test_a_pipe_is_read_once_and_remembered(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    def write() -> None:
        with pipe.open("w") as stream:
            stream.write(SECRET + "\n")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    source = FilePassword(pipe, "x")
    assert source.get(5).reveal() == SECRET
    writer.join(5)
    assert source.get(5).reveal() == SECRET


def test_process_substitution_works() -> None:
    reading, writing = os.pipe()
    os.write(writing, SECRET.encode())
    os.close(writing)
    try:
        assert FilePassword(Path(f"/dev/fd/{reading}"), "x").get(5).reveal() == SECRET
    finally:
        os.close(reading)


def test_a_pipe_that_nobody_writes_to_has_a_deadline(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(SecretError, match=r"no password came .* in 0\.1 s"):
        FilePassword(pipe, "x").get(0.1)


def fake_file(monkeypatch: pytest.MonkeyPatch, *, owner: int, mode: int, user: int) -> os.stat_result:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    return os.stat_result((0o100000 | mode, 1, 1, 1, owner, 0, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("path", "owner", "mode", "user", "taken"),
    [
        ("/run/secrets/xmpp", 0, 0o444, 1000, True),
        ("/run/secrets/xmpp", 0, 0o444, 0, True),
        ("/run/secrets/xmpp", 1000, 0o444, 1000, False),
        ("/etc/xmpp", 0, 0o440, 1000, True),
        ("/etc/xmpp", 0, 0o444, 1000, False),
        ("/etc/xmpp", 0, 0o440, 0, False),
        ("/home/me/xmpp", 2000, 0o600, 1000, False),
        ("/home/me/xmpp", 2000, 0o600, 0, True),
    ],
)
def test_whose_files_are_taken(
    monkeypatch: pytest.MonkeyPatch, path: str, owner: int, mode: int, user: int, taken: bool
) -> None:
    found = fake_file(monkeypatch, owner=owner, mode=mode, user=user)
    if taken:
        secrets.refuse_readable(Path(path), found)
    else:
        with pytest.raises(SecretError):
            secrets.refuse_readable(Path(path), found)


# -- standard input --


def test_a_line_is_read_and_not_a_byte_more() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret\nthe message\n")
    try:
        assert secrets.read_line(reading, 5, "standard input").reveal() == "secret\n"
        assert os.read(reading, 100) == b"the message\n"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_silent_standard_input_has_a_deadline() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"no end of line")
    try:
        with pytest.raises(SecretError, match="standard input"):
            secrets.read_line(reading, 0.1, "standard input")
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_names_of_standard_input(name: str) -> None:
    assert secrets.stands_for_stdin(name)
    assert not secrets.stands_for_stdin(name + "x")


# -- the prompt --


def test_a_prompt_asks_once() -> None:
    asked: list[str] = []

    def ask(question: str, seconds: float | None) -> Secret:
        asked.append(question)
        return Secret(SECRET)

    source = PromptPassword("romeo@montague.example", ask=ask)
    assert source.get().reveal() == source.get().reveal() == SECRET
    assert asked == ["Password for romeo@montague.example: "]


def test_no_input_forbids_to_ask() -> None:
    source = PromptPassword("a@b", ask=lambda *_: Secret("x"), no_input=True)
    with pytest.raises(SecretError, match="--no-input") as caught:
        source.get()
    assert "--password-command" in caught.value.hint and "XMPPCTL_PASSWORD_FILE" in caught.value.hint


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    saved = os.dup(0)
    os.dup2(reading, 0)
    try:
        with pytest.raises(SecretError, match="a@b: none is configured and there is no terminal"):
            PromptPassword("a@b").get()
    finally:
        os.dup2(saved, 0)
        for descriptor in (reading, writing, saved):
            os.close(descriptor)
