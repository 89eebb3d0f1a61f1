"""Which iq answers which (RFC 6120 sections 8.1.2.1 and 8.2.3). Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.errors import BadJid, UsageError
from xmppctl.stanza.jid import Jid

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame


class _Pending:
    """An iq that waits for its reply."""

    __slots__ = ("reply", "senders")

    def __init__(self, senders: frozenset[str | None]) -> None:
        self.senders = senders
        self.reply: Frame | None = None


class Replies:
    """The replies that the session of `jid` waits for."""

    def __init__(self, jid: Jid) -> None:
        self._jid = jid
        self._pending: dict[str, _Pending] = {}

    def expect(self, id_: str, to: str | None) -> str:
        """Watch for the reply to an iq that is about to be sent; return the key to ask with.

        Raises UsageError where another one with this id is on its way.
        """
        if id_ in self._pending:
            raise UsageError(
                f"an iq with the id {id_!r} is already waiting for its reply",
                hint="give each iq an id of its own",
            )
        self._pending[id_] = _Pending(self.senders(to))
        return id_

    def get(self, key: str) -> Frame | None:
        """The reply, if it has come."""
        pending = self._pending.get(key)
        return pending.reply if pending else None

    def forget(self, key: str) -> None:
        """Stop watching."""
        self._pending.pop(key, None)

    def offer(self, frame: Frame) -> None:
        """Take a stanza if it is an iq result or error with an id that is waited for, from one who may answer."""
        if frame.kind != "iq" or frame.type not in ("result", "error"):
            return
        pending = self._pending.get(frame.id or "")
        if pending is not None and pending.reply is None and prepared(frame.sender) in pending.senders:
            pending.reply = frame

    def senders(self, to: str | None) -> frozenset[str | None]:
        """Who may answer: whom was asked.

        The server may leave out its name where it answers for itself or for the own account, and answers for either
        where nobody was named.
        """
        if to is None:
            return frozenset({None, self._jid.bare, str(self._jid), self._jid.domain})
        asked = prepared(to)
        if asked in (self._jid.bare, self._jid.domain):
            return frozenset({None, asked})
        return frozenset({asked})


def prepared(jid: str | None) -> str | None:
    """A JID that came from the network, prepared for comparison; as it is where it is none."""
    if jid is None:
        return None
    try:
        return str(Jid.parse(jid))
    except BadJid:
        return jid
