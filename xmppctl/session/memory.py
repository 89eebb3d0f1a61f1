"""A scripted session without a network, for tests of what runs on sessions.

A `responder` plays the server: it gets each stanza that is sent and gives the stanzas that answer it. Time does not
pass: where nothing more can come, a wait ends at once as if its deadline had passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from xmppctl.errors import ConnectionLost
from xmppctl.session.base import NS_PING, Session
from xmppctl.session.deadline import Deadline
from xmppctl.stanza.frame import NS_CLIENT, NS_STREAM, Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

if TYPE_CHECKING:
    from xmppctl.session.bridge import Bridge

Responder = Callable[[Frame], "Iterable[str] | None"]

_HEADER = f"<stream:stream xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}'>".encode()

#: Turns of the event loop that slixmpp gets to act before the script is held to be over.
_TURNS = 50
#: How long the input of a test may take.
_INPUT_SECONDS = 5.0


class MemorySession(Session):
    """`responder(frame)` gives the stanzas that answer a sent one; None leaves it to the session, which answers
    pings to the own server and nothing else. `sent` holds what was sent; `deliver` brings something unasked.
    """

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        jid: str = "romeo@montague.example/orchard",
        features: Iterable[str] = (),
        on_frame: Callable[[Frame], None] | None = None,
    ) -> None:
        super().__init__(Jid.parse(jid), frozenset(features), Deadline(None))
        self.sent: list[Frame] = []
        self._responder = responder or (lambda _: None)
        self._incoming: deque[Frame] = deque()
        self._in = Splitter("in")
        self._out = Splitter("out")
        self._in.feed(_HEADER)
        self._out.feed(_HEADER)
        self._tap = None
        if on_frame is not None:
            from xmppctl.session.tap import Tap

            self._tap = Tap(on_frame)
        self._woken = False
        self._bridge: Bridge | None = None

    def deliver(self, *stanzas: str) -> None:
        """Let these come in, in order, after what is already on its way."""
        for stanza in stanzas:
            self._incoming.extend(self._in.feed(stanza.encode()))
        self.wake()

    def wake(self) -> None:
        """Have `wait` ask again."""
        self._woken = True

    def _write(self, data: bytes) -> None:
        for frame in self._out.feed(data):
            self._show(frame)
            if frame.kind == "stream" and frame.names:
                self._incoming.extend(self._in.feed(b"</stream:stream>"))
                continue
            self.sent.append(frame)
            answers = self._responder(frame)
            if answers is None:
                answers = self._default(frame)
            self.deliver(*answers)

    def _default(self, frame: Frame) -> Iterable[str]:
        ping = frame.kind == "iq" and frame.type == "get" and f"{NS_PING} ping" in frame.payloads
        if ping and frame.to == self.jid.domain:
            return [f"<iq type='result' id='{frame.id}' from='{self.jid.domain}' to='{self.jid}'/>"]
        return []

    def _show(self, frame: Frame) -> None:
        if self._tap is not None:
            self._tap.show([frame])

    @property
    def tap_failure(self) -> Exception | None:
        """What `on_frame` raised."""
        return self._tap.failure if self._tap is not None else None

    def _check_tap(self) -> None:
        if self.tap_failure is not None:
            self.fail(self.tap_failure)

    async def _flush(self, deadline: Deadline) -> None:
        del deadline
        self._check_tap()

    async def _pump(self, deadline: Deadline, doing: str) -> None:
        if not self._incoming and self._bridge is not None:
            await self._turn_loop()
        if self._incoming:
            frame = self._incoming.popleft()
            self._show(frame)
            self._received(frame)
            self._check_tap()
        elif self._woken:
            self._woken = False
        else:
            raise deadline.error(doing)

    async def _turn_loop(self) -> None:
        import asyncio

        for _ in range(_TURNS):
            if self._incoming or self._woken:
                return
            await asyncio.sleep(0)

    async def wait_readable(
        self,
        descriptor: int,
        *,
        unless: Callable[[], bool] = lambda: False,
        timeout: float | None = None,
        doing: str = "waiting for input",
    ) -> bool:
        """Wait until `descriptor` can be read, or `unless` holds. Time does pass here: whoever writes takes some."""
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        patience = _INPUT_SECONDS if timeout is None else timeout
        while not unless():
            if self._incoming:
                await self._pump(self.deadline, doing)
            elif self._failure is not None:
                raise self._failure
            elif poll.poll(patience * 1000):
                return True
            else:
                raise self.deadline.error(doing)
        return False

    async def client(self) -> Bridge:
        """A slixmpp client on this session; the test must run in an event loop."""
        if self._bridge is None:
            from xmppctl.session.bridge import Bridge

            self._bridge = Bridge(self)
        return self._bridge

    def hang_up(self) -> None:
        """Let the connection break now."""
        self.lose(ConnectionLost("the script broke the connection"))

    def _hang_up(self) -> None:
        if self._bridge is not None:
            self._bridge.shut_down()
