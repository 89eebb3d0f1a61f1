"""The stream that is typed on, over losses: what is told, what is tried again, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.shell.play import PATIENCE, SM, acknowledging, perform, stage
from xmppctl.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    DeadlineExceeded,
    Interrupted,
    StreamError,
    TcpError,
    Terminated,
    UsageError,
    XmppctlError,
)
from xmppctl.session.deadline import Deadline
from xmppctl.session.memory import MemorySession
from xmppctl.shell import wire
from xmppctl.stanza.check import split_input

CONFLICT = "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_PAUSES", (0.0, 0.001))


class Opener:
    """Opens sessions again: first `failures` are raised; `gate`, where given, is waited for each time."""

    def __init__(self, *failures: XmppctlError, gate: bool = False, **how: Any) -> None:
        self.failures = list(failures)
        self.sessions: list[MemorySession] = []
        self.attempts = 0
        self.gate = asyncio.Event()
        if not gate:
            self.gate.set()
        self._how = how

    def __call__(self, ear: Any) -> Any:
        async def reopen() -> MemorySession:
            self.attempts += 1
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop(0)
            session = MemorySession(on_frame=ear, jid="romeo@montague.example/again", **self._how)
            self.sessions.append(session)
            return session

        return reopen


def names(stage: Any) -> list[tuple[str, str]]:
    return [(event.name, event.text) for event in stage.house.events]


def test_lost_and_back() -> None:
    opener = Opener(TcpError("refused"), TcpError("refused"), TcpError("no route"))

    async def main(stage: Any) -> None:
        await stage.type("<message to='a@b'/>")
        stage.session.hang_up()
        await stage.until(lambda: opener.sessions and stage.wire.session is opener.sessions[0])
        assert names(stage) == [
            ("offline", "the script broke the connection"),
            ("offline", "refused"),
            ("offline", "no route"),
            ("online", "romeo@montague.example/again"),
        ]
        assert opener.attempts == 4
        assert (stage.wire.state, str(stage.wire.jid)) == ("", "romeo@montague.example/again")
        await stage.type("<presence/>")
        assert [frame.name for frame in opener.sessions[0].sent] == ["presence"]
        assert opener.sessions[0].shown and stage.session.closed
        opener.sessions[0].hang_up()
        await stage.until(lambda: len(opener.sessions) == 2)

    perform(main, reopen=opener)


def test_while_it_is_away_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_PAUSES", (1000.0,))
    opener = Opener()

    async def main(stage: Any) -> None:
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.retry_at)
        assert stage.wire.state.startswith("offline, next try in ")
        for text in ("<presence/>", "<iq type='get' id='1'/>"):
            with pytest.raises(ConnectionLost) as caught:
                await stage.type(text)
            assert "/connect" in caught.value.hint
        with pytest.raises(ConnectionLost):
            stage.wire.session_for_commands()
        assert stage.shell.sent == 0 and stage.wire.jid is None
        await stage.type("/connect")
        await stage.until(lambda: opener.sessions)
        assert opener.attempts == 1

    perform(main, reopen=opener)


@pytest.mark.parametrize("error", [AuthError("wrong password"), ConfigError("no such account")])
def test_what_does_not_pass_by_itself_waits_until_it_is_told_to_connect(error: XmppctlError) -> None:
    opener = Opener(error, error)

    async def main(stage: Any) -> None:
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.failure is error)
        for attempts in (1, 2):
            await asyncio.sleep(0.02)
            assert (opener.attempts, stage.wire.state) == (attempts, "offline")
            stage.wire.connect_now()
            await stage.until(lambda attempts=attempts: opener.attempts > attempts)
        await stage.until(lambda: opener.sessions)

    perform(main, reopen=opener)


def test_what_comes_before_a_session_is_done() -> None:
    async def main(stage: Any) -> None:
        with pytest.raises(UsageError, match="a session has begun"):
            await stage.wire.start_tls()
        with pytest.raises(UsageError, match="authenticated already"):
            await stage.wire.authenticate("PLAIN")

    perform(main)


def test_a_conflict_is_not_fought_over() -> None:
    opener = Opener()

    async def main(stage: Any) -> None:
        stage.session.deliver(CONFLICT)
        await stage.until(lambda: stage.wire.session is None)
        await asyncio.sleep(0.02)
        assert opener.attempts == 0 and isinstance(stage.wire.failure, StreamError)
        stage.wire.connect_now()
        await stage.until(lambda: opener.sessions)

    perform(main, reopen=opener)


def test_what_was_told_while_it_was_there_is_no_order_for_later() -> None:
    opener = Opener()

    async def main(stage: Any) -> None:
        with pytest.raises(UsageError, match="the stream is open"):
            await stage.type("/connect")
        stage.session.deliver(CONFLICT)
        await stage.until(lambda: stage.wire.session is None)
        await asyncio.sleep(0.02)
        assert opener.attempts == 0

    perform(main, reopen=opener)


def test_an_order_that_comes_while_the_old_stream_is_closed_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    opener = Opener()

    async def main(stage: Any) -> None:
        closing = asyncio.Event()

        async def close() -> None:
            stage.wire.connect_now()
            closing.set()

        stage.session.close = close
        stage.session.deliver(CONFLICT)
        await closing.wait()
        await stage.until(lambda: opener.sessions)

    perform(main, reopen=opener)


def test_without_a_way_back_the_error_stays() -> None:
    async def main(stage: Any) -> None:
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.session is None)
        with pytest.raises(ConnectionLost, match="the script broke the connection"):
            await stage.type("<presence/>")
        stage.wire.fail(Terminated("terminated"))
        with pytest.raises(Terminated):
            await stage.keeping

    perform(main)


def connected(stage: Any, opener: Opener) -> bool:
    return True


def waiting(stage: Any, opener: Opener) -> bool:
    return stage.wire.session is None and stage.wire.retry_at > 0 and opener.attempts == 0


def connecting(stage: Any, opener: Opener) -> bool:
    return opener.attempts == 1


def back(stage: Any, opener: Opener) -> bool:
    return bool(opener.sessions) and stage.wire.session is opener.sessions[0]


@pytest.mark.parametrize("error", [Terminated("terminated"), Interrupted("interrupted")])
@pytest.mark.parametrize("phase", [connected, waiting, connecting, back])
def test_a_signal_ends_it_at_once(
    phase: Callable[..., bool], error: XmppctlError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is always the first session that is told: nobody tells the signal's listener of the next one."""
    if phase is waiting:
        monkeypatch.setattr(wire, "_PAUSES", (1000.0,))

    async def main() -> None:
        opener = Opener(gate=phase is connecting)
        async with stage(reopen=opener) as made, asyncio.timeout(PATIENCE):
            if phase is not connected:
                made.session.hang_up()
            await made.until(lambda: phase(made, opener))
            made.session.fail(error)
            with pytest.raises(type(error)) as caught:
                await made.keeping
            assert caught.value is error

    asyncio.run(main())


@pytest.mark.parametrize("phase", [connected, waiting, connecting, back])
def test_the_time_is_for_all_of_it(phase: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    if phase is waiting:
        monkeypatch.setattr(wire, "_PAUSES", (1000.0,))

    async def main() -> None:
        opener = Opener(gate=phase is connecting)
        async with stage(reopen=opener) as made, asyncio.timeout(PATIENCE):
            made.wire._deadline = made.session.deadline = Deadline(0.1)
            if phase is not connected:
                made.session.hang_up()
            await made.until(lambda: phase(made, opener))
            with pytest.raises(DeadlineExceeded):
                await made.keeping

    asyncio.run(main())


def test_nothing_goes_on_when_it_is_left_while_it_connects() -> None:
    async def main() -> None:
        opener = Opener(gate=True)
        async with stage(reopen=opener) as made:
            made.session.hang_up()
            await made.until(lambda: opener.attempts)
        opener.gate.set()
        await asyncio.sleep(0.01)
        assert opener.sessions == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_acknowledgements_are_asked_for_where_there_are_some() -> None:
    opener = Opener(responder=acknowledging(), features=[SM])

    async def main(stage: Any) -> None:
        await stage.type("<message to='a@b'/>")
        assert [frame.name for frame in stage.session.sent] == ["enable", "message", "r"]
        stage.session.hang_up()
        await stage.until(lambda: opener.sessions and stage.wire.session)
        await stage.type("<message to='a@b'/>")
        assert [frame.name for frame in opener.sessions[0].sent] == ["enable", "message", "r"]

    perform(main, acknowledging(), reopen=opener, acks=True, features=[SM])


@pytest.mark.parametrize("acks", [False, True])
def test_nothing_is_asked_for_where_it_may_not_be(acks: bool) -> None:
    async def main(stage: Any) -> None:
        await stage.type("<message to='a@b'/>")
        assert [frame.name for frame in stage.session.sent] == ["message"]

    perform(main, acks=acks, features=[] if acks else [SM])


def test_raw_bytes_end_the_counting() -> None:
    async def main(stage: Any) -> None:
        assert stage.wire.write_raw(b"<message to='a@b'/>")
        assert stage.session.acks.off
        assert not stage.wire.write_raw(b"<message to='a@b'/>")
        (nonza,) = split_input("<x xmlns='y:z'/>")
        stage.wire.write(nonza)
        assert [frame.name for frame in stage.session.sent] == ["enable", "message", "message", "x"]

    perform(main, acknowledging(), acks=True, features=[SM])


def test_a_component_has_no_session_for_commands() -> None:
    async def main(stage: Any) -> None:
        assert stage.wire.session_for_commands() is stage.session
        stage.session.component = True
        with pytest.raises(UsageError, match="component"):
            stage.wire.session_for_commands()

    perform(main)
