"""The man pages: what the command tree, its options and the topics say, as documents."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Final

import click

from xmppctl.cli import protocol
from xmppctl.cli.blocks import Block, Lines, Terms, Text
from xmppctl.cli.examples import EXAMPLES, Example
from xmppctl.cli.options import SHARED
from xmppctl.cli.registry import COMMANDS
from xmppctl.cli.roff import Document
from xmppctl.cli.topics import exit_codes, option_words, topic
from xmppctl.cli.tree import Command, Group, root

_INTRODUCTION: Final = (
    Text(
        "xmppctl logs in to an XMPP account, does one thing, and ends: it sends messages and stanzas, edits the "
        "roster, sets the presence, follows PubSub nodes, asks entities what they are, and shows the live stream "
        "as it is on the wire. Results go to standard output, as text or as JSON; the exit code tells what happened."
    ),
    Text(
        "An account is a JID and where its password is; xmppctl account add makes one. To try things out, "
        "xmppctl sandbox start runs a local server with the accounts alice and bob; xmppctl demo shows the main "
        "job on it."
    ),
)
_PROTOCOL: Final = "xmppctl-daemon-protocol(7)"
_EVERY: Final = (
    "Every command has these options as well, before or after its name; xmppctl(1) tells what they do:"
)


class Release:
    """What the pages say of the release that they are of."""

    def __init__(self, version: str, date: str) -> None:
        self.source = f"xmppctl {version}"
        self.date = date

    def document(self, title: str, section: int = 1) -> Document:
        """An empty page."""
        return Document(title.upper(), section, self.date, self.source)


def pages(release: Release) -> dict[str, str]:
    """File name -> text, of all pages. Raises ImportError where a command of the registry has no module."""
    tree = root()
    context = click.Context(tree, info_name="xmppctl")
    made = {
        "xmppctl.1": _main_page(release),
        "xmppctl-filters.1": _filters_page(release),
        "xmppctl-daemon-protocol.7": _protocol_page(release),
    }
    for name in COMMANDS:
        command = tree.get_command(context, name)
        assert command is not None
        made[f"xmppctl-{name}.1"] = _command_page(release, name, command)
    return made


def _main_page(release: Release) -> str:
    page = release.document("xmppctl")
    page.name("xmppctl", "inspect and script XMPP")
    page.section("SYNOPSIS")
    page.synopsis("xmppctl [OPTION...] COMMAND [ARG...]")
    page.section("DESCRIPTION")
    page.blocks(_INTRODUCTION)
    page.section("COMMANDS")
    page.blocks(
        [
            Terms(
                tuple(
                    (f"{name}", f"{text.rstrip('.')}. See xmppctl-{name}(1).")
                    for name, (_, text) in COMMANDS.items()
                )
            )
        ]
    )
    page.section("OPTIONS")
    page.blocks(topic("options"))
    page.blocks([Terms((("--version", "Print the version."), ("-h, --help", "Show the help of a command.")))])
    for title, name in (
        ("OUTPUT", "output"),
        ("EXIT STATUS", "exit-codes"),
        ("ENVIRONMENT", "environment"),
        ("FILES", "files"),
    ):
        page.section(title)
        page.blocks(topic(name))
    _examples(page, EXAMPLES[""])
    _see_also(page, [f"xmppctl-{name}" for name in (*COMMANDS, "filters")], _PROTOCOL)
    return str(page)


def _filters_page(release: Release) -> str:
    page = release.document("xmppctl-filters")
    page.name("xmppctl-filters", "the terms that select stanzas")
    page.blocks(topic("filters"))
    _see_also(page, ["xmppctl", "xmppctl-watch"])
    return str(page)


def _protocol_page(release: Release) -> str:
    page = release.document("xmppctl-daemon-protocol", 7)
    page.name("xmppctl-daemon-protocol", protocol.summary())
    for title, blocks in protocol.sections():
        page.section(title.upper())
        page.blocks(blocks)
    _see_also(page, ["xmppctl-daemon"])
    return str(page)


def _command_page(release: Release, name: str, command: click.Command) -> str:
    page = release.document(f"xmppctl-{name}")
    text = COMMANDS[name][1]
    page.name(f"xmppctl-{name}", text[0].lower() + text[1:])
    page.section("SYNOPSIS")
    every = list(_with_subcommands(f"xmppctl {name}", command))
    for path, each in every:
        if not isinstance(each, click.Group):
            page.synopsis(f"{path} {_usage(each)}")
    page.section("DESCRIPTION")
    page.blocks(_description(command))
    own = _options(command)
    if isinstance(command, click.Group):
        page.section("COMMANDS")
        for path, each in every[1:]:
            if isinstance(each, click.Group):
                continue
            page.subsection(f"{path.removeprefix('xmppctl ')} {_arguments(each)}".strip())
            page.blocks([*_description(each), *_options(each)])
    page.section("OPTIONS")
    page.blocks(own)
    page.blocks([Text(f"{_EVERY} {', '.join(map(option_words, SHARED))}.")])
    if name == "daemon":
        page.section("HOW IT WORKS")
        page.blocks(topic("daemon"))
    page.section("EXIT STATUS")
    page.blocks([exit_codes()])
    page.section("ENVIRONMENT")
    page.blocks(
        [Text("Each option of every command has a variable, such as XMPPCTL_ACCOUNT; xmppctl(1) lists all.")]
    )
    page.section("FILES")
    page.blocks(
        [
            Text(
                "Accounts are in $XDG_CONFIG_HOME/xmppctl/config.toml (~/.config/xmppctl/config.toml); see xmppctl(1)."
            )
        ]
    )
    _examples(page, EXAMPLES.get(name, ()))
    more = {"watch": ["xmppctl-filters"]}.get(name, [])
    _see_also(page, ["xmppctl", *more], *([_PROTOCOL] if name == "daemon" else []))
    return str(page)


def _with_subcommands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from _with_subcommands(f"{path} {name}", sub)


def _description(command: click.Command) -> list[Block]:
    """A command's docstring, as click reads it: paragraphs, those after \\b as they are."""
    made: list[Block] = []
    for paragraph in cleandoc(command.help or "").partition("\f")[0].split("\n\n"):
        if paragraph.startswith("\b\n"):
            made.append(Lines(paragraph.removeprefix("\b\n")))
        elif paragraph:
            made.append(Text(paragraph))
    return made


def _usage(command: click.Command) -> str:
    return f"[OPTION...] {_arguments(command)}".strip()


def _arguments(command: click.Command) -> str:
    return " ".join(_argument(param) for param in command.params if isinstance(param, click.Argument))


def _argument(parameter: click.Argument) -> str:
    words = parameter.metavar or _values(parameter) or (parameter.name or "").upper()
    if parameter.metavar is None and parameter.nargs == -1:
        words += "..."
    return words if parameter.required or words.startswith("[") else f"[{words}]"


def _options(command: click.Command) -> list[Block]:
    """The command's own options; not those of every command, nor --help."""
    shared = command.shared if isinstance(command, Command | Group) else []
    rows = [
        (_option(param), _option_help(param))
        for param in command.params
        if isinstance(param, click.Option) and param not in shared and not param.hidden
    ]
    return [Terms(tuple(rows))] if rows else []


def _option(option: click.Option) -> str:
    value = "" if option.is_flag or option.count else option.metavar or _values(option) or "VALUE"
    names = ", ".join(option.opts) + ("".join(f" / {name}" for name in option.secondary_opts))
    return f"{names} {value}".strip()


def _option_help(option: click.Option) -> str:
    text = option.help or ""
    if not option.show_default:
        return text
    chosen = option.default
    if isinstance(chosen, bool):
        chosen = (option.opts if chosen else option.secondary_opts)[0]
    return f"{text} The default is {chosen}."


def _values(parameter: click.Parameter) -> str:
    return "|".join(map(str, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else ""


def _examples(page: Document, examples: tuple[Example, ...]) -> None:
    if not examples:
        return
    page.section("EXAMPLES")
    for example in examples:
        page.blocks([Text(f"{example.what}:"), Lines(example.command)])


def _see_also(page: Document, names: list[str], *more: str) -> None:
    page.section("SEE ALSO")
    page.blocks([Text(", ".join([*(f"{name}(1)" for name in names), *more]))])
