"""Open a session, run a coroutine on it, close it: what a command line needs of the connection manager."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from xmppctl.session import local
from xmppctl.session.base import Session
from xmppctl.session.deadline import Deadline
from xmppctl.session.drive import drive

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.errors import DaemonError
    from xmppctl.session.connection import OnFrame
    from xmppctl.session.established import Established
    from xmppctl.session.login import Step
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.frame import Frame

T = TypeVar("T")

#: What connecting may take where the command itself has no limit.
CONNECT_SECONDS = 30.0


class Observer(NamedTuple):
    """What a command wants to see of what crosses the account's wire, both ways.

    A daemon sends only what fits all `terms` of the filter language; a stream of our own shows everything. `take` gets
    the frames, `dropped` hears how many were lost, where they would have been, because they were read too slowly.
    `only`: the command wants no stanzas besides, but the replies to its own. `event` hears when the daemon loses its
    connection, and when it has it again.
    """

    terms: tuple[str, ...]
    take: OnFrame
    dropped: Callable[[int], None]
    only: bool = False
    event: Callable[[Event], None] | None = None


class Runner(Protocol):
    """How a session is opened and used. See `run_direct`."""

    def __call__(
        self,
        settings: Settings,
        main: Callable[[Session], Coroutine[Any, Any, T]],
        *,
        plugins: bool,
        timeout: float | None,
        on_frame: OnFrame | None,
        observe: Observer | None,
        needs_daemon: DaemonError | None,
        progress: Callable[[Step], None] | None,
        note: Callable[[str], None],
        nameserver: str | None,
    ) -> T: ...


def run_direct(
    settings: Settings,
    main: Callable[[Session], Coroutine[Any, Any, T]],
    *,
    plugins: bool = False,
    timeout: float | None,
    on_frame: OnFrame | None = None,
    observe: Observer | None = None,
    needs_daemon: DaemonError | None = None,
    progress: Callable[[Step], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    nameserver: str | None = None,
) -> T:
    """Log in on a stream of our own, run `main(session)`, close the stream properly, return `main`'s result.

    `timeout` is in seconds, for all of it (None: no limit but for connecting). What gives the password (a person, a
    program) gets as long before the clock starts. On an event loop only with `plugins`. Raises `needs_daemon`.
    """
    if needs_daemon is not None:
        raise needs_daemon
    from xmppctl.session.login import login

    password = get_password(settings, timeout)
    deadline = Deadline(timeout)
    established = login(
        settings,
        password,
        deadline.within(CONNECT_SECONDS),
        on_frame=both(on_frame, observe and observe.take),
        progress=progress,
        note=note,
        nameserver=nameserver,
    )
    return run_on(established, deadline, main, plugins=plugins)


def get_password(settings: Settings, timeout: float | None) -> Secret | None:
    """The password, if one is needed. What gives it (a person, a program) gets as long as the command may take."""
    patience = CONNECT_SECONDS if timeout is None else timeout
    return settings.password.get(patience) if settings.password.available else None


def run_attached(
    established: Established,
    main: Callable[[Session], Coroutine[Any, Any, T]],
    *,
    plugins: bool = False,
    deadline: Deadline,
    observe: Observer | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> T:
    """As `run_direct`, on a stream that leads to a daemon (see `attach`). `note` hears of stanzas that were lost."""

    async def body(session: Session) -> T:
        if observe is None:
            session.on_nonza = partial(_note_lost, note)
        else:
            from xmppctl.session.observe import Observation

            await Observation(session, observe).begin()
        return await main(session)

    return run_on(established, deadline, body, plugins=plugins)


def _note_lost(note: Callable[[str], None], nonza: Frame) -> None:
    count = local.lost(nonza)
    if count is not None:
        note(f"this command reads too slowly: the daemon has dropped {count} stanzas for it")


def run_on(
    established: Established,
    deadline: Deadline,
    main: Callable[[Session], Coroutine[Any, Any, T]],
    *,
    plugins: bool,
) -> T:
    """Run `main` on a session of the right kind, and close it properly."""
    if plugins:
        return _run_on_loop(established, deadline, main)
    from xmppctl.session.direct import BlockingSession

    session = BlockingSession(established, deadline)
    try:
        result = drive(main(session))
    finally:
        drive(session.close())
    return _checked(session, result)


def both(one: OnFrame | None, other: OnFrame | None) -> OnFrame | None:
    """What shows a frame to both, of which either may be missing."""
    if one is None or other is None:
        return one or other

    def shown(frame: Frame) -> None:
        one(frame)
        other(frame)

    return shown


def _checked(session: Session, result: T) -> T:
    """`result`, unless what was shown could not be while the stream was being closed: nobody has heard of that yet."""
    failure = session.tap_failure or session.nonza_failure
    if failure is not None:
        raise failure
    return result


def _run_on_loop(
    established: Established, deadline: Deadline, main: Callable[[Session], Coroutine[Any, Any, T]]
) -> T:
    from xmppctl.session.loop import LoopSession

    async def body(ends: Ends) -> T:
        session = LoopSession(established, deadline)
        ends.with_(session.fail)
        try:
            result = await main(session)
        finally:
            await session.close()
        return _checked(session, result)

    return run_loop(body)


class Ends:
    """Who hears of a signal while an event loop runs: whoever said so last. One that came before is told then."""

    def __init__(self) -> None:
        self._hear: Callable[[Exception], object] | None = None
        self._kept: Exception | None = None

    def with_(self, hear: Callable[[Exception], object]) -> None:
        """From now on `hear` is told, in the loop."""
        self._hear = hear
        kept, self._kept = self._kept, None
        if kept is not None:
            hear(kept)

    def deliver(self, error: Exception) -> None:
        """A signal came."""
        if self._hear is None:
            self._kept = error
        else:
            self._hear(error)


def run_loop(body: Callable[[Ends], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in an event loop, in which signals are told to whom it says.

    An exception out of a signal handler would be lost in the loop, or tear whatever is under way there.
    """
    import asyncio

    from xmppctl.interrupts import of_this_thread

    interrupts = of_this_thread()
    ends = Ends()

    async def listening() -> T:
        loop = asyncio.get_running_loop()
        interrupts.listener = lambda error: loop.call_soon_threadsafe(ends.deliver, error)
        interrupts.streams += 1  # also while no stream is open, a signal is the loop's
        early = interrupts.take()  # between the login and now
        if early is not None:
            ends.deliver(early)
        try:
            return await body(ends)
        finally:
            interrupts.streams -= 1

    try:
        return asyncio.run(listening())
    finally:
        interrupts.listener = None


async def open_again(open: Callable[[], Established]) -> Session:
    """Another session in the running loop, in place of one that is lost; `open` blocks, and gets a thread.

    Raises what `open` does.
    """
    from xmppctl.session.loop import LoopSession

    established = await in_thread(open, lambda late: late.connection.close())
    return LoopSession(established, Deadline(None))


async def in_thread(make: Callable[[], T], unwanted: Callable[[T], object]) -> T:
    """What `make` gives, which blocks. Where nobody waits for it any more, `unwanted` gets it. Raises what it does."""
    import asyncio
    import threading

    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[T] = loop.create_future()

    def made(result: T) -> None:
        if waiting.done():
            unwanted(result)
        else:
            waiting.set_result(result)

    def failed(error: Exception) -> None:
        if not waiting.done():
            waiting.set_exception(error)

    def work() -> None:
        try:
            result = make()
        except Exception as error:  # noqa: BLE001 (raised by whoever waits)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(failed, error)
            return
        try:
            loop.call_soon_threadsafe(made, result)
        except RuntimeError:
            unwanted(result)

    # Not in the loop's own executor: at its end the loop would wait for a server that does not answer.
    threading.Thread(target=work, daemon=True, name="connecting").start()
    return await waiting
