"""Preparation of strings (RFC 3454), in what its users do not show."""

from __future__ import annotations

import pytest

from xmppctl.stanza.preparation import Unpreparable, prepare


@pytest.mark.parametrize(
    ("text", "options", "prepared"),
    [
        ("Straße", {"fold": True}, "strasse"),
        ("Straße", {}, "Straße"),
        ("a\u00a0b", {"spaces": True}, "a b"),
        ("a\u00adb", {}, "ab"),
        ("\u2168", {}, "IX"),
        ("", {}, ""),
        ("\u0627\u0031\u0628", {}, "\u0627\u0031\u0628"),
    ],
)
def test_what_becomes_of_a_string(text: str, options: dict[str, bool], prepared: str) -> None:
    assert prepare(text, **options) == prepared  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("a\u00a0", "\u0020\u00a0"),
        ("\u200e", "\u200e"),
        ("\ue000", "\ue000"),
        ("x\u0627", ""),
        ("\u00ad", ""),
    ],
)
def test_what_cannot_be_prepared(text: str, character: str) -> None:
    with pytest.raises(Unpreparable) as caught:
        prepare(text, forbidden=" ")
    assert caught.value.character in character
    assert bool(caught.value.character) == bool(character)


def test_more_characters_may_be_forbidden() -> None:
    assert prepare("a@b") == "a@b"
    with pytest.raises(Unpreparable):
        prepare("a@b", forbidden="@")
