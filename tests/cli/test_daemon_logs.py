"""Reading a log: its end, what comes, and no line lost or doubled when it is rotated."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmppctl.cli.daemon_logs import Tail
from xmppctl.daemon.log import Log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.log"


def numbers(lines: list[str]) -> list[int]:
    return [int(line.rsplit(" ", 1)[1]) for line in lines]


def test_what_comes_is_behind_the_last_lines(path: Path) -> None:
    log, tail = Log(path), Tail(path)
    assert tail.last(5) == [] and not tail.is_there
    log.info("line 1")
    assert numbers(list(tail.new())) == [1] and tail.is_there
    assert list(tail.new()) == []
    log.info("line 2")
    assert numbers(list(tail.new())) == [2]


def test_half_a_line_is_not_shown(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    tail = Tail(path)
    assert tail.last(5) == ["one"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert list(tail.new()) == ["two", "three"]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_rotations_lose_nothing(path: Path, every: int) -> None:
    """A file holds three lines; a reader that looks as often sees each once."""
    log, tail = Log(path, max_bytes=130), Tail(path)
    seen: list[str] = []
    for number in range(1, 31):
        log.info(f"line {number:02}")
        if number % every == 0:
            seen += tail.new()
    assert numbers(seen) == list(range(1, 31))


def test_a_log_that_begins_anew_is_read_from_its_beginning(path: Path) -> None:
    log, tail = Log(path), Tail(path)
    log.info("line 1")
    assert numbers(tail.last(9)) == [1]
    path.unlink()
    assert list(tail.new()) == []
    log.info("line 2")
    assert numbers(list(tail.new())) == [2]
