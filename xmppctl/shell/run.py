"""A shell from its beginning to its end: the stream, the clock and whoever types, until one of them is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xmppctl.shell.core import Shell
    from xmppctl.stanza.frame import Frame


class Ear:
    """Hears a stream before there is a shell to hear it, and hands on what it has heard."""

    def __init__(self) -> None:
        self._early: list[Frame] = []
        self._hear: Callable[[Frame], None] | None = None

    def __call__(self, frame: Frame) -> None:
        """A frame crossed the wire."""
        if self._hear is None:
            self._early.append(frame)
        else:
            self._hear(frame)

    def give(self, hear: Callable[[Frame], None]) -> list[Frame]:
        """From now on `hear` is told; what has come so far is given back."""
        early, self._early = self._early, []
        self._hear = hear
        return early


async def live(shell: Shell, front: Coroutine[Any, Any, None]) -> None:
    """Run until `front`, which types, has ended. Raises what it raises, or what ends the stream for good."""
    typing = asyncio.ensure_future(front)
    keeping = asyncio.ensure_future(shell.line.keep())
    ticking = asyncio.ensure_future(shell.tick())
    try:
        await asyncio.wait((typing, keeping, ticking), return_when=asyncio.FIRST_COMPLETED)
        for task in (keeping, ticking, typing):
            if task.done():
                task.result()
    finally:
        for task in (typing, keeping, ticking):
            task.cancel()
        for task in (typing, keeping, ticking):
            with suppress(asyncio.CancelledError, Exception):
                await task
        await shell.end()
