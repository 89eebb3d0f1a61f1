"""Which iq answers which (RFC 6120 sections 8.1.2.1 and 8.2.3). Sans-IO."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from xmppctl.stanza.jid import Jid
from xmppctl.stanza.jid import prepared as prepared_jid

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame


class Pending:
    """An iq that waits for its reply."""

    __slots__ = ("id", "reply", "senders")

    def __init__(self, id_: str, senders: frozenset[str | None]) -> None:
        self.id = id_
        self.senders = senders
        self.reply: Frame | None = None


class Replies:
    """The replies that the session of `jid` waits for."""

    def __init__(self, jid: Jid) -> None:
        self._jid = jid
        self._pending: dict[str, deque[Pending]] = {}

    def expect(self, id_: str, to: str | None) -> Pending:
        """Watch for the reply to an iq that is about to be sent; return where it will be.

        With one id several may be on their way: each reply goes to the oldest that its sender may answer, since
        stanzas between two entities keep their order (RFC 6120 section 10.1).
        """
        pending = Pending(id_, self.senders(to))
        self._pending.setdefault(id_, deque()).append(pending)
        return pending

    def forget(self, pending: Pending) -> None:
        """Stop watching, whether its reply has come or not."""
        waiting = self._pending.get(pending.id)
        if waiting is not None and pending in waiting:
            waiting.remove(pending)
            if not waiting:
                del self._pending[pending.id]

    def offer(self, frame: Frame) -> None:
        """Take a stanza if it is an iq result or error with an id that is waited for, from one who may answer."""
        if frame.kind != "iq" or frame.type not in ("result", "error"):
            return
        waiting = self._pending.get(frame.id or "")
        if waiting is None:
            return
        sender = prepared(frame.sender)
        for pending in waiting:
            if sender in pending.senders:
                pending.reply = frame
                self.forget(pending)
                return

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

    def refusers(self, to: str | None) -> frozenset[str | None]:
        """Who may refuse a message or presence to `to` (RFC 6120 section 8.3.1): whom it is for, its account, servers.

        Without `to` it is for the own account.
        """
        asked = prepared(to) or self._jid.bare
        bare = asked.partition("/")[0]
        return frozenset({None, asked, bare, bare.rpartition("@")[2], self._jid.bare, self._jid.domain})


def prepared(jid: str | None) -> str | None:
    """A JID that came from the network, prepared for comparison; as it is where it is none."""
    return None if jid is None else prepared_jid(jid)[0]
