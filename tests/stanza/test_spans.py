"""Bytes are replaced where it is said, and nowhere else."""

from __future__ import annotations

from xmppctl.stanza.spans import marker, replaced


def test_parts_are_replaced_in_any_order() -> None:
    assert replaced(b"abcdef", [(4, 5, b"-"), (0, 2, b"xyz")]) == b"xyzcd-f"
    assert replaced(b"abc", []) == b"abc"
    assert replaced(b"abc", [(3, 3, b"!"), (0, 0, b"?")]) == b"?abc!"


def test_the_outermost_part_counts() -> None:
    assert replaced(b"abcdef", [(2, 3, b"-"), (1, 5, b"+"), (1, 2, b"*")]) == b"a+f"


def test_a_marker_tells_a_length() -> None:
    assert marker(12) == b"[redacted:12]"
