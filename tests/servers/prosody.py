"""Prosody as the sandbox configures it, with a host for anonymous logins on top."""

from __future__ import annotations

from pathlib import Path

from tests.servers.base import ANONYMOUS, Server
from xmppctl.sandbox import prosody
from xmppctl.sandbox.packages import find_program
from xmppctl.sandbox.server import bring_up


class Prosody(Server):
    """One Prosody. `options` are further global settings, name to Lua expression."""

    kind = "prosody"

    def __init__(self, options: dict[str, str] | None = None) -> None:
        self.program = find_program("prosody", purpose="this test")
        super().__init__()
        self.files = prosody.ProsodyFiles(self.directory)
        self.options = options or {}

    def _start(self) -> None:
        _, ports = bring_up(
            self.program,
            self.files,
            self.certificates,
            self.component_secret,
            options=self.options,
            hosts=f'VirtualHost "{ANONYMOUS}"\n\tauthentication = "anonymous"\n',
        )
        self.port_starttls, self.port_direct = ports.starttls, ports.direct
        self.port_component = ports.component

    def register(self, user: str, password: str) -> None:
        prosody.add_account(self.files, user, password)

    @property
    def log(self) -> Path:
        return self.files.log
