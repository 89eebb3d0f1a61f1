"""The service `watch`: what crosses the wire goes to every client that wants to see it. Sans-IO.

Clients with the same terms share one filter, all of them one encoding of a frame. Frames are offered to a client's
bounded queue (see `client`), so that one that reads too slowly loses its own oldest and holds up nobody. Terms whose
cost has no bound (an expression of the user's on a text of anybody's) are evaluated by who watches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmppctl.errors import DaemonError
from xmppctl.session import local
from xmppctl.session.relayed import encode
from xmppctl.stanza.filters import Filter, compile_filter
from xmppctl.stanza.resplit import is_header
from xmppctl.stanza.tree import local_name

if TYPE_CHECKING:
    from xmppctl.daemon.client import Client
    from xmppctl.daemon.hub import Hub
    from xmppctl.daemon.parts import Request
    from xmppctl.stanza.frame import Direction, Frame


class _Group:
    """The clients that watch with the same terms."""

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.clients: dict[Client, None] = {}


class Watchers:
    """Hangs on the hub. The link's tap runs only while somebody watches."""

    def __init__(self, hub: Hub) -> None:
        self._link = hub.link
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._watching: dict[Client, _Group] = {}
        #: The stream headers in force.
        self._headers: dict[Direction, Frame] = {}
        hub.service("watch", self._watch)
        #: Whether the connection was there when that was told last.
        self._online = hub.is_online
        self._hub = hub
        hub.on_wire(self._wire)
        hub.on_state(self._changed)

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells: how many watch, with how many different filters."""
        return {"watchers": len(self._watching), "filters": len(self._groups)}

    # -- who watches --

    def _watch(self, request: Request) -> None:
        if request.frame.type != "set":
            raise DaemonError("<watch/> is sent in an iq of type set")
        asked = next(iter(request.frame.element()))
        terms = tuple("".join(term.itertext()) for term in asked if local_name(term) == "term")
        group = self._groups.get(terms) or _Group(compile_filter(terms, bounded=True))
        client = request.client
        if client in self._watching:
            self._forget(client)
        else:
            client.on_leave.append(lambda: self._forget(client))
        group.clients[client] = None
        self._groups[terms] = group
        self._watching[client] = group
        client.listening = asked.get("only") != "true"
        self._link.watched = True
        request.reply()
        for header in self._headers.values():
            client.deliver(encode(header, known=True))

    def _forget(self, client: Client) -> None:
        group = self._watching.pop(client)
        del group.clients[client]
        if not group.clients:
            del self._groups[group.wanted.terms]
        self._link.watched = bool(self._watching)

    # -- what they see --

    def _wire(self, frame: Frame) -> None:
        header = is_header(frame)
        if header:
            self._headers[frame.direction] = frame
        shown: bytes | None = None
        known: bytes | None = None
        for group in tuple(self._groups.values()):
            if group.wanted(frame):
                told = shown = shown or encode(frame)
            elif header:
                told = known = known or encode(frame, known=True)
            else:
                continue
            for client in tuple(group.clients):
                if header:  # it binds the prefixes of all that follows
                    client.deliver(told)
                else:
                    client.offer(told)

    def _changed(self) -> None:
        hub = self._hub
        if self._link.state != "online":
            self._headers.clear()  # of a stream that is gone
        if hub.change is None or hub.is_online == self._online:
            return  # one more attempt that failed
        self._online = hub.is_online
        for client in tuple(self._watching):
            client.deliver(local.event(hub.change).encode())
