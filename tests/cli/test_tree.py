"""The tree: help of everything, names that do not collide, nothing loaded that is not needed."""

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Iterator

import click
import pytest

from xmppctl.cli.app import App
from xmppctl.cli.options import SHARED
from xmppctl.cli.registry import COMMANDS
from xmppctl.cli.tree import Command, root

pytestmark = pytest.mark.kinds("memory", why="no session is opened")


def every(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every(inner, (*path, name))


ALL = list(every(root()))
each = pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*pair, id=" ".join(pair[0]) or "xmppctl") for pair in ALL]
)


@each
def test_every_command_has_a_help(run_cli, capfd, path, command):
    ran = run_cli(*path, "--help", account=())
    assert ran.code == 0 and ran.session is None
    out = " ".join(capfd.readouterr().out.split())
    assert command.help and command.help.split("\n")[0].split()[0] in out
    assert "--no-input" in out


@each
def test_no_line_of_a_help_is_cut(run_cli, capfd, path, command):
    run_cli(*path, "--help", account=())
    lines = capfd.readouterr().out.splitlines()
    assert [line for line in lines if re.search(r"[a-z]\.\.\.$", line)] == []


@each
def test_parameters_do_not_collide(path, command):
    names = [parameter.name for parameter in command.params]
    assert len(set(names)) == len(names)
    flags = [flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)]
    options = [flag for flag in flags if flag.startswith("-")]
    assert len(set(options)) == len(options)


@each
def test_every_command_takes_the_shared_options(path, command):
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert flags >= {flag for shared in SHARED for flag in shared.flags}


def test_click_warns_of_nothing(run_cli):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path, _ in ALL:
            run_cli(*path, "--help", account=())


def test_the_root_lists_all_commands(run_cli, capfd):
    run_cli("--help", account=())
    out = capfd.readouterr().out
    for name, (_, text) in COMMANDS.items():
        assert name in out and text in " ".join(out.split())


def test_version(run_cli, capfd):
    from xmppctl import __version__

    assert run_cli("--version", account=()).code == 0
    assert capfd.readouterr().out == f"xmppctl {__version__}\n"


def test_a_near_miss_gets_a_suggestion(run_cli):
    assert "send" in run_cli("sned", account=()).stderr
    assert "roster" in run_cli("rooster", account=()).stderr


def test_a_near_miss_of_a_subcommand_is_2(run_cli):
    ran = run_cli("roster", "lst", account=())
    assert ran.code == 2 and "lst" in ran.stderr


def test_garbage_is_collected_while_a_command_runs():
    """`main` has switched that off for starting up."""
    seen = []

    @click.command(cls=Command)
    def probe():
        seen.append(gc.isenabled())

    gc.disable()
    try:
        probe.main([], standalone_mode=False, obj=App())
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.unfreeze()
    assert seen == [True]


@pytest.mark.parametrize("words", [("-q", "-a", "work"), ("-qawork",), ("-q", "-a=work"), ("-qa", "work")])
def test_short_options_are_found_however_they_are_written(words):
    app = App()
    ran = []

    @click.command(cls=Command)
    def probe():
        ran.append(True)

    probe.main(list(words), standalone_mode=False, obj=app)
    assert ran and app.options["quiet"] and app.options["account"] == "work"


def test_a_short_option_that_there_is_not_is_told():
    with pytest.raises(click.NoSuchOption):
        Command("probe").main(["-Z"], standalone_mode=False, obj=App())
