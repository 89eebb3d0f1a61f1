"""A session on a stream of its own, driven by asyncio: for the commands that use slixmpp's plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from xmppctl.errors import UsageError
from xmppctl.session.stream import StreamSession

if TYPE_CHECKING:
    from xmppctl.session.bridge import Bridge
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import Established

#: Queued stanzas at which reading pauses until somebody takes some.
HIGH_WATER: Final = 4096


class LoopSession(StreamSession):
    """Must be made while the loop runs."""

    def __init__(self, established: Established, deadline: Deadline) -> None:
        super().__init__(established, deadline)
        self._loop = asyncio.get_running_loop()
        self._waiters: list[asyncio.Future[None]] = []
        self._bridge: Bridge | None = None
        self._descriptor = self._connection.sock.fileno()
        self._reading = True
        self._writing = False
        self._loop.add_reader(self._descriptor, self._on_readable)
        if self._early or self._connection.ended:
            self._loop.call_soon(self._on_readable)

    async def client(self) -> Bridge:
        """A slixmpp client on this session, made at the first call. Raises UsageError where it is a component's."""
        if self.component:
            raise UsageError(
                f"{self.jid} is a component: what needs an account cannot run on its stream",
                hint="type the stanzas, or log in with an account",
            )
        if self._bridge is None:
            from xmppctl.session.bridge import Bridge

            self._bridge = Bridge(self)
        return self._bridge

    def _on_readable(self) -> None:
        try:
            self._digest(self._connection.take())
        except Exception as error:  # noqa: BLE001 (the loop would only log it; it belongs to whoever waits)
            self.fail(error)
        if self._connection.ended or self._backlog():
            self._pause()
        self._kick()
        self.wake()

    def _backlog(self) -> bool:
        return any(len(subscription.queue) > HIGH_WATER for subscription in self.subscriptions)

    def _pause(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._descriptor)
            self._reading = False

    def wake(self) -> None:
        """Have `wait` ask again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _write(self, data: bytes) -> None:
        super()._write(data)
        self._kick()

    def _kick(self) -> None:
        """Give the socket what it takes; have the loop call again for the rest."""
        done = self._connection.try_flush()
        if done and self._writing:
            self._loop.remove_writer(self._descriptor)
            self._writing = False
            self.wake()
        elif not done and not self._writing:
            self._loop.add_writer(self._descriptor, self._kick)
            self._writing = True

    async def _flush(self, deadline: Deadline) -> None:
        connection = self._connection
        await asyncio.sleep(0)  # a command that sends and sends must let others have their turn
        while connection.out or (connection.broken and not connection.ended):
            await self._pump(deadline, "sending")
        self._check_connection()

    async def _pump(self, deadline: Deadline, doing: str) -> None:
        if not self._reading and not self._connection.ended:
            self._loop.add_reader(self._descriptor, self._on_readable)
            self._reading = True
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(deadline.left()):
                await waiter
        except TimeoutError:
            raise deadline.error(doing) from None

    async def wait_readable(
        self,
        descriptor: int,
        *,
        unless: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
        doing: str = "waiting for input",
    ) -> bool:
        """Wait until `descriptor` can be read, or `unless` holds."""
        ready = False

        def on_ready() -> None:
            nonlocal ready
            ready = True
            self.wake()

        try:
            self._loop.add_reader(descriptor, on_ready)
        except PermissionError:  # a regular file, which can always be read
            return not unless()
        try:
            await self.wait(lambda: ready or unless(), timeout, doing=doing)
        finally:
            self._loop.remove_reader(descriptor)
        if unless():
            return False
        self.check()
        return True

    def _hang_up(self) -> None:
        self._pause()
        if self._writing:
            self._loop.remove_writer(self._descriptor)
            self._writing = False
        if self._bridge is not None:
            self._bridge.shut_down()
        self._connection.close()
        self.wake()
