"""What the integration tests know of a server; the same for each kind."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from xmppctl.sandbox import process
from xmppctl.sandbox.certificates import make_certificates
from xmppctl.sandbox.ports import LOOPBACK

ANONYMOUS = "anon.localhost"
NAMES = (
    *("localhost", "*.localhost", "pubsub.localhost", "conference.localhost", "upload.localhost"),
    *("component.localhost", ANONYMOUS),
)


class Account(NamedTuple):
    """A registered account."""

    jid: str
    password: str


class Server(ABC):
    """A server on 127.0.0.1. `start` before use; the ports are known from then on."""

    kind: str
    host = LOOPBACK
    domain = "localhost"
    anonymous_domain = ANONYMOUS
    pubsub = "pubsub.localhost"
    muc = "conference.localhost"
    upload = "upload.localhost"
    component = "component.localhost"
    port_starttls: int
    port_direct: int
    port_component: int

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix=f"xmppctl-{self.kind}-")
        self.directory = Path(self._temporary.name)
        self.component_secret = secrets.token_hex(16)
        self.certificates = make_certificates(self.directory, NAMES, [LOOPBACK])
        self.ca = self.certificates.ca

    def start(self) -> None:
        """Start the server and wait until it answers."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def register(self, user: str, password: str) -> None:
        """Create the account."""

    @property
    @abstractmethod
    def log(self) -> Path:
        """The server's log."""

    def create_account(self, name: str, password: str | None = None) -> Account:
        """A new account whose localpart is `name`."""
        password = password or secrets.token_urlsafe(12)
        self.register(name, password)
        return Account(f"{name}@{self.domain}", password)

    def restore(self, account: Account) -> None:
        """Create an account anew that is lost where a server was killed before it had written it to its disk."""
        with suppress(AssertionError, OSError):  # it is there
            self.register(account.jid.partition("@")[0], account.password)

    @property
    def pid(self) -> int | None:
        """The server's process id while it lives."""
        return process.server_pid(self.directory)

    def kill(self) -> None:
        """End it as a crash would."""
        pid = self.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        process.terminate(self.directory)

    def halt(self) -> None:
        """End it as its administrator would; `start` brings it back, on other ports."""
        process.terminate(self.directory)

    def stop(self) -> None:
        """End it and remove its directory."""
        process.terminate(self.directory)
        self._temporary.cleanup()
