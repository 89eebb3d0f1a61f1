"""Stanzas as somebody typed them, sent byte for byte; the reply to each iq paired with it (RFC 6120 section 8.2.3)."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from xmppctl.errors import DeadlineExceeded, StanzaRefused, XmppctlError
from xmppctl.protocols.ledger import Ledger
from xmppctl.session.base import refusal

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.session.replies import Pending
    from xmppctl.stanza.frame import Frame

#: Bytes that are written before the socket is asked to take them.
_CHUNK: Final = 32 * 1024


class Conversation:
    """Sends frames that were typed. `show(reply)` gets each reply, in the order of the requests, and each bounce.

    Sending waits for no reply: one request that is never answered must not keep back what was typed after it.
    `refused(error)` hears of every error among the replies. `unanswered` are the ids of requests without one.
    """

    def __init__(
        self, session: Session, show: Callable[[Frame], None], refused: Callable[[StanzaRefused], None]
    ) -> None:
        self._session = session
        self._show = show
        self._refused = refused
        self._waiting: deque[Pending] = deque()  # requests, in order
        self._sent = Ledger(session.replies, limit=sys.maxsize)
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
                self._write(frame)
                if self._unflushed >= _CHUNK:
                    await self._flush()
            await self._flush()
            while self._waiting:
                await self._take_reply()
            await self._session.barrier()
            self._show_bounces()
        except XmppctlError as error:
            self._collect()
            if isinstance(error, DeadlineExceeded) and self.unanswered:
                raise self._silence(error) from None
            raise

    def _write(self, frame: Frame) -> None:
        if frame.kind == "nonza":
            self._session.write_nonza(frame.raw)
        else:
            if frame.kind != "iq":
                self._sent.note(frame, 0.0)
            elif frame.type in ("get", "set"):
                self._waiting.append(self._session.replies.expect(frame.id or "", frame.to))
            self._session.write(frame.raw)
        self._unflushed += len(frame.raw)

    async def _flush(self) -> None:
        """Wait until what was written is on its way; show the replies that have come meanwhile."""
        self._unflushed = 0
        await self._session.flush()
        while self._waiting and self._waiting[0].reply is not None:
            self._finish(self._waiting.popleft())

    async def _take_reply(self) -> None:
        """Wait for the reply to the oldest request, and show it."""
        request = self._waiting[0]
        await self._session.wait(
            lambda: request.reply is not None, doing=f"waiting for the reply to the iq {request.id}"
        )
        self._finish(self._waiting.popleft())

    def _finish(self, request: Pending) -> None:
        self._session.replies.forget(request)
        if request.reply is None:
            self.unanswered.append(request.id)
        else:
            self._tell(request.reply)

    def _tell(self, frame: Frame) -> None:
        self._show(frame)
        if frame.type == "error":
            self._refused(refusal(frame))

    def _collect(self) -> None:
        """Something ended it early: show what has come all the same."""
        while self._waiting:
            self._finish(self._waiting.popleft())
        self._show_bounces()

    def _show_bounces(self) -> None:
        while self._errors.queue:
            frame = self._errors.queue.popleft()
            if self._sent.take(frame) is not None:
                self._tell(frame)

    def _silence(self, error: DeadlineExceeded) -> DeadlineExceeded:
        named = ", ".join(self.unanswered[:10]) + (", ..." if len(self.unanswered) > 10 else "")
        return DeadlineExceeded(
            f"{error.message}; {len(self.unanswered)} without a reply: {named}", hint=error.hint
        )
