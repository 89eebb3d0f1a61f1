"""Asking the person at the terminal for what an option would have said. Nobody else is ever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.errors import SecretError, UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.config.secrets import Secret

#: Seconds somebody has to type an answer.
PATIENCE = 300.0


def possible(app: App) -> bool:
    """Whether there is somebody to ask, and --no-input does not forbid it."""
    from xmppctl.config import prompt

    return not app.flag("no_input") and prompt.possible()


def ask(app: App, question: str, missing: str) -> str:
    """The answer to a question, without spaces around it; empty for none. `question` may hold text of the network.

    Where nobody can be asked, a UsageError says that `missing` (an option) is missing.
    """
    from xmppctl.config import prompt
    from xmppctl.output.safe import safe

    if not possible(app):
        raise UsageError(
            f"{missing} is missing", hint="there is no terminal to ask on" if not app.flag("no_input") else ""
        )
    return prompt.ask(f"{safe(question)}: ", PATIENCE, echo=True).reveal().strip()


def new_password(app: App, user: str) -> Secret:
    """A new password, typed twice the same. Raises UsageError, SecretError."""
    from xmppctl.config import prompt
    from xmppctl.config.secrets import check

    if not possible(app):
        raise UsageError(
            "there is no new password, and no terminal to ask for one on",
            hint="give it with an option (see --help), or have one made with --generate",
        )
    first = check(prompt.ask(f"New password for {user}: ", PATIENCE), "password")
    again = check(prompt.ask("The same again: ", PATIENCE), "password")
    if first.reveal() != again.reveal():
        raise SecretError("the two are not the same", hint="nothing was changed; try again")
    return first


def generated() -> Secret:
    """A random password: 24 letters and digits, 142 bits."""
    import secrets
    import string

    from xmppctl.config.secrets import Secret

    return Secret("".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24)))
