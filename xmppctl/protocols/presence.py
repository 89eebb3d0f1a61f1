"""Presence (RFC 6121 section 4)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from xmppctl.errors import XmppctlError
from xmppctl.session.base import prepared, refuse_errors
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_CLIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xmppctl.session.base import Session

#: What a user may call a state -> the <show/> that says it (section 4.7.2.1); None: available, no <show/>.
SHOWS: Final = {"online": None, "chat": "chat", "away": "away", "xa": "xa", "dnd": "dnd"}

#: The priority of a presence that only shows a state: nobody reads messages there, and a server would hand them to a
#: resource of another priority instead of keeping them (RFC 6121 section 8.5.2.2).
UNREAD_PRIORITY: Final = -1

#: What taking the presence back may take.
_LEAVE_SECONDS: Final = 2.0


async def appear(session: Session, show: str | None = None, priority: int = 0) -> None:
    """Be online while the session lasts, so that messages and events come; `show` is chat, away, xa, dnd or None.

    On a stream of our own it is sent as presence. Through a daemon, which may show a status already, the account is
    online at least so much: what it shows stays, with at least this priority; that raises the daemon's errors and
    DeadlineExceeded. Where the stream's owner shows one already, that is enough.
    """
    if session.shown:
        return
    if session.attached:
        await _tell_daemon(session, "online", build.presence(show, priority=priority))
    else:
        await session.send(build.presence(show, priority=priority))


async def announce(
    session: Session,
    state: str = "online",
    text: str | None = None,
    priority: int = UNREAD_PRIORITY,
    *,
    hold: bool = True,
) -> None:
    """Show a presence and return when the server has it; `state` is one of SHOWS, or offline without `hold`.

    It lasts as long as the session. Through a daemon, without `hold`, it lasts until another is announced, over
    reconnects. Raises StanzaRefused, DeadlineExceeded, the daemon's errors.
    """
    if state == "offline":
        presence = build.presence(None, text, type="unavailable")
    else:
        presence = build.presence(SHOWS[state], text, priority=priority)
    errors = session.stanzas(lambda frame: frame.kind == "presence" and frame.type == "error")
    try:
        if session.attached:
            await _tell_daemon(session, "status", presence, {"hold": "true" if hold else None})
        else:
            await session.send(presence)
        await session.barrier()
        for frame in errors.queue:
            if prepared(frame.sender) in session.replies.senders(None):
                refuse_errors(frame)
    finally:
        errors.close()


async def _tell_daemon(
    session: Session, request: str, presence: str, attributes: Mapping[str, str | None] | None = None
) -> None:
    from xmppctl.session import local

    inner = presence.replace("<presence", f"<presence xmlns='{NS_CLIENT}'", 1)
    await local.tell(session, "set", local.payload(request, inner, attributes))


async def keep(session: Session, seconds: float | None) -> None:
    """Keep the session, and with it the presence, for `seconds` (None: until it is ended), then take the presence back.

    Raises what ended it early; the presence is taken back then, too, if the stream still lives. A daemon takes back
    by itself what was held for the session.
    """
    try:
        if seconds is None:
            await session.wait(lambda: False, doing="holding the presence")
        else:
            await session.sleep(seconds)
    finally:
        if not session.attached:
            session.grace(_LEAVE_SECONDS)
            with suppress(XmppctlError):  # the stream is gone, and the presence with it
                await session.send(build.presence(type="unavailable"))
