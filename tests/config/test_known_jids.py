"""JIDs kept for completion: private, bounded, and never in a command's way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from xmppctl.config import known_jids


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}


def kept(environ: dict[str, str]) -> Path:
    return Path(environ["XDG_STATE_HOME"]) / "xmppctl" / "known-jids"


def test_bare_jids_come_back_oldest_first(environ: dict[str, str]) -> None:
    known_jids.remember(["b@x.example/phone", "a@x.example"], environ)
    known_jids.remember(["b@x.example/desk", "c@x.example"], environ)
    assert known_jids.load(environ) == ["a@x.example", "b@x.example", "c@x.example"]


def test_the_file_is_its_owners(environ: dict[str, str]) -> None:
    known_jids.remember(["a@x.example"], environ)
    assert stat.S_IMODE(kept(environ).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(environ).parent.stat().st_mode) == 0o700


def test_nothing_new_writes_nothing(environ: dict[str, str]) -> None:
    known_jids.remember(["a@x.example", "b@x.example"], environ)
    before = kept(environ).stat()
    known_jids.remember(["a@x.example/there"], environ)
    assert kept(environ).stat().st_ino == before.st_ino


def test_the_oldest_are_forgotten(environ: dict[str, str]) -> None:
    for start in (0, known_jids.MAX_JIDS // 2):
        some = range(start, start + known_jids.MAX_JIDS // 2)
        known_jids.remember([f"u{number}@x.example" for number in some], environ)
    known_jids.remember(["new@x.example"], environ)
    found = known_jids.load(environ)
    assert len(found) == known_jids.MAX_JIDS
    assert (found[0], found[-1]) == ("u1@x.example", "new@x.example")


@pytest.mark.parametrize(
    "jid",
    [
        "",
        "/r",
        "a b@x.example",
        "a\nb@x.example",
        "a\x1b[1m@x.example",
        "a\u202eb@x.example",
        "\ud800@x",
        "x" * 256,
    ],
)
def test_what_could_not_be_read_back_is_not_kept(environ: dict[str, str], jid: str) -> None:
    known_jids.remember([jid], environ)
    assert known_jids.load(environ) == []
    assert not kept(environ).exists()


def test_no_trouble_with_the_file_is_anybodys_trouble(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    known_jids.remember(["a@x.example"], environ)
    assert known_jids.load(environ) == []


def test_a_link_and_a_pipe_are_not_followed(environ: dict[str, str], tmp_path: Path) -> None:
    import os

    secret = tmp_path / "secret"
    secret.write_text("hunter2@x.example\n")
    kept(environ).parent.mkdir(parents=True, mode=0o700)
    kept(environ).symlink_to(secret)
    assert known_jids.load(environ) == []
    kept(environ).unlink()
    os.mkfifo(kept(environ))
    assert known_jids.load(environ) == []


def test_a_damaged_file_gives_what_is_left_of_it(environ: dict[str, str]) -> None:
    kept(environ).parent.mkdir(parents=True, mode=0o700)
    kept(environ).write_bytes(b"a@x.example\n\xff\x00\x1b[1m\nb@x.example\n" + b"z" * 5_000_000)
    assert known_jids.load(environ) == ["a@x.example", "b@x.example"]


def test_a_large_roster_leaves_room_for_others(environ: dict[str, str]) -> None:
    roster = [f"u{number}@x.example" for number in range(10_000)]
    known_jids.remember(["before@x.example"], environ)
    known_jids.remember(roster, environ)
    found = known_jids.load(environ)
    assert "before@x.example" in found
    assert len(found) == known_jids.MAX_JIDS // 2 + 1
    before = kept(environ).stat().st_ino
    known_jids.remember(roster, environ)
    assert kept(environ).stat().st_ino == before
