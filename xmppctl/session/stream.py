"""What sessions on a connection of their own have in common; how they wait is left to their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.errors import ConnectionLost, XmppctlError
from xmppctl.session import local
from xmppctl.session.answers import answer
from xmppctl.session.base import NS_PING, Session
from xmppctl.session.failures import stream_error
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import Established
    from xmppctl.stanza.frame import Frame


class StreamSession(Session):
    """Takes over an established stream.

    `attached`: it leads to a daemon, which answers incoming requests. `component`: its stanzas are those of a component
    (XEP-0114), each of which says whom it is from.
    """

    def __init__(self, established: Established, deadline: Deadline) -> None:
        super().__init__(established.jid, established.features, deadline)
        self.attached = established.local
        self.component = established.component
        self._chosen = established.chosen
        self._connection = established.connection
        self._early = established.frames

    @property
    def tap_failure(self) -> Exception | None:
        """What `on_frame` raised while the stream was open or being closed."""
        return self._connection.tap_failure

    @property
    def unfinished(self) -> int:
        """About how many bytes have come of a stanza that is not whole yet."""
        return self._connection.unfinished

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
            self.lose(self._why(connection.failure))

    # -- through a daemon --

    def _why(self, failure: XmppctlError | None) -> XmppctlError:
        """What the end of the connection is told as."""
        if failure is None:
            return self._ended("hung up")
        if self.attached and isinstance(failure, ConnectionLost):
            return self._ended(f"is gone ({failure.message})")
        return failure

    def _ended(self, how: str) -> ConnectionLost:
        if not self.attached:
            return super()._ended(how)
        return ConnectionLost(
            f"the daemon of {self.jid.bare} {how}",
            hint=f"why: xmppctl daemon logs {self._chosen}; "
            "what the server had not acknowledged may be lost: repeat it",
        )

    def answer(self, request: Frame) -> None:
        if self.component:
            # Without a sender there is nobody to answer, and a stanza without `to` would end the stream.
            if request.sender is not None:
                self._reply(answer(request, self.jid, component=True), stanza=True)
        elif not self.attached:
            super().answer(request)

    def _ping(self) -> str:
        if not self.component:
            return super()._ping()
        # XEP-0114 names no address of the server's own. What a component sends to itself is routed through the server
        # like everything else, and so is our answer to it.
        own = str(self.jid)
        head = build.attributes({"type": "get", "id": build.new_id(), "from": own, "to": own})
        return f"<iq{head}><ping xmlns='{NS_PING}'/></iq>"

    def _nonza(self, frame: Frame) -> None:
        if self.attached and frame.names[0] == f"{NS_STREAM} error":
            self.fail(self._end_of_daemon(frame))
        else:
            super()._nonza(frame)

    def _end_of_daemon(self, frame: Frame) -> XmppctlError:
        """What the daemon's stream error says: why it has lost the account, where that is why."""
        told = local.error_of(frame)
        if told is not None:
            return told
        error = stream_error(frame, f"the daemon of {self.jid.bare}")
        return self._ended("has ended") if error.condition == "system-shutdown" else error
