"""Generated documents: complete, deterministic, accepted by the programs that read them, and noticed when stale."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from xmppctl import __version__
from xmppctl.cli import docs
from xmppctl.cli.app import App
from xmppctl.cli.examples import EXAMPLES
from xmppctl.cli.registry import COMMANDS
from xmppctl.cli.tree import root
from xmppctl.errors import ExitCode

CHANGELOG = (docs.REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return docs.documents(CHANGELOG)


def plain(page: str) -> str:
    """A page's text without its markup."""
    text = page.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-")
    for escaped, sign in (("\\(aq", "'"), ("\\(dq", '"'), ("\\(ti", "~"), ("\\e", "\\")):
        text = text.replace(escaped, sign)
    return text


def every_command() -> Iterator[tuple[str, click.Command]]:
    """`xmppctl roster add` and the like: path, command."""
    tree = root()
    waiting: list[tuple[str, click.Command]] = [("xmppctl", tree)]
    while waiting:
        path, command = waiting.pop()
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                waiting.append((f"{path} {name}", found))
        else:
            yield path, command


def test_what_is_in_the_repository_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_it_is_the_same_every_time(made: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "55")
    monkeypatch.setenv("XMPPCTL_OUTPUT", "jsonl")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert docs.documents(CHANGELOG) == made


def test_every_command_has_a_page_with_every_section(made: dict[str, str]) -> None:
    for name in COMMANDS:
        page = made[f"man/xmppctl-{name}.1"]
        found = re.findall(r'^\.SH "?([A-Z ]+)"?$', page, re.MULTILINE)
        assert [section for section in SECTIONS if section not in found] == [], name
        assert page.startswith('.\\" Made by')
        assert f'"xmppctl {__version__}"'.replace("-", "\\-") in page


@pytest.mark.parametrize(("path", "command"), list(every_command()), ids=lambda value: str(value))
def test_every_option_and_argument_is_in_the_page(
    made: dict[str, str], path: str, command: click.Command
) -> None:
    page = plain(made[f"man/xmppctl-{path.split()[1]}.1"])
    assert f"\n{path} [OPTION...]" in page
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert all(name in page for name in parameter.opts)


def test_every_exit_code_is_in_every_page(made: dict[str, str]) -> None:
    for name in ("xmppctl", *(f"xmppctl-{name}" for name in COMMANDS)):
        page = made[f"man/{name}.1"]
        for code in ExitCode:
            assert f"\n\\fB{int(code)}\\fR\n" in page


def test_pages_refer_to_pages_that_exist(made: dict[str, str]) -> None:
    for page in made.values():
        for name in re.findall(r"(xmppctl(?:-[a-z]+)*)\(1\)", plain(page)):
            assert f"man/{name}.1" in made


@pytest.mark.parametrize(
    "words",
    [["mandoc", "-T", "lint", "-W", "warning"], ["groff", "-man", "-ww", "-z", "-Tascii"]],
    ids=lambda w: w[0],
)
def test_pages_are_clean(made: dict[str, str], words: list[str]) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    for name, page in made.items():
        if name.startswith("man/"):
            done = subprocess.run(words, input=page, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout + done.stderr) == (0, ""), name


def typed(example: str) -> Iterator[list[str]]:
    """The words of each xmppctl in an example, without the program's name, the account, and a file to read."""
    for piece in re.split(r"\n|\|", re.sub(r" < [\w.]+$", "", example)):
        words = shlex.split(piece.partition("sandbox run -- ")[2] or piece, comments=True)
        if words and words[0] == "xmppctl":
            yield words[3:] if words[1] == "-a" else words[1:]


@pytest.mark.parametrize(
    "words",
    [words for each in EXAMPLES.values() for one in each for words in typed(one.command)],
    ids=" ".join,
)
def test_every_example_has_words_that_exist(words: list[str]) -> None:
    command: click.Command = root()
    context = click.Context(command, info_name="xmppctl", obj=App(environ={}))
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_context(name, words, parent=context)


def test_every_command_has_an_example() -> None:
    assert set(COMMANDS) <= set(EXAMPLES)


def test_check_tells_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    assert capsys.readouterr().err == ""
    (tmp_path / "man" / "xmppctl-send.1").write_text("changed")
    (tmp_path / "completions" / "xmppctl.fish").unlink()
    (tmp_path / "man" / "xmppctl-gone.1").write_text("of a command that is gone")
    assert docs.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert "man/xmppctl-send.1 is stale" in told
    assert "completions/xmppctl.fish is missing" in told
    assert "man/xmppctl-gone.1 is of no command" in told
    assert "./dev docs" in told
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0


def test_a_command_without_a_module_fails_clearly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "later", ("later", "Comes later"))  # type: ignore[misc]
    assert docs.main(["--check"]) == 1
    assert "xmppctl.cli.commands.later" in capsys.readouterr().err


def test_a_version_that_the_changelog_does_not_know_fails_clearly() -> None:
    with pytest.raises(ValueError, match=re.escape(__version__)):
        docs.release_date("# Changelog\n\n## [9.9.9] - 2030-01-01\n")


def test_another_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--nonsense"]) == 2
    assert "usage" in capsys.readouterr().err
