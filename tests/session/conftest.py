"""Scripted servers, and a client that logs in to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.servers.hostile import DOMAIN, JID, PASSWORD, Script, Server
from tests.servers.identities import Authority, Identity
from xmppctl.config.secrets import GivenPassword, NoPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import XmppctlError
from xmppctl.session.deadline import Deadline
from xmppctl.session.login import Established, login
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

#: What a login may take in tests where it must not end by its deadline.
PATIENCE = 20.0
#: The deadline of tests in which it must end by that.
SHORT = 0.5


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA that the accounts of these tests trust."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    """The server's rightful certificate."""
    return authority.issue(DOMAIN)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start scripted servers that end with the test; what fails in a script fails the test."""
    with ExitStack() as stack:

        def start(*scripts: Script, **options: Any) -> Server:
            return stack.enter_context(Server(*scripts, **options))

        yield start


class Outcome(NamedTuple):
    """What a login came to: a stream, or an error. `frames` is what `on_frame` saw, `notes` what was noted."""

    established: Established | None
    error: Exception | None
    frames: list[Frame]
    notes: list[str]

    @property
    def code(self) -> int:
        """The exit code it would end with."""
        if self.error is None:
            return 0
        assert isinstance(self.error, XmppctlError), self.error
        return int(self.error.code)

    def failed(self, kind: type[XmppctlError], code: int, *words: str) -> None:
        """Check class, exit code, words of the message, and that there is a hint."""
        assert type(self.error) is kind, repr(self.error)
        assert isinstance(self.error, XmppctlError)
        assert int(self.error.code) == code
        for word in words:
            assert word in self.error.message, self.error.message
        assert self.error.hint


class Client:
    """An account on the scripted servers; `settings` may be changed before it logs in."""

    def __init__(self, ca: Path) -> None:
        self.settings = Settings(
            jid=Jid.parse(JID),
            password=GivenPassword(Secret(PASSWORD), "test"),
            host="127.0.0.1",
            tls="starttls",
            ca=ca,
        )

    def change(self, **values: Any) -> None:
        """Change settings."""
        if "jid" in values and isinstance(values["jid"], str):
            values["jid"] = Jid.parse(values["jid"])
        self.settings = self.settings._replace(**values)

    def attempt(
        self,
        server: Server | int | None = None,
        seconds: float | None = PATIENCE,
        *,
        password: str | None = PASSWORD,
        on_frame: Callable[[Frame], None] | None = None,
        **more: Any,
    ) -> Outcome:
        """Log in, see what comes of it, and hang up."""
        settings = self.settings
        if server is not None:
            settings = settings._replace(port=server if isinstance(server, int) else server.port)
        frames: list[Frame] = []
        notes: list[str] = []
        secret = None if password is None else Secret(password)
        if password is None:
            settings = settings._replace(password=NoPassword("test"))
        try:
            done = login(
                settings,
                secret,
                Deadline(seconds),
                on_frame=on_frame or frames.append,
                note=notes.append,
                **more,
            )
        except Exception as error:
            return Outcome(None, error, frames, notes)
        done.connection.close()
        return Outcome(done, None, frames, notes)


@pytest.fixture
def client(authority: Authority) -> Client:
    """Somebody who logs in."""
    return Client(authority.file)
