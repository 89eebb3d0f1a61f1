"""What is on its way to the server: what waits to be written, and what was written and is not acknowledged.

A stanza leaves it only when the server has acknowledged it (XEP-0198 section 4, or an answered ping that was sent
behind it), however many streams that takes. Sans-IO.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from xmppctl.daemon.parts import Outgoing, Owner
from xmppctl.session.acks import MODULUS

#: Bytes that wait to be written, and bytes and stanzas that wait to be acknowledged, at which senders should stop.
MAX_HELD_BYTES: Final = 1024 * 1024
MAX_UNACKNOWLEDGED_BYTES: Final = 4 * 1024 * 1024
MAX_UNACKNOWLEDGED: Final = 16384
#: Where several unacknowledged stanzas ended a stream, how many groups they are sent in on the next.
_GROUPS: Final = 50


class TooManyHandled(Exception):
    """The server says that it has handled more stanzas than it was sent (XEP-0198 section 4). Counts modulo 2**32."""

    def __init__(self, handled: int, sent: int) -> None:
        super().__init__(f"handled {handled} of {sent}")
        self.handled = handled
        self.sent = sent


class Outbox:
    """Stanzas in order. `held` were not written to the stream in force; `unacknowledged` were.

    Where it calls owners and one of them fails, the others are still told; then the first failure is raised.
    """

    def __init__(self) -> None:
        self.held: deque[Outgoing] = deque()
        self.unacknowledged: deque[Outgoing] = deque()
        self.held_bytes = 0
        self.unacknowledged_bytes = 0
        #: Stanzas that were written since the server was last asked what it has.
        self.unasked = 0
        #: The size of the largest of those.
        self.largest = 0
        #: Stanzas that were ever written, those that were written again included.
        self.written = 0
        #: Stanzas that were ever acknowledged.
        self.acknowledged = 0
        self._wanted = 0  # of all stanzas here, how many somebody wants to be acknowledged soon
        self._handled = 0  # the server's count on the stream in force, modulo 2**32
        self._window = 0  # how many may be unacknowledged at once, 0 for any number
        self._suspects = 0  # for how many stanzas more the window is in force

    # -- in --

    def add(self, stanza: Outgoing) -> None:
        """Send it after all others."""
        self.held.append(stanza)
        self.held_bytes += len(stanza.data)

    def withdraw(self, owner: Owner) -> list[Outgoing]:
        """Take out what `owner` sent and no stream has seen; return it in order."""
        taken = [stanza for stanza in self.held if stanza.owner is owner and not stanza.written]
        if taken:
            self._hold(stanza for stanza in self.held if stanza.owner is not owner or stanza.written)
        return taken

    def _hold(self, stanzas: Iterable[Outgoing]) -> None:
        self.held = deque(stanzas)
        self.held_bytes = sum(len(stanza.data) for stanza in self.held)

    # -- out --

    def take(self, limit: int, window: int) -> bytes:
        """What to write next: whole stanzas, no more when `limit` bytes are reached. They count as written now.

        `window` is how many may be unacknowledged then.
        """
        held, unacknowledged = self.held, self.unacknowledged
        parts: list[bytes] = []
        size = 0
        room = (min(window, self._window) if self._window else window) - len(unacknowledged)
        while held and size < limit and room > 0:
            stanza = held.popleft()
            stanza.written = True
            unacknowledged.append(stanza)
            parts.append(stanza.data)
            size += len(stanza.data)
            room -= 1
            if len(stanza.data) > self.largest:
                self.largest = len(stanza.data)
        self.held_bytes -= size
        self.unacknowledged_bytes += size
        self.unasked += len(parts)
        self.written += len(parts)
        return b"".join(parts)

    # -- acknowledgements --

    def note_asked(self) -> None:
        """The server was asked what it has."""
        self.unasked = self.largest = 0

    def want(self) -> None:
        """All that is here now should be acknowledged soon."""
        self._wanted = len(self.unacknowledged) + len(self.held)

    @property
    def wanting(self) -> bool:
        """Whether to ask the server what it has: somebody wants to know, and there is something to hear of."""
        return bool(self.unacknowledged) and (self._wanted > 0 or self._window > 0)

    def start_counting(self) -> None:
        """Acknowledgements begin (XEP-0198 section 3): what is written from now on counts."""
        self._handled = 0

    def handled(self, count: int) -> bool:
        """The server's `h`; whether it is more than it said before. Raises TooManyHandled."""
        new = (count - self._handled) % MODULUS
        if new > len(self.unacknowledged):
            raise TooManyHandled(count, (self._handled + len(self.unacknowledged)) % MODULUS)
        self._handled = count
        self.acknowledge(new)
        return new > 0

    def acknowledge(self, count: int) -> None:
        """The server has the first `count` that are unacknowledged: tell their owners, in order."""
        done = [self.unacknowledged.popleft() for _ in range(count)]
        self.unacknowledged_bytes -= sum(len(stanza.data) for stanza in done)
        self.acknowledged += count
        self._wanted = max(0, self._wanted - count)
        self._suspects -= count
        if self._suspects <= 0:
            self._window = self._suspects = 0
        _tell(done)

    # -- streams --

    def resumed(self, count: int) -> None:
        """The stream was resumed (XEP-0198 section 5): the server has `count`, all others are written again.

        Raises TooManyHandled.
        """
        try:
            self.handled(count)
        finally:
            self._hold([*self.unacknowledged, *self.held])
            self._forget_unacknowledged()

    def restarted(self, first: Iterable[Outgoing]) -> None:
        """There is a new stream instead: `first`, then what was unacknowledged and is to be sent again, then the rest.

        What is not to be sent again is forgotten: `first` stands for it. So is what is left of an earlier `first`.
        """
        begin = list(first)
        restored = set(begin)
        lost = (stanza for stanza in (*self.unacknowledged, *self.held) if stanza not in restored)
        left = [stanza for stanza in lost if stanza.again or not stanza.written]
        if self._wanted:
            self._wanted = len(begin) + len(left)
        if self._window:
            self._suspects = len(begin) + min(self._suspects, len(left))
        for stanza in begin:
            stanza.written = True  # it is of this stream: the next one gets its own
        self._hold([*begin, *left])
        self._forget_unacknowledged()

    def _forget_unacknowledged(self) -> None:
        self.unacknowledged.clear()
        self.unacknowledged_bytes = 0
        self.note_asked()

    # -- stanzas that the server does not bear --

    def blame(self) -> Outgoing | None:
        """The server ended the stream because of something that it was sent. Call before `resumed` or `restarted`.

        One of the unacknowledged may be it, and sent again it would do the same for ever. So they are sent in small
        groups; one that was alone, and suspected before, is taken out and returned.
        """
        count = len(self.unacknowledged)
        if count == 1 and self._window == 1:
            culprit = self.unacknowledged.popleft()
            self.unacknowledged_bytes -= len(culprit.data)
            self._wanted = max(0, self._wanted - 1)
            return culprit
        if count:
            self._window = max(1, count // _GROUPS)
            self._suspects = count
        return None

    # -- how much there is --

    @property
    def congested(self) -> bool:
        """Whether senders should stop."""
        return (
            self.held_bytes > MAX_HELD_BYTES
            or self.unacknowledged_bytes > MAX_UNACKNOWLEDGED_BYTES
            or len(self.unacknowledged) > MAX_UNACKNOWLEDGED
        )

    @property
    def relieved(self) -> bool:
        """Whether they can go on: no more than half of that."""
        return (
            self.held_bytes <= MAX_HELD_BYTES // 2
            and self.unacknowledged_bytes <= MAX_UNACKNOWLEDGED_BYTES // 2
            and len(self.unacknowledged) <= MAX_UNACKNOWLEDGED // 2
        )

    @property
    def owed(self) -> list[Outgoing]:
        """What must reach the server some time, and has not as far as is known."""
        return [stanza for stanza in (*self.unacknowledged, *self.held) if stanza.again]

    def __len__(self) -> int:
        return len(self.held) + len(self.unacknowledged)


def _tell(stanzas: Iterable[Outgoing]) -> None:
    failure: Exception | None = None
    for stanza in stanzas:
        owner = stanza.owner
        if owner is None:
            continue
        try:
            owner.acknowledged(stanza)
        except Exception as error:  # noqa: BLE001 (raised when all have heard)
            failure = failure or error
    if failure is not None:
        raise failure
