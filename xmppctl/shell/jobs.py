"""The commands of xmppctl that run inside a shell, each in a thread of its own, on the shell's stream.

A command is what it is on the command line, and waits as it does there; only its session is a guest on the stream that
is open already (see `session.guest`), and lives in the shell's event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from xmppctl.errors import Interrupted, UsageError
from xmppctl.session.deadline import Deadline
from xmppctl.session.guest import Guest
from xmppctl.shell.scrub import scrub

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.session.run import Observer

T = TypeVar("T")

#: So many at once; more is a loop that went wrong.
MAX_JOBS: Final = 32
#: What a job that was stopped may take to leave properly.
_LEAVE_SECONDS: Final = 5.0
#: What a command that goes on may take to get its first answers.
_SETTLE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.02


class Commands(Protocol):
    """The commands of xmppctl, as a shell needs them."""

    def names(self) -> dict[str, str]:
        """Name -> what it does, in a line."""

    def check(self, name: str, rest: str) -> None:
        """Raise UsageError for words that can be seen to be wrong without running them."""

    def complete(self, line: str) -> list[tuple[str, str]]:
        """What the last word of a command line (without the slash) may become, with its help."""

    def run(self, name: str, rest: str, open_session: OpenSession) -> int:
        """Run one to its end, in this thread; return its exit code. Errors are told."""


class OpenSession(Protocol):
    """Runs a command's coroutine on the shell's stream."""

    def __call__(
        self,
        main: Callable[[Session], Coroutine[Any, Any, T]],
        timeout: float | None,
        observe: Observer | None,
    ) -> T:
        """Return what `main` returned. Raises ConnectionLost where there is no stream, and what `main` raises."""

    def ending(
        self, main: Callable[[Session], Coroutine[Any, Any, T]], *, follows: bool
    ) -> Callable[[Session], Coroutine[Any, Any, T]]:
        """`main` for a session that the command opens by itself, in an event loop of its thread: the shell ends it."""

    def pause(self, seconds: float) -> None:
        """Let time pass, for a command that has no session. Raises Interrupted when the job is stopped."""


class Job:
    """One command; `text` is its line, without its secrets.

    `follows`: it goes on until it is stopped. `code` is its exit code, once it has one. `alone`: nobody waits for its
    end, or raises what failed.
    """

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text
        self.began = monotonic()
        self.code: int | None = None
        self.failure: Exception | None = None
        self.follows = False
        self.alone = False
        self.guest: Guest | None = None
        #: What ends it where its session is none of the shell's.
        self.own_end: Callable[[Exception], object] | None = None
        self.stopped = False
        #: Whether it waits where it hears of `halt`, which says that it is stopped.
        self.pauses = False
        self.halt = threading.Event()
        self.done = asyncio.Event()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return monotonic() - self.began

    @property
    def settled(self) -> bool:
        """Whether it has all that it asked for, as far as can be seen: its session too, where it needs one."""
        return self.pauses or self.own_end is not None or (self.guest is not None and self.guest.settled)

    def stop(self) -> bool:
        """End it as Ctrl-C would; whether it could be told."""
        self.stopped = True
        self.halt.set()
        if self.guest is not None:
            self.guest.fail(Interrupted("stopped"))
        elif self.own_end is not None:
            self.own_end(Interrupted("stopped"))
        else:
            return self.pauses
        return True


class _Opener:
    """How the command of a job comes to its session."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs = jobs
        self._job = job

    def __call__(
        self,
        main: Callable[[Session], Coroutine[Any, Any, T]],
        timeout: float | None,
        observe: Observer | None,
    ) -> T:
        """On the shell's stream."""
        return self._jobs.run_on_stream(self._job, main, timeout, observe)

    def ending(
        self, main: Callable[[Session], Coroutine[Any, Any, T]], *, follows: bool
    ) -> Callable[[Session], Coroutine[Any, Any, T]]:
        """On a session of its own."""
        job = self._job

        async def body(session: Session) -> T:
            loop = asyncio.get_running_loop()

            def end(error: Exception) -> None:
                with suppress(RuntimeError):  # it has just ended by itself
                    loop.call_soon_threadsafe(session.fail, error)

            job.own_end, job.follows = end, follows
            if job.stopped:
                end(Interrupted("stopped"))
            return await main(session)

        return body

    def pause(self, seconds: float) -> None:
        """In the job's thread, which `stop` wakes."""
        self._job.pauses = self._job.follows = True
        if self._job.halt.wait(seconds):
            raise Interrupted("stopped")


class Jobs:
    """`session()` gives the stream's session; `ended` hears of each job that has."""

    def __init__(
        self,
        commands: Commands,
        session: Callable[[], Session],
        observers: list[tuple[Job, Observer]],
        ended: Callable[[Job], None],
    ) -> None:
        self._commands = commands
        self._session = session
        self._observers = observers
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self.running: dict[int, Job] = {}

    def start(self, name: str, rest: str) -> Job:
        """Run a command. Raises UsageError where too many run."""
        if len(self.running) >= MAX_JOBS:
            raise UsageError(f"{MAX_JOBS} commands run already", hint="/jobs lists them, /stop N ends one")
        self._count += 1
        job = Job(self._count, scrub(f"/{name} {rest}".rstrip()) or f"/{name}")
        self.running[job.number] = job
        threading.Thread(
            target=self._run, args=(job, name, rest), daemon=True, name=f"job {job.number}"
        ).start()
        return job

    def _run(self, job: Job, name: str, rest: str) -> None:
        """In the job's thread."""
        try:
            job.code = self._commands.run(name, rest, _Opener(self, job))
        except Exception as error:  # noqa: BLE001 (kept: whoever waits for the job raises it)
            job.failure = error
        finally:
            with suppress(RuntimeError):  # the shell has ended, and waits no more
                self._loop.call_soon_threadsafe(self._finish, job)

    def run_on_stream(
        self,
        job: Job,
        main: Callable[[Session], Coroutine[Any, Any, T]],
        timeout: float | None,
        observe: Observer | None,
    ) -> T:
        """Run `main` as a guest on the shell's stream. In the job's thread."""
        body = self._body(job, main, timeout, observe)
        try:
            return asyncio.run_coroutine_threadsafe(body, self._loop).result()
        except (CancelledError, RuntimeError):
            if not self._loop.is_closed() and not job.stopped:
                raise
            body.close()  # the shell has ended meanwhile
            raise Interrupted("stopped") from None

    async def _body(
        self,
        job: Job,
        main: Callable[[Session], Coroutine[Any, Any, T]],
        timeout: float | None,
        observe: Observer | None,
    ) -> T:
        guest = job.guest = Guest(self._session(), Deadline(timeout))
        job.follows = timeout is None
        if job.stopped:
            guest.fail(Interrupted("stopped"))
        watching = None if observe is None else (job, observe)
        if watching is not None:
            self._observers.append(watching)
        try:
            return await main(guest)
        finally:
            if watching is not None:
                self._observers.remove(watching)
            await guest.close()

    def _finish(self, job: Job) -> None:
        self.running.pop(job.number, None)
        job.done.set()
        self._ended(job)

    async def settle(self, job: Job, check: Callable[[], None], *, background: bool = False) -> bool:
        """Wait until a job has ended, or goes on by itself: True for the latter.

        A command that follows, or is for the `background`, is let go when all that it asked for was answered, so that
        what is sent next comes after what it has set up. Raises what `check` does.
        """
        limit = Deadline(_SETTLE_SECONDS)
        quiet = 0
        while not job.done.is_set():
            check()
            goes_on = job.follows or background
            quiet = quiet + 1 if goes_on and job.settled else 0
            if quiet > 3 or (goes_on and limit.passed):
                return True
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await job.done.wait()
            except TimeoutError:
                continue
        return False

    async def stop_all(self) -> None:
        """End all; wait a little for them to leave properly."""
        jobs = list(self.running.values())
        for job in jobs:
            job.stop()
        limit = Deadline(_LEAVE_SECONDS)
        for job in jobs:
            try:
                async with asyncio.timeout(limit.left()):
                    await job.done.wait()
            except TimeoutError:
                return
