"""A session on a stream of its own, driven by blocking waits: what one-shot commands run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmppctl.errors import ConnectionLost, XmppctlError
from xmppctl.session.base import Session

if TYPE_CHECKING:
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import Established


class BlockingSession(Session):
    """Takes over an established stream."""

    def __init__(self, established: Established, deadline: Deadline) -> None:
        super().__init__(established.jid, established.features, deadline)
        self._connection = established.connection

    def _write(self, data: bytes) -> None:
        self._connection.push(data)

    async def _flush(self, deadline: Deadline) -> None:
        # Reads as well: a server that has stopped reading because we do not would otherwise block us both.
        while not self._connection.try_flush():
            self._take(deadline, "sending")

    async def _pump(self, deadline: Deadline, doing: str) -> None:
        self._take(deadline, doing)

    async def wait_readable(
        self,
        descriptor: int,
        *,
        unless: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
        doing: str = "waiting for input",
    ) -> bool:
        """Wait until `descriptor` can be read, or `unless` holds."""
        import select

        limit = self.deadline.within(timeout)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not unless():
            if poll.poll(0):
                return True
            if self._failure is not None:
                raise self._failure
            self._take(limit, doing, descriptor)
        return False

    def _take(self, deadline: Deadline, doing: str, extra_fd: int | None = None) -> None:
        self._connection.acknowledge_now()
        try:
            frames = self._connection.read(deadline, doing, extra_fd=extra_fd)
        except XmppctlError as error:
            if self._connection.ended:
                self.fail(error)
            raise
        for frame in frames:
            self._received(frame)
        if self._connection.ended:
            self.fail(ConnectionLost("the server hung up"))

    def _hang_up(self) -> None:
        self._connection.close()
