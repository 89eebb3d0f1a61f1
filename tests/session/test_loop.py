"""On an event loop nobody has to wait for stanzas to be read: so reading stops where too many lie about."""

from __future__ import annotations

import asyncio
import socket

import pytest

from xmppctl.errors import UsageError
from xmppctl.session import loop
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.login import Established
from xmppctl.session.loop import LoopSession
from xmppctl.stanza.jid import Jid

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
STANZA = b"<message id='%06d'><body>" + b"x" * 1000 + b"</body></message>"


def test_reading_pauses_while_nobody_takes_stanzas_and_none_is_lost() -> None:
    total = loop.HIGH_WATER * 4
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    async def serve() -> None:
        here = asyncio.get_running_loop()
        await here.sock_sendall(theirs, HEADER + b"".join(STANZA % number for number in range(total)))

    async def body() -> None:
        session = LoopSession(
            Established(Connection(ours), Jid.parse("a@b.example/c"), frozenset(), "TEST"), Deadline(30)
        )
        wanted = session.stanzas()
        serving = asyncio.ensure_future(serve())
        while len(wanted.queue) <= loop.HIGH_WATER:
            await asyncio.sleep(0.001)
        for _ in range(50):
            await asyncio.sleep(0.001)
        # One read brings many at once, and the socket holds some: but not all of them.
        assert len(wanted.queue) < total / 2 and not serving.done()
        ids = [(await wanted.next(10)).id for _ in range(total)]
        assert ids == [f"{number:06d}" for number in range(total)]
        await serving
        theirs.close()
        await session.close()

    asyncio.run(body())


def test_what_needs_an_account_does_not_run_on_a_components_stream() -> None:
    ours, theirs = socket.socketpair()

    async def body() -> None:
        jid = Jid.parse("gateway.example")
        session = LoopSession(
            Established(Connection(ours), jid, frozenset(), "TEST", component=True), Deadline(5)
        )
        with pytest.raises(UsageError, match=r"gateway\.example is a component"):
            await session.client()
        theirs.close()
        await session.close()

    asyncio.run(body())
