"""The iq requests that go to the server, and whose their replies are. Sans-IO.

RFC 6120 sections 8.1.2.1 and 8.2.3. A reply counts only with the id of a request and from whom was asked; each
request goes out with an id that nobody else has or can guess.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from xmppctl.daemon.client import Sent
from xmppctl.daemon.parts import Outgoing
from xmppctl.session.replies import Replies, prepared
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STANZAS
from xmppctl.stanza.rewrite import with_attribute

if TYPE_CHECKING:
    from xmppctl.daemon.client import Client
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

#: Seconds that the daemon's own requests wait for their reply.
OWN_SECONDS: Final = 60.0
#: Requests of one client that may wait for replies at once.
MAX_WAITING: Final = 10_000


class Timer(Protocol):
    """What `Later` gives."""

    def cancel(self) -> None:
        """Do not call."""


#: Calls a function after so many seconds.
Later = Callable[[float, Callable[[], None]], Timer]
#: What becomes of a request of the daemon's own: the reply; None when none will come.
Done = Callable[["Frame | None"], None]


class _Asked:
    """A request that waits. Of a client's, `stanza` is what was sent and `id` what the client calls it."""

    __slots__ = ("client", "done", "id", "senders", "stanza", "timer", "to")

    def __init__(self, to: str | None, senders: frozenset[str | None]) -> None:
        self.to = to
        self.senders = senders
        self.client: Client | None = None
        self.id: str | None = None
        self.stanza: Outgoing | None = None
        self.done: Done | None = None
        self.timer: Timer | None = None

    def settle(self) -> None:
        """It is done, or nobody's any more: a new stream must not see it a second time."""
        if self.stanza is not None:
            self.stanza.again = False


class Iqs:
    """The requests that wait for their replies. `stray` counts replies that nobody waited for."""

    def __init__(self, later: Later) -> None:
        self.stray = 0
        self._later = later
        self._run = os.urandom(12).hex()
        self._count = 0
        self._asked: dict[str, _Asked] = {}
        #: The ids of each client's.
        self._of: dict[Client, set[str]] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def ask(self, client: Client, frame: Frame, jid: Jid) -> Sent | None:
        """What to send for a client's request; None where the client waits for too many."""
        own = self._of.setdefault(client, set())
        if len(own) >= MAX_WAITING:
            return None
        id_, asked = self._expect(frame.to, jid)
        asked.client = client
        asked.id = frame.id
        asked.stanza = sent = Sent(with_attribute(frame.raw, "id", id_), client)
        own.add(id_)
        return sent

    def ask_ourselves(
        self, type: str, payload: str, to: str | None, jid: Jid, done: Done, seconds: float = OWN_SECONDS
    ) -> Outgoing:
        """What to send for a request of the daemon's own. `done` is called once, `seconds` later at the latest."""
        id_, asked = self._expect(to, jid)
        asked.done = done
        asked.timer = self._later(seconds, lambda: self._give_up(id_))
        return Outgoing(build.iq(type, payload, to=to, id=id_).encode(), again=False)

    def reply(self, frame: Frame) -> None:
        """Take an iq result or error of the server: it goes to whoever waits for it, and to nobody else."""
        id_ = frame.id or ""
        asked = self._asked.get(id_)
        if asked is None or prepared(frame.sender) not in asked.senders:
            self.stray += 1
            return
        self._forget(id_, asked)
        asked.settle()
        if asked.done is not None:
            asked.done(frame)
        elif asked.client is not None:
            asked.client.deliver(with_attribute(frame.raw, "id", asked.id))

    def left(self, client: Client) -> None:
        """A client is gone: nobody waits for its replies."""
        for id_ in self._of.pop(client, ()):
            self._asked.pop(id_).settle()

    def lost(self) -> None:
        """The stream could not be resumed. What the server had will not be answered any more.

        Who asked is told that nobody knows whether it was done. What the server did not acknowledge is sent again.
        """
        for id_, asked in tuple(self._asked.items()):
            if asked.done is not None:
                self._give_up(id_)
            elif isinstance(asked.stanza, Sent) and asked.stanza.done and id_ in self._asked:
                self._forget(id_, asked)
                assert asked.client is not None
                asked.client.deliver(_timed_out(asked))

    def give_up(self) -> None:
        """There will be no other stream."""
        for id_, asked in tuple(self._asked.items()):
            if asked.done is not None:
                self._give_up(id_)

    def _expect(self, to: str | None, jid: Jid) -> tuple[str, _Asked]:
        self._count += 1
        id_ = f"{self._run}{os.urandom(4).hex()}{self._count:x}"
        asked = self._asked[id_] = _Asked(to, Replies(jid).senders(to))
        return id_, asked

    def _forget(self, id_: str, asked: _Asked) -> None:
        del self._asked[id_]
        if asked.timer is not None:
            asked.timer.cancel()
        if asked.client is not None:
            self._of[asked.client].discard(id_)

    def _give_up(self, id_: str) -> None:
        asked = self._asked.get(id_)
        if asked is not None and asked.done is not None:
            self._forget(id_, asked)
            asked.done(None)

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it."""
        return {"waiting": len(self._asked), "stray_replies": self.stray}


def _timed_out(asked: _Asked) -> bytes:
    head = build.attributes({"type": "error", "id": asked.id, "from": asked.to})
    text = "the connection was lost before the answer came: it is not known whether it was done"
    return (
        f"<iq{head}><error type='wait'><remote-server-timeout xmlns='{NS_STANZAS}'/>"
        f"<text xmlns='{NS_STANZAS}' xml:lang='en'>{text}</text></error></iq>"
    ).encode()
