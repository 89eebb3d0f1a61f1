"""The hub: between the one stream to the server and the clients. It knows who sent what. Sans-IO.

What the server sends goes to the clients, replies only to who asked; what clients send goes to the link, requests with
an id of ours. Services and listeners (the roster, watchers, the spool) hang on it. See `parts` for its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, Any, Final, Literal

from xmppctl import __version__
from xmppctl.daemon.client import Client, Handled, Sent
from xmppctl.daemon.incoming import Incoming
from xmppctl.daemon.iqs import OWN_SECONDS, Done, Iqs, Later, Timer
from xmppctl.daemon.parts import Outgoing, Sender, Service
from xmppctl.daemon.presence import Presence
from xmppctl.daemon.requests import ClientRequest, Services, is_for_daemon
from xmppctl.session.acks import NS_SM
from xmppctl.session.local import VERSION, payload, told
from xmppctl.session.negotiation import NS_BIND
from xmppctl.stanza import build
from xmppctl.stanza.event import Event
from xmppctl.stanza.rewrite import foreign, with_declarations

if TYPE_CHECKING:
    from xmppctl.errors import XmppctlError
    from xmppctl.stanza.frame import Frame, Kind
    from xmppctl.stanza.jid import Jid

_BIND: Final = f"{NS_BIND} bind"
#: How much of what a server says is told as the reason of a change, in characters.
_REASON: Final = 500


def _later(seconds: float, call: Callable[[], None]) -> Timer:
    import asyncio

    return asyncio.get_running_loop().call_later(seconds, call)


class Hub:
    """Implements `parts.Listener`. `jid` is the account's bare JID, `settings` the digest of how it connects.

    `note` gets a line for the log; `later` calls a function after some seconds.
    """

    def __init__(
        self,
        link: Sender,
        *,
        jid: Jid,
        account: str,
        settings: str,
        note: Callable[[str], None] = lambda _: None,
        later: Later = _later,
    ) -> None:
        self.link = link
        self.jid = jid
        self.account = account
        self.settings = settings
        self.note = note
        #: All clients, bound or not.
        self.clients: set[Client] = set()
        self.iqs = Iqs(later)
        self._services = Services(self.bug)
        self.incoming = Incoming(self, later)
        self._bound: dict[Client, None] = {}
        self._binding: dict[Client, list[ClientRequest]] = {}
        self._numbers = 0
        #: The full JID, from the first time online on.
        self.full: Jid | None = None
        self.is_online = False
        #: What changed last about the connection; None until something has.
        self.change: Event | None = None
        self._context: Mapping[str, str] | None = None
        self._foreign: Mapping[str, str] = {}
        self._on_stanza: list[Callable[[Frame], None]] = []
        self._on_wire: list[Callable[[Frame], None]] = []
        self._on_state: list[Callable[[], None]] = []
        self._on_online: list[Callable[[bool], Iterable[Outgoing]]] = []
        self.presence = Presence(self)

    # -- for the parts that hang on it --

    def service(self, name: str, service: Service) -> None:
        """Have `service` serve requests to the daemon with the payload `name`."""
        self._services.add(name, service)

    def on_stanza(self, call: Callable[[Frame], None]) -> None:
        """Have it called with each stanza of the server, before clients get it."""
        self._on_stanza.append(call)

    def on_wire(self, call: Callable[[Frame], None]) -> None:
        """Have it called with each frame, both ways, while the link is watched."""
        self._on_wire.append(call)

    def on_state(self, call: Callable[[], None]) -> None:
        """Have it called when the link is online, offline or has failed."""
        self._on_state.append(call)

    def on_online(self, call: Callable[[bool], Iterable[Outgoing]]) -> None:
        """Have it called, in order of these calls, when there is a stream, with whether it is a resumed one.

        What it gives is sent first on one that is not.
        """
        self._on_online.append(call)

    def send(self, stanza: Outgoing) -> None:
        """Send a stanza of the daemon's own."""
        self.link.send(stanza)

    def request(self, type: str, payload: str, to: str | None, done: Done) -> None:
        """Ask something for the daemon itself. `done` gets the reply; None when none will come. Only while online."""
        self.link.send(self.own_request(type, payload, to, done))

    def own_request(
        self, type: str, payload: str, to: str | None, done: Done, seconds: float = OWN_SECONDS
    ) -> Outgoing:
        """As `request`, but the caller has it sent: for `on_online`. `seconds` is what the answer may take."""
        return self.iqs.ask_ourselves(type, payload, to, self.full or self.jid, done, seconds)

    def bug(self, error: Exception) -> None:
        """Note a mistake of ours that must not end the connection."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        self.note(f"bug: {type(error).__name__} at {where}")

    # -- Listener: what the link tells --

    def online(self, jid: Jid, *, resumed: bool) -> Iterable[Outgoing]:
        """There is a stream."""
        if self.full is not None and jid != self.full:
            for client in tuple(self._bound):
                client.end("reset", f"the account is {jid} now")
        self.full = jid
        self.is_online = True
        first: list[Outgoing] = []
        if not resumed:
            self.iqs.lost()
            self.incoming.lost()
        for call in self._on_online:
            first += self._guarded(call, resumed) or ()
        first += self.presence.online(resumed=resumed)
        if not resumed:
            restored = set(first)
            for client in tuple(self.clients):
                client.forget_lost(restored)
        for client, requests in tuple(self._binding.items()):
            for request in requests:
                self._bind(client, request)
        self._binding.clear()
        self._tell_state("online", f"{jid}, the stream was resumed" if resumed else str(jid))
        return first

    def offline(self, error: XmppctlError | None) -> None:
        """The stream is gone; the link goes on trying."""
        self.is_online = False
        self._tell_state("offline", error.message if error else "")

    def failed(self, error: XmppctlError) -> None:
        """The link has given up."""
        self.is_online = False
        for requests in tuple(self._binding.values()):
            for request in requests:
                request.refuse(error)
        self._binding.clear()
        self.iqs.give_up()
        for client in tuple(self._bound):
            client.end("remote-connection-failed", error.message, told(error))
        self._tell_state("offline", error.message)

    def received(self, frame: Frame) -> None:
        """A stanza of the server."""
        for call in self._on_stanza:
            self._guarded(call, frame)
        if frame.context is not self._context:
            self._context, self._foreign = frame.context, foreign(frame.context)
        if self._foreign:
            raw = with_declarations(frame.raw, self._foreign)
            frame = frame.with_raw(raw, frame.names, frame.payloads, frame.attributes)
        if frame.kind == "iq":
            if frame.type in ("get", "set"):
                self.incoming.take(frame)
            else:
                self.iqs.reply(frame)
                return
        elif frame.kind == "presence":
            self.presence.directed.received(frame)
        for client in tuple(self._bound):
            if client.listening:
                client.offer(frame.raw)

    def wire(self, frame: Frame) -> None:
        """Any frame, secrets taken out."""
        for call in self._on_wire:
            self._guarded(call, frame)

    def relieved(self) -> None:
        """The link is not congested any more."""
        for client in tuple(self.clients):
            client.wake()

    def _tell_state(self, name: Literal["online", "offline"], text: str) -> None:
        self.change = Event(name, time(), text[:_REASON])
        for call in self._on_state:
            self._guarded(call)

    def _guarded(self, call: Callable[..., Any], *arguments: object) -> Any:
        """What hangs on the hub must not end the connection by a mistake of its own."""
        try:
            return call(*arguments)
        except Exception as error:  # noqa: BLE001 (noted)
            self.bug(error)
            return None

    # -- clients --

    def join(self, pid: int | None, wake: Callable[[], None] = lambda: None) -> Client:
        """A new client."""
        self._numbers += 1
        client = Client(self, self._numbers, pid, wake)
        self.clients.add(client)
        return client

    @property
    def joined(self) -> int:
        """How many clients there were until now."""
        return self._numbers

    def features(self) -> bytes:
        """The stream features that a client gets."""
        hello = payload(
            "hello",
            attributes={
                "version": VERSION,
                "program": __version__,
                "account": self.account,
                "jid": self.jid.bare,
                "settings": self.settings,
                "state": self.link.state,
            },
        )
        return (
            f"<stream:features>{hello}<bind xmlns='{NS_BIND}'/><sm xmlns='{NS_SM}'/></stream:features>"
        ).encode()

    def take(self, client: Client, frame: Frame, kind: Kind) -> Sent | Handled | None:
        """Take a stanza of a client; return what to count until the server has it. None: it must bind first."""
        if kind == "iq" and is_for_daemon(frame):
            if frame.type in ("get", "set"):
                self._services.serve(client, frame)
            return Handled(done=True)
        if kind == "iq" and frame.type == "set" and frame.to is None and _BIND in frame.payloads:
            self._ask_to_bind(client, ClientRequest(client, frame))
            return Handled(done=True)
        if not client.bound:
            return None
        if kind == "message":
            sent = Sent(frame.raw, client)
        elif kind == "presence":
            return self.presence.take(client, frame)
        elif frame.type in ("result", "error"):
            return self.incoming.answer(client, frame)
        else:
            assert self.full is not None
            asked = self.iqs.ask(client, frame, self.full)
            if asked is None:
                ClientRequest(client, frame).refuse_as("resource-constraint")
                return Handled(done=True)
            self.presence.directed.asked(client, frame)
            sent = asked
        self.link.send(sent)
        return sent

    def left(self, client: Client, *, orderly: bool) -> None:
        """A client is gone: nothing of it stays, but what it sent where it closed its stream properly."""
        self.clients.discard(client)
        self._bound.pop(client, None)
        self._binding.pop(client, None)
        withdrawn = set() if orderly else set(self.link.withdraw(client))
        for stanza in withdrawn:
            if isinstance(stanza, Sent) and stanza.keep:
                self.link.send(stanza)
        self.iqs.left(client)
        self.incoming.left(client)
        self.presence.left(client, withdrawn)

    def _ask_to_bind(self, client: Client, request: ClientRequest) -> None:
        if client.bound or client in self._binding:
            request.refuse_as("not-allowed")
        elif self.is_online:
            self._bind(client, request)
        elif self.link.state in ("failed", "stopped"):
            if self.link.failure is not None:
                request.refuse(self.link.failure)
            else:
                request.refuse_as("service-unavailable")
        else:
            self._binding[client] = [request]
            self.link.hurry()

    def _bind(self, client: Client, request: ClientRequest) -> None:
        client.bound = True
        self._bound[client] = None
        request.reply(f"<bind xmlns='{NS_BIND}'><jid>{build.escape(str(self.full))}</jid></bind>")

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it."""
        return {
            "clients": [client.facts() for client in sorted(self.clients, key=lambda each: each.number)],
            "requests": self.iqs.facts() | self.incoming.facts(),
            "presence": self.presence.facts(),
        }
