"""The desktop's keyring, through the optional package `keyring`, in a thread: a backend may hang on D-Bus."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from xmppctl.config.secrets import Secret
from xmppctl.errors import SecretError

T = TypeVar("T")

_MISSING = "install it: pip install 'xmppctl[keyring]'"


def fetch(service: str, user: str, seconds: float) -> Secret:
    """The password that the keyring has. Raises SecretError."""

    def work() -> Secret | None:
        import keyring

        found = keyring.get_password(service, user)
        return None if found is None else Secret(found)

    secret = _run(work, seconds)
    if secret is None:
        raise SecretError(
            f"the keyring has no password for {user}", hint=f"put it there: keyring set {service} {user}"
        )
    return secret


def store(service: str, user: str, secret: Secret, seconds: float) -> None:
    """Put a password into the keyring. Raises SecretError."""

    def work() -> None:
        import keyring

        keyring.set_password(service, user, secret.reveal())

    _run(work, seconds)


def _run(work: Callable[[], T], seconds: float) -> T:
    results: list[T] = []
    problems: list[str] = []

    def guarded() -> None:
        try:
            results.append(work())
        except ImportError:
            problems.append("missing")
        except Exception as error:  # noqa: BLE001 (a backend may raise anything; it is reported below)
            problems.append(f"{type(error).__name__}: {error}")

    thread = Thread(target=guarded, name="keyring", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if not problems:
        raise SecretError(
            f"the keyring did not answer in {seconds:g} s", hint="is it locked? unlock it first"
        )
    if problems == ["missing"]:
        raise SecretError("the keyring is configured but the package keyring is not installed", hint=_MISSING)
    raise SecretError(f"the keyring failed: {problems[0]}", hint="see what there is: keyring diagnose")
