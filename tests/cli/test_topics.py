"""The help topics: complete, and drawn from where the facts are decided."""

from __future__ import annotations

import pytest

from xmppctl.cli.blocks import Terms, to_terminal
from xmppctl.cli.options import SHARED
from xmppctl.cli.topics import TITLES, environment, exit_codes, topic
from xmppctl.config.keys import KEYS
from xmppctl.errors import ExitCode


def shown(name: str) -> str:
    return to_terminal(topic(name), 100)


@pytest.mark.parametrize("name", TITLES)
def test_every_topic_has_a_text_that_fits_a_terminal(name):
    lines = to_terminal(topic(name), 80).splitlines()
    assert len(lines) > 5
    if name != "filters":  # laid out by hand
        assert max(map(len, lines)) <= 100


def test_an_unknown_topic():
    with pytest.raises(KeyError):
        topic("nothing")


def test_every_exit_code_is_explained():
    assert [int(code) for code, _ in exit_codes().rows] == [int(code) for code in ExitCode]
    assert all(meaning.endswith(".") for _, meaning in exit_codes().rows)


def test_every_option_and_its_variable_are_told():
    text = shown("options")
    for shared in SHARED:
        assert shared.flags[-1] in text and shared.variable in text


def test_every_key_of_an_account_is_told():
    (terms,) = [block for block in topic("files") if isinstance(block, Terms) and block.rows[0][0] == "jid"]
    assert [name for name, _ in terms.rows] == list(KEYS)


def test_every_variable_is_told_once():
    names = [name for name, _ in environment().rows]
    assert len(names) == len(set(names))
    assert {shared.variable for shared in SHARED} <= set(names)
    assert {key.variable for key in KEYS.values() if key.variable} <= set(names)


def test_the_example_of_an_account_file_is_one(tmp_path, monkeypatch):
    from xmppctl.cli import topics
    from xmppctl.config.accounts import load

    file = tmp_path / "config.toml"
    file.write_text(topics._CONFIG)
    assert load(file).default == "work" and set(load(file).accounts) == {"work", "bot"}
