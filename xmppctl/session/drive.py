"""Run a coroutine that never suspends, without an event loop.

A blocking session waits inside `_pump`; the commands that use it are ordinary coroutines all the same, so that each
is written once for sessions of every kind. Importing asyncio would cost a `send` a third of its time.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result. RuntimeError if it suspends: it then awaited something that no blocking session has."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine suspended without an event loop")
