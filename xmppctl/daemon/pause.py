"""The wait between two attempts to connect, which a change of the network, the end of a suspend or somebody who
waits for the connection cuts short.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from xmppctl.daemon.liveness import Suspends

#: What is left of a wait that is cut short, in seconds.
SETTLE: Final = 1.0
#: Waits are cut short no oftener than this, in seconds: a network that is never at rest, or command after command,
#: must not be a burden to the server.
RESTLESS: Final = 10.0


class Pause:
    """`tick` is how often the clocks are looked at, in seconds. `settle`: see `SETTLE`."""

    def __init__(self, tick: float, settle: float = SETTLE) -> None:
        self._tick = tick
        self._settle = settle
        self._hurry = asyncio.Event()
        self._over = False
        self._shortened = float("-inf")

    def end(self) -> None:
        """End this wait and all that follow at once."""
        self._over = True
        self._hurry.set()

    def hurry(self) -> None:
        """The next attempt may well succeed where the last did not, or somebody waits for it."""
        self._hurry.set()

    async def wait(self, seconds: float) -> None:
        """Wait `seconds`, or less."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        suspends = Suspends(loop.time())
        self._hurry.clear()
        while not self._over and (left := end - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._tick)):
                    await self._hurry.wait()
            hurried = self._hurry.is_set()
            self._hurry.clear()
            now = loop.time()
            if suspends.noticed(now) or hurried:
                soon = max(now + self._settle, self._shortened + RESTLESS)
                if soon < end:
                    end = self._shortened = soon
