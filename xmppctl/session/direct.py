"""A session on a stream of its own, driven by blocking waits: what one-shot commands run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmppctl.session.stream import StreamSession

if TYPE_CHECKING:
    from xmppctl.session.deadline import Deadline


class BlockingSession(StreamSession):
    """Its coroutines never suspend: run them with `drive`."""

    async def _flush(self, deadline: Deadline) -> None:
        # Reads as well: a server that has stopped reading because we do not would otherwise block us both. Where
        # nothing more can be sent, it reads on to learn why.
        connection = self._connection
        while not connection.try_flush() or (connection.broken and not connection.ended):
            self._take(deadline, "sending")
        self._check_connection()

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
            self.check()
            if poll.poll(0):
                return True
            self._take(limit, doing, descriptor)
        return False

    def _take(self, deadline: Deadline, doing: str, extra_fd: int | None = None) -> None:
        connection = self._connection
        if self._early or connection.ended:
            self._digest(())
            return
        connection.acknowledge_now()
        self._digest(connection.read(deadline, doing, extra_fd=extra_fd))

    def _hang_up(self) -> None:
        self._connection.close()
