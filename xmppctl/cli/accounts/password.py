"""`xmppctl account password` (XEP-0077 section 3.3): a change that no interruption turns into a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli import complete
from xmppctl.cli.accounts.shared import GENERATE, STORE, chosen
from xmppctl.cli.tree import Command
from xmppctl.errors import AuthError, ConnectError, DeadlineExceeded, StanzaRefused, UsageError, XmppctlError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.config.accounts import Account
    from xmppctl.config.keep import Pending, Place
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.base import Session


@click.command("password", cls=Command, short_help="Change the password, on the server and here")
@click.argument("name", required=False, shell_complete=complete.accounts)
@click.option(
    "--new-password-file",
    metavar="PATH",
    help="The new password is a file's first line; - is standard input.",
)
@click.option(
    "--new-password-command", metavar="CMD", help="The new password is a command's first line of output."
)
@GENERATE
@STORE
@click.pass_obj
def command(
    app: App,
    name: str | None,
    new_password_file: str | None,
    new_password_command: str | None,
    generate: bool,
    store: Place | None,
) -> None:
    """Change the account's password on its server (XEP-0077), then the one that is kept here.

    The new one is written to a private file before the server hears of it and until it is kept in place of the old
    one: an interruption at any moment loses neither. After one, the same command finds out which of the two holds.
    """
    from xmppctl.config import accounts, keep

    settings = chosen(app, name)
    if not settings.password.available:
        raise UsageError(f"{settings.jid.bare} logs in without a password")
    account = accounts.find(settings.account, app.environ) if settings.account else None
    by_user = [new_password_file is not None, new_password_command is not None, generate]
    if sum(by_user) > 1:
        raise UsageError("--new-password-file, --new-password-command and --generate exclude each other")
    keeps = _where_kept(account, store, told_by_user=any(by_user[:2]), generate=generate)
    pending = keep.Pending(settings.jid.bare, app.environ)
    if _finish_interrupted(app, settings, account, pending, store, keeps=keeps):
        return
    secret = _new_password(app, settings, new_password_file, new_password_command, generate=generate)
    _change(app, settings, secret, pending)
    _keep(account, settings, secret, store, pending, keeps=keeps)
    app.renderer().record(
        {"account": settings.account, "jid": settings.jid.bare, "changed": True, "kept": keeps},
        f"changed the password of {settings.jid.bare}",
    )
    if not keeps:
        app.note(
            "it is not kept here" + (": see that the password command prints the new one" if account else "")
        )


def _where_kept(account: Account | None, store: Place | None, *, told_by_user: bool, generate: bool) -> bool:
    """Whether the new password will be kept here. Raises where it could be lost, before anything is changed."""
    from xmppctl.config import keep

    if account is None:
        if generate or store:
            raise UsageError(
                "without an account there is no place to keep a password", hint="add it: xmppctl account add"
            )
        return False
    if store is not None:
        return True
    if told_by_user and "password_command" in account.values:
        return False
    keeps = keep.check_replaceable(account)
    if generate and not keeps:
        raise UsageError(
            f"{account.name} keeps no password: a made-up one would be lost", hint="say --store file"
        )
    return keeps


def _new_password(
    app: App, settings: Settings, file: str | None, command: str | None, *, generate: bool
) -> Secret:
    from xmppctl.cli import asking
    from xmppctl.config import paths, secrets

    if generate:
        return asking.generated()
    if command is not None:
        interactive = asking.possible(app)
        return secrets.CommandPassword(
            command, "option --new-password-command", interactive=interactive
        ).get()
    if file is None:
        return asking.new_password(app, settings.jid.bare)
    if secrets.stands_for_stdin(file):
        source = secrets.from_stdin("standard input", user=settings.jid.bare, no_input=app.flag("no_input"))
        return source.get()
    from pathlib import Path

    return secrets.FilePassword(paths.expand(file, Path(), app.environ), "option --new-password-file").get()


def _change(app: App, settings: Settings, secret: Secret, pending: Pending) -> None:
    from xmppctl.protocols.registration import change_password

    sent = False

    async def main(session: Session) -> None:
        nonlocal sent
        pending.keep(secret)
        sent = True
        await change_password(session, secret)

    try:
        app.run(main, settings=settings)
    except StanzaRefused:
        pending.drop()  # the server has said that nothing changed
        raise
    except (ConnectError, DeadlineExceeded) as error:
        if sent:
            error.hint = f"nobody knows whether the password was changed: repeat this; the new one is in {pending.path}"
        raise


def _keep(
    account: Account | None,
    settings: Settings,
    secret: Secret,
    store: Place | None,
    pending: Pending,
    *,
    keeps: bool,
) -> None:
    """Put the new password in place of the old one, then forget that it was waiting."""
    from xmppctl.config import keep
    from xmppctl.config.keys import PASSWORD_KEYS
    from xmppctl.config.store import update_account

    if keeps and account is not None:
        user = settings.jid.bare
        try:
            if store is None:
                keep.replace(account, user, secret)
            else:
                saved = keep.save(account.name, user, secret, store, file=account.file)
                update_account(account.name, {**dict.fromkeys(PASSWORD_KEYS), **saved}, file=account.file)
        except XmppctlError as error:
            error.hint = f"the server has the new password; it is in {pending.path}"
            raise
    pending.drop()


def _finish_interrupted(
    app: App,
    settings: Settings,
    account: Account | None,
    pending: Pending,
    store: Place | None,
    *,
    keeps: bool,
) -> bool:
    """If an earlier change was interrupted, find out which password holds; True if it was the new one, now kept."""
    from xmppctl.config.secrets import GivenPassword

    left = pending.read()
    if left is None:
        return False

    async def main(_: Session) -> None:
        pass

    app.note("an earlier change of this password was interrupted: trying which one holds")
    try:
        app.run(main, settings=settings._replace(password=GivenPassword(left, str(pending.path))))
    except AuthError:
        return False  # it stays until the old one has proved itself
    _keep(account, settings, left, store, pending, keeps=keeps)
    told = (
        f"the earlier change of the password of {settings.jid.bare} is complete now; nothing else was changed"
    )
    app.renderer().record(
        {"account": settings.account, "jid": settings.jid.bare, "changed": True, "kept": keeps}, told
    )
    if not keeps:
        app.note("it is not kept here")
    return True
