"""Acknowledgements of stanzas (XEP-0198 section 4), without resumption. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame

NS_SM: Final = "urn:xmpp:sm:3"
#: Counts start again at 0 when they reach it (section 4).
MODULUS: Final = 1 << 32

#: Asks the server how many stanzas it has handled.
REQUEST: Final = f"<r xmlns='{NS_SM}'/>".encode()


class Acks:
    """Counts both ways. The server's agreement comes later than the first stanzas that count."""

    def __init__(self) -> None:
        self.sent = 0
        self._acknowledged = 0
        self._received = 0
        self._asked = False
        self._on = False

    @property
    def off(self) -> bool:
        """Whether there are none: not asked for, or refused."""
        return not self._asked

    def enable(self) -> bytes:
        """What asks the server for them."""
        self._asked = True
        return f"<enable xmlns='{NS_SM}'/>".encode()

    def distrust(self) -> None:
        """Believe no count of what was sent any more; what comes in is counted all the same."""
        self._asked = False

    def note_sent(self) -> None:
        """A stanza is sent."""
        if self._asked:
            self.sent += 1

    def note_received(self) -> None:
        """A stanza has come."""
        if self._on:
            self._received += 1

    def cover(self, stanzas: int) -> bool:
        """Whether the server has the first `stanzas`, or will never tell."""
        return not self._asked or self._acknowledged >= stanzas

    def take(self, frame: Frame) -> bytes | None:
        """Take an element in this namespace; return what answers it."""
        name = frame.name
        if name == "r" and self._on:
            return f"<a xmlns='{NS_SM}' h='{self._received}'/>".encode()
        if name == "a":
            self._acknowledged = max(
                self._acknowledged, min(count(frame.attributes.get("h")) or 0, self.sent)
            )
        elif name == "enabled":
            self._on = self._asked
        elif name == "failed":
            self._asked = self._on = False
        return None


def count(text: str | None) -> int | None:
    """A count below 2**32; None where the text is none."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    value = int(text)
    return value if value < MODULUS else None
