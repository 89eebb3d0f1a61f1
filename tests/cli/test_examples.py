"""Every command has examples, and each is a command line that the tree takes."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from xmppctl.cli.examples import EXAMPLES
from xmppctl.cli.registry import COMMANDS
from xmppctl.cli.tree import root

LINES = [
    line
    for examples in EXAMPLES.values()
    for example in examples
    for line in example.command.splitlines()
    if "$(" not in line
]


def test_each_command_has_examples():
    assert set(EXAMPLES) == {"", *COMMANDS}
    assert all(EXAMPLES.values())


@pytest.mark.parametrize("line", LINES)
def test_an_example_names_a_command_and_options_that_exist(line):
    (words,) = [
        shlex.split(part)[1:] for part in re.split(r"\s\|\s", line) if part.strip().startswith("xmppctl")
    ]
    command, context = root(), None
    while isinstance(command, click.Group):
        while words[0].startswith("-"):  # -a NAME
            words = words[2:]
        context = click.Context(command, parent=context)
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, name
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    own = words[: words.index("--")] if "--" in words else words
    for word in own:
        if re.match(r"--?[a-z][a-z-]*\Z", word) and not re.match(r"-[a-z]+:", word):
            assert word in known, word
