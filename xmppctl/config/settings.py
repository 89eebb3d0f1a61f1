"""Settings of one login, each from the first layer that says it: option, environment, account, default.

RFC 6120 needs little of it; the rest is how this user reaches this server. `resolve` is pure but for reading the
account file, looking at the PEM files that are named, and a password on standard input.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from xmppctl.config import accounts, paths, values
from xmppctl.config.keys import KEYS, PASSWORD_KEYS
from xmppctl.config.secrets import (
    CommandPassword,
    FilePassword,
    GivenPassword,
    KeyringPassword,
    NoPassword,
    PasswordSource,
    PromptPassword,
    Secret,
    from_stdin,
    refuse_readable,
    stands_for_stdin,
)
from xmppctl.errors import ConfigError, UsageError, XmppctlError
from xmppctl.stanza.jid import Jid

Ask = Callable[[str, float | None], Secret]
T = TypeVar("T")

DEFAULT: Final = "default"
_ADD: Final = (
    "make one: xmppctl account add NAME --jid JID; or give --jid; or try one out: xmppctl sandbox start"
)


class Settings(NamedTuple):
    """Everything that opening a session needs to know. Change a copy with `_replace`.

    `jid` is bare; without a localpart the login is anonymous (XEP-0175). `tls` None leaves it to DNS (SRV
    records, XEP-0368). `pin` is base64 of the SHA-256 of the certificate's SPKI. `persist` is in seconds.
    `origins` says of each field where its value came from.
    """

    jid: Jid
    password: PasswordSource
    account: str | None = None
    host: str | None = None
    port: int | None = None
    tls: values.Tls | None = None
    ca: Path | None = None
    pin: str | None = None
    insecure: bool = False
    certificate: Path | None = None
    key: Path | None = None
    plain: bool = False
    resource: str | None = None
    persist: float | None = None
    origins: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """What a daemon for it is called: the account's name, or the bare JID where no account is configured."""
        return self.account or self.jid.bare

    def digest(self) -> str:
        """Of all that decides which server is reached, and how safely: a daemon that has another is not used."""
        from binascii import crc32

        how = (
            self.jid.bare,
            self.host,
            self.port,
            self.tls,
            self.ca and str(self.ca),
            self.pin,
            self.insecure,
            self.certificate and str(self.certificate),
            self.key and str(self.key),
            self.plain,
        )
        return f"{crc32(repr(how).encode()):08x}"


class _Found(NamedTuple):
    """A value as it stood in a layer. `place` begins an error about it; relative paths start at `base`."""

    value: Any
    origin: str
    place: str
    error: type[XmppctlError]
    base: Path
    layer: int  # 0 option, 1 environment, 2 account


def resolve(
    options: Mapping[str, str | None],
    environ: Mapping[str, str] = os.environ,
    *,
    no_input: bool = False,
    prompt: Ask | None = None,
    component: bool = False,
) -> Settings:
    """Put the settings together.

    `options` are `account` and keys of the account file (`password_file`, not `--password-file`); others are
    ignored. `no_input` forbids to ask for a password; `prompt` asks instead of the terminal. XMPPCTL_PASSWORD is
    taken out of `environ` and of this process's environment, so that no child inherits it. Call this before
    anything reads standard input: a password file `-` is its first line. Raises UsageError for what is wrong in
    the options, ConfigError for the rest.

    `component`: the JID is a component's domain (XEP-0114), and the password its secret. Without a localpart it would
    be an anonymous login's, which needs none.
    """
    return _Resolver(options, environ, _take_password(environ), no_input, prompt, component).settings()


def _take_password(environ: Mapping[str, str]) -> Secret | None:
    found = Secret(environ["XMPPCTL_PASSWORD"]) if "XMPPCTL_PASSWORD" in environ else None
    os.environ.pop("XMPPCTL_PASSWORD", None)
    if isinstance(environ, MutableMapping):
        environ.pop("XMPPCTL_PASSWORD", None)
    return found


class _Resolver:
    def __init__(
        self,
        options: Mapping[str, str | None],
        environ: Mapping[str, str],
        password: Secret | None,
        no_input: bool,
        prompt: Ask | None,
        component: bool,
    ) -> None:
        self._component = component
        self._options = options
        self._environ = environ
        self._env_password = password
        self._no_input = no_input
        self._prompt = prompt
        self._account: accounts.Account | None = None
        self._origins: dict[str, str] = {}

    def settings(self) -> Settings:
        self._account = self._choose_account()
        jid, resource = self._identity()
        certificate, key = self._client_certificate()
        password = self._password(jid, certificate)
        self._origins["password"] = password.origin
        made = Settings(
            jid=jid,
            password=password,
            account=self._account.name if self._account else None,
            host=self._take("host", values.host),
            port=self._take("port", values.port),
            tls=self._take("tls", values.tls),
            ca=self._pem("ca", "CERTIFICATE"),
            pin=self._take("pin", values.pin),
            insecure=self._take("insecure", values.flag) or False,
            certificate=certificate,
            key=key,
            plain=self._take("plain", values.flag) or False,
            resource=resource,
            persist=self._take("persist", values.duration) or None,
            origins=self._origins,
        )
        self._refuse_cleartext(made)
        self._refuse_pin_without_tls(made)
        return made

    # -- the layers -----------------------------------------------------------------------------------------------

    def _find(self, name: str) -> _Found | None:
        key = KEYS[name]
        given = self._options.get(name)
        if given is not None:
            option = key.option or f"--{name}"
            return _Found(given, f"option {option}", option, UsageError, Path(), 0)
        variable = self._environ.get(key.variable, "")
        if variable:
            return _Found(variable, f"environment {key.variable}", key.variable, ConfigError, Path(), 1)
        account = self._account
        if account is None or name not in account.values:
            return None
        place = f"{account.file}: accounts.{account.name}.{name}"
        return _Found(account.values[name], _origin(account), place, ConfigError, account.file.parent, 2)

    def _take(self, name: str, check: Callable[[Any], T]) -> T | None:
        """The value of a key after `check`; None where no layer has one. Notes its origin."""
        found = self._find(name)
        self._origins[name] = found.origin if found else DEFAULT
        return None if found is None else _checked(found, check)

    def _path(self, found: _Found) -> Path:
        return paths.expand(found.value, found.base, self._environ)

    def _pem(self, name: str, label: str) -> Path | None:
        found = self._find(name)
        self._origins[name] = found.origin if found else DEFAULT
        return None if found is None else _checked(found, lambda _: values.pem(self._path(found), label))

    # -- who ------------------------------------------------------------------------------------------------------

    def _choose_account(self) -> accounts.Account | None:
        name = self._options.get("account")
        origin = "option --account"
        if name is None:
            name, origin = self._environ.get("XMPPCTL_ACCOUNT") or None, "environment XMPPCTL_ACCOUNT"
        if name is not None:
            self._origins["account"] = origin
            return accounts.find(name, self._environ)
        if self._find("jid") is not None:
            self._origins["account"] = DEFAULT
            return None
        return self._implied_account()

    def _implied_account(self) -> accounts.Account:
        own = accounts.load(paths.config_file(self._environ))
        if own.default is not None:
            self._origins["account"] = f"default of {own.path}"
            return own.accounts[own.default]
        if len(own.accounts) == 1:
            self._origins["account"] = f"the only account of {own.path}"
            return next(iter(own.accounts.values()))
        if own.accounts:
            raise ConfigError(
                f"which account? {own.path} has {', '.join(own.accounts)} and no default",
                hint='choose one with -a NAME, or write default = "NAME" at its top',
            )
        others = [account.name for account in accounts.everything(self._environ)]
        hint = f"the sandbox has {' and '.join(others)}: -a {others[0]}" if others else _ADD
        raise ConfigError("no account is configured", hint=hint)

    def _identity(self) -> tuple[Jid, str | None]:
        """The bare JID and the resource: of its own key, or of the JID where that stands in a higher layer."""
        found = self._find("jid")
        if found is None:
            raise ConfigError("no JID", hint=_ADD)
        full = _checked(found, values.jid)
        self._origins["jid"] = found.origin
        resource = self._find("resource")
        if full.resource and (resource is None or resource.layer > found.layer):
            self._origins["resource"] = found.origin
            return Jid(full.local, full.domain), full.resource
        return Jid(full.local, full.domain), self._take("resource", values.resource)

    def _client_certificate(self) -> tuple[Path | None, Path | None]:
        certificate = self._pem("certificate", "CERTIFICATE")
        key = self._pem("key", "PRIVATE KEY")
        if certificate is None:
            if key is not None:
                raise ConfigError(
                    f"{self._origins['key']}: a key without a certificate",
                    hint="name the certificate as well",
                )
            return None, None
        if key is None:
            self._pem_key_inside(certificate)
        refuse_readable(key or certificate)
        return certificate, key

    def _pem_key_inside(self, certificate: Path) -> None:
        try:
            values.pem(certificate, "PRIVATE KEY")
        except values.BadValue as error:
            raise ConfigError(error.message, hint="name the file of its key with key = …") from None

    # -- the password ---------------------------------------------------------------------------------------------

    def _password(self, jid: Jid, certificate: Path | None) -> PasswordSource:
        if certificate is not None:
            return NoPassword("none needed: the client certificate logs in")
        if not jid.local and not self._component:
            return NoPassword("none needed: the login is anonymous")
        user = jid.bare
        given = self._given_password(user)
        if given is not None:
            return given
        why = "none is configured"
        account = self._account
        if account is not None and any(account.values.get(key) for key in PASSWORD_KEYS):
            owner = _owner(account)
            if owner == user:
                return self._account_password(account, user)
            # Never offer one account's password in another's name, perhaps to another server.
            why = f"that of the account {account.name} is for {owner}"
        return PromptPassword(user, ask=self._prompt, no_input=self._no_input, why=why)

    def _given_password(self, user: str) -> PasswordSource | None:
        """What the options say, else what the environment says."""
        found = [(name, self._find(name)) for name in ("password_file", "password_command")]
        if all(each is not None and each.layer == 0 for _, each in found):
            raise UsageError("--password-file and --password-command exclude each other")
        for layer in (0, 1):
            if layer == 1 and self._env_password is not None:
                return GivenPassword(self._env_password, "environment XMPPCTL_PASSWORD")
            for name, each in found:
                if each is not None and each.layer == layer:
                    return self._file_or_command(name, each, user)
        return None

    def _file_or_command(self, name: str, found: _Found, user: str) -> PasswordSource:
        if name == "password_command":
            interactive = not self._no_input and os.isatty(0)
            return CommandPassword(found.value, found.origin, interactive=interactive)
        if stands_for_stdin(found.value):
            if found.layer == 2:
                raise ConfigError(f"{found.place}: an account cannot keep its password on standard input")
            return from_stdin(found.origin, user=user, no_input=self._no_input)
        if not found.value:
            raise found.error(f"{found.place}: must name a file, or - for standard input")
        return FilePassword(self._path(found), found.origin)

    def _account_password(self, account: accounts.Account, user: str) -> PasswordSource:
        for name in ("password_command", "password_file"):
            found = self._find(name)
            if found is not None:
                return self._file_or_command(name, found, user)
        if account.values.get("keyring"):
            return KeyringPassword(user, _origin(account))
        secret = account.values["password"]
        assert isinstance(secret, Secret)
        return GivenPassword(secret, _origin(account))

    # -- what is safe ---------------------------------------------------------------------------------------------

    def _refuse_cleartext(self, made: Settings) -> None:
        where = made.host or made.jid.domain
        if made.tls != "none" or made.insecure or values.is_loopback(where):
            return
        found = self._find("tls")
        assert found is not None
        raise found.error(
            f"{found.place}: without TLS everything to {where} can be read and changed on its way",
            hint="none is for loopback addresses; if you must, add --insecure",
        )

    def _refuse_pin_without_tls(self, made: Settings) -> None:
        """A demand that cannot be met is not one to be silent about."""
        if made.tls != "none" or made.pin is None:
            return
        found = self._find("pin")
        assert found is not None
        raise found.error(
            f"{found.place}: without TLS there is no key to compare with the pin",
            hint="leave out the pin, or use TLS",
        )


def _checked(found: _Found, check: Callable[[Any], T]) -> T:
    try:
        return check(found.value)
    except values.BadValue as error:
        raise found.error(f"{found.place}: {error.message}", hint=error.hint) from None


def _origin(account: accounts.Account) -> str:
    return f"account {account.name} ({account.file})"


def _owner(account: accounts.Account) -> str:
    """The bare JID that an account's own password belongs to."""
    try:
        return values.jid(str(account.values["jid"])).bare
    except values.BadValue as error:
        raise ConfigError(
            f"{account.file}: accounts.{account.name}.jid: {error.message}", hint=error.hint
        ) from None
