"""Where output goes, and how its failures are told."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xmppctl.errors import OutputClosed, OutputFailed
from xmppctl.output.renderers import make_renderer
from xmppctl.output.sink import Sink


def test_each_record_has_left_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        Sink(stream).write("ü\n")
        assert path.read_bytes() == "ü\n".encode()
    with path.open("wb") as binary:
        Sink(binary).write("ü\n")
        assert path.read_bytes() == "ü\n".encode()


def test_what_was_printed_before_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("first\n")
        Sink(stream).write("second\n")
    assert path.read_text() == "first\nsecond\n"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", b"\\xfc \\u2192 \\U0001f600"), ("latin-1", b"\xfc \\u2192 \\U0001f600")]
)
def test_what_the_encoding_cannot_hold_is_escaped(encoding: str, shown: bytes) -> None:
    buffer = io.BytesIO()
    sink = Sink(io.TextIOWrapper(buffer, encoding=encoding))
    sink.write("ü → 😀")
    assert buffer.getvalue() == shown
    assert not sink.holds_unicode
    assert sink.encodable("ü→") == ("\\xfc" if encoding == "ascii" else "ü") + "\\u2192"


def test_a_closed_pipe_is_a_quiet_end() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "wb", buffering=0)
    renderer = make_renderer("json", stream=stream)
    with pytest.raises(OutputClosed):
        renderer.table(["A"], [["a"]])
    renderer.close()  # writes nothing, raises nothing
    stream.close()


def test_who_writes_on_to_a_closed_pipe_is_told_the_same_again() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = Sink(stream)
        for _ in range(2):
            with pytest.raises(OutputClosed):
                sink.write("record\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_who_writes_on_to_a_full_disk_is_told_the_same_again() -> None:
    with Path("/dev/full").open("wb", buffering=0) as stream:
        sink = Sink(stream)
        for _ in range(2):
            with pytest.raises(OutputFailed, match="No space left"):
                sink.write("record\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_a_full_disk_is_told_with_what_to_do(output: str) -> None:
    with Path("/dev/full").open("wb", buffering=0) as stream:
        renderer = make_renderer(output, stream=stream)
        with pytest.raises(OutputFailed, match="No space left") as failed:
            renderer.table(["A"], [["a"]])
            renderer.close()
        assert "free some space" in failed.value.hint
        renderer.close()


def test_no_standard_output_at_all_is_told() -> None:
    with pytest.raises(OutputFailed, match="closed"):
        make_renderer("text", stream=None).record({}, "x")
    stream = io.StringIO()
    stream.close()
    with pytest.raises(OutputFailed, match="closed"):
        Sink(stream).write("x")


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_slow_reader_of_a_non_blocking_pipe_loses_nothing(buffering: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = bytes(range(256)) * 4096
    got = bytearray()

    def read() -> None:
        while chunk := os.read(reading, 5000):
            got.extend(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    with os.fdopen(writing, "wb", buffering=buffering) as stream:
        Sink(stream).write_bytes(data)
    thread.join(30)
    os.close(reading)
    assert got == data


PROGRAM = """
import sys
from xmppctl.errors import XmppctlError
from xmppctl.output.renderers import make_renderer
try:
    with make_renderer({output!r}, stream=sys.stdout) as renderer:
        renderer.begin_list()
        for number in range(100000):
            renderer.record({{"number": number}}, "number")
except XmppctlError as error:
    sys.stderr.write(type(error).__name__)
    sys.exit(int(error.code))
"""


@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_python_does_not_complain_at_exit_about_a_closed_pipe(output: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(output=output)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b"OutputClosed"
        assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_python_does_not_complain_at_exit_about_a_full_disk() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(output="text")],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (74, b"OutputFailed")
