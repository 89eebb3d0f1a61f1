"""Events."""

from __future__ import annotations

from xmppctl.stanza.event import Event


def test_an_event_needs_no_more_than_a_name_and_a_time() -> None:
    assert Event("online", 1.0) == ("online", 1.0, "", 0)
