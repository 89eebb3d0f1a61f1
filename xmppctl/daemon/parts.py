"""What the daemon's parts say to each other: the link to the server, the hub, its clients and its services.

    server <-> Link <-> Hub <-> Client <-> Unix socket
                          \\-> services: requests to the daemon itself; listeners: the roster, watchers, the spool

The link knows streams, acknowledgements and time; the hub knows who sent what; neither knows sockets of clients.
Sans-IO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from xmppctl.errors import XmppctlError

if TYPE_CHECKING:
    from xmppctl.daemon.client import Client
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

#: What the link is doing. `waiting`: for the next attempt; `failed`: it will not try again.
State = Literal["starting", "connecting", "online", "waiting", "failed", "stopped"]


class Owner(Protocol):
    """Who has sent a stanza to the server, and hears what became of it."""

    def acknowledged(self, stanza: Outgoing) -> None:
        """The server has it (XEP-0198, or an answered ping behind it). Called in the order of sending."""


class Outgoing:
    """One stanza on its way to the server.

    `again`: what to do with it where the server never acknowledged it and the stream could not be resumed. Messages
    and requests are sent again, with the same bytes; presence is not, since the hub restores it, nor are answers to
    what the old stream asked. `written` is set when it was written to a stream, be it one that broke.
    """

    __slots__ = ("again", "data", "owner", "written")

    def __init__(self, data: bytes, owner: Owner | None = None, *, again: bool = True) -> None:
        self.data = data
        self.owner = owner
        self.again = again
        self.written = False


class Sender(Protocol):
    """The link, as the hub and the spool see it."""

    @property
    def state(self) -> State: ...

    @property
    def jid(self) -> Jid | None:
        """The full JID, from the first time online on."""

    @property
    def failure(self) -> XmppctlError | None:
        """What ended the last attempt, or all attempts where the state is `failed`."""

    #: Whether `Listener.wire` is wanted. Set by who wants it.
    watched: bool

    @property
    def congested(self) -> bool:
        """Whether more waits to be written than should: who can stop sending does, until `Listener.relieved`."""

    def send(self, stanza: Outgoing) -> None:
        """Send in order; while there is no stream it is held."""

    def withdraw(self, owner: Owner) -> list[Outgoing]:
        """Take back what `owner` sent and no stream has seen."""

    def want_acknowledgement(self) -> None:
        """Have the server say soon what it has of what was sent until now."""

    def hurry(self) -> None:
        """Somebody waits for the connection: try again soon where it is not there."""


class Listener(Protocol):
    """The hub, as the link sees it. Called in the event loop, in the order of the wire."""

    def online(self, jid: Jid, *, resumed: bool) -> Iterable[Outgoing]:
        """There is a stream. Gives what must be sent first on one that is not `resumed`: it restores what was."""

    def offline(self, error: XmppctlError | None) -> None:
        """The stream is gone; the link goes on trying."""

    def failed(self, error: XmppctlError) -> None:
        """The stream is gone and the link has given up."""

    def received(self, frame: Frame) -> None:
        """A stanza of the server."""

    def wire(self, frame: Frame) -> None:
        """Any frame, both ways, secrets taken out; only while `watched`, but for stream headers."""

    def relieved(self) -> None:
        """The link is not congested any more."""


class Request(Protocol):
    """An iq to the daemon itself. Answer it once, now or later; if the client goes first the answer goes nowhere."""

    @property
    def client(self) -> Client: ...

    @property
    def frame(self) -> Frame: ...

    def reply(self, payload: str = "") -> None:
        """The result; `payload` is XML."""

    def refuse(self, error: XmppctlError) -> None:
        """An error. A service may raise it as well."""


#: Serves the requests with one payload, named "namespace name".
Service = Callable[[Request], None]
