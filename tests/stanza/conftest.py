"""Frames for the tests of the stanza room."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.splitter import Splitter

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='%s' "
    b"xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
)


@pytest.fixture
def frames() -> Callable[..., list[Frame]]:
    """Splits bytes that stand in a stream: `frames(b"<presence/>", direction="in", namespace=b"...")`."""

    def split(
        data: bytes | str, direction: Direction = "in", namespace: bytes = b"jabber:client"
    ) -> list[Frame]:
        splitter = Splitter(direction)
        splitter.feed(HEADER % namespace)
        return splitter.feed(data.encode() if isinstance(data, str) else data)

    return split


@pytest.fixture
def frame(frames: Callable[..., list[Frame]]) -> Callable[..., Frame]:
    """As `frames`, for exactly one."""

    def split(data: bytes | str, **options: object) -> Frame:
        (found,) = frames(data, **options)
        return found

    return split
