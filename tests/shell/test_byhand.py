"""The stream by hand as a line of the shell: what goes out, how it ends, and how another is opened."""

from __future__ import annotations

import asyncio
import gc
import socket
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.shell.play import PATIENCE
from xmppctl.config.secrets import NoPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import (
    ConnectionLost,
    DeadlineExceeded,
    Interrupted,
    TcpError,
    Terminated,
    TlsError,
    UsageError,
    XmppctlError,
)
from xmppctl.session.connection import Connection
from xmppctl.session.deadline import Deadline
from xmppctl.session.sasl import Mechanism, Plain
from xmppctl.session.stages import Opened
from xmppctl.shell.byhand import ByHand
from xmppctl.stanza.check import split_input
from xmppctl.stanza.event import Event
from xmppctl.stanza.jid import Jid

SETTINGS = Settings(Jid.parse("romeo@montague.example"), NoPassword("test"))
HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class Person:
    """Types on a stream by hand, of which this is also the server's side."""

    def __init__(
        self, failures: tuple[XmppctlError, ...] = (), *, lasts: bool = True, gate: bool = False
    ) -> None:
        self.events: list[Event] = []
        self.losses: list[XmppctlError] = []
        self.notes: list[str] = []
        self.servers: list[socket.socket] = []
        self.attempts = 0
        self.failures = list(failures)
        self.gate = asyncio.Event()
        if not gate:
            self.gate.set()
        self.line = ByHand(
            self.opened(),
            self.reopen if lasts else None,
            event=self.events.append,
            lost=self.losses.append,
            note=self.notes.append,
            mechanism=self.mechanism,
        )
        self.keeping = asyncio.ensure_future(self.line.keep())

    def opened(self) -> Opened:
        client, server = socket.socketpair()
        server.setblocking(False)
        self.servers.append(server)
        connection = Connection(client, None)
        connection._splitter.feed(HEADER)
        return Opened(connection, SETTINGS, "features", False, True, "montague.example")

    async def reopen(self) -> Opened:
        self.attempts += 1
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return self.opened()

    def mechanism(self, name: str) -> Mechanism:
        assert name == "PLAIN"
        return Plain("romeo", Secret("wherefore"))

    async def hears(self, count: int) -> bytes:
        """What the server has got, once it is so much."""
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < count:
            data += await loop.sock_recv(self.servers[-1], 65536)
        return data

    async def until(self, predicate: Callable[[], object]) -> None:
        while not predicate():
            await asyncio.sleep(0.001)


def play(main: Callable[[Person], Awaitable[Any]], *arguments: Any, **how: Any) -> None:
    async def run() -> None:
        person = Person(*arguments, **how)
        try:
            async with asyncio.timeout(PATIENCE):
                await main(person)
        finally:
            person.keeping.cancel()
            with suppress(asyncio.CancelledError, XmppctlError):
                await person.keeping
            for server in person.servers:
                server.close()
            await person.line.close()

    asyncio.run(run())


def test_what_is_typed_goes_out_and_nothing_else() -> None:
    async def main(person: Person) -> None:
        line = person.line
        assert (line.by_hand, line.session, line.jid, line.state) == (True, None, None, "by hand, no TLS")
        (frame,) = split_input("<auth  xmlns='x'/>")
        line.write(frame)
        assert not line.write_raw(b"<oops")
        line.ask_for_ack()
        await line.flush(5.0)
        person.servers[0].sendall(b"<r xmlns='urn:xmpp:sm:3'/><iq type='get' id='1' from='a@b'/>")
        await asyncio.sleep(0.01)
        line.write_raw(b"</x>")
        assert await person.hears(27) == b"<auth  xmlns='x'/><oops</x>"
        line.open()

    play(main)


def test_there_is_no_session_for_commands() -> None:
    async def main(person: Person) -> None:
        with pytest.raises(UsageError, match="no session on a stream by hand"):
            person.line.session_for_commands()
        with pytest.raises(UsageError, match="the stream is open"):
            person.line.connect_now()

    play(main)


def test_ended_and_opened_again_when_told_to() -> None:
    async def main(person: Person) -> None:
        person.servers[0].close()
        await person.until(lambda: person.events)
        assert person.line.state == "the stream has ended; /connect opens another"
        assert [type(error) for error in person.losses] == [ConnectionLost]
        with pytest.raises(ConnectionLost):
            person.line.open()
        await asyncio.sleep(0.01)
        assert person.attempts == 0
        person.line.connect_now()
        await person.until(lambda: len(person.events) == 2)
        assert person.line.state.startswith("the stream has ended")
        person.line.connect_now()
        await person.until(lambda: len(person.events) == 3)
        assert [(event.name, event.text) for event in person.events[1:]] == [
            ("offline", "refused"),
            ("online", ""),
        ]
        person.line.write_raw(b"<a/>")
        assert await person.hears(4) == b"<a/>"
        person.servers[1].close()
        await person.until(lambda: len(person.losses) == 2)

    play(main, (TcpError("refused"),))


def connected(person: Person) -> bool:
    return True


def ended(person: Person) -> bool:
    return bool(person.events)


def connecting(person: Person) -> bool:
    if ended(person) and not person.attempts:
        person.line.connect_now()
    return person.attempts == 1


@pytest.mark.parametrize("error", [Terminated("terminated"), Interrupted("interrupted"), None])
@pytest.mark.parametrize(
    ("phase", "lasts"), [(connected, True), (ended, True), (ended, False), (connecting, True)]
)
def test_a_signal_and_the_time_end_it(
    phase: Callable[[Person], bool], lasts: bool, error: XmppctlError | None
) -> None:
    async def main(person: Person) -> None:
        if error is None:
            person.keeping.cancel()
            person.line._deadline = Deadline(0.05)
            person.keeping = asyncio.ensure_future(person.line.keep())
        if phase is not connected:
            person.servers[0].close()
        await person.until(lambda: phase(person))
        if error is not None:
            person.line.fail(error)
        with pytest.raises(DeadlineExceeded if error is None else type(error)):
            await person.keeping
        assert len(person.servers) == 1

    play(main, lasts=lasts, gate=True)


def test_the_password_can_be_left_to_the_account() -> None:
    async def main(person: Person) -> None:
        await person.line.authenticate("PLAIN")
        data = (await person.hears(20)).decode()
        (frame,) = split_input(data)
        assert (frame.name, frame.namespace, frame.attributes["mechanism"]) == ("auth", SASL, "PLAIN")
        assert b64decode(frame.element().text or "") == b"\0romeo\0wherefore"
        assert "wherefore" not in "".join(person.notes)
        person.servers[0].sendall(f"<success xmlns='{SASL}'/><success xmlns='{SASL}'/>".encode())
        await asyncio.sleep(0.01)
        person.line.open()

    play(main)


def test_nothing_is_authenticated_on_a_stream_that_has_ended() -> None:
    async def main(person: Person) -> None:
        person.servers[0].close()
        await person.until(lambda: person.events)
        with pytest.raises(ConnectionLost):
            await person.line.authenticate("PLAIN")
        with pytest.raises(ConnectionLost):
            await person.line.start_tls()

    play(main)


def test_tls_is_begun_without_asking() -> None:
    async def main(person: Person) -> None:
        beginning = asyncio.ensure_future(person.line.start_tls())
        assert (await person.hears(3))[:2] == b"\x16\x03"  # a TLS handshake
        person.servers[0].sendall(b"<proceed/>")
        with pytest.raises(TlsError, match="not TLS"):
            await beginning
        await person.until(lambda: person.events)
        assert person.line.state.startswith("the stream has ended")

    play(main)


def test_sasl_ends_with_its_stream() -> None:
    """What begins on another one is not gone on with."""

    async def main(person: Person) -> None:
        await person.line.authenticate("PLAIN")
        person.servers[-1].close()
        await person.until(lambda: person.events)
        person.line.connect_now()
        await person.until(lambda: len(person.events) == 2)
        person.servers[-1].send(f"<challenge xmlns='{SASL}'/>".encode())
        await asyncio.sleep(0.05)
        person.line.write_raw(b"<mine/>")
        assert await person.hears(1) == b"<mine/>"

    play(main)


def test_a_signal_that_comes_too_late_is_no_complaint() -> None:
    complaints: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        person = Person()
        person.keeping.cancel()
        await asyncio.wait([person.keeping])
        person.line.fail(Terminated("terminated"))
        for server in person.servers:
            server.close()
        await person.line.close()
        del person
        gc.collect()

    asyncio.run(run())
    assert complaints == []
