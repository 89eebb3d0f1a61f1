"""Recordings read again: refusals, and the time between."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmppctl.errors import MalformedInput, UsageError
from xmppctl.protocols.replay import paced, recorded
from xmppctl.stanza.event import Event


def test_a_file_that_is_not_there_is_told_before_anything_is_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        recorded(str(tmp_path / "none"))


@pytest.mark.parametrize("text", ["", "hello", "<stream:stream>"])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(MalformedInput, match="no recording"):
        recorded(str(tmp_path / "f"))


def test_each_comes_as_long_after_the_one_before_as_it_did() -> None:
    slept: list[float] = []
    items = [Event("online", time) for time in (100.0, 101.0, 100.5, 104.5, 104.5)]
    assert list(paced(items, 2.0, slept.append)) == items
    assert slept == [0.5, 2.0]
