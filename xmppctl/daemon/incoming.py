"""Requests that others send to the account: each is answered once, by a client that serves it or by the daemon.

RFC 6120 section 8.2.3. Sans-IO.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from xmppctl.daemon.client import Handled, Sent
from xmppctl.daemon.parts import Outgoing, Request
from xmppctl.errors import UsageError
from xmppctl.session.answers import MAX_UNREAD_ANSWERS, NS_ROSTER, answer, is_roster_push
from xmppctl.session.local import NS_DAEMON
from xmppctl.session.replies import prepared

if TYPE_CHECKING:
    from xmppctl.daemon.client import Client
    from xmppctl.daemon.hub import Hub
    from xmppctl.daemon.iqs import Later, Timer
    from xmppctl.stanza.frame import Frame

#: Seconds that a client has to answer.
ANSWER_SECONDS: Final = 30.0
#: Requests that clients have yet to answer, at most, and bytes of them; more are answered at once.
MAX_OPEN: Final = 1000
MAX_OPEN_BYTES: Final = 8 * 1024 * 1024

_Key = tuple[str | None, str | None]


class _Given:
    """A request that these clients may answer."""

    __slots__ = ("clients", "frame", "key", "timer")

    def __init__(self, frame: Frame, key: _Key, clients: set[Client]) -> None:
        self.frame = frame
        self.key = key
        self.clients = clients
        self.timer: Timer | None = None


class Incoming:
    """The service `serve`, and the owner of the daemon's own answers.

    `swallowed` counts answers of clients that nobody asked for, `unanswered` requests of a flood.
    """

    def __init__(self, hub: Hub, later: Later) -> None:
        self.swallowed = 0
        self.unanswered = 0
        self._hub = hub
        self._later = later
        #: Who serves a namespace.
        self._serving: dict[str, set[Client]] = {}
        self._open: dict[_Key, list[_Given]] = {}
        self._count = self._bytes = 0
        self._unread = 0
        hub.service("serve", self._serve)

    def take(self, request: Frame) -> None:
        """Take a request: have it answered."""
        namespace = request.payloads[0].rpartition(" ")[0] if request.payloads else ""
        clients = {client for client in self._serving.get(namespace, ()) if client.bound and client.listening}
        full = self._count >= MAX_OPEN or self._bytes + len(request.raw) > MAX_OPEN_BYTES
        if not clients or full or is_roster_push(request, self._hub.jid):
            self._answer(request)
            return
        key = self._key(request.sender, request.id)
        given = _Given(request, key, clients)
        self._open.setdefault(key, []).append(given)
        self._count += 1
        self._bytes += len(request.raw)
        given.timer = self._later(ANSWER_SECONDS, lambda: self._give_up(given))

    def answer(self, client: Client, frame: Frame) -> Sent | Handled:
        """A client's answer: the first one of those who were given the request is passed on."""
        for given in self._open.get(self._key(frame.to, frame.id), ()):
            if client in given.clients:
                self._close(given)
                sent = Sent(frame.raw, client, again=False)
                sent.keep = True
                self._hub.link.send(sent)
                return sent
        self.swallowed += 1
        return Handled(done=True)

    def left(self, client: Client) -> None:
        """A client is gone: what only it could have answered is answered."""
        for namespace, clients in tuple(self._serving.items()):
            clients.discard(client)
            if not clients:
                del self._serving[namespace]
        for given in [given for waiting in self._open.values() for given in waiting]:
            given.clients.discard(client)
            if not given.clients:
                self._give_up(given)

    def lost(self) -> None:
        """The stream could not be resumed: nobody waits for answers any more."""
        for given in [given for waiting in self._open.values() for given in waiting]:
            self._close(given)
        self._unread = 0

    def acknowledged(self, stanza: Outgoing) -> None:
        """The server has an answer of ours."""
        self._unread = max(0, self._unread - len(stanza.data))

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it."""
        return {
            "serving": sorted(self._serving),
            "unanswered": self._count,
            "swallowed_answers": self.swallowed,
            "flooded": self.unanswered,
        }

    def _serve(self, request: Request) -> None:
        namespace = request.frame.element().find(f"{{{NS_DAEMON}}}serve")
        wanted = "" if namespace is None else namespace.get("namespace", "")
        if request.frame.type != "set" or not wanted:
            raise UsageError("<serve/> names the namespace that is to be served, in an iq of type set")
        if wanted == NS_ROSTER:
            raise UsageError("the daemon itself answers what is said about the roster")
        self._serving.setdefault(wanted, set()).add(request.client)
        request.reply()

    def _key(self, whom: str | None, id_: str | None) -> _Key:
        """The own account may name itself or not."""
        jid = prepared(whom)
        return None if jid == self._hub.jid.bare else jid, id_

    def _give_up(self, given: _Given) -> None:
        self._close(given)
        self._answer(given.frame)

    def _close(self, given: _Given) -> None:
        if given.timer is not None:
            given.timer.cancel()
        waiting = self._open[given.key]
        waiting.remove(given)
        self._count -= 1
        self._bytes -= len(given.frame.raw)
        if not waiting:
            del self._open[given.key]

    def _answer(self, request: Frame) -> None:
        data = answer(request, self._hub.jid)
        if self._unread + len(data) > MAX_UNREAD_ANSWERS:
            if not self.unanswered:
                self._hub.note("requests come in faster than the server takes answers: some get none")
            self.unanswered += 1
            return
        self._unread += len(data)
        self._hub.link.send(Outgoing(data, self, again=False))
        if self._unread > MAX_UNREAD_ANSWERS // 2:
            self._hub.link.want_acknowledgement()
