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

    An error that only the entity itself can have sent is an answer all the same (sections 4.2 and 4.4): that it does
    not know the feature, or that the own server does not serve it. Raises StanzaRefused for every other error,
    DeadlineExceeded after `timeout` seconds or the session's deadline.
    """
    began = monotonic()
    try:
        await session.request(build.iq("get", f"<ping xmlns='{NS_PING}'/>", to=to), timeout)
    except StanzaRefused as refused:
        condition = refused.reason.condition
        if condition == "feature-not-implemented" or (
            condition == "service-unavailable" and to == session.jid.domain
        ):
            return monotonic() - began, False
        raise
    return monotonic() - began, True
