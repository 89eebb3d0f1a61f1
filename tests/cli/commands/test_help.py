"""`xmppctl help`: topics say what the code does, commands what their --help says."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.cli.options import SHARED
from xmppctl.cli.topics import TITLES
from xmppctl.config.accounts import load
from xmppctl.config.keys import KEYS
from xmppctl.errors import ExitCode
from xmppctl.output.records import SCHEMA
from xmppctl.stanza import filters


def printed(*arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = run(list(arguments), App(stdout=stdout, stderr=stderr, environ={}))
    return code, stdout.getvalue(), stderr.getvalue()


def topic_or_command(*words: str) -> str:
    code, text, notes = printed("help", *words)
    assert (code, notes) == (0, "")
    return text


def test_alone_it_lists_the_topics() -> None:
    code, text, _ = printed("help")
    assert code == 0
    for name, title in TITLES.items():
        assert name in text
        assert title.split()[0] in text


@pytest.mark.parametrize("name", TITLES)
def test_every_topic_has_a_text_of_reasonable_width(name: str) -> None:
    text = topic_or_command(name)
    assert len(text.splitlines()) > 5
    assert max(map(len, text.splitlines())) <= 120
    assert text.endswith("\n")


def test_exit_codes_are_all_of_them() -> None:
    rows = [line.split()[0] for line in topic_or_command("exit-codes").splitlines() if line.startswith("  ")]
    assert {str(int(code)) for code in ExitCode} <= set(rows)


def test_options_are_all_of_them_with_their_variables() -> None:
    text = topic_or_command("options")
    for shared in SHARED:
        assert shared.flags[-1] in text
        assert shared.variable in text


def test_files_explains_every_key_of_an_account() -> None:
    text = topic_or_command("files")
    for key in KEYS:
        assert f"\n  {key} " in text


def test_the_example_of_an_account_file_is_valid(tmp_path: Path) -> None:
    text = topic_or_command("files")
    example = text[text.index("  default =") : text.index("default names")]
    file = tmp_path / "config.toml"
    file.write_text("\n".join(line[2:] for line in example.splitlines()))
    assert list(load(file).accounts) == ["work", "bot"]


def test_environment_has_every_variable_of_accounts_and_options() -> None:
    text = topic_or_command("environment")
    names = {shared.variable for shared in SHARED} | {key.variable for key in KEYS.values() if key.variable}
    assert {name for name in names if name not in text} == set()


def test_filters_explains_every_key() -> None:
    text = topic_or_command("filters")
    for key in filters.KEYS:
        assert f"\n  {key}:" in text


def test_json_examples_name_the_schema_that_is_written() -> None:
    assert f'"schema":{SCHEMA}' in topic_or_command("output")


@pytest.mark.parametrize("words", [("ping",), ("roster", "add"), ("send",)])
def test_a_command_shows_its_help(words: tuple[str, ...]) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "xmppctl", *words, "--help"], capture_output=True, text=True, check=True
    )
    assert topic_or_command(*words) == asked.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("exit",), "did you mean exit-codes?"),
        (("filter",), "did you mean filters?"),
        (("rooster",), "did you mean roster?"),
        (("qqq",), "see xmppctl help"),
        (("ping", "x"), "see xmppctl ping --help"),
        (("roster", "ad"), "did you mean add?"),
        (("exit-codes", "x"), "xmppctl help exit-codes"),
    ],
)
def test_an_unknown_topic_is_a_usage_error_with_a_suggestion(words: tuple[str, ...], hint: str) -> None:
    code, text, notes = printed("help", *words)
    assert (code, text) == (2, "")
    assert hint in notes
