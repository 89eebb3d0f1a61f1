"""A TCP connection to the first address that answers.

Happy eyeballs (RFC 8305 section 5): the next address is tried when the last one has failed or has been silent for a
quarter of a second, and the first to answer wins, so that a dead address costs no more than that.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xmppctl.errors import TcpError

if TYPE_CHECKING:
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.resolve import Address

STAGGER_SECONDS: Final = 0.25
#: What a server gets to answer a SYN, at the most.
CONNECT_SECONDS: Final = 10.0


def connect(addresses: Sequence[Address], deadline: Deadline) -> tuple[socket.socket, Address]:
    """Connect to one of `addresses`, in order, overlapping. Raises TcpError, which tells of each."""
    waiting = list(addresses)
    trying: dict[int, tuple[socket.socket, Address]] = {}
    failures: list[str] = []
    poll = select.poll()
    try:
        while waiting or trying:
            if waiting:
                _start(waiting.pop(0), poll, trying, failures)
            pause = deadline.left() if not waiting else deadline.within(STAGGER_SECONDS).left()
            while trying:
                events = poll.poll(None if pause is None else pause * 1000)
                for descriptor, _ in events:
                    sock, address = trying.pop(descriptor)
                    poll.unregister(sock)
                    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not error:
                        return sock, address
                    failures.append(f"{address}: {os.strerror(error)}")
                    sock.close()
                if waiting or not events:
                    break
            if deadline.passed:
                failures += [f"{address}: no answer" for _, address in trying.values()]
                break
    finally:
        for sock, _ in trying.values():
            sock.close()
    raise TcpError(
        "cannot connect: " + "; ".join(failures or ["no address to try"]),
        hint="is the server running, and the port right? a firewall shows as no answer",
    )


def _start(
    address: Address,
    poll: select.poll,
    trying: dict[int, tuple[socket.socket, Address]],
    failures: list[str],
) -> None:
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:  # no IPv6 here
        failures.append(f"{address}: {error.strerror}")
        return
    sock.setblocking(False)
    code = sock.connect_ex(address.sockaddr)
    if code in (0, errno.EINPROGRESS):
        poll.register(sock, select.POLLOUT)
        trying[sock.fileno()] = (sock, address)
    else:
        failures.append(f"{address}: {os.strerror(code)}")
        sock.close()
