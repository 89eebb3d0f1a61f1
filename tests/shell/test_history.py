"""The history's file: whole entries, bounded, private, shared by shells; trouble with it never stops a shell."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shell.test_scrub import AROUND, LINES, PLAIN, PLANTED, SECRETS
from xmppctl.config import locks
from xmppctl.shell.history import COMPACT_BYTES, MAX_BYTES, MAX_ENTRIES, MAX_ENTRY_BYTES, SafeHistory

# -- the file -----------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "shell_history"


def loaded(path: Path | None) -> list[str]:
    """What another shell finds, newest first."""
    return through_load(SafeHistory(path))


def through_load(history: SafeHistory) -> list[str]:
    async def entries() -> list[str]:
        return [entry async for entry in history.load()]

    return asyncio.run(entries())


def test_entries_come_back_newest_first_and_whole(path: Path) -> None:
    history = SafeHistory(path)
    assert through_load(history) == []
    entries = ["<iq>\n  <a b='1'/>\r\n</iq>", "é👍\u2028\x85", "\udcff \x1b[2J\0", '"\\n"', "/ping"]
    for entry in entries:
        history.append_string(entry)
    assert history.get_strings() == entries
    assert through_load(history) == loaded(path) == entries[::-1]
    assert path.read_bytes().count(b"\n") == len(entries)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert history.problem == ""


def test_nothing_is_made_before_there_is_an_entry(path: Path) -> None:
    assert loaded(path) == []
    assert not path.parent.exists()


def test_an_entry_is_not_kept_twice_in_a_row(path: Path) -> None:
    SafeHistory(path).append_string("<a/>")
    history = SafeHistory(path)
    for entry in ("<a/>", "<b/>", "<b/>", " <c/>", "<b/>", "<a/>"):
        history.append_string(entry)
    assert history.get_strings() == loaded(path)[::-1] == ["<a/>", "<b/>", "<a/>"]


def test_no_planted_secret_gets_into_the_file_or_memory(path: Path) -> None:
    history = SafeHistory(path)
    for text in (*SECRETS.values(), *LINES):
        for around in AROUND:
            for secret in (PLANTED, PLAIN):
                history.append_string(around.format(text).replace("SECRET", secret))
                history.store_string(around.format(text).replace("SECRET", secret))
    history.append_string("<presence/>")
    for kept in (path.read_text(), "".join(history.get_strings())):
        assert "<presence/>" in kept
        assert PLANTED[:6] not in kept
        assert PLAIN[:12] not in kept


@pytest.mark.parametrize(
    "rubbish",
    [
        b"<torn", b'"torn', b'"\xff"\n', b"\0" * 5000, b"[" * 50000 + b"\n", b'"a" "b"\n', b"1\nnull\n{}\n\n\r\n",
        b'""\n" "\n', b'"' + b"x" * MAX_ENTRY_BYTES + b'"\n', b'"\\x"\n"\\ud800\n', b'"a\tb"\n',
    ],
)  # fmt: skip
def test_a_torn_or_hostile_file_is_passed_over(path: Path, rubbish: bytes) -> None:
    SafeHistory(path).append_string("<before/>")
    with path.open("ab") as file:
        file.write(rubbish)
    history = SafeHistory(path)
    assert through_load(history) == ["<before/>"]
    history.append_string("<after/>")
    assert loaded(path) == ["<after/>", "<before/>"]
    assert history.problem == ""


def test_only_the_newest_entries_of_a_long_file_are_read(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("".join(f"\"<a b='{number}'/>\"\n" for number in range(50_000)))
    found = loaded(path)
    assert len(found) == MAX_ENTRIES
    assert (found[0], found[-1]) == ("<a b='49999'/>", f"<a b='{50_000 - MAX_ENTRIES}'/>")


def test_a_shell_keeps_no_more_entries_than_are_read(path: Path) -> None:
    history = SafeHistory(None)
    for number in range(MAX_ENTRIES + 10):
        history.append_string(f"<a b='{number}'/>")
    assert len(history.get_strings()) == MAX_ENTRIES
    assert history.get_strings()[0] == "<a b='10'/>"


def test_a_file_that_is_too_large_is_cut_back(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    entry = f'"é{"x" * 10_000}"\n'.encode()
    path.write_bytes(entry * (COMPACT_BYTES // len(entry)))
    path.chmod(0o600)
    history = SafeHistory(path)
    for number in range(3):
        history.append_string(f"<a b='{number}'>{'y' * 9_000}</a>")
    assert MAX_BYTES - 2 * len(entry) < path.stat().st_size < MAX_BYTES + 2 * len(entry)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found[:8] for found in loaded(path)[:4]] == ["<a b='2'", "<a b='1'", "<a b='0'", "éxxxxxxx"]
    assert list(path.parent.iterdir()) == [path]


def test_an_entry_that_is_too_long_is_remembered_but_not_written(path: Path) -> None:
    history = SafeHistory(path)
    history.append_string("x" * MAX_ENTRY_BYTES)
    history.append_string("<a/>")
    assert len(history.get_strings()) == 2
    assert loaded(path) == ["<a/>"]


def test_several_shells_write_at_the_same_time(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    filler = f'"{"x" * 60_000}"\n'
    path.write_text(filler * (COMPACT_BYTES // len(filler) - 2))
    code = (
        "import sys; from pathlib import Path; from xmppctl.shell.history import SafeHistory\n"
        "h = SafeHistory(Path(sys.argv[1]))\n"
        "for n in range(60): h.append_string(f'{sys.argv[2]} {n} ' + 'y' * 2000)\n"
        "sys.exit(h.problem or 0)"
    )
    shells = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abc"]
    assert [shell.wait(60) for shell in shells] == [0, 0, 0]
    found = loaded(path)
    for name in "abc":
        mine = [entry.split()[1] for entry in found if entry.startswith(f"{name} ")]
        assert mine == [str(number) for number in reversed(range(60))]


# -- trouble ------------------------------------------------------------------------------------------------------


def lives_in_memory(history: SafeHistory, why: str) -> None:
    history.append_string("<a/>")
    first = history.problem
    assert why in first
    history.append_string("<b/>")
    history.store_string("<c/>")
    assert history.problem == first
    assert history.get_strings() == ["<a/>", "<b/>"]
    assert through_load(history) == ["<b/>", "<a/>"]


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    target = tmp_path / "target"
    target.write_text('"<x/>"\n')
    path.symlink_to(target)
    lives_in_memory(SafeHistory(path), str(path))
    assert target.read_text() == '"<x/>"\n'


def test_what_is_no_file(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    lives_in_memory(SafeHistory(path), str(path))
    path.rmdir()
    os.mkfifo(path)
    lives_in_memory(SafeHistory(path), "no file")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lives_in_memory(SafeHistory(tmp_path / "file" / "state" / "shell_history"), str(tmp_path / "file"))


def test_a_directory_that_is_open_to_others(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    lives_in_memory(SafeHistory(path), "open to other users")
    assert not path.exists()


def test_somebody_elses_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SafeHistory(path).append_string("<x/>")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    lives_in_memory(SafeHistory(path), "belongs to another user")
    monkeypatch.undo()
    assert loaded(path) == ["<x/>"]


def test_a_file_that_is_open_to_others_is_closed_to_them(path: Path) -> None:
    SafeHistory(path).append_string("<x/>")
    path.chmod(0o644)
    assert loaded(path) == ["<x/>"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file can grow beyond it: as a full disk, writes end in the middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("more", [0, 5])
def test_a_full_disk(path: Path, more: int) -> None:
    history = SafeHistory(path)
    history.append_string("<before/>")
    whole = path.read_bytes()
    full = SafeHistory(path)
    full.get_strings()
    with file_size_limit(len(whole) + more):
        full.append_string("<after/>")
    assert "cannot write" in full.problem
    assert full.get_strings() == ["<before/>", "<after/>"]
    assert path.read_bytes() == whole


def test_a_file_that_another_process_keeps_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = SafeHistory(path)
    history.append_string("<x/>")
    monkeypatch.setattr("xmppctl.shell.history._PATIENCE", 0)
    descriptor = locks.open_file(path, os.O_RDONLY)
    try:
        assert locks.take(descriptor)
        history.append_string("<y/>")
    finally:
        os.close(descriptor)
    assert "locked" in history.problem
    assert history.get_strings() == ["<x/>", "<y/>"]


def test_without_a_path_nothing_is_written() -> None:
    history = SafeHistory(None)
    history.append_string("<a/>")
    assert (history.get_strings(), history.problem) == (["<a/>"], "")
    assert loaded(None) == []
