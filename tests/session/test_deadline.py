"""One deadline, shared."""

from __future__ import annotations

from time import sleep

import pytest

from xmppctl.session.deadline import Deadline
from xmppctl.session.drive import drive


def test_never_is_never() -> None:
    never = Deadline(None)
    assert never.left() is None and not never.passed
    assert "after" not in never.error("x").message


def test_it_passes_and_stays_at_zero() -> None:
    short = Deadline(0.01)
    sleep(0.02)
    assert short.passed and short.left() == 0.0
    assert short.error("waiting").message == "time ran out after 0.01 s while waiting"
    assert int(short.error("waiting").code) == 6 and short.error("waiting").hint


def test_a_part_is_never_longer_than_the_whole() -> None:
    whole = Deadline(1)
    assert (whole.within(5).left() or 9) <= 1 and whole.within(5).seconds == 1
    assert (whole.within(0.1).left() or 9) <= 0.1
    assert (Deadline(None).within(2).left() or 9) <= 2
    assert Deadline(None).within(None).left() is None
    assert Deadline(0).within(5).passed


def test_a_coroutine_that_never_suspends_is_driven_without_a_loop() -> None:
    async def good() -> int:
        return 7

    async def bad() -> None:
        import asyncio

        await asyncio.sleep(0)

    async def failing() -> None:
        raise ValueError("x")

    assert drive(good()) == 7
    with pytest.raises(ValueError, match="x"):
        drive(failing())
    with pytest.raises(RuntimeError, match="suspended"):
        drive(bad())
