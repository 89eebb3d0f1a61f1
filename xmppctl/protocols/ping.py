"""XMPP ping (XEP-0199)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from xmppctl.errors import StanzaRefused
from xmppctl.session.base import NS_PING
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.session.base import Session


async def ping(session: Session, to: str, timeout: float | None = None) -> tuple[float, bool]:
    """Ping `to`; return the round-trip time in seconds, and whether it knows pings.

    An entity that answers with feature-not-implemented or service-unavailable for the full JID is there all the same
    (XEP-0199 section 4.1). Raises StanzaRefused for every other error, DeadlineExceeded.
    """
    began = monotonic()
    try:
        await session.request(build.iq("get", f"<ping xmlns='{NS_PING}'/>", to=to), timeout)
    except StanzaRefused as refused:
        if refused.reason.condition == "feature-not-implemented":
            return monotonic() - began, False
        raise
    return monotonic() - began, True
