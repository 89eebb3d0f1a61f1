"""Stanzas as somebody typed them, sent byte for byte; the reply to each iq paired with it (RFC 6120 section 8.2.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from xmppctl.errors import DeadlineExceeded, StanzaRefused, XmppctlError
from xmppctl.session.base import prepared, refusal

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.stanza.frame import Frame

#: Requests on their way at a time, and bytes that are written before the socket is asked to take them.
WINDOW: Final = 256
_CHUNK: Final = 32 * 1024


class Conversation:
    """Sends frames that were typed. `show(reply)` gets each reply, in the order of the requests, and each bounce.

    `refused(error)` hears of every error among them. `unanswered` are the ids of requests without a reply.
    """

    def __init__(
        self, session: Session, show: Callable[[Frame], None], refused: Callable[[StanzaRefused], None]
    ) -> None:
        self._session = session
        self._show = show
        self._refused = refused
        self._waiting: deque[Frame] = deque()  # requests, in order
        self._ids: set[str] = set()
        self._sent: dict[tuple[str, str | None], set[str | None]] = {}  # kind and id -> addressees
        self._unflushed = 0
        self._errors = session.stanzas(
            lambda frame: frame.kind in ("message", "presence") and frame.type == "error"
        )
        self.unanswered: list[str] = []

    async def run(self, frames: Sequence[Frame]) -> None:
        """Send all; return when each iq has its reply and the server has the rest.

        Raises DeadlineExceeded, which names the requests without a reply, StreamError, ConnectionLost.
        """
        try:
            for frame in frames:
                await self._send(frame)
            while self._waiting:
                await self._take_reply()
            await self._session.barrier()
            self._show_bounces()
        except XmppctlError as error:
            self._collect()
            if isinstance(error, DeadlineExceeded) and self.unanswered:
                raise self._silence(error) from None
            raise

    async def _send(self, frame: Frame) -> None:
        if frame.kind == "nonza":
            self._session.write_nonza(frame.raw)
        elif frame.kind == "iq" and frame.type in ("get", "set"):
            await self._request(frame)
        else:
            self._session.write(frame.raw)
            if frame.kind != "iq":
                self._sent.setdefault((frame.kind, frame.id), set()).add(prepared(frame.to))
        self._unflushed += len(frame.raw)
        if self._unflushed >= _CHUNK:
            await self._session.flush()
            self._unflushed = 0

    async def _request(self, frame: Frame) -> None:
        id_ = frame.id or ""
        # With the same id on its way twice nobody could tell the replies apart.
        while self._waiting and (id_ in self._ids or len(self._waiting) >= WINDOW):
            await self._take_reply()
        self._session.replies.expect(id_, frame.to)
        self._waiting.append(frame)
        self._ids.add(id_)
        self._session.write(frame.raw)

    async def _take_reply(self) -> None:
        """Wait for the reply to the oldest request, and show it."""
        request = self._waiting[0]
        await self._session.flush()
        self._unflushed = 0
        await self._session.wait(
            lambda: self._session.replies.get(request.id or "") is not None,
            doing=f"waiting for the reply to the iq {request.id}",
        )
        self._finish(self._waiting.popleft())

    def _finish(self, request: Frame) -> None:
        id_ = request.id or ""
        reply = self._session.replies.get(id_)
        self._session.replies.forget(id_)
        self._ids.discard(id_)
        if reply is None:
            self.unanswered.append(id_)
            return
        self._tell(reply)

    def _tell(self, frame: Frame) -> None:
        self._show(frame)
        if frame.type == "error":
            self._refused(refusal(frame.element(), frame.text))

    def _collect(self) -> None:
        """Something ended it early: show what has come all the same."""
        while self._waiting:
            self._finish(self._waiting.popleft())
        self._show_bounces()

    def _show_bounces(self) -> None:
        while self._errors.queue:
            frame = self._errors.queue.popleft()
            if self._is_ours(frame):
                self._tell(frame)

    def _is_ours(self, error: Frame) -> bool:
        """Whether the error answers something that was sent: the same kind and id, from its addressee or the server."""
        addressees = self._sent.get((error.kind, error.id), set())
        sender = prepared(error.sender)
        if sender in (None, self._session.jid.bare, self._session.jid.domain):
            return bool(addressees)
        return sender in addressees or sender in {_bare(to) for to in addressees}

    def _silence(self, error: DeadlineExceeded) -> DeadlineExceeded:
        named = ", ".join(self.unanswered[:10]) + (", ..." if len(self.unanswered) > 10 else "")
        return DeadlineExceeded(
            f"{error.message}; {len(self.unanswered)} without a reply: {named}", hint=error.hint
        )


def _bare(jid: str | None) -> str | None:
    return None if jid is None else jid.partition("/")[0]
