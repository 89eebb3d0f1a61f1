"""A login that stops on its way, for a person to go on by hand (see `handson`). Blocking, within one deadline.

RFC 6120 sections 4 to 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from xmppctl.errors import UsageError
from xmppctl.session.login import Login

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings
    from xmppctl.session.connection import Connection, OnFrame
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import Step
    from xmppctl.stanza.frame import Frame

Stage = Literal["connect", "tls", "features", "auth"]

#: Before anything of XMPP is sent; inside TLS, before the stream header; after the features; after SASL, before bind.
STAGES: Final[tuple[Stage, ...]] = ("connect", "tls", "features", "auth")


class Opened(NamedTuple):
    """A stream that has come to `stage`. `frames` is the features, where it has come to some, and what came behind.

    `secure`: TLS protects it; `loopback`: the server is on this machine; `where` names it in errors.
    """

    connection: Connection
    settings: Settings
    stage: Stage
    secure: bool
    loopback: bool
    where: str
    frames: tuple[Frame, ...] = ()


def open_until(
    settings: Settings,
    password: Secret | None,
    deadline: Deadline,
    stage: Stage,
    *,
    on_frame: OnFrame | None = None,
    progress: Callable[[Step], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    nameserver: str | None = None,
) -> Opened:
    """Go as far as `stage`; blocking. `password` is needed for the stage auth alone.

    Raises as `login` does, and UsageError where the stage is tls and TLS is off.
    """
    if stage == "tls" and settings.tls == "none":
        raise UsageError("a stream without TLS never comes to the stage tls", hint="leave out --tls none")
    attempt = Login(
        settings, deadline, on_frame=on_frame, progress=progress, note=note, nameserver=nameserver
    )
    try:
        frames = _advance(attempt, password, stage)
    except BaseException:
        attempt.abandon()
        raise
    stream = attempt.stream
    frames += stream.rest()
    return Opened(stream.connection, settings, stage, stream.secure, attempt.loopback, attempt.where, frames)


def _advance(attempt: Login, password: Secret | None, stage: Stage) -> tuple[Frame, ...]:
    if stage in ("connect", "tls"):
        attempt.reach(attempt.connect if stage == "connect" else attempt.protect)
        return ()
    attempt.open()
    if stage == "auth":
        attempt.authenticate(password)
    return () if attempt.features is None else (attempt.features,)
