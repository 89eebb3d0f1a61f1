"""The trace: appended to, private from its first byte, flushed, its failures told."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from xmppctl.errors import OutputFailed
from xmppctl.output.trace import Trace
from xmppctl.stanza.frame import Frame


def frame(raw: bytes = b"<presence/>") -> Frame:
    return Frame(raw, ["jabber:client presence"], time=1.0)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_frames_are_lines_of_json_that_are_there_at_once(tmp_path):
    path = tmp_path / "trace"
    trace = Trace(str(path))
    trace.write(frame())
    trace.write(frame("<presence><status>\u202e\x9b</status></presence>".encode()))
    lines = path.read_bytes().splitlines()
    trace.close()
    assert [json.loads(line)["kind"] for line in lines] == ["presence", "presence"]
    assert b"\\u202e\\u009b" in lines[1]  # harmless where the file is shown on a terminal


def test_a_new_file_is_private_whatever_the_umask_says(tmp_path):
    before = os.umask(0)
    try:
        Trace(str(tmp_path / "trace")).close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "trace") == 0o600


def test_it_is_private_from_its_first_moment_on(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    test_a_new_file_is_private_whatever_the_umask_says(tmp_path)


def test_a_file_that_is_there_is_appended_to_and_becomes_private(tmp_path):
    path = tmp_path / "trace"
    path.write_text("before\n")
    path.chmod(0o644)
    trace = Trace(str(path))
    trace.write(frame())
    trace.close()
    assert mode(path) == 0o600
    assert path.read_text().startswith('before\n{"schema":1')


def test_what_is_no_file_keeps_its_mode(tmp_path):
    """Else `--trace /dev/null` as root would take the device away from everybody."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path.chmod(0o644)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        trace = Trace(str(path))
        trace.write(frame())
        assert os.read(reader, 10) == b'{"schema":'
        trace.close()
    finally:
        os.close(reader)
    assert mode(path) == 0o644


def test_failures_are_told(tmp_path):
    with pytest.raises(OutputFailed, match="cannot write the trace"):
        Trace(str(tmp_path))
    full = Trace("/dev/full")
    with pytest.raises(OutputFailed, match="No space left"):
        full.write(frame())


def test_a_pipe_that_nobody_reads_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputFailed, match="cannot write the trace"):
        Trace(str(pipe))
