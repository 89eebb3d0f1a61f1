"""The tap: every frame of a stream, both ways, as it was on the wire, secrets taken out.

It sits on the plaintext, beneath everything that interprets it.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import time as now
from typing import TYPE_CHECKING, Final

from xmppctl.stanza.frame import NS_STREAM, Frame
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter, StreamViolation

if TYPE_CHECKING:
    from xmppctl.session.connection import OnFrame

_HEADER: Final = [f"{NS_STREAM} stream"]
_HEADER_STARTS: Final = (b"<?xml", b"<stream:stream")


class Tap:
    """Shows frames to `on_frame`.

    What that raises (a reader that closed the pipe, a full disk) must not tear the stream: it is kept in `failure`
    for whoever drives the connection to raise, and nothing more is shown. While it is `paused` it shows stream
    headers only, and does not parse what is sent: each piece of that must be whole elements.
    """

    def __init__(self, on_frame: OnFrame) -> None:
        self.failure: Exception | None = None
        self.paused = False
        self._on_frame = on_frame
        self._sent = Splitter("out")

    def restart(self) -> None:
        """A new stream begins."""
        self._sent.reset()

    def show(self, frames: Iterable[Frame]) -> None:
        """Show frames that came in. Never raises."""
        for frame in frames:
            if self.failure is not None:
                return
            if self.paused and (frame.names[:1] != _HEADER or frame.raw.startswith(b"</")):
                continue
            try:
                self._on_frame(redact(frame))
            except Exception as error:  # noqa: BLE001 (kept, and raised by the session)
                self.failure = error

    def sent(self, data: bytes) -> None:
        """Show what is sent. Never raises."""
        if self.paused and not data.startswith(_HEADER_STARTS):
            return
        try:
            frames = self._sent.feed(data)
        except StreamViolation:  # sent on purpose, to test a server: shown as it is
            frames = [*self._sent.take_frames(), Frame(data, direction="out", time=now())]
            self._sent.reset()
        self.show(frames)
