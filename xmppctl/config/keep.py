"""Where passwords are kept on this machine, and how one is replaced without ever losing it.

A password that xmppctl is given to keep goes into a private file of its own beside the account file, or into the
keyring; never into the account file, which people show each other. While a password is being changed on a server,
the new one waits in a private file of the state directory until the old one has been replaced here as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from xmppctl.config import paths, store
from xmppctl.config.accounts import Account, Value
from xmppctl.config.secrets import KEYRING_SERVICE, PATIENCE, FilePassword, Secret
from xmppctl.errors import ConfigError, SecretError

Place = Literal["file", "keyring"]

_DIRECTORY = "passwords"


def save(name: str, user: str, secret: Secret, place: Place, *, file: Path) -> Mapping[str, Value]:
    """Keep the password of an account; return the values that say so in the account file `file`.

    `user` is the bare JID. Raises ConfigError.
    """
    if place == "keyring":
        from xmppctl.config.keyrings import store as store_in_keyring

        store_in_keyring(KEYRING_SERVICE, user, secret, PATIENCE)
        return {"keyring": True}
    directory = paths.private_directory(file.parent / _DIRECTORY)
    _write(directory / name, secret)
    return {"password_file": f"{_DIRECTORY}/{name}"}


def forget(account: Account) -> None:
    """Remove the file that `save` made for an account, if it has one. Other files are not ours to remove."""
    given = account.values.get("password_file")
    if given == f"{_DIRECTORY}/{account.name}":
        with suppress(FileNotFoundError):
            (account.file.parent / given).unlink()


def check_replaceable(account: Account) -> bool:
    """Whether an account keeps a password that `replace` can replace: False where it keeps none.

    Raises ConfigError where it is kept in a place that cannot be written from here.
    """
    values = account.values
    if "password_command" in values:
        raise ConfigError(
            f"the password of {account.name} comes from a command: only you can change what it prints",
            hint="change it there first and give it with --new-password-command or --new-password-file",
        )
    if "password_file" not in values:
        return "password" in values or bool(values.get("keyring"))
    path = _file(account)
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    if not stat.S_ISREG(found.st_mode) or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"the password of {account.name} is in {path}, which cannot be replaced from here")
    return True


def replace(account: Account, user: str, secret: Secret) -> None:
    """Put a new password where an account keeps its old one; see `check_replaceable`. Raises ConfigError."""
    values = account.values
    if "password_file" in values:
        path = _file(account)
        rest = _further_lines(path)
        _write(path, Secret(secret.reveal() + "\n" + rest.reveal()), end="")
    elif values.get("keyring"):
        save(account.name, user, secret, "keyring", file=account.file)
    else:
        store.update_account(account.name, {"password": secret}, file=account.file)


class Pending:
    """A new password that waits for its change to be complete, here and on the server. `user` is the bare JID."""

    def __init__(self, user: str, environ: Mapping[str, str] = os.environ) -> None:
        directory = paths.private_directory(paths.state_dir(environ) / "pending-passwords")
        #: Its file. A JID can hold a slash only in its resource, which a bare one has not.
        self.path = directory / user

    def keep(self, secret: Secret) -> None:
        """Write it down. Raises ConfigError."""
        _write(self.path, secret)

    def read(self) -> Secret | None:
        """The password of a change that was interrupted, if there was one. Raises SecretError."""
        return FilePassword(self.path, "an interrupted change").get() if self.path.exists() else None

    def drop(self) -> None:
        """It is of no more use."""
        with suppress(FileNotFoundError):
            self.path.unlink()


def _file(account: Account) -> Path:
    """The file an account keeps its password in, behind symbolic links."""
    return paths.expand(str(account.values["password_file"]), account.file.parent).resolve()


def _further_lines(path: Path) -> Secret:
    try:
        return Secret(path.read_bytes().decode("utf-8", "surrogateescape").partition("\n")[2])
    except OSError as error:
        raise SecretError(f"cannot read {path}: {error.strerror or error}") from None


def _write(path: Path, secret: Secret, *, end: str = "\n") -> None:
    # Revealed inside the call: no variable of this frame holds it.
    paths.write_private(path, (secret.reveal() + end).encode("utf-8", "surrogateescape"))
