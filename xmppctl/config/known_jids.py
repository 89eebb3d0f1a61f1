"""JIDs this user has to do with, kept so that a shell can complete them without asking a server.

One bare JID a line in `state_dir()/known-jids`, the newest last, readable by its owner only. It is a convenience:
whatever goes wrong with the file, the command that uses it goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

from xmppctl.config import paths
from xmppctl.errors import XmppctlError

#: The file keeps so many JIDs, forgetting the oldest; together they stay below the size that is read.
MAX_JIDS: Final = 500
MAX_JID_BYTES: Final = 255
_MAX_FILE_BYTES: Final = MAX_JIDS * (MAX_JID_BYTES + 1)


def remember(jids: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """Keep JIDs, without their resources. Writes only where there is a new one; never raises.

    Of many only half as many are kept as there is room for, so that a large roster does not displace all others.
    """
    bare = dict.fromkeys(jid.partition("/")[0] for jid in jids)
    new = dict.fromkeys(islice(filter(_is_keepable, bare), MAX_JIDS // 2))
    if not new:
        return
    with suppress(OSError, XmppctlError):
        path = paths.known_jids_file(environ)
        known = load(environ)
        if new.keys() <= set(known):
            return
        paths.state_dir(environ)
        kept = [jid for jid in known if jid not in new] + list(new)
        paths.write_private(path, "".join(f"{jid}\n" for jid in kept[-MAX_JIDS:]).encode())


def load(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The JIDs kept, the oldest first; none where the file is missing, unreadable or not ours. Never raises."""
    with suppress(OSError, XmppctlError):
        descriptor = os.open(
            paths.known_jids_file(environ), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
        with os.fdopen(descriptor, "rb") as opened:
            if os.fstat(descriptor).st_uid != os.geteuid():
                return []
            text = opened.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
        return [line for line in text.splitlines() if _is_keepable(line)]
    return []


def _is_keepable(jid: str) -> bool:
    """Whether it is short and in one printable piece, so that no JID can be read back as two."""
    return jid.isprintable() and " " not in jid and 0 < len(jid.encode("utf-8", "replace")) <= MAX_JID_BYTES
