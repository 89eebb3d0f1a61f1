"""The account's own presence: which one is shown, of all that were asked for. Sans-IO.

RFC 6121 section 4. The newest of the strong ones is shown: the status that lasts, and what clients show or hold while
they are attached. Where there is none, the newest of those that want to be online at least; their priority is the
least one in any case. Only changes are sent; what is shown is shown again on a new stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Set
from typing import TYPE_CHECKING, Any, Final

from xmppctl.daemon.client import Handled, Sent
from xmppctl.daemon.directed import Directed
from xmppctl.daemon.parts import Outgoing, Request
from xmppctl.errors import UsageError
from xmppctl.session.local import NS_DAEMON
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_CLIENT
from xmppctl.stanza.rewrite import with_child
from xmppctl.stanza.slices import slices
from xmppctl.stanza.tree import parse

if TYPE_CHECKING:
    from xmppctl.daemon.client import Client
    from xmppctl.daemon.hub import Hub
    from xmppctl.stanza.frame import Frame

_PRIORITY: Final = f"{NS_CLIENT} priority"
_UNAVAILABLE: Final = build.presence(type="unavailable").encode()

Waiter = Callable[[], None]


class _Wish:
    """A presence that was asked for; of nobody (`client` None) it lasts."""

    __slots__ = ("client", "priority", "raw")

    def __init__(self, client: Client | None, raw: bytes) -> None:
        self.client = client
        self.raw = raw
        self.priority = _number(parse(raw).findtext(f"{{{NS_CLIENT}}}priority", ""))


class _Shown(Outgoing):
    """A presence on its way; `waiters` are told when the server has it."""

    __slots__ = ("waiters",)

    def __init__(self, data: bytes, owner: Presence, waiters: list[Waiter]) -> None:
        super().__init__(data, owner, again=False)
        self.waiters = waiters


class Presence:
    """Services `status` and `online`; `directed` is what is shown to some only."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.directed = Directed(hub)
        self._strong: list[_Wish] = []  # the newest last
        self._weak: dict[Client, _Wish] = {}
        #: What the server was told last on this stream.
        self._sent: bytes | None = None
        self._unacknowledged: deque[_Shown] = deque()
        #: Who waits for something that is yet to be sent.
        self._late: list[Waiter] = []
        #: Called when none is shown any more: nobody's presence comes then.
        self.on_hidden: Callable[[], None] = lambda: None
        hub.service("status", self._serve_status)
        hub.service("online", self._serve_online)

    @property
    def lasting(self) -> bool:
        """Whether a status was set that lasts."""
        return any(wish.client is None for wish in self._strong)

    @property
    def shows(self) -> bool:
        """Whether a presence is shown."""
        return bool(self._strong or self._weak)

    def take(self, client: Client, frame: Frame) -> Sent | Handled:
        """Take presence of a client."""
        if frame.to is not None or frame.type not in (None, "unavailable"):
            return self.directed.take(client, frame)
        entry = Handled(done=False)
        self._wish(client, None if frame.type else frame.raw)
        self._show(lambda: client.finish(entry))
        return entry

    def left(self, client: Client, withdrawn: Set[Outgoing]) -> None:
        """A client is gone, and its presence with it."""
        self.directed.left(client, withdrawn)
        self._wish(client, None)
        self._weak.pop(client, None)
        self._show()

    def online(self, *, resumed: bool) -> list[Outgoing]:
        """There is a stream; gives what must be sent first on a new one."""
        if resumed:
            self._show()
            self.directed.resumed()
            return []
        waiters = [waiter for shown in self._unacknowledged for waiter in shown.waiters] + self._late
        self._unacknowledged.clear()
        self._hub.link.withdraw(self)  # what no stream has seen must not come behind what is shown now
        self._late = []
        self._sent = self._wanted()
        if self._sent is None:
            _tell(waiters)
            return self.directed.restore()
        shown = _Shown(self._sent, self, waiters)
        self._unacknowledged.append(shown)
        return [shown, *self.directed.restore()]

    def acknowledged(self, stanza: Outgoing) -> None:
        """The server has it, and what was sent before it."""
        while stanza in self._unacknowledged:
            _tell(self._unacknowledged.popleft().waiters)

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it."""
        wanted = self._wanted()
        shown = None
        if wanted is not None:
            element = parse(wanted)
            shown = {
                "show": element.findtext(f"{{{NS_CLIENT}}}show") or "online",
                "status": element.findtext(f"{{{NS_CLIENT}}}status"),
                "priority": _number(element.findtext(f"{{{NS_CLIENT}}}priority", "")),
            }
        return {"shown": shown, "lasting": self.lasting} | self.directed.facts()

    # -- services --

    def _serve_status(self, request: Request) -> None:
        hold, raw = _read(request, "status")
        self._wish(request.client if hold else None, raw)
        self._show(request.reply)

    def _serve_online(self, request: Request) -> None:
        _, raw = _read(request, "online")
        self._weak.pop(request.client, None)  # the newest is the last
        if raw is not None:
            self._weak[request.client] = _Wish(request.client, raw)
        self._show(request.reply)

    # -- what is shown --

    def _wish(self, client: Client | None, raw: bytes | None) -> None:
        self._strong = [wish for wish in self._strong if wish.client is not client]
        if raw is not None:
            self._strong.append(_Wish(client, raw))

    def _wanted(self) -> bytes | None:
        weak = list(self._weak.values())
        wishes = self._strong or weak
        if not wishes:
            return None
        least = max([wish.priority for wish in weak], default=-128)
        if wishes[-1].priority >= least:
            return wishes[-1].raw
        child = f"<priority xmlns='{NS_CLIENT}'>{least}</priority>"
        return with_child(wishes[-1].raw, _PRIORITY, child.encode())

    def _show(self, waiter: Waiter | None = None) -> None:
        """Show what must be shown; tell `waiter` when the server has it."""
        waiters = [waiter] if waiter is not None else []
        if not self._hub.is_online:
            self._late += waiters
            return
        waiters = self._late + waiters
        self._late = []
        wanted = self._wanted()
        if wanted != self._sent:
            self._sent = wanted
            shown = _Shown(wanted or _UNAVAILABLE, self, waiters)
            self._unacknowledged.append(shown)
            self._hub.link.send(shown)
            if wanted is None:
                self.on_hidden()
        elif self._unacknowledged:
            self._unacknowledged[-1].waiters += waiters
        else:
            _tell(waiters)
            return
        if waiters:
            self._hub.link.want_acknowledgement()


def _tell(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        waiter()


def _read(request: Request, name: str) -> tuple[bool, bytes | None]:
    """Whether it is to be held, and the presence; None for an unavailable one."""
    frame = request.frame
    found = slices(frame, (f"{NS_DAEMON} {name}", f"{NS_CLIENT} presence"), 0)
    around = frame.element().find(f"{{{NS_DAEMON}}}{name}")
    kind = found[0].attributes.get("type") if found else ""
    if (
        frame.type != "set"
        or around is None
        or kind not in (None, "unavailable")
        or "to" in found[0].attributes
    ):
        raise UsageError(f"<{name}/> holds one presence, available or unavailable, in an iq of type set")
    return around.get("hold") in ("true", "1"), None if kind else found[0].raw


def _number(text: str) -> int:
    """A priority (section 4.7.2.3); 0 for what is none."""
    try:
        return max(-128, min(int(text), 127)) if len(text) <= 8 else 0
    except ValueError:
        return 0
