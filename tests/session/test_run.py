"""Opening a session: what gives the password must not take longer than the command may."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from tests.servers.scripted import ScriptedServer
from tests.servers.timeless import Side
from xmppctl.config.secrets import PasswordSource, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import SecretError, Terminated
from xmppctl.interrupts import MAIN
from xmppctl.session.run import CONNECT_SECONDS, Ends, both, in_thread, open_again, run_direct, run_loop
from xmppctl.stanza.jid import Jid


class Slow(PasswordSource):
    """Tells what time it was given, and that it was not enough."""

    def __init__(self) -> None:
        super().__init__("a test")
        self.given: list[float | None] = []

    def get(self, seconds: float | None = None) -> Secret:
        self.given.append(seconds)
        raise SecretError("too slow")


@pytest.mark.parametrize(("timeout", "seconds"), [(0.5, 0.5), (120.0, 120.0), (None, CONNECT_SECONDS)])
def test_the_password_may_take_as_long_as_the_command(timeout: float | None, seconds: float) -> None:
    source = Slow()

    async def main(_: Any) -> None:
        raise AssertionError("there is no password")

    with pytest.raises(SecretError):
        run_direct(Settings(Jid.parse("romeo@montague.example"), source), main, timeout=timeout)
    assert source.given == [seconds]


def test_frames_are_shown_to_whoever_wants_them() -> None:
    one: list[Any] = []
    other: list[Any] = []
    frame: Any = object()
    for shown in (both(one.append, other.append), both(None, other.append), both(one.append, None)):
        assert shown is not None
        shown(frame)
    assert both(None, None) is None
    assert one == other == [frame, frame]


# -- an event loop that hears of signals --


def test_a_signal_is_told_to_whoever_said_so_last() -> None:
    one: list[Exception] = []
    other: list[Exception] = []
    ends = Ends()
    first, second, third = Terminated("1"), Terminated("2"), Terminated("3")
    ends.deliver(first)
    ends.with_(one.append)
    ends.deliver(second)
    ends.with_(other.append)
    ends.deliver(third)
    assert (one, other) == ([first, second], [third])


@pytest.mark.parametrize("when", ["before", "in it"])
def test_a_signal_is_the_loop_s_while_it_runs(when: str) -> None:
    """It is no exception out of nowhere, also where no stream is open."""

    async def body(ends: Ends) -> str:
        told: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        ends.with_(told.set_result)
        if when == "in it":
            MAIN.deliver(Terminated("terminated"))
        return str(await asyncio.wait_for(told, 10))

    if when == "before":
        MAIN.streams += 1
        MAIN.deliver(Terminated("terminated"))
        MAIN.streams -= 1
    assert run_loop(body) == "terminated"
    assert (MAIN.streams, MAIN.listener, MAIN.take()) == (0, None, None)


def test_what_a_loop_s_coroutine_raises_comes_out() -> None:
    async def body(_: Ends) -> None:
        raise SecretError("wrong")

    with pytest.raises(SecretError):
        run_loop(body)
    assert (MAIN.streams, MAIN.listener) == (0, None)


def test_what_blocks_is_done_in_a_thread() -> None:
    async def main() -> None:
        threads = [await in_thread(threading.get_ident, unwanted.append) for _ in range(2)]
        assert threading.get_ident() not in threads
        with pytest.raises(SecretError):
            await in_thread(refuse, unwanted.append)

    def refuse() -> None:
        raise SecretError("wrong")

    unwanted: list[Any] = []
    asyncio.run(main())
    assert unwanted == []


@pytest.mark.parametrize("loop_ends", [False, True])
def test_what_nobody_waits_for_any_more_is_given_back(loop_ends: bool) -> None:
    go, given = threading.Event(), threading.Event()
    unwanted: list[str] = []

    def make() -> str:
        go.wait(10)
        return "late"

    def take(late: str) -> None:
        unwanted.append(late)
        given.set()

    async def main() -> None:
        making = asyncio.ensure_future(in_thread(make, take))
        await asyncio.sleep(0)
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making
        if not loop_ends:
            go.set()
            await asyncio.to_thread(given.wait, 10)

    asyncio.run(main())
    go.set()
    assert given.wait(10) and unwanted == ["late"]


def test_another_session_in_the_same_loop() -> None:
    side = Side()
    server = ScriptedServer(side, None, Jid.parse("romeo@montague.example/again"))

    async def main() -> None:
        session = await open_again(lambda: server.established(("x",), None))
        assert (str(session.jid), session.features, session.deadline.left()) == (
            "romeo@montague.example/again",
            {"x"},
            None,
        )
        await session.barrier(10)
        await session.close()

    try:
        asyncio.run(main())
    finally:
        side.close()
