"""The manual of the filters: complete, and every example in it compiles."""

from __future__ import annotations

import re

import pytest

from xmppctl.stanza.filter_help import filter_help
from xmppctl.stanza.filters import DIRECTIONS, KEYS, KINDS, compile_filter
from xmppctl.stanza.namespaces import PREFIXES

HELP = filter_help()
EXAMPLES = [line.strip() for line in HELP.partition("EXAMPLES")[2].splitlines() if line.strip()]


def test_every_key_kind_direction_and_prefix_is_told() -> None:
    for key in KEYS:
        assert re.search(rf"^  {key}:\S", HELP, re.MULTILINE), key
    for word in (*KINDS, *DIRECTIONS):
        assert re.search(rf"\b{word}\b", HELP), word
    for prefix, namespace in PREFIXES.items():
        assert prefix == "c" or re.search(rf"^  {prefix}: +{re.escape(namespace)}$", HELP, re.MULTILINE), (
            prefix
        )


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_compiles(example: str) -> None:
    assert compile_filter(example.split(" ")).terms == tuple(example.split(" "))


def test_the_examples_show_every_key() -> None:
    assert len(EXAMPLES) >= 10
    assert {term.removeprefix("-").partition(":")[0] for line in EXAMPLES for term in line.split()} == set(
        KEYS
    )


def test_it_fits_a_terminal() -> None:
    assert max(len(line) for line in HELP.splitlines()) <= 120
    assert HELP.isascii()
