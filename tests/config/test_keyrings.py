"""The keyring: a backend of the tests' own stands where the package would be."""

from __future__ import annotations

import sys
import threading
from types import ModuleType

import pytest

from tests.config.conftest import SECRET, Planted
from xmppctl.config import keyrings
from xmppctl.config.secrets import KeyringPassword, Secret
from xmppctl.errors import SecretError


class Backend(ModuleType):
    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.hang = threading.Event()
        self.hang.set()
        self.error: Exception | None = None

    def get_password(self, service: str, user: str) -> str | None:
        self.hang.wait(30)
        if self.error:
            raise self.error
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        if self.error:
            raise self.error
        self.kept[service, user] = password


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    made = Backend()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


def test_the_entry_is_filed_under_xmppctl_and_the_bare_jid(backend: Backend) -> None:
    backend.kept["xmppctl", "romeo@montague.example"] = SECRET
    assert KeyringPassword("romeo@montague.example", "account work").get(5).reveal() == SECRET


def test_store_then_fetch(backend: Backend) -> None:
    keyrings.store("xmppctl", "a@b", Secret(SECRET), 5)
    assert keyrings.fetch("xmppctl", "a@b", 5).reveal() == SECRET


def test_a_missing_entry_hints_at_the_command(backend: Backend) -> None:
    with pytest.raises(SecretError, match="no password for a@b") as caught:
        KeyringPassword("a@b", "x").get(5)
    assert "keyring set xmppctl a@b" in caught.value.hint


def test_a_backend_that_hangs_has_a_deadline(backend: Backend) -> None:
    backend.hang.clear()
    with pytest.raises(SecretError, match=r"did not answer in 0\.1 s"):
        KeyringPassword("a@b", "x").get(0.1)
    backend.hang.set()


def test_a_backend_that_fails_is_told(backend: Backend, shows_no_secret: Planted) -> None:
    backend.error = RuntimeError("no D-Bus")
    with pytest.raises(SecretError, match="RuntimeError: no D-Bus"):
        KeyringPassword("a@b", "x").get(5)
    with pytest.raises(SecretError, match="no D-Bus") as caught:
        keyrings.store("xmppctl", "a@b", Secret(SECRET), 5)
    shows_no_secret(caught.value)


def test_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretError, match="not installed") as caught:
        KeyringPassword("a@b", "x").get(5)
    assert "xmppctl[keyring]" in caught.value.hint
