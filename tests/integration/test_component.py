"""A component's session on real servers: its answers, its barrier, and the refusals of its login."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from secrets import token_hex

import pytest

from tests.servers.base import Server
from xmppctl.config.secrets import NoPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import AuthError, StreamError
from xmppctl.session.component import login_component
from xmppctl.session.deadline import Deadline
from xmppctl.session.established import Established
from xmppctl.session.login import login
from xmppctl.session.loop import LoopSession
from xmppctl.stanza.frame import NS_COMPONENT, NS_STANZAS
from xmppctl.stanza.jid import Jid

SECONDS = 45.0
PING = "<ping xmlns='urn:xmpp:ping'/>"


def settings(server: Server, port: int, jid: str) -> Settings:
    return Settings(Jid.parse(jid), NoPassword("test"), host=server.host, port=port, ca=server.ca)


def component(server: Server, secret: str | None = None, port: int | None = None) -> Established:
    return login_component(
        settings(server, port or server.port_component, server.component),
        Secret(secret or server.component_secret),
        Deadline(SECONDS),
    )


def run(server: Server, main: Callable[[LoopSession], Awaitable[None]]) -> None:
    """Run this on the component's session, and close that."""
    established = component(server)

    async def body() -> None:
        session = LoopSession(established, Deadline(SECONDS))
        try:
            await main(session)
        finally:
            await session.close()

    asyncio.run(body())


@pytest.fixture
def alice(server: Server) -> Iterator[Established]:
    """An account on the same server."""
    account = server.create_account(f"alice-{token_hex(4)}")
    made = settings(server, server.port_direct, account.jid)._replace(tls="direct")
    established = login(made, Secret(account.password), Deadline(SECONDS))
    yield established
    established.connection.close()


def test_the_barrier_comes_behind_the_answers_to_everything_before_it(server: Server) -> None:
    own = server.component

    async def main(session: LoopSession) -> None:
        bounces = session.stanzas(lambda frame: frame.kind == "message")
        for number in range(20):
            await session.send(
                f"<message from='u{number}@{own}/r' to='nobody@{server.domain}' id='m{number}'><body/></message>"
            )
        await session.barrier()
        assert [frame.id for frame in bounces.queue] == [f"m{number}" for number in range(20)]
        assert {frame.namespace for frame in bounces.queue} == {NS_COMPONENT}

    run(server, main)


def test_a_request_is_answered_by_whom_was_asked_and_by_nobody_else(server: Server) -> None:
    async def main(session: LoopSession) -> None:
        domain, own = server.domain, server.component
        ask = f"<iq type='get' id='1' from='u@{own}/r' to='{domain}'>"
        reply = await session.request(f"{ask}<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        assert (reply.sender, reply.to) == (domain, f"u@{own}/r")
        refused = await session.ask(f"<iq type='get' id='2' from='{own}' to='u@{own}'>{PING}</iq>")
        assert (refused.type, refused.sender, refused.to) == ("error", f"u@{own}", own)

    run(server, main)


def test_an_account_that_asks_a_component_is_refused_by_the_address_it_asked(
    server: Server, alice: Established
) -> None:
    async def main(session: LoopSession) -> None:
        client = LoopSession(alice, Deadline(SECONDS))
        for number, to in enumerate((server.component, f"u@{server.component}", f"u@{server.component}/r")):
            reply = await client.ask(f"<iq type='get' id='q{number}' to='{to}'>{PING}</iq>")
            assert reply.sender == to and f"<service-unavailable xmlns='{NS_STANZAS}'/>" in reply.text
        await session.barrier()
        await client.close()

    run(server, main)


def test_a_wrong_secret_is_refused(server: Server) -> None:
    with pytest.raises(AuthError) as caught:
        component(server, secret="wrong")
    assert caught.value.condition == "not-authorized"


def test_the_port_for_clients_is_none_for_components(server: Server) -> None:
    with pytest.raises(StreamError) as caught:
        component(server, port=server.port_starttls)
    assert "port" in caught.value.hint
