"""The click classes of the command tree: lazy, and with the shared options everywhere."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from xmppctl.cli.options import SHARED, shared_options
from xmppctl.cli.registry import COMMANDS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MAX_WIDTH: Final = 100
CONTEXT: Final = {"help_option_names": ["-h", "--help"]}


class _Shared(click.Command):
    """Takes the shared options as well as its own; its help shows its own and says where the others are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = CONTEXT | (kwargs.get("context_settings") or {})
        super().__init__(*args, **kwargs)
        taken = {flag for parameter in self.params for flag in parameter.opts}
        self.shared = [option for option in shared_options() if not taken & set(option.opts)]
        self.params += self.shared

    def make_parser(self, ctx: click.Context) -> Any:
        """As click's, but it finds `-a` at once.

        click first looks for a long option of that name, and for others that resemble it, to suggest them: that
        costs a tenth of a `send` through a daemon.
        """
        parser: Any = super().make_parser(ctx)
        parser._long_opt = {**parser._short_opt, **parser._long_opt}
        return parser

    def get_help(self, ctx: click.Context) -> str:
        """As click's, as wide as the terminal is up to 100 columns."""
        ctx.terminal_width = ctx.terminal_width or help_width()
        return super().get_help(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, where there are any, besides what click writes."""
        from xmppctl.cli.examples import EXAMPLES

        examples = EXAMPLES.get(ctx.command_path.partition(" ")[2], ()) if ctx.parent else ()
        if examples:
            with formatter.section("Examples"):
                formatter.write(
                    "".join(f"  {line}\n" for each in examples for line in each.command.splitlines())
                )
        super().format_epilog(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options; for the root all."""
        root = ctx.parent is None
        own = [
            record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and (root or parameter not in self.shared)
            if (record := parameter.get_help_record(ctx)) is not None
        ]
        with formatter.section("Options of every command" if root else "Options"):
            formatter.write_dl(own)
        if not root:
            names = " ".join(shared.flags[0] for shared in SHARED)
            with formatter.section("Options of every command (xmppctl help options)"):
                formatter.write_text(names)


def help_width() -> int:
    """How many columns a help text has. As click finds it out, but without importing shutil."""
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdigit() and int(columns)):
        try:
            columns = str(os.get_terminal_size(sys.__stdout__.fileno()).columns)  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            columns = "80"
    return max(min(int(columns) or 80, MAX_WIDTH) - 2, 50)


class Command(_Shared):
    """A command."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, and from now on collect garbage, but for what has been made until now."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return super().invoke(ctx)


class Group(_Shared, click.Group):
    """A command with subcommands; they get the same classes."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's, but what a command does is folded where click would cut it."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command]
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Subcommands first: they are what the reader looks for."""
        self.format_commands(ctx, formatter)
        _Shared.format_options(self, ctx, formatter)


Group.group_class = Group


class Root(Group):
    """`xmppctl` itself: commands come from the registry, and a module is imported when its command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in the registry's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"xmppctl.cli.commands.{entry[0]}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click's, but command names and helps are the registry's, importing nothing."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Names and helps of the registry, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but a wrong name gets a suggestion."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            from xmppctl.errors import UsageError

            close = get_close_matches(args[0], COMMANDS, 3)
            raise UsageError(
                f"there is no command {args[0]!r}",
                hint="did you mean " + " or ".join(close) + "?" if close else "see xmppctl --help",
            )
        return super().resolve_command(ctx, args)


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from xmppctl import __version__

        click.echo(f"xmppctl {__version__}")
        context.exit()


def root() -> Root:
    """The whole tree."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_version,
        help="Print the version.",
    )
    return Root(
        name="xmppctl",
        params=[version],
        help="Inspect and script XMPP: send, watch, rosters, PubSub, raw stanzas.",
        epilog="Try it: xmppctl demo. Start: xmppctl account add NAME --jid JID. Exit codes: xmppctl help exit-codes.",
        subcommand_metavar="COMMAND [ARG...]",
    )
