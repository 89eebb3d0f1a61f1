"""What tells a sender that the server ends every stream on which it gets this stanza of his. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.stanza import build
from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_STANZAS, Frame
from xmppctl.stanza.splitter import Splitter, StreamViolation

if TYPE_CHECKING:
    from xmppctl.errors import XmppctlError
    from xmppctl.stanza.jid import Jid

#: The stream that the stanzas stand in.
_HEADER = f"<stream:stream{build.declarations(CLIENT_CONTEXT)}>".encode()


def bounce(stanza: bytes, jid: Jid, why: XmppctlError) -> Frame | None:
    """The error stanza (RFC 6120 section 8.3) that answers `stanza` of `jid`; None where an error answers nothing."""
    sent = _frame(stanza)
    if sent is None or sent.type == "error" or (sent.kind == "iq" and sent.type == "result"):
        return None
    head = {"type": "error", "id": sent.id, "from": sent.to or jid.bare, "to": str(jid)}
    text = f"<text xmlns='{NS_STANZAS}'>{build.escape(build.legal(why.message))}</text>"
    return _frame(
        f"<{sent.kind}{build.attributes(head)}><error type='modify' by='{build.escape_attribute(jid.domain)}'>"
        f"<policy-violation xmlns='{NS_STANZAS}'/>{text}</error></{sent.kind}>".encode()
    )


def named(stanza: bytes) -> str:
    """Which stanza it is, for a log: what it says is nobody's business there."""
    sent = _frame(stanza)
    size = f"{len(stanza)} bytes"
    if sent is None:
        return size
    return f"{sent.kind} {sent.id or 'without id'} to {sent.to or 'the account'}, {size}"


def _frame(data: bytes) -> Frame | None:
    splitter = Splitter("in")
    splitter.feed(_HEADER)
    try:
        frames = splitter.feed(data)
    except StreamViolation:
        return None
    return frames[0] if len(frames) == 1 and frames[0].kind in ("message", "presence", "iq") else None
