"""The terms and options of views: what is a term, what belongs to an expectation, what is refused at once."""

from __future__ import annotations

from typing import Any

import click
import pytest

from xmppctl.cli.app import App
from xmppctl.cli.viewing import TermsCommand, Wishes, view_options
from xmppctl.errors import BadFilter, UsageError


def parsed(*words: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    @click.command(cls=TermsCommand)
    @view_options
    def command(**wishes: Any) -> None:
        seen.update(wishes)

    command.main(list(words), standalone_mode=False, obj=App())
    return seen


@pytest.mark.parametrize(
    ("words", "terms", "expected"),
    [
        ("kind:iq -type:error", ("kind:iq", "-type:error"), ()),
        ("--expect kind:iq -type:error", (), (("kind:iq", "-type:error"),)),
        ("kind:iq --expect type:error dir:in --count 3", ("kind:iq",), (("type:error", "dir:in"),)),
        ("--expect kind:iq --expect=kind:message body:x", (), (("kind:iq",), ("kind:message", "body:x"))),
        ("--count 2 -kind:iq,stream", ("-kind:iq,stream",), ()),
        ("--expect kind:iq -o jsonl", (), (("kind:iq",),)),
        ("-- -kind:iq --expect", ("-kind:iq", "--expect"), ()),
    ],
)
def test_which_words_are_terms_of_what(words: str, terms: tuple[str, ...], expected: tuple[Any, ...]) -> None:
    found = parsed(*words.split())
    assert (found["terms"], found["expect"]) == (terms, expected)


def test_line_is_a_format() -> None:
    assert parsed("--format", "line")["form"] == "line"
    assert parsed()["form"] == "pretty"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("nonsense", BadFilter),
        ("--expect nonsense", BadFilter),
        ("--expect", UsageError),
        ("--until-idle soon", UsageError),
        ("--record-size 0", UsageError),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_opened(words: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Wishes(**parsed(*words.split()))


def test_without_terms_what_is_expected_is_shown() -> None:
    from xmppctl.stanza.frame import Frame

    message, iq = Frame(b"<a/>", ["jabber:client message"]), Frame(b"<a/>", ["jabber:client iq"])
    wish = Wishes(**parsed("--expect", "kind:message")).wish()
    assert wish.wanted(message) and not wish.wanted(iq)
    wish = Wishes(**parsed("kind:iq", "--expect", "kind:message")).wish()
    assert wish.wanted(iq) and not wish.wanted(message)
