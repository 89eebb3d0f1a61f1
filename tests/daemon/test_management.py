"""XEP-0198 as the link keeps it: what is agreed on, what comes in, what the next stream may be resumed with."""

from __future__ import annotations

import pytest

from xmppctl.daemon.management import ENABLE, Management, too_many
from xmppctl.session.acks import NS_SM
from xmppctl.stanza.frame import Frame


def enabled(**attributes: str) -> Frame:
    return Frame(b"<enabled/>", [f"{NS_SM} enabled"], [], attributes)


def agreed(**attributes: str) -> Management:
    management = Management()
    assert management.begin(True) == ENABLE
    management.enabled(enabled(**(attributes or {"id": "some-id", "resume": "true", "max": "300"})))
    return management


def test_a_server_without_it_is_not_asked() -> None:
    management = Management()
    assert management.begin(False) == b""
    assert management.state == "off" and management.ticket is None


def test_what_comes_in_counts_from_the_agreement_on() -> None:
    management = agreed()
    assert management.ticket == ("some-id", 0)
    management.note_received()
    assert management.ticket == ("some-id", 1)
    assert management.answer() == b"<a xmlns='urn:xmpp:sm:3' h='1'/>"
    assert management.facts()["max"] == 300


def test_counts_go_round() -> None:
    management = agreed()
    management.received = 2**32 - 1
    management.note_received()
    assert management.received == 0


@pytest.mark.parametrize("attributes", [{"id": "x"}, {"id": "x", "resume": "false"}, {"resume": "true"}])
def test_without_an_id_or_consent_there_is_no_resumption(attributes: dict[str, str]) -> None:
    management = agreed(**attributes)
    assert management.state == "on" and management.ticket is None


def test_an_agreement_that_nobody_asked_for_is_none() -> None:
    management = Management()
    management.begin(False)
    management.enabled(enabled(id="x", resume="true"))
    assert management.state == "off" and management.ticket is None


def test_a_resumed_stream_keeps_its_counts_and_a_new_one_does_not() -> None:
    management = agreed()
    management.note_received()
    management.resume()
    assert management.ticket == ("some-id", 1) and management.facts()["resumed"] == 1
    management.begin(True)
    assert management.ticket is None
    management.enabled(enabled(id="other", resume="1"))
    assert management.ticket == ("other", 0)


def test_where_to_reconnect_is_told() -> None:
    assert agreed(id="x", resume="true", location="[::1]:9").facts()["location"] == "[::1]:9"


def test_a_wrong_count_is_told_as_the_specification_says() -> None:
    told = too_many(10, 8)
    assert b"<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in told
    assert b"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/>" in told
