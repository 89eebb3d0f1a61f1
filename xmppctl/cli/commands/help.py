"""`xmppctl help`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Command, help_width
from xmppctl.errors import UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App


@click.command(cls=Command)
@click.argument("topic", nargs=-1, metavar="[TOPIC | COMMAND...]", shell_complete=complete.topics)
@click.pass_context
def command(context: click.Context, topic: tuple[str, ...]) -> None:
    """Read about a topic, or a command; without either, list the topics."""
    app: App = context.obj
    app.stdout.write(_text(context, topic))


def _text(context: click.Context, words: tuple[str, ...]) -> str:
    from xmppctl.cli.blocks import Terms, Text, to_terminal
    from xmppctl.cli.topics import TITLES
    from xmppctl.cli.topics import topic as blocks_of

    width = help_width()
    if not words:
        listing = (
            Text("Topics (xmppctl help TOPIC):"),
            Terms(tuple(TITLES.items())),
            Text("Commands (xmppctl help COMMAND): see xmppctl --help."),
        )
        return to_terminal(listing, width)
    if words[0] in TITLES:
        if len(words) > 1:
            raise UsageError(f"{words[0]} is a topic without parts", hint=f"xmppctl help {words[0]}")
        return to_terminal(blocks_of(words[0]), width)
    return _help_of_command(context.find_root(), words)


def _help_of_command(root: click.Context, words: tuple[str, ...]) -> str:
    """As `xmppctl WORDS --help`. Raises UsageError where that is no command, nor a topic."""
    context = root
    for word in words:
        parent = context.command
        found = parent.get_command(context, word) if isinstance(parent, click.Group) else None
        if found is None:
            raise _unknown(context, word)
        context = type(context)(found, info_name=word, parent=context, obj=root.obj, **found.context_settings)
    return context.get_help() + "\n"


def _unknown(context: click.Context, word: str) -> Exception:
    from difflib import get_close_matches

    from xmppctl.cli.topics import TITLES

    top = context.parent is None
    known = [*(TITLES if top else ())]
    if isinstance(context.command, click.Group):
        known += context.command.list_commands(context)
    close = [name for name in known if name.startswith(word)] or get_close_matches(word, known, 3)
    told = "there is no topic or command" if top else f"{context.command_path} has no command"
    listing = "xmppctl help" if top else f"{context.command_path} --help"
    return UsageError(
        f"{told} {word!r}", hint=f"did you mean {' or '.join(close)}?" if close else f"see {listing}"
    )
