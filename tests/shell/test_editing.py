"""What an editor does with the stanza at hand, and what comes of it on the line."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.shell.test_terminal import CTRL_C, Person, at_terminal

HALF = "<message><body>half"


def editor(tmp_path: Path, script: str) -> str:
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


@pytest.fixture(autouse=True)
def only_here(monkeypatch, tmp_path):
    """Files of editors are here; what goes wrong unseen is a failure."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("VISUAL", raising=False)


def edited(tmp_path, monkeypatch, command: str) -> tuple[str, list[str], list[str]]:
    """What stands on the line after an editor and one more key, what was told, and what has crashed."""
    told: list[str] = []
    crashes: list[str] = []
    lines: list[str] = []
    monkeypatch.setenv("EDITOR", command)

    async def main(person: Person) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: crashes.append(str(context)))
        buffer = person.terminal._prompt.default_buffer
        await person.until(lambda: person.terminal._prompt.app.is_running)
        buffer.text = HALF
        buffer.cursor_position = len(HALF)
        await buffer.open_in_editor()
        buffer.insert_text("x")
        lines.append(person.line)
        told.extend(person.stage.house.notes[1:])
        person.type(CTRL_C)
        await person.until(lambda: not person.line)
        await person.leaves()

    at_terminal(tmp_path, main, editor=command)
    return lines[0], told, crashes


def test_what_the_editor_leaves_is_on_the_line(tmp_path, monkeypatch):
    # As words of a shell, and without the line break that editors put at the end.
    line, told, crashes = edited(tmp_path, monkeypatch, "sed -i 's/half/whole é/'")
    assert line == "<message><body>whole éx"
    assert (told, crashes) == ([], [])
    assert not list(tmp_path.glob("xmppctl-*"))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "the editor has failed (exit code 3)"),
        ('rm "$1"', "the editor has left no file"),
        ('rm "$1"; mkdir "$1"', "the editor has left no file"),
        ('rm "$1"; mkfifo "$1"', "the editor has left no file"),
        ("kill -INT $$", f"the editor has failed (exit code {-signal.SIGINT})"),
    ],
)
def test_the_line_outlives_an_editor_that_fails(tmp_path, monkeypatch, script, why):
    line, told, crashes = edited(tmp_path, monkeypatch, editor(tmp_path, script))
    assert line == HALF + "x"
    assert (told, crashes) == ([f"the line is as it was: {why}"], [])


def test_words_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    line, told, crashes = edited(tmp_path, monkeypatch, "vi 'unclosed")
    assert line == HALF + "x"
    assert (told, crashes) == (["the line is as it was: EDITOR cannot be read: No closing quotation"], [])


def test_bytes_that_are_no_utf_8_come_back(tmp_path, monkeypatch):
    line, told, crashes = edited(tmp_path, monkeypatch, editor(tmp_path, "printf '<a>\\377' > \"$1\""))
    assert line.encode("utf-8", "surrogateescape") == b"<a>\xffx"
    assert (told, crashes) == ([], [])


def test_a_signal_from_the_keys_is_the_editors(tmp_path, monkeypatch):
    # As a terminal does for Ctrl-C, both get it.
    script = f"trap 'exit 0' INT; kill -INT {os.getpid()}; kill -INT $$; exit 4"
    line, told, crashes = edited(tmp_path, monkeypatch, editor(tmp_path, script))
    assert line == HALF + "x"
    assert (told, crashes) == ([], [])


def test_the_end_of_the_shell_ends_the_editor(tmp_path):
    async def main(person: Person) -> None:
        await person.until(lambda: person.terminal._prompt.app.is_running)
        person.terminal._prompt.default_buffer.open_in_editor()
        await person.until(lambda: (tmp_path / "begun").exists())
        person.running.cancel()
        await asyncio.wait_for(asyncio.wait((person.running,)), 5)

    command = editor(tmp_path, f"touch {tmp_path}/begun; exec sleep 1000")
    at_terminal(tmp_path, main, editor=command)
    assert not list(tmp_path.glob("xmppctl-*"))
