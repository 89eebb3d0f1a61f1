"""The conversation with a shell on a Tab (`_XMPPCTL_COMPLETE`).

click's completion finds what stands under the cursor; the scripts and the way words travel are our own, since
click's stop at `@`, `:` and `=`, where bash breaks words and every JID and filter term has one. What is offered
ends up unquoted on a command line, so only plain words are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from xmppctl.cli.scripts import SCRIPTS
from xmppctl.errors import UsageError

if TYPE_CHECKING:
    import click

    from xmppctl.cli.app import App

#: The variable in which a script says which shell asks.
VARIABLE: Final = "_XMPPCTL_COMPLETE"

#: Words that no shell treats specially, whatever stands around them.
_PLAIN: Final = re.compile(r"[\w@%+:,./-][\w@%+=:,./-]*\Z")
_CURSOR: Final = "\0"


def answer(command: click.Command, app: App) -> int:
    """Answer a shell, or print its script; return the exit code. Nothing goes wrong on a Tab but silently.

    Raises UsageError where the variable says something else.
    """
    shell, _, what = app.environ.get(VARIABLE, "").partition("_")
    if shell not in SCRIPTS or what not in ("complete", "source"):
        raise UsageError(f"{VARIABLE} is for completion scripts", hint="print one: xmppctl completion bash")
    if what == "source":
        app.stdout.write(SCRIPTS[shell])
        return 0
    lines: list[str] = []
    with suppress(Exception):
        lines = _SHELLS.get(shell, _Shell)(command, app).lines()
    app.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def candidates(line: str, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the last word of a command line, without `xmppctl`, may become, each with its help. Never raises."""
    from xmppctl.cli.app import App
    from xmppctl.cli.tree import root

    with suppress(Exception):
        app = App(environ={**environ, "COMP_WORDS": f"xmppctl {line}"})
        shell = _Shell(root(), app)
        arguments, word = shell.get_completion_args()
        option = _option_before(word)
        return [
            (option + str(item.value), " ".join((item.help or "").split()))
            for item in shell.get_completions(arguments, word)
            if item.type not in ("file", "dir")
        ]
    return []


class _Shell(ShellComplete):
    """Takes the command line up to the cursor from COMP_WORDS, gives lines of kind, word and help."""

    def __init__(self, command: click.Command, app: App) -> None:
        super().__init__(command, {"obj": app}, "xmppctl", VARIABLE)
        self.environ = app.environ

    def lines(self) -> list[str]:
        arguments, word = self.get_completion_args()
        option = _option_before(word)
        found = self.get_completions(arguments, word)
        return [line for item in found if (line := self._line(item, option, word))]

    def get_completion_args(self) -> tuple[list[str], str]:
        # With a mark at the cursor the last word is never empty, and its end is known inside quotes as well.
        words = split_arg_string(self.environ.get("COMP_WORDS", "") + _CURSOR)
        while words and "=" in words[0] and words[0].partition("=")[0].isidentifier():
            del words[0]  # variables set for this command alone
        return words[1:-1], words[-1].replace(_CURSOR, "")

    def _line(self, item: CompletionItem, option: str, word: str) -> str:
        if item.type in ("file", "dir"):
            return "\t".join((item.type, "", ""))
        value = option + str(item.value)
        if not _PLAIN.match(value):
            return ""
        return "\t".join((item.type, self.replacement(value, word), " ".join((item.help or "").split())))

    def replacement(self, value: str, word: str) -> str:  # noqa: ARG002
        """What the shell puts in place of the word under the cursor."""
        return value


class _Bash(_Shell):
    name = "bash"

    def replacement(self, value: str, word: str) -> str:
        """Without what stays: bash breaks words at `:` and more, and replaces the last piece alone."""
        last = self.environ.get("_XMPPCTL_WORD", word)
        return value[len(word) - len(last) :] if word.endswith(last) else value


_SHELLS: Final[Mapping[str, type[_Shell]]] = {"bash": _Bash}


def _option_before(word: str) -> str:
    """`--option=` of a word `--option=value`, since click completes the value alone."""
    name, equals, _ = word.partition("=")
    return name + equals if equals and name.startswith("--") else ""
