"""Seeing the account's wire through the daemon that holds it: its service `watch` (see `local`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.errors import DaemonError
from xmppctl.session import local
from xmppctl.session.relayed import Relayed
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.session.run import Observer
    from xmppctl.stanza.frame import Frame


class Observation:
    """Shows an attached session's observer what the daemon tells of the wire.

    What the observer raises (a reader that closed the pipe, a full disk) ends every wait of the session, and stays in
    `failure`; nothing more is shown then.
    """

    def __init__(self, session: Session, observer: Observer) -> None:
        self.failure: Exception | None = None
        self._session = session
        self._observer = observer
        self._relayed = Relayed()

    async def begin(self, timeout: float | None = None) -> None:
        """Have the daemon tell from now on. Raises BadFilter, DaemonError, DeadlineExceeded, ConnectionLost."""
        self._session.on_nonza = self.take
        terms = "".join(f"<term>{build.escape(term)}</term>" for term in self._observer.terms)
        only = {"only": "true" if self._observer.only else None}
        await local.ask(self._session, "set", local.payload("watch", terms, only), timeout)

    def take(self, nonza: Frame) -> None:
        """An element of the daemon's. Never raises."""
        if self.failure is not None or nonza.namespace != local.NS_DAEMON:
            return
        try:
            if nonza.name == "frame":
                frame = self._relayed.take(nonza)
                if frame is not None:
                    self._observer.take(frame)
            elif nonza.name == "dropped":
                self._observer.dropped(_count(nonza))
        except Exception as error:  # noqa: BLE001 (kept, and raised by whoever waits on the session)
            self.failure = error
            self._session.fail(error)


def _count(dropped: Frame) -> int:
    text = dropped.attributes.get("count", "")
    if not (text.isascii() and text.isdigit()):
        raise DaemonError(f"the daemon has dropped {text!r}, which is no number", hint="restart the daemon")
    return int(text)
