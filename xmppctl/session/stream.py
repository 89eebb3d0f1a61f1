"""What sessions on a connection of their own have in common; how they wait is left to their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.errors import ConnectionLost
from xmppctl.session.base import Session
from xmppctl.session.failures import TRY_AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import Established
    from xmppctl.stanza.frame import Frame


class StreamSession(Session):
    """Takes over an established stream."""

    def __init__(self, established: Established, deadline: Deadline) -> None:
        super().__init__(established.jid, established.features, deadline)
        self._connection = established.connection
        self._early = established.frames

    @property
    def tap_failure(self) -> Exception | None:
        """What `on_frame` raised while the stream was open or being closed."""
        return self._connection.tap_failure

    def _write(self, data: bytes) -> None:
        self._connection.push(data)

    def _queued(self) -> int:
        return len(self._connection.out)

    def _digest(self, frames: Iterable[Frame]) -> None:
        """Take what has come, then see how the connection is."""
        if self._connection.tap_failure is not None:
            self.fail(self._connection.tap_failure)  # before whatever these frames bring
        early, self._early = self._early, ()
        for frame in (*early, *frames):
            self._received(frame)
        self._check_connection()

    def check(self) -> None:
        """Raise what has ended the session, or a signal that came meanwhile."""
        self._connection.check_signals()
        super().check()

    def _check_connection(self) -> None:
        connection = self._connection
        if connection.tap_failure is not None:
            self.fail(connection.tap_failure)
        if connection.ended:
            self.lose(connection.failure or ConnectionLost("the server hung up", hint=TRY_AGAIN))
