"""Recordings being written: private, whole after a crash, added to, rotated, and never over something else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.examples import EXAMPLES, HEADER
from xmppctl.errors import ConfigError, OutputFailed, UsageError
from xmppctl.output.recorder import Recorder
from xmppctl.protocols.replay import recorded
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter


def frames() -> list[Frame]:
    return Splitter().feed(HEADER + b"".join(EXAMPLES.values()), 1000.0)


def raws(path: Path) -> list[bytes]:
    return [item.raw for item in recorded(str(path)) if isinstance(item, Frame)]


def record(path: Path, items: list[Frame], **how: int) -> None:
    recorder = Recorder(str(path), **how)
    for item in items:
        recorder.write(item)
    recorder.close()


def test_what_is_recorded_is_there_even_without_an_end(tmp_path: Path) -> None:
    file = tmp_path / "r"
    recorder = Recorder(str(file))
    for item in frames():
        recorder.write(item)
    recorder.event(Event("offline", 1.0, "gone"))
    assert raws(file) == [frame.raw for frame in frames()]
    assert list(recorded(str(file)))[-1] == Event("offline", 1.0, "gone")
    recorder.close()


def test_it_is_private_also_where_it_was_not(tmp_path: Path) -> None:
    file = tmp_path / "r"
    record(file, [])
    file.chmod(0o644)
    record(file, frames())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_recording_is_added_to(tmp_path: Path) -> None:
    file = tmp_path / "r"
    record(file, frames())
    record(file, frames())
    assert raws(file) == [frame.raw for frame in frames()] * 2


def test_a_torn_end_is_passed_over_and_told(tmp_path: Path) -> None:
    file = tmp_path / "r"
    record(file, frames())
    os.truncate(file, file.stat().st_size - 3)
    record(file, frames())
    items = list(recorded(str(file)))
    assert [item.name for item in items if isinstance(item, Event)] == ["torn"]
    assert raws(file) == [frame.raw for frame in frames()][:-1] + [frame.raw for frame in frames()]


def test_something_else_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "letter"
    file.write_text("dear juliet")
    with pytest.raises(UsageError, match="no recording"):
        Recorder(str(file))
    assert file.read_text() == "dear juliet"


def test_two_do_not_write_one(tmp_path: Path) -> None:
    first = Recorder(str(tmp_path / "r"))
    with pytest.raises(ConfigError, match="another process"):
        Recorder(str(tmp_path / "r"))
    first.close()
    Recorder(str(tmp_path / "r")).close()


@pytest.mark.parametrize("path", ["/nowhere/r", "/"])
def test_what_cannot_be_written_says_so(path: str) -> None:
    with pytest.raises(OutputFailed, match="cannot write the recording"):
        Recorder(path)


def test_a_full_disk_says_so() -> None:
    with pytest.raises(OutputFailed, match="No space"):
        record(Path("/dev/full"), frames())


def test_parts_are_rotated_and_read_as_one(tmp_path: Path) -> None:
    file = tmp_path / "r"
    record(file, frames() * 3, max_bytes=8000, max_files=100)
    parts = sorted(tmp_path.iterdir())
    assert len(parts) > 3 and all(part.stat().st_size <= 8000 for part in parts)
    assert all(stat.S_IMODE(part.stat().st_mode) == 0o600 for part in parts)
    assert raws(file) == [frame.raw for frame in frames()] * 3


def test_each_part_knows_the_prefixes_of_its_stream(tmp_path: Path) -> None:
    file = tmp_path / "r"
    header, error = Splitter().feed(HEADER + b"<stream:error/>", 1.0)
    record(file, [header, *[error] * 100], max_bytes=1000, max_files=3)
    items = [item for item in recorded(str(file)) if isinstance(item, Frame)]
    assert {item.namespace for item in items} == {"http://etherx.jabber.org/streams"}
    assert len(list(tmp_path.iterdir())) == 3


def test_the_oldest_part_goes_and_only_if_it_is_one(tmp_path: Path) -> None:
    file, stranger = tmp_path / "r", tmp_path / "r.2"
    stranger.write_text("dear juliet")
    with pytest.raises(OutputFailed):
        record(file, frames() * 3, max_bytes=5000, max_files=2 + 1)
        record(file, frames() * 3, max_bytes=5000, max_files=2 + 1)
    assert stranger.read_text() == "dear juliet"


def test_one_file_alone_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "r"
    record(file, frames(), max_bytes=5000, max_files=1)
    assert list(tmp_path.iterdir()) == [file]
    assert raws(file)[-1] == frames()[-1].raw and len(raws(file)) < len(frames())


def test_parts_of_another_recording_are_left_out(tmp_path: Path) -> None:
    record(tmp_path / "r.1", frames())
    record(tmp_path / "r", frames()[:1])
    assert raws(tmp_path / "r") == [frames()[0].raw]
