"""The wait between two attempts to connect, which a change of the network or the end of a suspend cuts short."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from xmppctl.daemon.liveness import Suspends

#: What is left of a wait that is cut short, in seconds.
SETTLE: Final = 1.0
#: Waits are cut short no oftener than this, in seconds: a network that is never at rest is no reason to hurry.
RESTLESS: Final = 10.0


class Pause:
    """`tick` is how often the clocks are looked at, in seconds. `settle`: see `SETTLE`."""

    def __init__(self, tick: float, settle: float = SETTLE) -> None:
        self._tick = tick
        self._settle = settle
        self._changed = asyncio.Event()
        self._over = False
        self._shortened = float("-inf")

    def end(self) -> None:
        """End this wait and all that follow at once."""
        self._over = True
        self._changed.set()

    def network_changed(self) -> None:
        """The next attempt may well succeed where the last did not."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait `seconds`, or less."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        suspends = Suspends(loop.time())
        self._changed.clear()
        while not self._over and (left := end - loop.time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(left, self._tick))
            changed = self._changed.is_set()
            self._changed.clear()
            now = loop.time()
            if (suspends.noticed(now) or changed) and now - self._shortened > RESTLESS:
                self._shortened = now
                end = min(end, now + self._settle)
