"""The login in its thread: where its password comes from, and how it is given up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.daemon.links import PATIENCE, QUIET, Case, Serve, bound, managed, play
from tests.servers.hostile import FULL_JID, PASSWORD, SM, Peer
from xmppctl.config.secrets import Secret
from xmppctl.daemon.attempt import Attempt
from xmppctl.errors import SecretError


def test_the_password_is_asked_for_anew_and_its_failure_is_final(serve: Serve) -> None:
    answers: list[Secret | Exception] = [Secret(PASSWORD), SecretError("the keyring is locked")]
    asked_in: list[str] = []

    def password() -> Secret:
        asked_in.append(threading.current_thread().name)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def script(peer: Peer) -> None:
        managed(peer)
        peer.reset()

    async def case() -> None:
        world = Case(serve(script), password=password)
        world.start()
        assert world.task is not None
        with pytest.raises(SecretError):
            await world.task
        assert world.ears.states == [f"online {FULL_JID}", "offline", "failed"]
        assert asked_in == ["login", "login"]

    play(case())


def test_closing_gives_up_a_login(serve: Serve) -> None:
    reached = threading.Event()

    def script(peer: Peer) -> None:
        peer.expect("<stream:stream")
        reached.set()
        peer.until_end()

    async def case() -> None:
        world = Case(serve(script), QUIET._replace(login=60))
        world.start()
        await world.until(reached.is_set)
        await world.link.close(5)
        assert world.task is not None
        await world.task
        assert world.link.state == "stopped" and world.ears.states == []

    play(case())


def test_closing_does_not_wait_for_a_password_that_does_not_come(serve: Serve) -> None:
    asked, answer = threading.Event(), threading.Event()
    server = serve(lambda peer: peer.until_end())

    def password() -> Secret:
        asked.set()
        answer.wait(PATIENCE)
        return Secret(PASSWORD)

    async def case() -> None:
        world = Case(server, password=password)
        world.start()
        await world.until(asked.is_set)
        await world.link.close(5)
        assert world.link.state == "stopped"

    try:
        play(case())
    finally:
        answer.set()
    assert server.connections == 0


def test_a_login_that_succeeds_while_it_closes_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the end of the login and the loop's next turn anything can happen."""
    log_in = Attempt.run

    def script(peer: Peer) -> None:
        bound(peer, SM)
        assert "<enable" not in peer.until_end()

    async def case() -> None:
        world = Case(serve(script))
        closing: list[asyncio.Task[None]] = []

        async def run(attempt: Attempt) -> Any:
            done = await log_in(attempt)
            closing.append(asyncio.create_task(world.link.close(5)))
            await asyncio.sleep(0)
            return done

        monkeypatch.setattr(Attempt, "run", run)
        world.start()
        assert world.task is not None
        await world.task
        await closing[0]
        assert world.ears.states == [] and world.link.state == "stopped"

    play(case())
