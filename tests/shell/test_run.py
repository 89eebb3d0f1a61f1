"""A shell from its beginning to its end: whoever is done first ends it, and nothing goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.shell.play import PATIENCE, Commands, Stage, stage
from xmppctl.errors import ConnectionLost, Terminated, UsageError
from xmppctl.session.memory import MemorySession
from xmppctl.shell.run import Ear, live


def run(front: Callable[[Stage], Coroutine[Any, Any, None]], **how: Any) -> Stage:
    """Let `front` type until the end of it all; raises what that raises."""

    async def main() -> Stage:
        async with stage(**how) as made:
            made.keeping.cancel()
            async with asyncio.timeout(PATIENCE):
                try:
                    await live(made.shell, front(made))
                finally:
                    assert asyncio.all_tasks() == {asyncio.current_task()}
                    assert made.shell.jobs.running == {}
        return made

    return asyncio.run(main())


async def forever(stage: Stage) -> None:
    await asyncio.Event().wait()


def test_it_ends_when_nobody_types_any_more() -> None:
    async def front(stage: Stage) -> None:
        await stage.type("<presence/>")

    assert run(front).typed == ["<presence/>"]


def test_what_whoever_types_raises_comes_out() -> None:
    async def front(stage: Stage) -> None:
        raise UsageError("wrong")

    with pytest.raises(UsageError, match="wrong"):
        run(front)


@pytest.mark.parametrize("error", [Terminated("terminated"), ValueError("a bug")])
def test_what_ends_the_stream_for_good_ends_it(error: Exception) -> None:
    async def front(stage: Stage) -> None:
        stage.session.fail(error)
        await forever(stage)

    with pytest.raises(type(error)):
        run(front)


def test_a_loss_is_for_whoever_types_next() -> None:
    seen: list[bool] = []

    async def front(stage: Stage) -> None:
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.session is None)
        await asyncio.sleep(0.01)
        seen.append(True)
        await stage.type("<presence/>")

    with pytest.raises(ConnectionLost):
        run(front)
    assert seen


def test_a_signal_after_a_loss_ends_it_too() -> None:
    async def front(stage: Stage) -> None:
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.session is None)
        stage.session.fail(Terminated("terminated"))
        await forever(stage)

    with pytest.raises(Terminated):
        run(front)


def test_commands_that_run_are_ended() -> None:
    ended: list[str] = []

    async def follow(session: Any) -> int:
        try:
            while True:
                await asyncio.sleep(0.001)
                session.check()
        finally:
            ended.append("follow")

    async def front(stage: Stage) -> None:
        await stage.type("/follow")
        await stage.until(lambda: stage.shell.jobs.running[1].guest)

    run(front, commands=Commands(follow=lambda rest, opened: opened(follow, None, None)))
    assert ended == ["follow"]


def test_an_ear_keeps_what_comes_before_anybody_listens() -> None:
    frames = MemorySession()._in.feed(b"<message id='1'/><message id='2'/><message id='3'/>")
    heard: list[Any] = []
    ear = Ear()
    ear(frames[0])
    ear(frames[1])
    assert ear.give(heard.append) == frames[:2]
    ear(frames[2])
    assert heard == frames[2:]
