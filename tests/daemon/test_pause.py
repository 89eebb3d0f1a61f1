"""The wait for the next attempt, and what cuts it short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from xmppctl.daemon import liveness
from xmppctl.daemon import pause as pause_module
from xmppctl.daemon.pause import Pause

LONG = 3600.0
PATIENCE = 10.0


def waiting(act: Callable[[Pause], object] | None, *, seconds: float = LONG, tick: float = LONG) -> bool:
    """Whether a wait is over soon, if `act` is called while it is under way."""

    async def case() -> bool:
        pause = Pause(tick, settle=0.01)
        task = asyncio.create_task(pause.wait(seconds))
        await asyncio.sleep(0.01)
        if act is not None:
            act(pause)
        done, _ = await asyncio.wait([task], timeout=PATIENCE if act is not None or seconds < 1 else 0.1)
        task.cancel()
        return bool(done)

    return asyncio.run(case())


def test_it_waits_as_long_as_it_is_told() -> None:
    assert waiting(None, seconds=0.02)
    assert not waiting(None)


def test_it_can_be_ended() -> None:
    assert waiting(Pause.end)


def test_a_change_of_the_network_cuts_it_short() -> None:
    assert waiting(Pause.hurry)


def test_a_suspend_does_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = [0.0]
    clock = asyncio.new_event_loop()
    monkeypatch.setattr(liveness.Suspends.__init__, "__defaults__", (lambda: clock.time() + slept[0],))

    def suspend(_: Pause) -> None:
        slept[0] = 60.0

    try:
        assert waiting(suspend, tick=0.02)
        assert not waiting(None, tick=0.02)
    finally:
        clock.close()


def test_a_network_that_is_never_at_rest_does_not_hurry_it_each_time() -> None:
    async def case() -> None:
        pause = Pause(LONG, settle=0.01)
        for expected in (True, False):
            task = asyncio.create_task(pause.wait(LONG))
            await asyncio.sleep(0.01)
            pause.hurry()
            done, _ = await asyncio.wait([task], timeout=PATIENCE if expected else 0.1)
            assert bool(done) == expected
            task.cancel()

    asyncio.run(case())


def test_somebody_who_comes_too_soon_after_another_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause_module, "RESTLESS", 0.1)

    async def case() -> None:
        pause = Pause(LONG, settle=0.01)
        for _ in range(2):
            task = asyncio.create_task(pause.wait(LONG))
            await asyncio.sleep(0.01)
            pause.hurry()
            await asyncio.wait_for(task, PATIENCE)

    asyncio.run(case())


def test_what_changed_before_the_wait_does_not_count() -> None:
    async def case() -> None:
        pause = Pause(LONG, settle=0.01)
        pause.hurry()
        task = asyncio.create_task(pause.wait(LONG))
        done, _ = await asyncio.wait([task], timeout=0.1)
        assert not done
        task.cancel()

    asyncio.run(case())


def test_one_that_was_ended_ends_each_that_follows() -> None:
    async def case() -> None:
        pause = Pause(LONG)
        pause.end()
        await asyncio.wait_for(pause.wait(LONG), PATIENCE)

    asyncio.run(case())
