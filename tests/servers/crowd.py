"""Contacts by the thousand: a roster in Prosody's storage, and a component (XEP-0114) whose users they are."""

from __future__ import annotations

import hashlib
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.servers.prosody import Prosody
from xmppctl.config.paths import write_private

#: What each says of itself; the number makes it its own.
STATUS = "At work until six, on the phone after that ({number})"
SHOWS = ("", "<show>away</show>", "<show>dnd</show>", "<show>chat</show>")
GROUPS = 40
#: How many presences go out in one write.
BATCH = 200


def write_roster(server: Prosody, user: str, size: int) -> None:
    """Give the account of `user` a roster of `size` contacts, subscribed both ways: `jid(server, number)`.

    It must not be logged in, and must not have been since the server was started.
    """
    items = "".join(
        f'\t["{jid(server, number)}"] = {{ ["subscription"] = "both"; ["name"] = "{name(number)}"; '
        f'["groups"] = {{ ["{group(number)}"] = true; }}; }};\n'
        for number in range(size)
    )
    stored = user.replace("-", "%2d")
    directory = server.files.data / server.domain / "roster"
    directory.mkdir(mode=0o700, exist_ok=True)
    table = f'return {{\n\t[false] = {{ ["version"] = 1; ["pending"] = {{}}; }};\n{items}}};\n'
    write_private(directory / f"{stored}.dat", table.encode())


def jid(server: Prosody, number: int) -> str:
    """The bare JID of a contact."""
    return f"u{number}@{server.component}"


def name(number: int) -> str:
    """What the roster calls it."""
    return f"Contact Number {number}"


def group(number: int) -> str:
    """Its group in the roster."""
    return f"Department {number % GROUPS}"


class Crowd:
    """The component, connected. A context manager. It answers nobody, but reads what it is sent."""

    def __init__(self, server: Prosody) -> None:
        self._server = server
        self._socket = socket.create_connection((server.host, server.port_component), timeout=20)
        self._send(
            f"<stream:stream to='{server.component}' xmlns='jabber:component:accept' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        stream_id = self._until(b">", b"id=").split(b"id=")[1][1:].split(b"'")[0].split(b'"')[0]
        digest = hashlib.sha1(stream_id + server.component_secret.encode()).hexdigest()
        self._send(f"<handshake>{digest}</handshake>")
        self._until(b"<handshake/>", b"<handshake/>")
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        #: Bytes that came for the contacts: probes, above all.
        self.heard = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._reader.join(5)

    def appear(self, to: str, first: int, last: int, *, resource: str = "office", type: str = "") -> None:
        """Have contacts `first` to `last` (not included) send presence to `to`."""
        kind = f" type='{type}'" if type else ""
        for begin in range(first, last, BATCH):
            self._send(
                "".join(
                    f"<presence from='{jid(self._server, number)}/{resource}' to='{to}'{kind}>"
                    f"{SHOWS[number % len(SHOWS)]}<status>{STATUS.format(number=number)}</status>"
                    "<priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
                    "node='https://client.example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>"
                    for number in range(begin, min(begin + BATCH, last))
                )
            )

    def say(self, stanzas: str) -> None:
        """Send these."""
        self._send(stanzas)

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _until(self, end: bytes, *needed: bytes) -> bytes:
        got = b""
        while not (got.rstrip().endswith(end) and all(each in got for each in needed)):
            data = self._socket.recv(4096)
            if not data:
                raise AssertionError(f"the server hung up on the component: {got!r}")
            got += data
        return got

    def _read(self) -> None:
        with suppress(OSError):
            while data := self._socket.recv(1 << 16):
                self.heard += len(data)
