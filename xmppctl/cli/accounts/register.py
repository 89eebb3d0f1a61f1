"""`xmppctl account register` (XEP-0077)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli.accounts.shared import GENERATE, STORE, given_password, new_account
from xmppctl.cli.tree import Command
from xmppctl.errors import StanzaRefused, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xmppctl.cli.app import App
    from xmppctl.config.keep import Place
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.protocols.registration import Field, Form
    from xmppctl.session.login import Login


@click.command("register", cls=Command, short_help="Register a new account on its server")
@click.argument("name")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=VALUE", help="Fill in what the server asks besides."
)
@click.option("--default", "default", is_flag=True, help="Make it the default; the first account is anyhow.")
@GENERATE
@STORE
@click.pass_obj
def command(
    app: App, name: str, fields: tuple[str, ...], default: bool, generate: bool, store: Place | None
) -> None:
    """Register a new account on its server (XEP-0077), and add it to the configuration.

    The password is given as for every command (--password-file, --password-command, XMPPCTL_PASSWORD), made up with
    --generate, or asked for. The account is written down before the server is asked, so that no password is lost.
    """
    answers = dict(_pair(field) for field in fields)
    values, settings = new_account(app, name, {})
    if not settings.jid.local:
        raise UsageError(f"{settings.jid} has no name before an @", hint="register name@server.example")
    kept, secret = _password_to_register(app, settings, generate=generate)

    def main(stream: Login) -> None:
        from xmppctl.protocols import registration

        form = registration.ask_form(stream, settings.jid.domain)
        complete = _answered(app, form, answers)
        with _WrittenDown(app, name, values, settings, None if kept else secret, store or "file", default):
            registration.submit(stream, settings.jid.domain, form, settings.jid.local, secret, complete)

    app.stream(main, settings)
    app.renderer().record(
        {"account": name, "jid": settings.jid.bare, "registered": True},
        f"registered {settings.jid.bare} as {name}",
    )


def _pair(field: str) -> tuple[str, str]:
    key, equals, value = field.partition("=")
    if not key or not equals:
        raise UsageError(f"--field {field!r} is not NAME=VALUE")
    return key, value


def _password_to_register(app: App, settings: Settings, *, generate: bool) -> tuple[bool, Secret]:
    """The password, and whether the user keeps it in a place that the account names."""
    from xmppctl.cli import asking

    if generate:
        if settings.password.kind != "prompt":
            raise UsageError("--generate and a given password exclude each other")
        return False, asking.generated()
    if settings.password.kind == "prompt":
        return False, asking.new_password(app, settings.jid.bare)
    given = given_password(settings)
    return given is None, given or settings.password.get()


def _answered(app: App, form: Form, answers: Mapping[str, str]) -> dict[str, str]:
    """Answers to all that the server must know; asks at the terminal for what the options do not say."""
    from xmppctl.cli import asking

    names = {field.name for field in form.open_fields}
    for name in answers:
        if name not in names:
            raise UsageError(
                f"the server does not ask for {name!r}",
                hint=f"it asks for: {', '.join(sorted(names)) or 'nothing more'}",
            )
    if form.urls and not form.fields:
        raise UsageError(f"the server registers on the web only: {' '.join(form.urls)}")
    missing = [
        field
        for field in form.open_fields
        if field.required and field.name not in answers and not any(field.values)
    ]
    if missing and form.instructions:
        app.note(f"the server says: {form.instructions}")
    for url in form.urls if missing else ():
        app.note(f"see {url}")
    complete = dict(answers)
    for field in missing:
        complete[field.name] = asking.ask(app, _question(field), f"--field {field.name}=...")
    return complete


def _question(field: Field) -> str:
    return field.label if field.label == field.name else f"{field.label} ({field.name})"


class _WrittenDown:
    """Writes an account before its registration; takes it back if the server surely refused."""

    def __init__(
        self,
        app: App,
        name: str,
        values: Mapping[str, Any],
        settings: Settings,
        secret: Secret | None,
        place: Place,
        default: bool,
    ) -> None:
        from xmppctl.config import paths

        self._app = app
        self._name = name
        self._values = dict(values)
        self._jid = settings.jid.bare
        self._secret = secret
        self._place: Place = place
        self._default = default
        self._file = paths.config_file(app.environ)

    def __enter__(self) -> None:
        from xmppctl.config import keep, store

        if self._secret is not None:
            self._values |= keep.save(self._name, self._jid, self._secret, self._place, file=self._file)
        store.add_account(self._name, self._values, file=self._file, default=True if self._default else None)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from xmppctl.config import accounts, keep, store

        if isinstance(error, StanzaRefused):
            account = accounts.load(self._file).accounts[self._name]
            store.remove_account(self._name, file=self._file)
            keep.forget(account)
        elif error is not None:
            self._app.warn(
                f"it is not known whether {self._jid} is registered now; the account {self._name} was kept"
            )
