"""What the line editor is offered, and when by itself."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import to_plain_text

from xmppctl.shell import slash
from xmppctl.shell.completion import Lookup, Sources
from xmppctl.shell.knowledge import Knowledge
from xmppctl.shell.menu import Menu


class Commands:
    def names(self):
        return {"roster": "Manage the roster"}

    def complete(self, text):
        return []


SOURCES = Sources(Knowledge("romeo@montague.example/orchard"), list, Commands(), slash.OWN)


def offered(text, *, asked=False, want=None):
    menu = Menu(SOURCES, want)
    event = CompleteEvent(completion_requested=asked, text_inserted=not asked)
    return list(menu.get_completions(Document(text), event))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("<zzz", None),
        ("<mess", "<message"),
        ("<iq type='g", "<iq type='get"),
        ("<iq><pi", "<iq><ping xmlns='urn:xmpp:ping'"),
        ("/ros", "/roster"),
        ("<iq></i", "<iq></iq>"),
    ],
)
def test_a_choice_stands_in_the_place_of_what_was_typed(text, whole):
    texts = [text[: len(text) + each.start_position] + each.text for each in offered(text)]
    assert texts[:1] == ([whole] if whole else [])


@pytest.mark.parametrize("text", ["", "<iq ", "<iq>", "<iq type='get' ", "/help "])
def test_where_nothing_has_begun_it_waits_for_tab(text):
    assert offered(text) == []


@pytest.mark.parametrize("text", ["", "<iq ", "<iq>", "<iq to='", "/"])
def test_tab_offers_at_once(text):
    assert offered(text, asked=True) or text == "<iq>"


@pytest.mark.parametrize("text", ["<", "<iq to='", "/", "<iq t"])
def test_what_has_begun_is_offered_while_typing(text):
    assert offered(text)


def test_both_columns_are_text_of_a_line():
    for each in offered("<"):
        assert "\n" not in to_plain_text(each.display) + to_plain_text(each.display_meta)
        assert to_plain_text(each.display)


def test_the_network_is_asked_only_for_what_it_knows():
    wishes: list[Lookup] = []
    offered("<message to='", want=wishes.append)
    assert [wish.what for wish in wishes] == ["roster"]
    offered("<mess", want=wishes.append)
    offered("<message to=' ", want=wishes.append)  # nothing has begun
    assert len(wishes) == 1
    assert offered("<message to='r")  # and without anybody to ask


def test_a_very_long_text_is_not_completed():
    assert offered("<iq>" + "x" * 70_000 + "<") == []
