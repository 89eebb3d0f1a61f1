"""Coroutines that never suspend, run without an event loop."""

from __future__ import annotations

import pytest

from xmppctl.session.drive import drive


async def give(value):
    return value


class Pause:
    def __await__(self):
        yield


def test_the_result_comes_back():
    async def main():
        return await give(1) + await give(2)

    assert drive(main()) == 3


def test_an_exception_comes_out():
    async def main():
        raise LookupError("x")

    with pytest.raises(LookupError):
        drive(main())


def test_a_coroutine_that_suspends_is_closed_and_told():
    closed = []

    async def main():
        try:
            await Pause()
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="suspended"):
        drive(main())
    assert closed == [True]
