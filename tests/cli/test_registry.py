"""The registry: each entry is a module with a command of that name."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click
import pytest

import xmppctl.cli.commands
from xmppctl.cli.registry import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_entry_is_a_command(name):
    module, text = COMMANDS[name]
    command = import_module(f"xmppctl.cli.commands.{module}").command
    assert isinstance(command, click.Command)
    assert text and not re.search(r"[^.]\.$", text) and len(text) < 70


def test_each_module_is_registered():
    folder = Path(xmppctl.cli.commands.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    registered = {module for module, _ in COMMANDS.values()}
    # A subcommand that is imported by its group alone is named after both.
    assert {module for module in modules if module.partition("_")[0] not in registered} == set()
    assert registered <= modules
