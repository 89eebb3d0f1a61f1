"""The daemon: its parts put together, run until something ends them, and taken apart in the order that loses nothing.

Services of its own: `info` (what `xmppctl daemon status` shows) and `stop`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from xmppctl import __version__
from xmppctl.daemon.contacts import Contacts
from xmppctl.daemon.hub import Hub
from xmppctl.daemon.link import Link
from xmppctl.daemon.server import Server
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spooler import Spooler
from xmppctl.daemon.watchers import Watchers
from xmppctl.session.local import VERSION, payload
from xmppctl.stanza.build import escape

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.daemon.log import Log
    from xmppctl.daemon.parts import Request
    from xmppctl.errors import XmppctlError

#: What the server gets to acknowledge what was sent, before the stream is closed.
GRACE_SECONDS: Final = 5.0
#: What clients get to take what they are told last.
FAREWELL_SECONDS: Final = 2.0
#: How often is asked whether the first attempt is over.
_POLL_SECONDS: Final = 0.02


class Daemon:
    """The daemon of one account. Make it in an event loop, `run` it once.

    `socket` and `spool` are its files. `until_idle`: seconds without anything to do after which it ends; None: never.
    `on_outcome` is called once, when the first attempt to connect is over and the daemon stays: with None where it is
    online, with the error where it goes on trying.
    """

    def __init__(
        self,
        settings: Settings,
        password: Callable[[], Secret | None],
        *,
        socket: Path,
        spool: Path,
        log: Log,
        until_idle: float | None = None,
        nameserver: str | None = None,
        on_outcome: Callable[[XmppctlError | None], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._log = log
        self._until_idle = until_idle
        self._on_outcome = on_outcome
        self._socket = socket
        self._started = time()
        self._began = monotonic()
        self._stop = asyncio.Event()
        self.link = Link(settings, password, note=log.info, nameserver=nameserver)
        self.hub = Hub(
            self.link,
            jid=settings.jid,
            account=settings.name,
            settings=settings.digest(),
            note=log.warning,
        )
        self.link.listener = self.hub
        # In this order: what restores the account is sent before what waits in the spool.
        self._contacts = Contacts(self.hub)
        self._watchers = Watchers(self.hub)
        self._spooler = Spooler(self.hub, Spool(spool), note=log.warning)
        self._server = Server(self.hub, socket)
        self.hub.service("info", self._info)
        self.hub.service("stop", self._end)

    def stop(self, why: str) -> None:
        """End soon, and properly. `why` is logged."""
        if not self._stop.is_set():
            self._log.info(f"ending: {why}")
            self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`, or until a failure that will not pass: that is raised.

        Raises ConfigError and DaemonError where the socket cannot be made.
        """
        await self._server.start()
        self._spooler.start()
        link = asyncio.create_task(self.link.run())
        others = [
            asyncio.create_task(each)
            for each in (self._stop.wait(), self._tell_outcome(), self._end_when_idle())
        ]
        try:
            await asyncio.wait((link, others[0]), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in others:
                task.cancel()
            await self._take_apart()
        await link

    async def _take_apart(self) -> None:
        self._server.stop_listening()  # a command that comes now finds no daemon, not one that ends
        self._spooler.stop()
        try:
            await self.link.close(GRACE_SECONDS)
            self._tell_loss()
            await self._spooler.close()
        finally:
            await self._server.close(FAREWELL_SECONDS)

    def _tell_loss(self) -> None:
        """What is in the spool waits there for the next daemon."""
        lost = sum(stanza.owner is not self._spooler for stanza in self.link.owed)
        if lost:
            self._log.warning(f"stanzas that the server has not acknowledged, and may not have: {lost}")

    async def _tell_outcome(self) -> None:
        while self.link.state in ("starting", "connecting"):
            await asyncio.sleep(_POLL_SECONDS)
        if self.link.state in ("online", "waiting"):
            self._on_outcome(self.link.failure)

    # -- services --

    def facts(self) -> dict[str, Any]:
        """All that `daemon status` shows; can be written as JSON. Times are in seconds since the epoch."""
        return {
            "account": self._settings.account,
            "name": self._settings.name,
            "jid": str(self.link.jid or self._settings.jid),
            "pid": os.getpid(),
            "version": __version__,
            "protocol": VERSION,
            "started": self._started,
            "uptime": monotonic() - self._began,
            "until_idle": self._until_idle,
            "connection": self.link.facts(),
            **self.hub.facts(),
            "contacts": self._contacts.facts(),
            "watchers": self._watchers.facts(),
            "spool": self._spooler.facts(),
            "memory": memory(),
            "socket": str(self._socket),
            "log": str(self._log.path),
            "log_lost": self._log.lost,
        }

    def _info(self, request: Request) -> None:
        import json

        told = self.facts()
        told["clients"] = [each for each in told["clients"] if each["number"] != request.client.number]
        request.reply(payload("info", escape(json.dumps(told))))

    def _end(self, request: Request) -> None:
        request.reply()
        who = "a client" if request.client.pid is None else f"the process {request.client.pid}"
        self.stop(f"{who} asked for it")

    # -- idling --

    @property
    def is_busy(self) -> bool:
        """Whether somebody is attached, something is shown or joined, or something waits to be sent."""
        return bool(
            self.hub.clients
            or self.link.owed
            or self.hub.presence.lasting
            or self.hub.presence.directed.rooms
            or self._spooler.busy
        )

    async def _end_when_idle(self) -> None:
        limit = self._until_idle
        if limit is None:
            return
        seen, since = -1, monotonic()
        while True:
            # Who came and went meanwhile counts as well.
            if self.is_busy or self.hub.joined != seen:
                seen, since = self.hub.joined, monotonic()
            elif monotonic() - since >= limit:
                break
            await asyncio.sleep(max(0.05, min(limit / 10, since + limit - monotonic())))
        self._server.stop_listening()
        self.stop(f"nothing to do for {limit:g} s")


def memory() -> dict[str, int]:
    """What this process takes: resident now, and at most until now, in bytes; what the system tells of it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        told = dict(line.partition(":")[::2] for line in lines)
        now, most = (int(told[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    except (OSError, LookupError, ValueError):
        import resource
        import sys

        # On Linux this would tell of whoever has started us as well: it outlives execve(2).
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"peak": most if sys.platform == "darwin" else most * 1024}
    return {"resident": now, "peak": most}
