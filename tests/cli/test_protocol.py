"""The daemon's protocol as a page: all of what is written down where it is implemented, in parts."""

from __future__ import annotations

import re

from xmppctl.cli import protocol
from xmppctl.cli.blocks import Lines, Terms, Text
from xmppctl.session import local


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_not_a_word_is_lost() -> None:
    assert local.__doc__
    said = [protocol.summary()]
    for title, blocks in protocol.sections():
        said.append("" if title == "description" else title)
        for block in blocks:
            if isinstance(block, Terms):
                said += [f"{term} {text}" for term, text in block.rows]
            else:
                assert isinstance(block, Text | Lines)
                said.append(block.text)
    written = local.__doc__.partition(": ")[2].removesuffix("Sans-IO.\n")
    assert words(" ".join(said)) == words(written)


def test_it_has_the_parts_that_a_reader_looks_for() -> None:
    titles = [section.title for section in protocol.sections()]
    assert titles[0] == "description"
    assert {
        "The socket",
        "Opening",
        "Attaching",
        "Stanzas",
        "Presence",
        "Requests",
        "Errors",
        "The end",
    } <= set(titles)
    assert all(section.blocks for section in protocol.sections())


def test_every_request_is_a_term_of_its_own() -> None:
    (requests,) = [section.blocks for section in protocol.sections() if section.title == "Requests"]
    (terms,) = [block for block in requests if isinstance(block, Terms)]
    names = [re.match(r"[gs]et <(\w+)", term) for term, _ in terms.rows]
    assert [found and found.group(1) for found in names] == [
        "info", "contacts", "status", "online", "watch", "serve", "spool", "stop",
    ]  # fmt: skip
    assert all(text for _, text in terms.rows)


def test_examples_keep_their_lines() -> None:
    blocks = [block for section in protocol.sections() for block in section.blocks]
    examples = [block.text for block in blocks if isinstance(block, Lines)]
    assert examples[0].startswith("<stream:features>\n  <hello ")
    assert "`" not in "".join(block.text for block in blocks if isinstance(block, Text))
