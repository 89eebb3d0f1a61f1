"""The commands that run beside what is typed: each in its thread, on the shell's stream, and ended properly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.shell.play import PERSON, SCRIPT, Commands, Stage, answering, perform
from xmppctl.errors import ConnectionLost, DeadlineExceeded, Interrupted, Terminated, UsageError
from xmppctl.session.memory import MemorySession
from xmppctl.session.run import Observer
from xmppctl.shell import jobs as jobs_module
from xmppctl.shell.slash import Ended

PING = "<iq type='get' id='p1' to='a.example'/>"
PONG = "<iq type='result' id='p1' from='a.example'/>"


def on_stream(
    main: Callable[[Any], Awaitable[int]], timeout: float | None = 30.0, observe: Observer | None = None
) -> Callable[[str, Any], int]:
    """A command that does this on the stream. As of every command, its exit code tells that it was stopped."""

    def command(rest: str, opened: Any) -> int:
        try:
            return opened(main, timeout, observe)  # type: ignore[no-any-return]
        except Interrupted as error:
            return int(error.code)

    return command


async def asking(session: Any) -> int:
    await ask(session)
    return 0


async def ask(session: Any) -> Any:
    pending = session.replies.expect("p1", "a.example")
    session.write(PING)
    await waiting(session, lambda: pending.reply is not None)
    return pending.reply


async def waiting(session: Any, predicate: Callable[[], bool] = lambda: False) -> None:
    while not predicate():
        with suppress(DeadlineExceeded):
            await session.wait(predicate)
        if session.deadline.passed:
            raise session.deadline.error("waiting")
        await asyncio.sleep(0.001)


async def following(session: Any) -> int:
    await waiting(session)
    return 0


def test_a_command_runs_in_a_thread_on_the_stream() -> None:
    threads: list[int] = []

    def command(rest: str, opened: Any) -> int:
        threads.append(threading.get_ident())
        return opened(asking, 30.0, None) + len(rest)  # type: ignore[no-any-return]

    async def main(stage: Stage) -> None:
        job = stage.shell.jobs.start("ask", "abc")
        assert (job.number, job.text) == (1, "/ask abc")
        await job.done.wait()
        assert (job.code, job.failure) == (3, None)
        assert threads[0] != threading.get_ident()
        assert stage.shell.jobs.running == {}
        assert stage.session.subscriptions == [] and stage.house.shown == []

    perform(main, answering(p1=PONG), commands=Commands(ask=command))


def test_a_script_goes_on_when_it_has_ended() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("/ask\n<presence/>")
        assert [frame.name for frame in stage.session.sent] == ["iq", "presence"]
        with pytest.raises(Ended) as caught:
            await stage.type("/fails\n<presence/>")
        assert caught.value.code == 5
        with pytest.raises(ZeroDivisionError):
            await stage.type("/breaks")
        assert len(stage.session.sent) == 2

    perform(
        main,
        answering(p1=PONG),
        manner=SCRIPT,
        commands=Commands(
            ask=on_stream(asking), fails=lambda rest, opened: 5, breaks=lambda rest, opened: 1 // 0
        ),
    )


@pytest.mark.parametrize(
    ("line", "timeout"), [("/follow", None), ("/follow &", None), ("/follow  x &", 30.0)]
)
def test_one_that_goes_on_lets_the_script_go_on_when_it_has_its_answers(
    line: str, timeout: float | None
) -> None:
    rests: list[str] = []

    async def set_up(session: Any) -> int:
        await ask(session)
        return await following(session)

    def command(rest: str, opened: Any) -> int:
        rests.append(rest)
        return opened(set_up, timeout, None)  # type: ignore[no-any-return]

    async def main(stage: Stage) -> None:
        typing = asyncio.ensure_future(stage.type(f"{line}\n<presence/>"))
        await stage.until(lambda: stage.session.sent)
        await asyncio.sleep(0.15)
        assert not typing.done(), "the answer is not there yet"
        stage.session.deliver(PONG)
        await typing
        assert [frame.name for frame in stage.session.sent] == ["iq", "presence"]
        assert rests == [line.removeprefix("/follow").removesuffix("&").strip()]
        assert list(stage.shell.jobs.running) == [1]

    perform(main, lambda _: [], manner=SCRIPT, commands=Commands(follow=command))


def test_a_person_is_not_made_to_wait() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("/follow\n/follow\n<presence/>")
        assert stage.typed == ["<presence/>"]
        await stage.until(lambda: all(job.guest for job in stage.shell.jobs.running.values()))
        await stage.type("/jobs")
        assert [line.split()[1] for line in stage.house.said[0].splitlines()] == ["1]", "2]"]
        await stage.type("/stop 1")
        await stage.until(lambda: list(stage.shell.jobs.running) == [2])
        assert stage.house.notes == ["[job 1] /follow: stopped"]
        await stage.type("/stop")
        await stage.until(lambda: not stage.shell.jobs.running)
        with pytest.raises(UsageError, match="nothing runs"):
            await stage.type("/stop")
        with pytest.raises(UsageError, match="no job 1"):
            await stage.type("/follow\n/stop 1")

    perform(main, commands=Commands(follow=on_stream(following, None)))


def test_what_a_command_dies_of_is_told_to_a_person() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("/breaks\n/refuses")
        await stage.until(lambda: len(stage.house.told) == 2)
        assert {error.message for error in stage.house.told} == {"/breaks failed: broken", "refused"}

    def breaks(rest: str, opened: Any) -> int:
        raise ValueError("broken")

    def refuses(rest: str, opened: Any) -> int:
        raise UsageError("refused")

    perform(main, commands=Commands(breaks=breaks, refuses=refuses))


@pytest.mark.parametrize("manner", [SCRIPT, PERSON])
def test_the_loss_of_the_stream_ends_them(manner: Any) -> None:
    ends: list[Exception] = []

    async def follow(session: Any) -> int:
        try:
            return await following(session)
        except Exception as error:
            ends.append(error)
            return 4

    async def main(stage: Stage) -> None:
        await stage.type("/follow")
        await stage.until(lambda: stage.shell.jobs.running[1].guest)
        stage.session.hang_up()
        await stage.until(lambda: not stage.shell.jobs.running)
        assert [type(error) for error in ends] == [ConnectionLost]
        job = stage.shell.jobs.start("follow", "")
        await job.done.wait()
        assert isinstance(job.failure, ConnectionLost), "there is no stream to run on"

    perform(main, manner=manner, commands=Commands(follow=on_stream(follow, None)))


def test_each_has_a_time_of_its_own() -> None:
    async def main(stage: Stage) -> None:
        job = stage.shell.jobs.start("follow", "")
        await job.done.wait()
        assert isinstance(job.failure, DeadlineExceeded)

    perform(main, commands=Commands(follow=on_stream(following, 0.02)))


def test_one_that_was_stopped_before_it_came_to_the_stream_does_nothing_there() -> None:
    go = threading.Event()

    async def sends(session: Any) -> int:
        session.write("<presence/>")
        return 0

    def command(rest: str, opened: Any) -> int:
        go.wait(10)
        return opened(sends, 30.0, None)  # type: ignore[no-any-return]

    async def main(stage: Stage) -> None:
        await stage.type("/late\n/stop")
        assert "it ends when it comes to that" in stage.house.notes[0]
        job = stage.shell.jobs.running[1]
        go.set()
        await job.done.wait()
        assert isinstance(job.failure, Interrupted) and stage.typed == []

    perform(main, commands=Commands(late=command))


@pytest.mark.parametrize("manner", [PERSON, SCRIPT])
def test_one_that_needs_no_session_can_be_stopped(manner: Any) -> None:
    """In a script it goes on by itself, too."""

    def command(rest: str, opened: Any) -> int:
        try:
            while True:
                opened.pause(0.01)
        except Interrupted as error:
            return int(error.code)

    async def main(stage: Stage) -> None:
        await stage.type("/logs")
        job = stage.shell.jobs.running[1]
        await stage.until(lambda: job.settled)
        await stage.type("/stop")
        await job.done.wait()
        assert job.code == Interrupted("").code and "ends when" not in f"{stage.house.notes}"

    perform(main, manner=manner, commands=Commands(logs=command))


@pytest.mark.parametrize("how", ["stop", "signal", "both", "twice"])
def test_what_it_has_set_up_is_undone(how: str) -> None:
    """As `pubsub subscribe` does it; also where a signal ends the shell, and though it is told twice."""
    undone: list[str | None] = []

    async def follow(session: Any) -> int:
        try:
            await waiting(session)
        except (Interrupted, Terminated):
            session.grace(5.0)
            undone.append((await ask(session)).id)
        return 0

    async def main(stage: Stage) -> None:
        await stage.type("/follow")
        await stage.until(lambda: stage.shell.jobs.running[1].guest)
        if how in ("signal", "both"):
            stage.session.fail(Terminated("terminated"))
            await stage.until(lambda: stage.session.sent or how == "signal")
        else:
            await stage.type("/stop")
        if how in ("both", "twice"):
            await stage.until(lambda: stage.session.sent)
        ending = asyncio.ensure_future(stage.shell.end())
        await stage.until(lambda: stage.session.sent)
        await asyncio.sleep(0.01)
        assert not ending.done()
        answer(stage)
        await ending
        assert undone == ["p1"]

    def answer(stage: Stage) -> None:
        stage.session.deliver(PONG)
        # The wire hears of a signal, and leaves the stream to whoever must undo something.
        if stage.keeping.done():
            stage.session._received(stage.session._incoming.popleft())

    perform(main, lambda _: [], commands=Commands(follow=on_stream(follow, None)))


def test_one_that_does_not_end_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_LEAVE_SECONDS", 0.01)
    go = threading.Event()
    ended: list[BaseException] = []

    def command(rest: str, opened: Any) -> int:
        go.wait(10)
        try:
            return opened(following, 30.0, None)  # type: ignore[no-any-return]
        except BaseException as error:
            ended.append(error)
            raise

    async def main(stage: Stage) -> None:
        await stage.type("/stuck")
        await stage.shell.jobs.stop_all()
        assert list(stage.shell.jobs.running) == [1]
        job.append(next(thread for thread in threading.enumerate() if thread.name == "job 1"))
        go.set()
        await stage.until(lambda: not stage.shell.jobs.running)

    job: list[threading.Thread] = []
    perform(main, commands=Commands(stuck=command))
    job[0].join(10)
    assert [type(error) for error in ended] == [Interrupted]


def test_one_that_comes_to_the_stream_after_the_end_is_told_so(recwarn: pytest.WarningsRecorder) -> None:
    from xmppctl.shell.jobs import Job, Jobs

    ended: list[BaseException] = []

    def command(rest: str, opened: Any) -> int:
        try:
            return opened(following, 30.0, None)  # type: ignore[no-any-return]
        except BaseException as error:
            ended.append(error)
            raise

    async def main() -> Jobs:
        return Jobs(Commands(late=command), lambda: None, [], lambda _: None)  # type: ignore[arg-type,return-value]

    jobs = asyncio.run(main())
    jobs._run(Job(1, "/late"), "late", "")
    assert [type(error) for error in ended] == [Interrupted]
    assert not recwarn.list


def test_what_is_told_of_it_holds_no_secret() -> None:
    def fails(rest: str, opened: Any) -> int:
        raise RuntimeError("no")

    async def main(stage: Stage) -> None:
        await stage.type("/follow <password>pl4nted</password>\n/follow '<auth>pl4nted\n/jobs")
        await stage.until(lambda: all(job.guest for job in stage.shell.jobs.running.values()))
        await stage.type("/stop 1 2\n/fail password=pl4nted")
        await stage.until(lambda: len(stage.house.notes) == 2 and stage.house.told)
        assert "/follow <password[redacted:" in stage.house.said[0]
        assert "[job 2]" in stage.house.said[0]
        assert "pl4nted" not in f"{stage.house.said} {stage.house.notes} {stage.house.told[0].message}"

    perform(main, commands=Commands(follow=on_stream(following, None), fail=fails))


def test_too_many_are_refused() -> None:
    async def main(stage: Stage) -> None:
        for _ in range(jobs_module.MAX_JOBS):
            await stage.type("/follow")
        with pytest.raises(UsageError, match="run already"):
            await stage.type("/follow")
        await stage.until(lambda: all(job.guest for job in stage.shell.jobs.running.values()))

    perform(main, commands=Commands(follow=on_stream(following, None)))


def test_it_sees_the_stream_while_it_runs() -> None:
    seen: list[str | None] = []

    async def main(stage: Stage) -> None:
        await stage.type("/watch")
        await stage.until(lambda: stage.shell.jobs.running[1].guest)
        stage.session.deliver("<message id='1'/>")
        await stage.type("<message id='2'/>")
        await stage.settled()
        await stage.type("/stop")
        await stage.until(lambda: not stage.shell.jobs.running)
        stage.session.deliver("<message id='3'/>")
        await stage.settled()
        assert sorted(seen) == ["1", "2"]  # type: ignore[type-var]
        assert stage.shell.traffic.observers == []

    observe = Observer((), lambda frame: seen.append(frame.id), lambda _: None)
    perform(main, commands=Commands(watch=on_stream(following, None, observe)))


@pytest.mark.parametrize("manner", [PERSON, SCRIPT])
def test_one_with_a_login_of_its_own_can_be_stopped(manner: Any) -> None:
    """Its session is in an event loop of its own; in a script it goes on by itself when that is open."""
    own = MemorySession()

    def command(rest: str, opened: Any) -> int:
        try:
            return asyncio.run(opened.ending(following, follows=True)(own))  # type: ignore[no-any-return]
        except Interrupted as error:
            return int(error.code)

    async def main(stage: Stage) -> None:
        await stage.type("/other -a other")
        job = stage.shell.jobs.running[1]
        while not job.settled:
            await asyncio.sleep(0.01)
        await stage.type("/stop")
        await job.done.wait()
        assert job.code == Interrupted("").code and stage.typed == []

    perform(main, manner=manner, commands=Commands(other=command))
