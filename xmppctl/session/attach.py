"""Attaching to the daemon that holds an account's connection: whom to trust, the hello, binding. Blocking.

See `session.local` for what is said. Nothing is sent to a socket that somebody else may have put there. Loads neither
TLS nor DNS nor SASL: the daemon has done all that.
"""

from __future__ import annotations

import _socket  # see `connection`
import os
import stat
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl import __version__
from xmppctl.errors import (
    BadJid,
    ConnectionLost,
    DaemonError,
    DeadlineExceeded,
    StreamError,
    XmppctlError,
)
from xmppctl.session import local, unix
from xmppctl.session.connection import Connection, OnFrame
from xmppctl.session.deadline import Deadline
from xmppctl.session.established import Established
from xmppctl.session.failures import BINDING, login_refusal
from xmppctl.session.negotiation import NS_BIND, Negotiation
from xmppctl.stanza import build
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import MAX_STANZA_BYTES

if TYPE_CHECKING:
    from xmppctl.config.settings import Settings
    from xmppctl.stanza.frame import Frame

#: What a daemon may take to say hello; it does nothing else before.
HELLO_SECONDS: Final = 3.0
_RESTART: Final = "end it with xmppctl daemon stop; the next start is a new one"
#: What it may take to say why it is not online.
_REASON_SECONDS: Final = 0.5
#: How often a socket whose queue is full is tried again.
_BUSY_SECONDS: Final = 0.02


class Hello(NamedTuple):
    """What a daemon says of itself. See `session.local`."""

    version: str
    program: str
    account: str
    jid: str
    settings: str
    state: str


class Local:
    """A stream to a daemon that has said hello. Nothing is bound yet; requests to the daemon work.

    `pid` is its own, `chosen` the option that chooses its account.
    """

    def __init__(
        self, stream: Negotiation, hello: Hello, features: frozenset[str], pid: int | None, chosen: str
    ) -> None:
        self.hello = hello
        self.chosen = chosen
        self.pid = pid
        self._stream = stream
        self._features = features

    def ask(self, type: str, request: str, deadline: Deadline) -> Frame:
        """Send the daemon a request (`request`: see `local.payload`); return the result.

        Raises the error that it answers with, DeadlineExceeded, ConnectionLost.
        """
        return self._ask(build.iq(type, request, to=local.DAEMON), deadline, "waiting for the answer")

    def bind(self, deadline: Deadline) -> Established:
        """Wait until the daemon is online, and take part in its session.

        Raises the error that keeps it from coming online, DeadlineExceeded, ConnectionLost.
        """
        stream = self._stream
        try:
            reply = self._ask(build.iq("set", f"<bind xmlns='{NS_BIND}'/>"), deadline, "waiting for the JID")
        except DeadlineExceeded:
            why = self._why_offline()
            raise DeadlineExceeded(
                f"{stream.where} did not come online in {deadline.seconds or 0:g} s"
                + (f": {why}" if why else ""),
                hint=f"it goes on trying; see how: xmppctl daemon status {self.chosen}",
            ) from None
        text = next((part.text for part in reply.outline() if part.name == f"{NS_BIND} jid"), "")
        try:
            jid = Jid.parse(text)
        except BadJid as error:
            raise DaemonError(f"{stream.where} bound no address: {error.message}", hint=_RESTART) from None
        return Established(
            stream.connection, jid, self._features, "", stream.rest(), local=True, chosen=self.chosen
        )

    def _why_offline(self) -> str:
        """What went wrong with its last attempt to connect, if it says so at once."""
        import json

        try:
            reply = self.ask("get", local.payload("info"), Deadline(_REASON_SECONDS))
            return str(json.loads(reply.outline()[-1].text)["connection"]["failure"] or "")
        except (XmppctlError, ValueError, LookupError, TypeError):
            return ""

    def _ask(self, iq: str, deadline: Deadline, doing: str) -> Frame:
        stream = self._stream
        stream.limit = deadline
        try:
            reply = stream.ask(iq, doing)
        except ConnectionLost as error:
            raise ConnectionLost(error.message, hint=f"see why: xmppctl daemon logs {self.chosen}") from None
        if reply.type == "error":
            raise local.error_of(reply) or login_refusal(reply, stream.where, BINDING)
        return reply

    def close(self) -> None:
        """End the stream at once, in order. Never raises."""
        self._stream.close()


def reach(
    path: Path,
    settings: Settings,
    deadline: Deadline,
    *,
    on_frame: OnFrame | None = None,
    max_bytes: int = MAX_STANZA_BYTES,
) -> Local | None:
    """Open a stream to the daemon of an account, whose socket is at `path`; None where none listens.

    It gets HELLO_SECONDS to say hello. `max_bytes` caps what it may send in one piece. Raises DaemonError for what
    is not to be trusted, does not answer or is no daemon; what `on_frame` raises.
    """
    where = f"the daemon of {settings.name}"
    limit = deadline.within(HELLO_SECONDS)
    sock = _connect(path, settings, limit)
    if sock is None:
        return None
    try:
        pid = _check_peer(sock, where)
        connection = Connection(sock, on_frame, max_bytes=max_bytes)
    except BaseException:
        sock.close()
        raise
    stream = Negotiation(connection, where, settings.jid.domain, limit)
    try:
        features = stream.open()
        return Local(stream, _hello(features, where), frozenset(features.payloads), pid, chosen(settings))
    except BaseException as error:
        stream.close()
        if isinstance(error, ConnectionLost) or _is_ending(error):
            return None
        if isinstance(error, DeadlineExceeded):
            raise _no_answer(settings) from None
        if isinstance(error, StreamError):
            raise DaemonError(error.message, hint=_RESTART) from None
        raise


def misfit(hello: Hello, settings: Settings) -> DaemonError | None:
    """Why a daemon that says `hello` is not for a command with these settings; None if it is. Pure."""
    where = f"the daemon of {settings.name}"
    which = chosen(settings)
    again = (
        f"end it: xmppctl daemon stop {which}; then repeat this, or start it: xmppctl daemon start {which}"
    )
    if hello.version != local.VERSION or hello.program != __version__:
        return DaemonError(
            f"{where} is of another release (xmppctl {hello.program}, protocol {hello.version}; "
            f"this is {__version__}, protocol {local.VERSION})",
            hint=again,
        )
    if hello.jid != settings.jid.bare:
        return DaemonError(f"{where} is logged in as {hello.jid}, not as {settings.jid.bare}", hint=again)
    if hello.settings != settings.digest():
        return DaemonError(
            f"{where} was started with other settings of how to connect than these",
            hint=f"leave out options such as --host and --ca; if the account has changed, {again}",
        )
    return None


def other_resource(settings: Settings, jid: Jid) -> DaemonError | None:
    """Why a daemon that has bound `jid` is not for a command that asks for a resource of its own; None if it is."""
    asked = not settings.origins.get("resource", "account").startswith("account")
    if settings.resource is None or not asked or settings.resource == jid.resource:
        return None
    return DaemonError(
        f"the daemon of {settings.name} has the resource {jid.resource}, not {settings.resource}",
        hint="leave out --resource, or say --daemon off",
    )


def chosen(settings: Settings) -> str:
    """The option that chooses this account."""
    return f"-a {settings.account}" if settings.account else f"--jid {settings.jid.bare}"


# -- the socket ---------------------------------------------------------------------------------------------------


def _connect(path: Path, settings: Settings, limit: Deadline) -> _socket.socket | None:
    """Connect to what is at `path` if it can only be ours; None where there is nothing, or nobody listens."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DaemonError(f"cannot look at {path}: {error.strerror or error}", hint=_RESTART) from None
    _check_file(path, found)
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        with unix.address(path) as address:
            while not _connected(sock, address):
                if limit.passed:
                    raise _no_answer(settings)
                sleep(_BUSY_SECONDS)
        return sock
    except (ConnectionRefusedError, FileNotFoundError):
        sock.close()  # nobody listens: it was killed, or ends
        return None
    except OSError as error:
        sock.close()
        raise DaemonError(
            f"cannot reach the daemon of {settings.name} at {path}: {error.strerror or error}", hint=_RESTART
        ) from None
    except BaseException:
        sock.close()
        raise


def _connected(sock: _socket.socket, address: str) -> bool:
    """Connect; False where so many wait already that the kernel takes no more."""
    try:
        sock.connect(address)
    except (BlockingIOError, InterruptedError):
        return False
    return True


def _check_file(path: Path, found: os.stat_result) -> None:
    """Raise DaemonError for what no daemon of ours has put there."""
    hint = f"if you have not put it there, somebody else has; remove it: rm {path}"
    if stat.S_ISLNK(found.st_mode):
        raise DaemonError(f"{path} is a symbolic link: it is not followed", hint=hint)
    if not stat.S_ISSOCK(found.st_mode):
        raise DaemonError(f"{path} is not a socket", hint=hint)
    if found.st_uid != os.geteuid():
        raise DaemonError(f"{path} belongs to another user (uid {found.st_uid})", hint=hint)
    if found.st_mode & 0o077:
        raise DaemonError(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 600 {path}",
        )


def _check_peer(sock: _socket.socket, where: str) -> int | None:
    """The process id of who listens. Raises DaemonError where that is another user."""
    try:
        peer = unix.peer(sock)
    except OSError as error:
        raise DaemonError(
            f"the kernel does not tell who {where} is: {error.strerror or error}",
            hint="nothing was sent to it",
        ) from None
    if peer.uid != os.geteuid():
        raise DaemonError(
            f"{where} runs as another user (uid {peer.uid})",
            hint="nothing was sent to it; who has started it?",
        )
    return peer.pid


def _is_ending(error: BaseException) -> bool:
    return isinstance(error, StreamError) and error.condition == "system-shutdown"


def _no_answer(settings: Settings) -> DaemonError:
    which = chosen(settings)
    return DaemonError(
        f"the daemon of {settings.name} does not answer",
        hint=f"see what it does: xmppctl daemon logs {which}; end it: xmppctl daemon stop {which}",
    )


def _hello(features: Frame, where: str) -> Hello:
    for part in features.outline():
        if part.name == f"{local.NS_DAEMON} hello":
            return Hello(*(part.attributes.get(name, "") for name in Hello._fields))
    raise DaemonError(f"what listens for {where} is none: it says no hello", hint=_RESTART)
