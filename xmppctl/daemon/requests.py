"""Requests that clients make to the daemon itself, and who serves them. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.daemon.parts import Service
from xmppctl.errors import Bug, XmppctlError
from xmppctl.session.local import DAEMON, NS_DAEMON, failure
from xmppctl.stanza import build
from xmppctl.stanza.frame import NS_STANZAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from xmppctl.daemon.client import Client
    from xmppctl.stanza.frame import Frame


class ClientRequest:
    """An iq of `client` to the daemon. See `parts.Request`."""

    def __init__(self, client: Client, frame: Frame) -> None:
        self.client = client
        self.frame = frame
        self._answered = False

    def reply(self, payload: str = "") -> None:
        """The result; `payload` is XML."""
        self._answer("result", payload)

    def refuse(self, error: XmppctlError) -> None:
        """An error, which the client rebuilds."""
        self._answer("error", failure(error))

    def refuse_as(self, condition: str) -> None:
        """A plain stanza error (RFC 6120 section 8.3.3)."""
        self._answer("error", f"<error type='cancel'><{condition} xmlns='{NS_STANZAS}'/></error>")

    def _answer(self, type: str, inner: str) -> None:
        if self._answered:
            return
        self._answered = True
        head = build.attributes({"type": type, "id": self.frame.id, "from": self.frame.to})
        self.client.deliver(f"<iq{head}>{inner}</iq>".encode())


class Services:
    """Who serves which request; `bug` hears of what went wrong in one by our own mistake."""

    def __init__(self, bug: Callable[[Exception], None]) -> None:
        self._bug = bug
        self._services: dict[str, Service] = {}

    def add(self, name: str, service: Service) -> None:
        """Have `service` serve the requests whose payload is `name` in the daemon's namespace."""
        self._services[f"{NS_DAEMON} {name}"] = service

    def serve(self, client: Client, frame: Frame) -> None:
        """Have a request served. Never raises."""
        request = ClientRequest(client, frame)
        service = self._services.get(frame.payloads[0]) if frame.payloads else None
        if service is None:
            request.refuse_as("service-unavailable")
            return
        try:
            service(request)
        except XmppctlError as error:
            request.refuse(error)
        except Exception as error:  # noqa: BLE001 (one client's request must not end the others' connection)
            self._bug(error)
            request.refuse(Bug("the daemon made a mistake", hint="its log tells more: xmppctl daemon logs"))


def is_for_daemon(frame: Frame) -> bool:
    """Whether a client's iq is for the daemon itself."""
    return frame.to == DAEMON
