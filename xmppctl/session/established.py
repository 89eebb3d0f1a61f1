"""What a login, or attaching to a daemon, comes to: a bound stream, for a session to take over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xmppctl.session.connection import Connection
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid


class Established(NamedTuple):
    """A bound stream.

    `features` holds the expanded names ("namespace name") that were offered after SASL; `frames` is what came right
    behind the login. `local`: it leads to a daemon on this machine, which answers requests for us and speaks
    `session.local`; `chosen` is the option that chooses its account. `component`: it is a component's (XEP-0114).
    """

    connection: Connection
    jid: Jid
    features: frozenset[str]
    mechanism: str
    frames: tuple[Frame, ...] = ()
    local: bool = False
    chosen: str = ""
    component: bool = False
