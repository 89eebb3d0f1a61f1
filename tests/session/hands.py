"""A person at a stream by hand: types, waits for what comes, and knows how to log in."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from tests.servers.hostile import NS_SASL, NS_TLS
from tests.session.conftest import PATIENCE
from xmppctl.config.secrets import Secret
from xmppctl.errors import XmppctlError
from xmppctl.session import sasl
from xmppctl.session.handson import HandsOn
from xmppctl.stanza.frame import Frame

ASK_TLS = f"<starttls xmlns='{NS_TLS}'/>"
ASK_BIND = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"


def header_to(domain: str) -> str:
    """A client's stream header."""
    return (
        f"<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    )


class Hand:
    """A person at the stream, and what they have seen."""

    def __init__(self, on: Callable[..., HandsOn], show: Callable[[Frame], None] | None) -> None:
        self.frames: list[Frame] = []
        self.ends: list[XmppctlError | None] = []
        self.notes: list[str] = []
        self._changed = asyncio.Event()
        self._taken = 0
        show = show or self._put(self.frames)
        self.stream = on(frame=show, ended=self._put(self.ends), note=self._put(self.notes))

    def _put(self, where: list[Any]) -> Callable[[Any], None]:
        def put(what: Any) -> None:
            where.append(what)
            self._changed.set()

        return put

    def type(self, text: str) -> None:
        self.stream.send(text.encode())

    async def until(self, holds: Callable[[], Any]) -> None:
        while not holds():
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), PATIENCE)

    async def see(self, name: str) -> Frame:
        """The next element of that name; those before it are passed over."""
        while True:
            await self.until(lambda: len(self.frames) > self._taken or self.ends)
            assert len(self.frames) > self._taken, (name, self.ends)
            self._taken += 1
            frame = self.frames[self._taken - 1]
            if frame.name == name:
                return frame

    async def end(self) -> XmppctlError | None:
        await self.until(lambda: self.ends)
        (error,) = self.ends
        return error


async def prove(hand: Hand, jid: str, password: str) -> str:
    """SCRAM up to the proof of the password, which is left for the caller to send."""
    mechanism = sasl.Scram("SCRAM-SHA-256", jid.partition("@")[0], Secret(password))
    initial = b64encode(mechanism.initial()).decode()
    hand.type(f"<auth xmlns='{NS_SASL}' mechanism='SCRAM-SHA-256'>{initial}</auth>")
    challenge = await hand.see("challenge")
    response = mechanism.respond(b64decode(challenge.element().text or ""))
    return f"<response xmlns='{NS_SASL}'>{b64encode(response).decode()}</response>"


async def log_in_by_hand(hand: Hand, jid: str, password: str) -> str:
    """SASL, the new stream and a resource, from the features on; the result of the binding."""
    hand.type(await prove(hand, jid, password))
    await hand.see("success")
    hand.type(header_to(jid.partition("@")[2]))
    await hand.see("features")
    return await bind_by_hand(hand)


async def bind_by_hand(hand: Hand) -> str:
    """Bind a resource; the result."""
    hand.type(ASK_BIND)
    return (await hand.see("iq")).text
