"""What answers an incoming request that nobody serves (RFC 6120 section 8.2.3). Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xmppctl.session.replies import prepared
from xmppctl.stanza.build import attributes
from xmppctl.stanza.frame import NS_STANZAS

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

NS_ROSTER: Final = "jabber:iq:roster"
#: Answers that may wait for the server to read them, in bytes: a flood of requests must not fill our memory.
MAX_UNREAD_ANSWERS: Final = 1024 * 1024


def is_roster_push(request: Frame, jid: Jid) -> bool:
    """Whether the own server says that the roster of `jid` has changed (RFC 6121 section 2.1.6).

    Of anybody else it says nothing.
    """
    return (
        request.type == "set"
        and f"{NS_ROSTER} query" in request.payloads
        and prepared(request.sender) in (None, jid.bare)
    )


def answer(request: Frame, jid: Jid, *, component: bool = False) -> bytes:
    """The answer to a request that `jid` got: a roster push is acknowledged, anything else is not served here.

    A component has no roster; it has many addresses, and must say which of them answers: the one that was asked
    (XEP-0114, RFC 6120 section 8.1.2.1).
    """
    sender = (request.to or str(jid)) if component else None
    head = {"id": request.id or "", "from": sender, "to": request.sender}
    if not component and is_roster_push(request, jid):
        return f"<iq{attributes({'type': 'result', **head})}/>".encode()
    return (
        f"<iq{attributes({'type': 'error', **head})}>"
        f"<error type='cancel'><service-unavailable xmlns='{NS_STANZAS}'/></error></iq>"
    ).encode()
