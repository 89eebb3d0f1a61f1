"""The file of a spool among several processes, on full disks, when it is damaged, and when its writers are killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmppctl.daemon import spool_file
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_file import SpoolFile
from xmppctl.daemon.spool_rows import STATES, New
from xmppctl.errors import ConfigError, DeadlineExceeded, OutputFailed, SpoolDamaged, UsageError

ROMEO = "romeo@montague.example"

#: Puts messages in, `group` at a time, and tells on standard output of each group that is on the disk.
WRITER = """
import os, sys
from pathlib import Path
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import New
path, mark, count, group, size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
spool = Spool(Path(path))
for begin in range(0, count, group):
    ids = [f"{mark}-{number}" for number in range(begin, min(begin + group, count))]
    spool.add("romeo@montague.example", [New("j@x", id_, id_.ljust(size, "x")) for id_ in ids])
    os.write(1, ("\\n".join(ids) + "\\n").encode())
spool.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "work.db"


def writer(path: Path, mark: str, count: int, group: int = 1, size: int = 100) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, str(path), mark, str(count), str(group), str(size)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def put(path: Path, *ids: str) -> None:
    spool = Spool(path)
    spool.add(ROMEO, [New("j@x", id_, "<message/>") for id_ in ids])
    spool.close()


def ids(path: Path) -> list[str]:
    spool = Spool(path)
    try:
        return [entry.id for entry in spool.entries(STATES)]
    finally:
        spool.close()


# -- several processes ------------------------------------------------------------------------------------------------


def test_many_processes_that_begin_at_once_lose_nothing(path: Path) -> None:
    """They also race for making the file."""
    writers = [writer(path, str(number), 30, group=3) for number in range(8)]
    told = []
    for process in writers:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        told += out.split()
    found = ids(path)
    assert sorted(found) == sorted(told) and len(found) == 240
    for number in range(8):  # the order of each is kept
        assert [id_ for id_ in found if id_.startswith(f"{number}-")] == [
            f"{number}-{each}" for each in range(30)
        ]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_writer_that_is_in_the_way_is_waited_for(path: Path) -> None:
    put(path, "1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    process = writer(path, "w", 1)
    time.sleep(0.1)
    other.execute("COMMIT")
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "w-0\n"), error
    other.close()


def test_one_that_stays_in_the_way_is_told_after_the_deadline(path: Path) -> None:
    put(path, "1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    spool = Spool(path, patience=0.05)
    with pytest.raises(DeadlineExceeded, match=r"busy for 0\.05 s") as told:
        spool.add(ROMEO, [New("j@x", "2", "<message/>")])
    assert "locked" not in told.value.message
    assert [entry.id for entry in spool.entries(STATES)] == ["1"]  # readers do not wait
    other.close()
    spool.close()


# -- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_that_is_killed_has_lost_nothing_that_it_told_of(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    told: list[str] = []
    for round_ in range(5):
        process = writer(path, str(round_), 100_000, group=chance.choice([1, 7, 200]))
        assert process.stdout is not None
        if round_:  # the first round is killed at any moment, also while it makes the file
            process.stdout.readline()
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate(timeout=30)[0]
        told += rest.split()
    found = set(ids(path))
    assert not [id_ for id_ in told if id_ not in found]
    assert told


def test_what_a_killed_maker_left_is_no_hindrance(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    for suffix in ("", "-journal", "-wal"):
        path.with_name(f".{path.name}.new{suffix}").write_bytes(b"half")
    put(path, "1")
    assert ids(path) == ["1"] and [each.name for each in path.parent.iterdir()] == [path.name]


# -- full disks -------------------------------------------------------------------------------------------------------

LIMITED = """
import resource, sys
from pathlib import Path
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import New
from xmppctl.errors import XmppctlError
path, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
spool = Spool(Path(path))
number = 0
try:
    while True:
        spool.add("romeo@montague.example", [New("j@x", f"{number}-{part}", "x" * 1000) for part in range(10)])
        number += 1
except XmppctlError as error:
    print(number, error.name, int(error.code), error.message)
"""


@pytest.mark.parametrize("limit", [1000, 9000, 60_000, 400_000])
def test_a_full_disk_is_told_and_nothing_claimed(path: Path, limit: int) -> None:
    """From where not even the file can be made up to where many messages fit."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    accepted, name, code, message = done.stdout.split(" ", 3)
    assert (name, code) == ("output", "74") and str(path) in message
    found = ids(path)
    assert found == [f"{number}-{part}" for number in range(int(accepted)) for part in range(10)]
    put(path, "more")  # with room again it goes on
    assert ids(path)[-1] == "more"


def test_a_directory_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(mode=0o700)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(spool_file.os, "open", refuse)
    with pytest.raises((OutputFailed, ConfigError), match="Read-only"):
        put(path, "1")


def test_a_spool_that_may_not_be_written_is_no_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, "1")

    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(spool_file.sqlite3, "connect", refuse)
    with pytest.raises(OutputFailed) as caught:
        put(path, "2")
    assert f"able to write in {path.parent}" in caught.value.hint


# -- damaged ----------------------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(5000)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


DAMAGES = {
    "no database": lambda path: path.write_bytes(b"this is something else entirely" * 200),
    "overwritten": overwrite,
    "cut off": cut,
    "empty": lambda path: path.write_bytes(b""),
    "another database": lambda path: (
        path.unlink(),
        sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close(),
        path.chmod(0o600),
    ),
    "without its table": lambda path: (
        sqlite3.connect(path).executescript("DROP TABLE message").connection.close()
    ),
}


@pytest.fixture(params=DAMAGES)
def damaged(path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    put(path, *(str(number) for number in range(300)))
    DAMAGES[request.param](path)
    yield path


def test_a_damaged_file_is_an_error_and_stays(damaged: Path) -> None:
    before = damaged.read_bytes()
    for act in (ids, lambda path: put(path, "new")):
        with pytest.raises(SpoolDamaged) as told:
            act(damaged)
        assert int(told.value.code) == 3
        assert "damaged" in told.value.message and "daemon spool reset" in told.value.hint
    assert damaged.read_bytes() == before


def test_a_damaged_file_is_moved_aside_when_that_is_asked_for(damaged: Path) -> None:
    before = damaged.read_bytes()
    aside = SpoolFile(damaged).set_aside()
    assert aside.read_bytes() == before and aside.parent == damaged.parent and not damaged.exists()
    put(damaged, "new")
    assert ids(damaged) == ["new"]


def test_a_file_that_is_not_damaged_is_not_moved(path: Path) -> None:
    with pytest.raises(UsageError, match="no spool"):
        SpoolFile(path).set_aside()
    put(path, "1")
    with pytest.raises(UsageError, match="not damaged"):
        SpoolFile(path).set_aside()
    assert ids(path) == ["1"]


def test_a_log_without_its_file_is_not_mixed_into_a_new_one(path: Path, tmp_path: Path) -> None:
    """Somebody has moved the file and forgotten what stands beside it, while it was open."""
    spool = Spool(path)
    spool.add(ROMEO, [New("j@x", "1", "<message/>")])
    path.rename(tmp_path / "away.db")
    for act in (ids, lambda path: put(path, "2")):
        with pytest.raises(SpoolDamaged, match="is not there"):
            act(path)
    spool.close()
    aside = SpoolFile(path).set_aside()
    assert Path(f"{aside}-wal").exists()
    put(path, "2")
    assert ids(path) == ["2"]


def test_a_spool_of_another_release_is_left_alone(path: Path) -> None:
    put(path, "1")
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConfigError, match="another release") as told:
        ids(path)
    assert not isinstance(told.value, SpoolDamaged)
    with pytest.raises(ConfigError, match="another release"):
        SpoolFile(path).set_aside()
    assert path.exists()


# -- safety -----------------------------------------------------------------------------------------------------------


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    put(path, "1")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="open to other users") as told:
        ids(path)
    assert told.value.hint == f"chmod 600 {path}"


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    put(tmp_path / "other" / "x.db", "1")
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "other" / "x.db")
    with pytest.raises(ConfigError, match="no file"):
        put(path, "2")
    assert ids(tmp_path / "other" / "x.db") == ["1"]


def test_names_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    for name in ("100%25.db", "a?mode=memory.db", "a#b.db", "a b&c=d.db"):
        path = tmp_path / "spool" / name
        put(path, name)
        assert ids(path) == [name] and path.exists()


# -- on the disk ------------------------------------------------------------------------------------------------------


def test_what_is_committed_is_synced(path: Path, tmp_path: Path) -> None:
    """Seen from outside: between the last write to the log and the answer, the log is synced; so is what is new."""
    strace = "/usr/bin/strace"
    if not Path(strace).exists():
        pytest.skip("strace is not installed")
    log = tmp_path / "strace"
    words = [strace, "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(log)]
    done = subprocess.run(
        [*words, sys.executable, "-c", WRITER, str(path), "m", "1", "1", "10"],
        capture_output=True,
        timeout=60,
    )
    if done.returncode:
        pytest.skip("strace may not trace here")
    lines = log.read_text().splitlines()
    answer = next(at for at, line in enumerate(lines) if "write(1" in line and "m-0" in line)
    before = [line for line in lines[:answer] if "sync(" in line]
    assert any(f"{path}-wal" in line for line in before)
    assert any(f"<{path.parent}>" in line for line in before)
    assert any(f"<{path.parent.parent}>" in line for line in before)


def test_settings_that_make_it_durable(path: Path) -> None:
    put(path, "1")
    file = SpoolFile(path)
    file.open(create=False)
    with file.transaction(write=False) as database:
        found = {
            name: database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "auto_vacuum")
        }
    file.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "auto_vacuum": 2}


def test_a_transaction_that_fails_changes_nothing(path: Path) -> None:
    put(path, "1")
    file = SpoolFile(path)
    file.open(create=False)
    with pytest.raises(ZeroDivisionError):
        with file.transaction(write=True) as database:
            database.execute("DELETE FROM message")
            raise ZeroDivisionError
    file.close()
    assert ids(path) == ["1"]
