"""Presence (RFC 6121 section 4)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from xmppctl.errors import XmppctlError
from xmppctl.session.base import prepared, refuse_errors
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.session.base import Session

#: What a user may call a state -> the <show/> that says it (section 4.7.2.1); None: available, no <show/>.
SHOWS: Final = {"online": None, "chat": "chat", "away": "away", "xa": "xa", "dnd": "dnd"}

#: What taking the presence back may take.
_LEAVE_SECONDS: Final = 2.0


async def announce(
    session: Session, state: str = "online", text: str | None = None, priority: int = 0
) -> None:
    """Send presence and return when the server has it. Raises StanzaRefused, DeadlineExceeded."""
    errors = session.stanzas(lambda frame: frame.kind == "presence" and frame.type == "error")
    try:
        await session.send(build.presence(SHOWS[state], text, priority=priority))
        await session.barrier()
        for frame in errors.queue:
            if prepared(frame.sender) in session.replies.senders(None):
                refuse_errors(frame)
    finally:
        errors.close()


async def keep(session: Session, seconds: float | None) -> None:
    """Keep the session, and with it the presence, for `seconds` (None: until it is ended), then take the presence back.

    Raises what ended it early; the presence is taken back then, too, if the stream still lives.
    """
    try:
        if seconds is None:
            await session.wait(lambda: False, doing="holding the presence")
        else:
            await session.sleep(seconds)
    finally:
        session.grace(_LEAVE_SECONDS)
        with suppress(XmppctlError):  # the stream is gone, and the presence with it
            await session.send(build.presence(type="unavailable"))
