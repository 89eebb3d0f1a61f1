"""What is written while a line is typed: shown in whole lines, in order, whoever writes, and none of it lost."""

from __future__ import annotations

import asyncio
import io
import threading
from contextlib import suppress

import pytest

from xmppctl.shell import above
from xmppctl.shell.above import Above


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(above, "PAUSE_SECONDS", 0)


class Terminal(io.StringIO):
    """Keeps what is written while the prompt is out of the way, each time."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    async def show(self, write) -> None:
        before = len(self.getvalue())
        write()
        self.shown.append(self.getvalue()[before:])


def while_running(terminal: Terminal, act, typing=lambda: False) -> Above:
    """Run `act(above)`, a coroutine, while it prints; then end that."""
    stream = Above(terminal)

    async def main() -> None:
        printing = asyncio.ensure_future(stream.run(terminal.show, typing))
        await asyncio.sleep(0)
        await act(stream)
        printing.cancel()
        with suppress(asyncio.CancelledError):
            await printing

    asyncio.run(main())
    return stream


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_before_and_after_it_goes_right_there():
    terminal = Terminal()

    async def nothing(_: Above) -> None: ...

    stream = Above(terminal)
    stream.write("a")
    assert terminal.getvalue() == "a"
    stream = while_running(terminal, nothing)
    stream.write("b")
    assert terminal.getvalue() == "ab"
    assert terminal.shown == []


def test_only_whole_lines_are_shown_and_the_rest_at_the_end():
    terminal = Terminal()

    async def act(stream: Above) -> None:
        stream.write("one\ntw")
        await turns()
        assert terminal.getvalue() == "one\n"
        stream.write("o")
        await turns()
        assert terminal.getvalue() == "one\n"
        stream.write("\nthree\nfo")
        await turns()
        assert terminal.getvalue() == "one\ntwo\nthree\n"
        stream.write("ur")

    while_running(terminal, act)
    assert terminal.getvalue() == "one\ntwo\nthree\nfour"
    assert terminal.shown == ["one\n", "two\nthree\n"]


def test_much_is_shown_at_once_but_not_while_keys_wait():
    lines = "".join(f"line {n}\n" for n in range(3000))
    shown = {}
    for keys in (False, True):
        terminal = Terminal()

        async def act(stream: Above) -> None:
            stream.write(lines)
            await turns(100)

        while_running(terminal, act, typing=lambda keys=keys: keys)
        assert terminal.getvalue() == lines
        assert all(piece.endswith("\n") for piece in terminal.shown)
        shown[keys] = terminal.shown
    assert len(shown[False]) == 1
    assert len(shown[True]) > 5
    assert max(map(len, shown[True])) <= 4096


def test_a_line_without_end_longer_than_a_piece():
    terminal = Terminal()
    long = "x" * 100_000

    async def act(stream: Above) -> None:
        stream.write(long)
        stream.write(long + "\ny")
        await turns()
        assert terminal.shown == [long + long + "\n"]

    while_running(terminal, act)
    assert terminal.getvalue() == long + long + "\ny"


def test_threads_write_in_their_order_and_wait_where_too_much_waits():
    terminal = Terminal()
    written: list[int] = []

    def write(stream: Above) -> None:
        for number in range(300):
            stream.write(f"{number} " + "x" * 10_000 + "\n")
            written.append(number)

    async def act(stream: Above) -> None:
        thread = threading.Thread(target=write, args=(stream,))
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
        await turns()

    while_running(terminal, act)
    assert [int(line.split()[0]) for line in terminal.getvalue().splitlines()] == written == [*range(300)]


def test_who_waits_goes_on_when_it_ends():
    terminal = Terminal()

    async def never(_) -> None:
        await asyncio.Event().wait()

    terminal.show = never
    stream = Above(terminal)
    thread = threading.Thread(
        target=lambda: [stream.write("x" * 100_000 + "\n") for _ in range(20)], daemon=True
    )

    async def main() -> None:
        printing = asyncio.ensure_future(stream.run(terminal.show))
        await asyncio.sleep(0)
        thread.start()
        while stream._size <= above._LIMIT:
            await asyncio.sleep(0.001)
        printing.cancel()
        with suppress(asyncio.CancelledError):
            await printing

    asyncio.run(main())
    thread.join(5)
    assert not thread.is_alive()
    assert len(terminal.getvalue()) == 20 * 100_001


def test_what_the_encoding_has_not_is_written_all_the_same():
    buffer = io.BytesIO()
    terminal = io.TextIOWrapper(buffer, encoding="ascii")
    Above(terminal).write("é\n")
    assert buffer.getvalue() == b"\\xe9\n"


def test_a_terminal_that_is_gone_raises_nothing():
    terminal = Terminal()
    terminal.close()
    assert Above(terminal).write("x") == 1


def test_it_is_what_the_terminal_is():
    terminal = Terminal()
    stream = Above(terminal)
    assert (stream.isatty(), stream.writable(), stream.terminal) == (False, True, terminal)
    assert stream.encoding == "utf-8"
    with pytest.raises(io.UnsupportedOperation):
        stream.fileno()
