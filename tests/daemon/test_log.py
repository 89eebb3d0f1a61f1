"""The log: private, bounded, one line for one event, and never a reason to end."""

from __future__ import annotations

import io
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xmppctl.daemon.log import MAX_LINE, WARNINGS, WARNINGS_A_SECOND, Log, earlier


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.log"


def test_a_line_has_its_time_in_utc_its_level_and_its_text(path: Path) -> None:
    log = Log(path)
    log.info("online")
    log.warning("a slow server")
    log.error("refused")
    lines = path.read_text().splitlines()
    times = [line.split()[0] for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times)
    assert [line.split(maxsplit=2)[1:] for line in lines] == [
        ["info", "online"],
        ["warning", "a slow server"],
        ["error", "refused"],
    ]


def test_it_is_private_even_where_it_was_not(path: Path) -> None:
    path.touch(0o644)
    path.chmod(0o644)
    Log(path).info("online")
    assert path.stat().st_mode & 0o777 == 0o600


def test_text_of_the_network_can_fake_no_line_and_act_on_no_terminal(path: Path) -> None:
    echo = io.StringIO()
    Log(path, echo).info("it said\n2026-01-01T00:00:00.000Z error   fake\x1b[2J\u202e")
    for text in (path.read_text(), echo.getvalue()):
        assert text.count("\n") == 1 and "\x1b" not in text and "\u202e" not in text


def test_one_line_cannot_fill_the_log(path: Path) -> None:
    Log(path).info("x" * 10 * MAX_LINE)
    assert path.stat().st_size < MAX_LINE + 100


def test_the_echo_gets_every_line_and_may_be_gone(path: Path) -> None:
    echo = io.StringIO()
    log = Log(path, echo)
    log.info("one")
    assert echo.getvalue() == "info    one\n"
    echo.close()
    log.info("two")
    assert path.read_text().count("\n") == 2


def test_it_is_rotated_and_two_earlier_files_are_kept(path: Path) -> None:
    log = Log(path, max_bytes=200)
    for number in range(40):
        log.info(f"line {number}")
    kept = [path, *earlier(path)]
    assert all(each.stat().st_size <= 200 for each in kept)
    assert {each.name for each in path.parent.iterdir()} == {each.name for each in kept}
    numbers = [
        int(line.rsplit(" ", 1)[1]) for each in reversed(kept) for line in each.read_text().splitlines()
    ]
    assert numbers == list(range(numbers[0], 40))


def test_a_flood_of_warnings_is_counted_and_drives_nothing_out(path: Path) -> None:
    now = [0.0]
    echo = io.StringIO()
    log = Log(path, echo, clock=lambda: now[0])
    log.info("online")
    for number in range(WARNINGS + 50_000):
        log.warning(f"somebody knocks: {number}")
    assert path.read_text().count("\n") == echo.getvalue().count("\n") == 1 + WARNINGS
    log.error("ended")  # anything else is written at once, and what was left out before it
    told, last = path.read_text().splitlines()[-2:]
    assert "50000 warnings were left out" in told and "ended" in last
    now[0] += 3 / WARNINGS_A_SECOND
    for _ in range(10):
        log.warning("again")
    assert path.read_text().count("again") == 3


def test_a_log_that_was_removed_begins_anew(path: Path) -> None:
    log = Log(path)
    log.info("one")
    path.unlink()
    log.info("two")
    assert "two" in path.read_text()


@contextmanager
def full_disk() -> Iterator[None]:
    """Files can have 150 bytes. No fixture: what pytest itself writes, perhaps to a file, must not meet it."""
    import signal

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_whole_lines_which_are_counted(path: Path) -> None:
    log = Log(path)
    with full_disk():
        for number in range(10):
            log.info(f"line {number} is long enough")
    kept = path.read_text()
    assert kept.endswith("\n") and 0 < kept.count("\n") < 5
    lost = 10 - kept.count("\n")
    assert log.lost == lost
    path.write_text("")
    log.info("room again")
    assert log.lost == 0
    first, second = path.read_text().splitlines()
    assert f"{lost} lines could not be written" in first
    assert "room again" in second


@pytest.mark.parametrize("planted", ["link", "pipe", "directory"])
def test_what_is_planted_in_its_place_is_left_alone(path: Path, tmp_path: Path, planted: str) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    if planted == "link":
        path.symlink_to(target)
    elif planted == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    Log(path).info("online")
    assert target.read_text() == "mine"
