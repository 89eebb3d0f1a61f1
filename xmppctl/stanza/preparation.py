"""Preparation of internationalised strings (RFC 3454) for JIDs and passwords. Sans-IO.

Nodeprep and resourceprep (RFC 6122 appendices A and B), SASLprep (RFC 4013), from Python's own tables, which are
those of Unicode 3.2. ASCII needs none of it: whoever calls looks for that first.
"""

from __future__ import annotations

import stringprep
import unicodedata
from typing import Final

_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Unpreparable(ValueError):
    """The string cannot be prepared: `reason` ends a sentence about it, `character` is the one at fault, if one is."""

    def __init__(self, reason: str, character: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.character = character


def prepare(text: str, *, fold: bool = False, spaces: bool = False, forbidden: str = "") -> str:
    """Map, normalise and check `text` (RFC 3454 sections 3 to 6).

    `fold` maps to lower case, `spaces` every kind of space to the usual one; `forbidden` are characters that are
    prohibited besides those of the tables. Raises Unpreparable.
    """
    mapped = "".join(_mapped(char, fold, spaces) for char in text if not stringprep.in_table_b1(char))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for char in prepared:
        if char in forbidden or any(table(char) for table in _PROHIBITED):
            raise Unpreparable(f"U+{ord(char):04X} cannot stand there", char)
    right_to_left = [stringprep.in_table_d1(char) for char in prepared]
    if any(right_to_left) and (
        any(stringprep.in_table_d2(char) for char in prepared) or not (right_to_left[0] and right_to_left[-1])
    ):
        raise Unpreparable("it mixes writing directions")
    if text and not prepared:
        raise Unpreparable("nothing is left of it after preparation")
    return prepared


def _mapped(char: str, fold: bool, spaces: bool) -> str:
    if spaces and stringprep.in_table_c12(char):
        return " "
    return stringprep.map_table_b2(char) if fold else char
