"""Unix sockets: addresses that are too long for one, and who is at the other end. For the daemon and its clients."""

from __future__ import annotations

import _socket  # see `connection`
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from xmppctl.errors import ConfigError

#: What fits into `sun_path` with the byte that ends it: 108 on Linux, 104 on BSD and macOS.
MAX_ADDRESS_BYTES: Final = 107 if sys.platform.startswith("linux") else 103

# From <sys/un.h> of BSD and macOS; the socket module has no names for them.
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
_LOCAL_PEERPID: Final = 2
_XUCRED_BYTES: Final = 76


class Peer(NamedTuple):
    """The process at the other end; `pid` is None where the kernel does not tell it."""

    uid: int
    pid: int | None


@contextmanager
def address(path: Path) -> Iterator[str]:
    """What to bind or connect a Unix socket at `path` to, valid while inside.

    Where the path is too long it leads through a descriptor of its directory. Raises ConfigError where there is no
    such way, FileNotFoundError where there is no such directory.
    """
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        through = f"/proc/self/fd/{descriptor}"
        short = f"{through}/{path.name}"
        if len(os.fsencode(short)) > MAX_ADDRESS_BYTES or not Path(through).is_dir():
            raise ConfigError(
                f"the path of the daemon's socket is too long: {path}",
                hint="set XDG_RUNTIME_DIR to a directory with a short name, such as /run/user/1000",
            )
        yield short
    finally:
        os.close(descriptor)


def peer(sock: _socket.socket) -> Peer:
    """Who is at the other end of a connected Unix socket: the kernel's word. Raises OSError."""
    if hasattr(_socket, "SO_PEERCRED"):
        told = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # struct ucred: pid, uid, gid
        pid, uid = (int.from_bytes(told[at : at + 4], sys.byteorder, signed=at == 0) for at in (0, 4))
        return Peer(uid, pid if pid > 0 else None)
    told = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES)  # struct xucred: version, uid, groups
    uid = int.from_bytes(told[4:8], sys.byteorder)
    try:
        pid = int.from_bytes(sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4), sys.byteorder)
    except OSError:
        return Peer(uid, None)
    return Peer(uid, pid if pid > 0 else None)
