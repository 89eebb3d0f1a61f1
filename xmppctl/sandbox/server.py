"""Bring one Prosody up: free ports, configuration, process, and the proof that it answers."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from typing import Final

from xmppctl.config import locks
from xmppctl.errors import SandboxError
from xmppctl.sandbox import process, prosody
from xmppctl.sandbox.certificates import Certificates
from xmppctl.sandbox.ports import LOOPBACK

READY_SECONDS: Final = 20.0
_PORT_ATTEMPTS: Final = 5


def bring_up(
    program: str,
    files: prosody.ProsodyFiles,
    certificates: Certificates,
    component_secret: str,
    *,
    options: Mapping[str, str] | None = None,
    hosts: str = "",
) -> tuple[int, prosody.Ports]:
    """Start Prosody in `files.directory` on free ports, wait until it answers, and give its process id and ports.

    `options` and `hosts` go to `prosody.write_config`. Takes other ports when another process was faster.
    Raises SandboxError with the end of the log; the server may live then: `process.terminate` ends it.
    """
    for _ in range(_PORT_ATTEMPTS):
        ports = prosody.Ports.free()
        prosody.write_config(files, ports, certificates, component_secret, options=options, hosts=hosts)
        files.log.unlink(missing_ok=True)
        process.spawn([program, "--config", str(files.config), "-F"], files.directory, files.log)
        pid = _wait_until_ready(files, ports, certificates)
        if pid is not None:
            return pid, ports
        lost = prosody.lost_ports(files)
        process.terminate(files.directory)
    raise SandboxError("Prosody did not come up: other programs took its ports again and again", log=lost)


def _wait_until_ready(
    files: prosody.ProsodyFiles, ports: prosody.Ports, certificates: Certificates
) -> int | None:
    """Its process id once it answers with our certificate; None where a port was taken before it could."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.alive(files.directory):
        pid = process.server_pid(files.directory)
        answers = pid is not None and _answers(ports.direct, certificates)
        if prosody.lost_ports(files):
            return None
        if answers:
            return pid
        time.sleep(locks.POLL_SECONDS)
    what = "is silent" if process.alive(files.directory) else "ended at once"
    raise SandboxError(f"Prosody did not come up: it {what}", log=prosody.log_tail(files))


def _answers(port: int, certificates: Certificates) -> bool:
    context = ssl.create_default_context(cafile=certificates.ca)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            with context.wrap_socket(connection, server_hostname=prosody.DOMAIN):
                return True
    except OSError:
        return False
