"""Telling whoever has started the daemon that it serves, or why it does not.

Two ask for it. A command that starts a daemon in the background gives it the write end of a pipe, whose number is in
XMPPCTL_READY_FD: one line comes, then the end. It is `ready` as soon as the socket is there and the first attempt to
connect is over, if the daemon stays: it is online, or goes on trying; also where another daemon runs already. Else it
is the error that ended it, as the JSON object that `-o json` prints. systemd (Type=notify) gives NOTIFY_SOCKET and
gets READY=1, STATUS= and STOPPING=1 as sd_notify(3) has it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Final

from xmppctl.errors import XmppctlError
from xmppctl.output.records import error_record, json_line
from xmppctl.output.safe import safe

FD_VARIABLE: Final = "XMPPCTL_READY_FD"
READY: Final = "ready"
_NOTIFY_VARIABLE: Final = "NOTIFY_SOCKET"


class Readiness:
    """Tells both, once. Their variables are taken out of `environ`, so that no child of the daemon takes them up.

    Nothing here raises: a daemon whose starter is gone goes on.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._pipe = _descriptor(environ.pop(FD_VARIABLE, ""))
        self._service = environ.pop(_NOTIFY_VARIABLE, "")
        #: Whether a command has started this process to stay behind.
        self.in_background = self._pipe is not None

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What is raised inside is told as what keeps it from serving, if it has not said yet that it serves."""
        from xmppctl.config import crash

        try:
            yield
        except XmppctlError as error:
            self.failed(error)
            raise
        except Exception as error:  # noqa: BLE001 (told, and raised as what it is: a bug)
            told = crash.bug(error)
            self.failed(told)
            raise told from None

    def ready(self) -> None:
        """It serves."""
        self._tell(READY)
        self._notify("READY=1")

    def failed(self, error: XmppctlError) -> None:
        """It ends."""
        self._tell(json_line(error_record(error)))
        self._notify(f"STATUS={safe(error.message)}")

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._notify(f"STATUS={safe(text)}")

    def stopping(self) -> None:
        """It has been asked to end, and does."""
        self._notify("STOPPING=1")

    def _tell(self, line: str) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        with suppress(OSError):
            os.write(pipe, f"{line}\n".encode())
        with suppress(OSError):
            os.close(pipe)

    def _notify(self, text: str) -> None:
        if not self._service:
            return
        name = f"\0{self._service[1:]}" if self._service.startswith("@") else self._service
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(name)
            sender.send(text.encode())


def _descriptor(text: str) -> int | None:
    """An open descriptor that children do not get; None where `text` names none."""
    try:
        descriptor = int(text)
        os.set_inheritable(descriptor, False)
    except (ValueError, OverflowError, OSError):
        return None
    return descriptor if descriptor > 2 else None
