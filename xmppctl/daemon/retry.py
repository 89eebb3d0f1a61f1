"""When to try again, and when not to.

Exponential back-off with full jitter, so that the clients of a server that was restarted do not all come back at
once; and the failures that will not pass by themselves. Sans-IO.
"""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import Final

from xmppctl.errors import AuthError, ConfigError, ConnectError, DeadlineExceeded, StanzaRefused, StreamError

#: Seconds of the shortest and the longest wait.
FLOOR: Final = 1.0
CEILING: Final = 300.0
#: A connection that lasted so long was a good one: the next failure is the first again.
STEADY: Final = 60.0

#: One that served, but not so long, leaves so many failures at the most: a bad network is no server that is down.
_SERVED: Final = 2

#: Stream errors (RFC 6120 section 4.9.3) that a new stream would end with as well.
_LASTING: Final = frozenset({"conflict", "not-authorized", "host-unknown", "unsupported-version"})
#: Stream errors that something we sent may have caused.
_BLAMING: Final = frozenset(
    {
        *("bad-format", "bad-namespace-prefix", "improper-addressing", "invalid-from", "invalid-namespace"),
        *("invalid-xml", "not-well-formed", "policy-violation", "restricted-xml", "unsupported-encoding"),
        *("unsupported-stanza-type", "xml-not-well-formed"),
    }
)


class Backoff:
    """How long to wait before each attempt, in seconds. `draw(a, b)` gives a number between the two."""

    def __init__(
        self,
        floor: float = FLOOR,
        ceiling: float = CEILING,
        steady: float = STEADY,
        draw: Callable[[float, float], float] = uniform,
    ) -> None:
        self.failures = 0
        self._floor = floor
        self._ceiling = ceiling
        self._steady = steady
        self._draw = draw

    def next(self) -> float:
        """The wait after one more failure."""
        self.failures += 1
        longest = min(self._ceiling, self._floor * 2.0 ** min(self.failures, 60))
        return max(self._floor, self._draw(0.0, longest))

    def lasted(self, seconds: float, *, served: bool = False) -> None:
        """A connection has ended that lasted so long; whether it was of use, and the server did not end it."""
        if seconds >= self._steady:
            self.failures = 0
        elif served:
            self.failures = min(self.failures, _SERVED)


def passes(error: Exception) -> bool:
    """Whether what failed may work later by itself."""
    if isinstance(error, AuthError):
        return error.condition == "temporary-auth-failure"
    if isinstance(error, StreamError):
        return error.condition not in _LASTING
    if isinstance(error, ConfigError):
        return False
    return isinstance(error, ConnectError | DeadlineExceeded | StanzaRefused)


def blames(error: Exception | None) -> bool:
    """Whether the server ended the stream because of something that it was sent; it shows what it said."""
    return isinstance(error, StreamError) and error.condition in _BLAMING and bool(error.stanza)
