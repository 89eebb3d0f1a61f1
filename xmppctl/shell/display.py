"""What of the stream is shown in a shell, and what is said of it. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xmppctl.output.base import Note

if TYPE_CHECKING:
    from xmppctl.protocols.ledger import Sent
    from xmppctl.protocols.view import Screen
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.filters import Filter
    from xmppctl.stanza.frame import Frame

Level = Literal["quiet", "normal", "loud"]


class Display:
    """Shows frames on `screen`.

    `quiet`: replies to what was typed, stream errors and events, nothing else. `normal`: and what comes unasked, where
    `wanted` takes it. `loud`: everything that crosses the wire, both ways, where `wanted` takes it; what was typed
    as well, if `echo`. `by_hand`: the stream's own header and footer are for the one who types as well.
    """

    def __init__(self, screen: Screen, *, echo: bool, by_hand: bool = False) -> None:
        self._screen = screen
        self._echo = echo
        self._by_hand = by_hand
        self.level: Level = "normal"
        self.wanted: Filter | None = None
        #: Frames shown since the last one that was typed.
        self._between = 0

    def typed(self, frame: Frame) -> None:
        """What was typed goes out."""
        self._between = 0
        if self.level == "loud" and self._echo:
            self._show(frame)

    def answer(self, frame: Frame, entry: Sent) -> None:
        """The reply to something typed, or its bounce. Always shown, with the time that it took."""
        seconds = entry.seconds or 0.0
        took = f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
        # Where other things stand between the two, which one it answers is not plain to see.
        which = f"[{entry.number}] " if self._between else ""
        text = f"answers {which}after {took}" if frame.kind == "iq" else f"bounce of [{entry.number}]"
        self._show(frame, Note(text, {"answers": entry.number, "rtt": round(seconds, 6)}))

    def unasked(self, frame: Frame) -> None:
        """What comes by itself, or answers what was typed and is no stanza."""
        if self.level == "quiet" and frame.name != "error":
            return
        if self.level == "normal" and frame.kind == "stream" and not (self._by_hand and frame.names):
            return
        self._filtered(frame)

    def machinery(self, frame: Frame) -> None:
        """What commands and the shell itself send, and what answers it."""
        if self.level == "loud" or self._by_hand:
            self._filtered(frame)

    def past(self, frame: Frame) -> None:
        """What led to where somebody goes on by hand."""
        if frame.names:
            self._show(frame)

    def event(self, event: Event) -> None:
        """Something happened to the connection."""
        self._screen.event(event)

    def _filtered(self, frame: Frame) -> None:
        if self.wanted is None or self.wanted(frame):
            self._show(frame)

    def _show(self, frame: Frame, note: Note | None = None) -> None:
        self._between += 1
        if note is None:
            self._screen.frame(frame)
        else:
            self._screen.frame(frame, note)
