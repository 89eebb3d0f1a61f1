"""One client of the daemon: its stream, as `session.local` says. Sans-IO.

Its bytes come in through `receive`; what it is to read comes out of `take`. `wake` is called when there is something
to take, or when `readable` or `ended` may have changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import time as now
from typing import TYPE_CHECKING, Any, Final

from xmppctl.daemon.parts import Outgoing
from xmppctl.daemon.unread import Unread
from xmppctl.session.acks import MODULUS, NS_SM
from xmppctl.session.failures import NS_STREAM_ERRORS
from xmppctl.session.replies import prepared
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_CLIENT, NS_STANZAS, NS_STREAM, Frame, Kind
from xmppctl.stanza.rewrite import foreign, with_declarations
from xmppctl.stanza.splitter import Splitter, StreamViolation

if TYPE_CHECKING:
    from xmppctl.daemon.hub import Hub

#: Replies that a client leaves unread, in bytes, at which it is disconnected when there is one more.
MAX_REPLIES: Final = 8 * 1024 * 1024
#: What a client has sent and the server not acknowledged, in bytes, at which it is read from no more.
MAX_UNACKNOWLEDGED: Final = 1024 * 1024
#: The same of replies that it has not read.
MAX_UNREAD: Final = 1024 * 1024
#: The same of stanzas that wait to be counted, and of questions how many there are.
MAX_OPEN: Final = 16384
MAX_ASKED: Final = 1024

FOOTER: Final = b"</stream:stream>"

_KINDS: Final[Mapping[str, Kind]] = {
    f"{NS_CLIENT} message": "message",
    f"{NS_CLIENT} presence": "presence",
    f"{NS_CLIENT} iq": "iq",
}


class Sent(Outgoing):
    """A stanza that a client sent. `done`: the server has it, or it is of no use any more.

    `keep`: it is sent even though the client is gone.
    """

    __slots__ = ("done", "keep")

    def __init__(self, data: bytes, owner: Client, *, again: bool = True) -> None:
        super().__init__(data, owner, again=again)
        self.done = False
        self.keep = False


class Handled:
    """A stanza that the daemon itself takes care of. `done`: it has."""

    __slots__ = ("done",)

    def __init__(self, *, done: bool) -> None:
        self.done = done


def header(domain: str) -> bytes:
    """The daemon's stream header (RFC 6120 section 4.7)."""
    attributes = build.attributes({"from": domain, "id": build.new_id(), "version": "1.0", "xml:lang": "en"})
    return (
        f"<?xml version='1.0'?><stream:stream{attributes} xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}'>"
    ).encode()


def stream_error(condition: str, text: str = "", detail: str = "") -> bytes:
    """A stream error (RFC 6120 section 4.9) and the stream's end. `detail` is an element of ours."""
    words = build.escape(build.legal(text))
    told = f"<text xmlns='{NS_STREAM_ERRORS}' xml:lang='en'>{words}</text>" if words else ""
    error = f"<stream:error><{condition} xmlns='{NS_STREAM_ERRORS}'/>{told}{detail}</stream:error>"
    return error.encode() + FOOTER


class Client:
    """`number` is its own, `pid` that of its process (None where the kernel does not tell), `since` in seconds.

    An owner of what it sends (see `parts`).
    """

    def __init__(
        self, hub: Hub, number: int, pid: int | None = None, wake: Callable[[], None] = lambda: None
    ) -> None:
        self.number = number
        self.pid = pid
        self.since = now()
        self.bound = False
        #: Once it is bound it gets messages, presence and incoming requests. One that only watches does not.
        self.listening = True
        #: Nothing more is read; when what there is to take is taken, the connection can be closed.
        self.ended = False
        #: It has opened its stream.
        self.opened = False
        #: Called once, when it is gone.
        self.on_leave: list[Callable[[], None]] = []
        self.wake = wake
        self.received = 0
        self._hub = hub
        self._out = Unread()
        self._splitter = Splitter("in")
        self._foreign: Mapping[str, str] = {}
        #: What it sent and was not yet counted, in its order.
        self._open: deque[Sent | Handled] = deque()
        self._unacknowledged = 0
        self._acks = False
        self._uncounted = 0  # of `_open`, what it sent before it asked for acknowledgements
        self._handled = 0
        #: For each <r/> that waits, how much of `_open` was before it, from `_settled` on.
        self._asked: deque[int] = deque()
        self._settled = 0

    # -- what it is to read --

    def deliver(self, data: bytes) -> None:
        """Send it what must arrive. A client that leaves too much of that unread is disconnected."""
        if self.ended:
            return
        if self._out.replies > MAX_REPLIES:
            self._hub.note(f"client {self.number} does not read its replies: it was disconnected")
            self.drop()
            return
        self._out.deliver(data)
        self.wake()

    def offer(self, data: bytes) -> None:
        """Send it what may be dropped where it reads too slowly."""
        if not self.ended:
            self._out.offer(data)
            self.wake()

    def take(self, limit: int) -> bytes:
        """Bytes to write to it, about `limit` at most."""
        return self._out.take(limit)

    @property
    def pending(self) -> bool:
        """Whether there is something to take."""
        return bool(self._out)

    @property
    def readable(self) -> bool:
        """Whether more may be read from it now. One that is not bound has nothing to say to the server."""
        return (
            not self.ended
            and not (self.bound and self._hub.link.congested)
            and not self._backlogged
            and self._out.replies <= MAX_UNREAD
        )

    @property
    def _backlogged(self) -> bool:
        """Whether too much of it waits for the server."""
        return (
            self._unacknowledged > MAX_UNACKNOWLEDGED
            or len(self._open) > MAX_OPEN
            or len(self._asked) > MAX_ASKED
        )

    # -- its stream --

    def receive(self, data: bytes) -> None:
        """Take bytes of it. Empty `data` is their end. Never raises for what it sends."""
        if self.ended:
            return
        if not data:
            self.drop()
            return
        try:
            frames = self._splitter.feed(data)
        except StreamViolation as violation:
            for frame in self._splitter.take_frames():
                self._take(frame)
            self.end(violation.condition, violation.message)
            return
        for frame in frames:
            self._take(frame)
        if self._backlogged:
            self._hub.link.want_acknowledgement()

    def end(self, condition: str, text: str = "", detail: str = "") -> None:
        """End its stream with a stream error (RFC 6120 section 4.9.3)."""
        if self.ended:
            return
        if not self.opened:
            self._out.deliver(header(self._hub.jid.domain))
        self._out.deliver(stream_error(condition, text, detail))
        self._leave(orderly=False)

    def drop(self) -> None:
        """Its connection is gone, or must go at once."""
        self._out.clear()
        if not self.ended:
            self._leave(orderly=False)

    def _leave(self, *, orderly: bool) -> None:
        self.ended = True
        self._hub.left(self, orderly=orderly)
        for call in self.on_leave:
            call()
        self.on_leave.clear()
        self.wake()

    def _take(self, frame: Frame) -> None:
        if self.ended or not frame.names:
            return  # white space keeps the connection alive
        kind = _KINDS.get(frame.names[0])
        if kind is not None and self.opened:
            self._stanza(frame, kind)
        elif frame.kind == "stream":
            self._stream(frame)
        elif not self.opened:
            self.end("invalid-namespace", f"a stream begins with <stream/> in {NS_STREAM}")
        elif frame.namespace == NS_SM:
            self._acknowledgements(frame)
        else:
            self.end("unsupported-stanza-type", f"there is no <{frame.name}/> here")

    def _stream(self, frame: Frame) -> None:
        if frame.raw.startswith(b"</"):
            self._out.deliver(FOOTER)
            # Whoever still asks whether the server has it all would rather know that it never will.
            self._leave(orderly=not self._asked)
            return
        self.opened = True
        self._foreign = foreign(frame.context)
        domain = self._hub.jid.domain
        self._out.deliver(header(domain))
        if frame.to is not None and prepared(frame.to) != domain:
            self.end("host-unknown", f"the daemon holds an account of {domain}")
            return
        self._out.deliver(self._hub.features())
        self.wake()

    def _stanza(self, frame: Frame, kind: Kind) -> None:
        self.received += 1
        if self._foreign:
            raw = with_declarations(frame.raw, self._foreign)
            frame = frame.with_raw(raw, frame.names, frame.payloads, frame.attributes)
        entry = self._hub.take(self, frame, kind)
        if entry is None:
            self.end("not-authorized", "bind first")
            return
        self._open.append(entry)
        if isinstance(entry, Sent):
            self._unacknowledged += len(entry.data)
        if entry.done:
            self._settle()

    # -- acknowledgements (XEP-0198) --

    def acknowledged(self, stanza: Outgoing) -> None:
        """The server has it."""
        assert isinstance(stanza, Sent)
        stanza.done = True
        self._settle()

    def finish(self, entry: Handled) -> None:
        """The daemon has taken care of it."""
        entry.done = True
        self._settle()

    def forget_lost(self, restored: set[Outgoing]) -> None:
        """The stream was lost: what was written and is neither sent again nor `restored` is of no use any more."""
        for entry in self._open:
            if isinstance(entry, Sent) and entry.written and not entry.again and entry not in restored:
                entry.done = True
        self._settle()

    def _settle(self) -> None:
        opened = self._open
        full = self._backlogged
        while opened and opened[0].done:
            entry = opened.popleft()
            if isinstance(entry, Sent):
                self._unacknowledged -= len(entry.data)
            self._settled += 1
            if self._uncounted:
                self._uncounted -= 1
            elif self._acks:
                self._handled += 1
        self._answer_asked()
        if full:
            self.wake()

    def _acknowledgements(self, frame: Frame) -> None:
        name = frame.name
        if name == "enable" and not self._acks:
            self._acks = True
            self._uncounted = len(self._open)
            self.deliver(f"<enabled xmlns='{NS_SM}'/>".encode())
        elif name == "r" and self._acks:
            self._asked.append(self._settled + len(self._open))
            self._answer_asked()
            if self._asked:
                self._hub.link.want_acknowledgement()
        elif name in ("enable", "r", "resume"):
            condition = "item-not-found" if name == "resume" else "unexpected-request"
            self.deliver(f"<failed xmlns='{NS_SM}'><{condition} xmlns='{NS_STANZAS}'/></failed>".encode())

    def _answer_asked(self) -> None:
        while self._asked and self._settled >= self._asked[0]:
            self._asked.popleft()
            self.deliver(f"<a xmlns='{NS_SM}' h='{self._handled % MODULUS}'/>".encode())

    def facts(self) -> dict[str, Any]:
        """What `daemon status` tells of it; sizes in bytes."""
        return {
            "number": self.number,
            "pid": self.pid,
            "since": self.since,
            "bound": self.bound,
            "stanzas": self.received,
            "unacknowledged": sum(not entry.done for entry in self._open),
            "queued": self._out.size,
            "dropped": self._out.dropped,
        }
