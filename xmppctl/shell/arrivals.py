"""What has come in and was not waited for yet: `/wait` and `/expect` find it there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xmppctl.session.deadline import Deadline
    from xmppctl.stanza.filters import Filter
    from xmppctl.stanza.frame import Frame

#: So many are kept, the newest ones.
LIMIT: Final = 1000
_LOOK_SECONDS: Final = 0.25


class Arrivals:
    """Keeps frames in the order they came. Each is given away once."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._frames: deque[tuple[int, Frame]] = deque(maxlen=limit)
        self._some = asyncio.Event()
        #: How many have come so far.
        self.count = 0

    def put(self, frame: Frame) -> None:
        """A frame has come."""
        self.count += 1
        self._frames.append((self.count, frame))
        self._some.set()

    def wake(self) -> None:
        """Have those that wait look again."""
        self._some.set()

    async def take(self, wanted: Filter, limit: Deadline, check: Callable[[], None]) -> Frame:
        """The first frame that fits, kept or still to come. Raises DeadlineExceeded, and what `check` raises."""
        return await self._first(
            wanted, 0, limit, check, f"waiting for {' '.join(wanted.terms) or 'anything'}"
        )

    async def next(self, after: int, limit: Deadline, check: Callable[[], None]) -> Frame:
        """The first frame that came as number `after` + 1 or later and is kept. Raises as `take` does."""
        return await self._first(lambda _: True, after, limit, check, "waiting for the next stanza")

    async def _first(
        self,
        wanted: Callable[[Frame], bool],
        after: int,
        limit: Deadline,
        check: Callable[[], None],
        doing: str,
    ) -> Frame:
        found: list[tuple[int, Frame]] = []
        seen = after

        def look() -> bool:
            nonlocal seen
            for item in self._frames:
                if item[0] > seen and wanted(item[1]):
                    found.append(item)
                    return True
            seen = max(seen, self.count)
            return False

        await self.until(look, limit, check, doing)
        self._frames.remove(found[0])
        return found[0][1]

    async def until(
        self, predicate: Callable[[], bool], limit: Deadline, check: Callable[[], None], doing: str
    ) -> None:
        """Return when `predicate` holds; it is asked after each frame. Raises as `take` does."""
        while not predicate():
            self._some.clear()
            check()
            left = limit.left()
            try:
                async with asyncio.timeout(_LOOK_SECONDS if left is None else min(left, _LOOK_SECONDS)):
                    await self._some.wait()
            except TimeoutError:
                if limit.passed:
                    raise limit.error(doing) from None
