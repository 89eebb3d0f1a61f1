"""Standard input: whole or by lines, from files, pipes and terminals."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from xmppctl.cli import stdin
from xmppctl.cli.app import App
from xmppctl.errors import DeadlineExceeded, MalformedInput, UsageError
from xmppctl.session.deadline import Deadline


def piped(*parts: bytes) -> int:
    """A pipe that these come through, one read each."""
    read, write = os.pipe()

    def feed() -> None:
        for part in parts:
            os.write(write, part)
            time.sleep(0.02)
        os.close(write)

    threading.Thread(target=feed, daemon=True).start()
    return read


def app(source: int, **options: str) -> App:
    made = App(stdin=os.fdopen(source), stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    made.options.update(options)
    return made


def lines(source: int) -> list[bytes]:
    reader = stdin.Lines(source)
    found = []
    while True:
        line = reader.take()
        if line is not None:
            found.append(line)
            assert reader.number == len(found)
        elif reader.ended:
            return found
        else:
            reader.fill()


def test_everything_up_to_the_end():
    assert stdin.read_all(app(piped(b"one", b"\ntwo", b"\n"))) == b"one\ntwo\n"


def test_a_non_blocking_pipe_is_waited_for():
    source = piped(b"one", b"two")
    os.set_blocking(source, False)
    assert stdin.read_all(app(source)) == b"onetwo"


def test_the_commands_time_limit_holds():
    read, write = os.pipe()
    with pytest.raises(DeadlineExceeded):
        stdin.read_all(app(read, timeout="0.05"))
    os.close(write)


def test_a_wait_for_a_line_has_a_limit():
    read, write = os.pipe()
    reader = stdin.Lines(read)
    with pytest.raises(DeadlineExceeded):
        reader.fill(Deadline(0.05))
    os.write(write, b"one\n")
    reader.fill(Deadline(5))
    assert reader.take() == b"one"
    os.close(write)
    os.close(read)


def test_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(stdin, "MAX_BYTES", 10)
    with pytest.raises(MalformedInput, match="larger"):
        stdin.read_all(app(piped(b"x" * 11)))


def test_a_directory_is_no_input(tmp_path):
    source = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(UsageError, match="cannot read"):
        stdin._read(source)
    os.close(source)


def test_closed_input_is_told():
    made = App(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    with pytest.raises(UsageError, match="closed"):
        stdin.descriptor(made)


def test_what_is_not_utf8_is_told_with_its_place():
    with pytest.raises(MalformedInput) as caught:
        stdin.decode("é\nää".encode() + b"\xff", first_line=7)
    assert (caught.value.line, caught.value.column) == (8, 3)
    assert "0xFF" in caught.value.message
    assert stdin.decode("é\n".encode()) == "é\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"a\nb\n",), [b"a", b"b"]),
        ((b"a\nb",), [b"a", b"b"]),
        ((b"a\r\nb\r",), [b"a", b"b"]),
        ((b"\n\n",), [b"", b""]),
        ((b"lo", b"ng", b" line\nsh", b"ort"), [b"long line", b"short"]),
        ((b"\xc3", b"\xa9\n"), [b"\xc3\xa9"]),
        ((), []),
    ],
)
def test_lines(parts, expected):
    assert lines(piped(*parts)) == expected


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(stdin, "MAX_BYTES", 100)
    with pytest.raises(MalformedInput) as caught:
        lines(piped(b"short\n", b"x" * 60, b"x" * 60))
    assert caught.value.line == 2


def test_ready_tells_whether_reading_would_wait():
    read, write = os.pipe()
    reader = stdin.Lines(read)
    assert not reader.ready()
    os.write(write, b"x")
    assert reader.ready()
    os.close(write)
    reader.fill()
    assert reader.ready()
    reader.fill()
    assert reader.ended and reader.take() == b"x"
    os.close(read)


def test_long_lines_take_linear_time():
    """Many small reads of one line: quadratic joining would take minutes."""
    read, write = os.pipe()
    size = 8 * 1024 * 1024

    def feed() -> None:
        for _ in range(size // 512):
            os.write(write, b"x" * 512)
        os.close(write)

    threading.Thread(target=feed, daemon=True).start()
    began = time.monotonic()
    (line,) = lines(read)
    assert len(line) == size and time.monotonic() - began < 10
    os.close(read)


def test_chunks_come_as_they_are_written_to_the_end() -> None:
    found = b"".join(stdin.chunks(app(piped(b"one", b"two")), Deadline(10)))
    assert found == b"onetwo"


def test_chunks_say_when_nothing_came_for_so_long_and_go_on() -> None:
    read, write = os.pipe()
    found = stdin.chunks(app(read), Deadline(10), lambda: 0.01)
    assert next(found) == b""
    os.write(write, b"late")
    assert next(found) == b"late"
    os.close(write)
    assert list(found) == []


def test_chunks_end_with_the_deadline() -> None:
    read, write = os.pipe()
    with pytest.raises(DeadlineExceeded):
        list(stdin.chunks(app(read), Deadline(0.01), lambda: 60))
    os.close(write)
