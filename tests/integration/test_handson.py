"""A login that stops at each stage and goes on by hand, on real servers."""

from __future__ import annotations

import asyncio
from secrets import token_hex

import pytest

from tests.servers.base import Server
from tests.session.hands import ASK_TLS, Hand, bind_by_hand, header_to, log_in_by_hand
from xmppctl.config.secrets import GivenPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import CertificateError
from xmppctl.session.deadline import Deadline
from xmppctl.session.handson import HandsOn
from xmppctl.session.stages import STAGES, Stage, open_until
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

SECONDS = 45.0


async def go_on(hand: Hand, stage: Stage, tls: str, jid: str, password: str) -> str:
    """From the stage to a bound resource; the result of the binding."""
    header = header_to(jid.partition("@")[2])
    if stage == "connect" and tls == "starttls":
        hand.type(header)
        assert "starttls" in (await hand.see("features")).text
        hand.type(ASK_TLS)
        await hand.see("proceed")
    if stage in ("connect", "tls"):
        hand.type(header)
    await hand.see("features")
    assert hand.stream.secure
    return await (bind_by_hand(hand) if stage == "auth" else log_in_by_hand(hand, jid, password))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("tls", ["starttls", "direct"])
def test_from_each_stage_by_hand_to_a_bound_resource(server: Server, stage: Stage, tls: str) -> None:
    account = server.create_account(f"{tls}-{stage}-{token_hex(4)}")
    secret = Secret(account.password)
    shown: list[Frame] = []
    opened = open_until(
        Settings(
            Jid.parse(account.jid),
            GivenPassword(secret, "test"),
            host=server.host,
            port=server.port_direct if tls == "direct" else server.port_starttls,
            tls=tls,  # type: ignore[arg-type]
            ca=server.ca,
        ),
        secret,
        Deadline(SECONDS),
        stage,
        on_frame=shown.append,
    )

    async def body() -> None:
        hand = Hand(lambda **heard: HandsOn(opened, **heard), None)
        assert f"<jid>{account.jid}/" in await go_on(hand, stage, tls, account.jid, account.password)
        hand.type(f"<message to='nobody@{server.domain}' id='m'><body>hi</body></message>")
        assert (await hand.see("message")).type == "error"
        await hand.stream.close()
        assert hand.ends == []
        assert hand.frames[-1].raw == b"</stream:stream>"

    asyncio.run(body())
    assert account.password not in "".join(frame.text for frame in shown)
    assert all(frame.names or not frame.raw.strip() for frame in shown)  # each a whole element


def test_a_certificate_that_is_not_trusted_ends_what_was_begun_by_hand(server: Server) -> None:
    settings = Settings(
        Jid.parse(f"x@{server.domain}"),
        GivenPassword(Secret("x"), "test"),
        host=server.host,
        port=server.port_starttls,
        tls="starttls",
    )
    opened = open_until(settings, None, Deadline(SECONDS), "connect")

    async def body() -> None:
        hand = Hand(lambda **heard: HandsOn(opened, **heard), None)
        hand.type(header_to(server.domain))
        await hand.see("features")
        hand.type(ASK_TLS)
        assert isinstance(await hand.end(), CertificateError)

    asyncio.run(body())
