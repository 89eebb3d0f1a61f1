"""What completes: account names, JIDs, filter terms, topics. All from files of this machine, nothing from a server.

Each is given as `shell_complete` of an argument or option. None ever raises: a Tab is no place for errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from xmppctl.errors import XmppctlError

if TYPE_CHECKING:
    from pathlib import Path

    import click
    from click.shell_completion import CompletionItem

    from xmppctl.cli.app import App

_JID_TERMS: Final = ("from", "to", "with")


def account_names(incomplete: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the user's accounts and the sandbox's. Never raises: a broken file has none."""
    return [name for name in dict.fromkeys(_account_jids(environ)) if name.startswith(incomplete)]


def accounts(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """As `account_names`."""
    return account_names(incomplete, _environ(context))


def jids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """JIDs known on this machine: of the accounts, and those that commands had to do with."""
    return [jid for jid in _known_jids(_environ(context)) if jid.startswith(incomplete)]


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Whatever the shell completes by itself. (`click.Path` does so, too, and looks for translations of its name.)"""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def remember(app: App, jids: Sequence[str]) -> None:
    """Have these JIDs completed from now on: a command had to do with them."""
    from xmppctl.config import known_jids

    known_jids.remember(jids, app.environ)


def filter_terms(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Terms of the filter language; after `-` those that negate, after a comma another value."""
    from click.shell_completion import CompletionItem

    from xmppctl.stanza.filters import DIRECTIONS, KEYS, KINDS, TYPES

    words = {"kind": KINDS, "type": TYPES, "dir": DIRECTIONS}
    sign = "-" if incomplete.startswith("-") else ""
    name, colon, value = incomplete.removeprefix("-").partition(":")
    if not colon:
        return [CompletionItem(f"{sign}{each}:", type="open") for each in KEYS if each.startswith(name)]
    before, comma, last = value.rpartition(",")
    values = _known_jids(_environ(context)) if name in _JID_TERMS else words.get(name, ())
    head = f"{sign}{name}:{before}{comma}"
    return [CompletionItem(head + each) for each in values if each.startswith(last)]


def topics(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """What `xmppctl help` knows: topics and commands."""
    from click.shell_completion import CompletionItem

    from xmppctl.cli.registry import COMMANDS
    from xmppctl.cli.topics import TITLES

    known = {**TITLES} | {name: text for name, (_, text) in COMMANDS.items()}
    return [CompletionItem(name, help=text) for name, text in known.items() if name.startswith(incomplete)]


def _account_jids(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Name -> JID."""
    from xmppctl.config import paths
    from xmppctl.config.accounts import load

    found: dict[str, str] = {}
    files: tuple[Callable[[Mapping[str, str]], Path], ...] = (paths.config_file, paths.sandbox_accounts_file)
    for file in files:
        with suppress(OSError, XmppctlError):
            for name, account in load(file(environ)).accounts.items():
                found.setdefault(name, str(account.values["jid"]))
    return found


def _known_jids(environ: Mapping[str, str]) -> Iterable[str]:
    """The accounts' first, then those seen, the latest first."""
    from xmppctl.config import known_jids

    own = [jid.partition("/")[0] for jid in _account_jids(environ).values()]
    every = dict.fromkeys(own + known_jids.load(environ)[::-1])
    return [jid for jid in every if not jid.startswith("-")]


def _environ(context: click.Context) -> Mapping[str, str]:
    app: App | None = context.obj
    return os.environ if app is None else app.environ
