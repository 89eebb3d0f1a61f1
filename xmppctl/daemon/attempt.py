"""One attempt to log in, in a thread of its own: the login blocks, and the daemon must not.

The thread is a daemon thread, not one of the loop's executor: who ends the program does not wait for a resolver or a
password program that hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from xmppctl.daemon.management import FEATURE
from xmppctl.errors import ConnectionLost
from xmppctl.session.deadline import Deadline
from xmppctl.session.login import Login, Step

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.connection import Connection, OnFrame
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid


class LoggedIn(NamedTuple):
    """A stream that is ready. `jid` is None where it was resumed: then it is the one that it was.

    `answer` is what the server said to the wish to resume, None where there was none. `frames` is what came right
    behind the login. `facts` tells of it, as JSON can hold it.
    """

    connection: Connection
    jid: Jid | None
    features: frozenset[str]
    answer: Frame | None
    frames: tuple[Frame, ...]
    facts: dict[str, Any]


class Attempt:
    """One attempt. `ticket` is the stream to resume (see `Management.ticket`); `seconds` limits the login.

    `password` is called in the thread, and its own time limit is its own; so are `on_frame` and `note`.
    """

    def __init__(
        self,
        settings: Settings,
        password: Callable[[], Secret | None],
        ticket: tuple[str, int] | None,
        seconds: float,
        *,
        on_frame: OnFrame,
        note: Callable[[str], None],
        nameserver: str | None,
    ) -> None:
        self._settings = settings
        self._password = password
        self._ticket = ticket
        self._seconds = seconds
        self._on_frame = on_frame
        self._note = note
        self._nameserver = nameserver
        self._login: Login | None = None
        self._given_up = False
        self._future: asyncio.Future[LoggedIn] | None = None
        self._facts: dict[str, Any] = {}

    async def run(self) -> LoggedIn:
        """Log in. Raises what `Login` raises, and what `password` does; gives up when it is cancelled."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[LoggedIn] = loop.create_future()
        self._future = future
        Thread(target=self._work, args=(loop, future), daemon=True, name="login").start()
        try:
            return await future
        except asyncio.CancelledError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """End `run` at once, by cancelling it; what still comes of the login is closed. Never raises."""
        self._given_up = True
        if self._future is not None:
            self._future.cancel()
        if self._login is not None:
            self._login.interrupt()

    # -- in the thread --

    def _work(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[LoggedIn]) -> None:
        done: LoggedIn | None = None
        failure: BaseException | None = None
        try:
            done = self._log_in()
        except BaseException as error:  # noqa: BLE001 (raised by whoever waits)
            failure = error

        def deliver() -> None:
            if future.done():
                if done is not None:
                    done.connection.close()
            elif done is not None:
                future.set_result(done)
            else:
                assert failure is not None
                future.set_exception(failure)

        try:
            loop.call_soon_threadsafe(deliver)
        except RuntimeError:  # the loop is closed: nobody waits
            if done is not None:
                done.connection.close()

    def _log_in(self) -> LoggedIn:
        password = self._password()
        login = Login(
            self._settings,
            Deadline(self._seconds),
            on_frame=self._on_frame,
            progress=self._take_step,
            note=self._note,
            nameserver=self._nameserver,
        )
        self._login = login
        try:
            self._go_on()
            login.open()
            self._go_on()
            login.authenticate(password)
            return self._enter(login)
        except BaseException:
            login.abandon()
            raise

    def _go_on(self) -> None:
        if self._given_up:
            raise ConnectionLost("the login was given up")

    def _enter(self, login: Login) -> LoggedIn:
        assert login.features is not None
        answer = None
        if self._ticket is not None and FEATURE in login.features.payloads:
            answer = login.resume(*self._ticket)
        jid = None if answer is not None and answer.name == "resumed" else login.bind()
        stream = login.stream
        features = frozenset(login.features.payloads)
        return LoggedIn(stream.connection, jid, features, answer, stream.rest(), self._facts)

    def _take_step(self, step: Step) -> None:
        detail = step.detail
        if step.name == "dns":
            self._facts = {"server": f"{detail['host']}:{detail['port']}", "tls": None}
        elif step.name == "tcp":
            self._facts["address"] = detail["address"]
        elif step.name == "tls":
            self._facts["tls"] = {key: value for key, value in detail.items() if value is not None}
        elif step.name == "sasl":
            self._facts["mechanism"] = detail["mechanism"]
