"""Message carbons (XEP-0280)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.session.base import Session

NS_CARBONS: Final = "urn:xmpp:carbons:2"


async def enable(session: Session) -> None:
    """Have the server copy to this session what the account's other clients send and get (section 4).

    It lasts as long as the stream; through a daemon that is the daemon's. Raises StanzaRefused where the server has
    no carbons, DeadlineExceeded.
    """
    await session.request(build.iq("set", f"<enable xmlns='{NS_CARBONS}'/>"))
