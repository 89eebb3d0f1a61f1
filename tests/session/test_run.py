"""Opening a session: what gives the password must not take longer than the command may."""

from __future__ import annotations

from typing import Any

import pytest

from xmppctl.config.secrets import PasswordSource, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import SecretError
from xmppctl.session.run import CONNECT_SECONDS, both, run_direct
from xmppctl.stanza.jid import Jid


class Slow(PasswordSource):
    """Tells what time it was given, and that it was not enough."""

    def __init__(self) -> None:
        super().__init__("a test")
        self.given: list[float | None] = []

    def get(self, seconds: float | None = None) -> Secret:
        self.given.append(seconds)
        raise SecretError("too slow")


@pytest.mark.parametrize(("timeout", "seconds"), [(0.5, 0.5), (120.0, 120.0), (None, CONNECT_SECONDS)])
def test_the_password_may_take_as_long_as_the_command(timeout: float | None, seconds: float) -> None:
    source = Slow()

    async def main(_: Any) -> None:
        raise AssertionError("there is no password")

    with pytest.raises(SecretError):
        run_direct(Settings(Jid.parse("romeo@montague.example"), source), main, timeout=timeout)
    assert source.given == [seconds]


def test_frames_are_shown_to_whoever_wants_them() -> None:
    one: list[Any] = []
    other: list[Any] = []
    frame: Any = object()
    for shown in (both(one.append, other.append), both(None, other.append), both(one.append, None)):
        assert shown is not None
        shown(frame)
    assert both(None, None) is None
    assert one == other == [frame, frame]
