"""What has come and waits to be asked for: given away once, in order, and only so much of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded
from xmppctl.session.deadline import Deadline
from xmppctl.session.memory import MemorySession
from xmppctl.shell.arrivals import Arrivals
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.frame import Frame

MESSAGE = compile_filter(["kind:message"])
ANYTHING = compile_filter([])


def message(id_: str, kind: str = "message") -> Frame:
    (frame,) = MemorySession()._in.feed(f"<{kind} id='{id_}'/>".encode())
    return frame


def play(main: Callable[[Arrivals], Awaitable[Any]], **how: Any) -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            await main(Arrivals(**how))

    asyncio.run(run())


def fine() -> None:
    """Nothing has ended the stream."""


async def take(arrivals: Arrivals, wanted: Any = MESSAGE, seconds: float = 5.0) -> str | None:
    return (await arrivals.take(wanted, Deadline(seconds), fine)).id


def test_each_is_given_once_and_in_order() -> None:
    async def main(arrivals: Arrivals) -> None:
        for frame in (message("1"), message("p", "presence"), message("2")):
            arrivals.put(frame)
        assert [await take(arrivals), await take(arrivals), await take(arrivals, ANYTHING)] == ["1", "2", "p"]
        with pytest.raises(DeadlineExceeded, match="waiting for kind:message"):
            await take(arrivals, seconds=0.0)
        assert arrivals.count == 3

    play(main)


def test_what_is_still_to_come_is_waited_for_by_several() -> None:
    async def main(arrivals: Arrivals) -> None:
        taking = [asyncio.ensure_future(take(arrivals, wanted)) for wanted in (MESSAGE, ANYTHING, MESSAGE)]
        await asyncio.sleep(0)
        for frame in (message("p", "presence"), message("1"), message("2")):
            arrivals.put(frame)
        assert await asyncio.gather(*taking) == ["1", "p", "2"]

    play(main)


def test_the_next_is_one_that_came_later() -> None:
    async def main(arrivals: Arrivals) -> None:
        arrivals.put(message("before"))
        since = arrivals.count
        with pytest.raises(DeadlineExceeded, match="next stanza"):
            await arrivals.next(since, Deadline(0.0), fine)
        arrivals.put(message("after", "iq"))
        assert (await arrivals.next(since, Deadline(5.0), fine)).id == "after"
        assert await take(arrivals, ANYTHING) == "before"

    play(main)


def test_only_the_newest_are_kept() -> None:
    async def main(arrivals: Arrivals) -> None:
        for number in range(10):
            arrivals.put(message(str(number)))
        assert [await take(arrivals) for _ in range(3)] == ["7", "8", "9"]
        assert arrivals.count == 10

    play(main, limit=3)


def test_what_has_come_counts_though_the_stream_has_ended() -> None:
    def over() -> None:
        raise ConnectionLost("gone")

    async def main(arrivals: Arrivals) -> None:
        arrivals.put(message("1"))
        assert (await arrivals.take(MESSAGE, Deadline(5.0), over)).id == "1"
        with pytest.raises(ConnectionLost):
            await arrivals.take(MESSAGE, Deadline(5.0), over)

    play(main)


def test_the_end_of_the_stream_ends_a_wait() -> None:
    async def main(arrivals: Arrivals) -> None:
        ends: list[ConnectionLost] = []

        def check() -> None:
            for error in ends:
                raise error

        waiting = asyncio.ensure_future(arrivals.take(MESSAGE, Deadline(None), check))
        await asyncio.sleep(0)
        ends.append(ConnectionLost("gone"))
        arrivals.wake()
        with pytest.raises(ConnectionLost):
            await waiting

    play(main)


def test_a_flood_while_something_else_is_waited_for_is_looked_at_once() -> None:
    looked = 0

    class Counting:
        terms = ("nothing",)

        def __call__(self, _: Frame) -> bool:
            nonlocal looked
            looked += 1
            return False

    async def main(arrivals: Arrivals) -> None:
        waiting = asyncio.ensure_future(arrivals.take(Counting(), Deadline(None), fine))  # type: ignore[arg-type]
        for number in range(500):
            arrivals.put(message(str(number)))
            await asyncio.sleep(0)
        waiting.cancel()
        assert looked <= 500

    play(main)


@pytest.mark.parametrize("turns", range(5))
def test_who_is_stopped_just_when_something_comes_is_stopped(turns: int) -> None:
    async def main(arrivals: Arrivals) -> None:
        waiting = asyncio.ensure_future(take(arrivals))
        await asyncio.sleep(0)
        arrivals.put(message("p", "presence"))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    play(main)
