"""Seeing the account's wire through the daemon that holds it: its service `watch` (see `local`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xmppctl.session import local
from xmppctl.session.relayed import Relayed
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.session.run import Observer
    from xmppctl.stanza.frame import Frame

_FRAME: Final = f"{local.NS_DAEMON} frame"


class Observation:
    """Shows an observer what the daemon of an attached session tells of the wire.

    What the observer raises (a reader that closed the pipe, a full disk) ends every wait of the session; nothing more
    is shown then.
    """

    def __init__(self, session: Session, observer: Observer) -> None:
        self._session = session
        self._observer = observer
        self._relayed = Relayed()

    async def begin(self, timeout: float | None = None) -> None:
        """Have the daemon tell from now on. Raises BadFilter, DaemonError, DeadlineExceeded, ConnectionLost."""
        self._session.on_nonza = self._take
        terms = "".join(f"<term>{build.escape(term)}</term>" for term in self._observer.terms)
        only = {"only": "true" if self._observer.only else None}
        await local.ask(self._session, "set", local.payload("watch", terms, only), timeout)

    def _take(self, nonza: Frame) -> None:
        if nonza.names[0] == _FRAME:
            frame = self._relayed.take(nonza)
            if frame is not None:
                self._observer.take(frame)
            return
        change = local.changed(nonza)
        if change is not None:
            if self._observer.event is not None:
                self._observer.event(change)
            return
        count = local.lost(nonza)
        if count is not None:
            self._observer.dropped(count)
