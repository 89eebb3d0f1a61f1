"""Replacing parts of bytes."""

from __future__ import annotations

from xmppctl.stanza.spans import marker, replaced


def test_parts_are_replaced_and_the_rest_stays() -> None:
    assert replaced(b"0123456789", [(8, 9, b"y"), (2, 4, b"xxx")]) == b"01xxx4567y9"


def test_of_parts_within_each_other_only_the_outermost() -> None:
    assert replaced(b"0123456789", [(3, 4, b"in"), (2, 6, b"out")]) == b"01out6789"


def test_a_marker_tells_only_the_length() -> None:
    assert marker(17) == b"[redacted:17]"
