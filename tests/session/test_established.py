"""What is established leads to a server, unless it says that it is local: then a session answers no requests itself."""

from __future__ import annotations

import socket

import pytest

from xmppctl.errors import ConnectionLost
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.direct import BlockingSession
from xmppctl.session.drive import drive
from xmppctl.session.established import Established
from xmppctl.stanza.jid import Jid


@pytest.mark.parametrize("local", [False, True])
def test_its_end_is_told_as_that_of_a_daemon_where_it_is_local(local: bool) -> None:
    ours, theirs = socket.socketpair()
    established = Established(Connection(ours), Jid.parse("a@b.example/c"), frozenset(), "TEST")
    if local:
        established = established._replace(local=True, chosen="-a work")
    session = BlockingSession(established, Deadline(10))
    theirs.close()
    with pytest.raises(ConnectionLost) as caught:
        drive(session.stanzas().next())
    assert session.attached is local
    assert ("the daemon of a@b.example" in caught.value.message) is local
    assert ("daemon logs -a work" in str(caught.value.hint)) is local
    drive(session.close())
