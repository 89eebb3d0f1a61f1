"""The link to real servers through a network that breaks: nothing is lost, nothing is doubled, order is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any, TypeVar

import pytest

from tests.integration.conftest import started
from tests.servers.base import Account, Server
from tests.servers.ejabberd import Ejabberd
from tests.servers.prosody import Prosody
from tests.servers.proxy import Proxy
from xmppctl.config.secrets import GivenPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.daemon.link import Link
from xmppctl.daemon.parts import Outgoing
from xmppctl.daemon.retry import Backoff
from xmppctl.daemon.stream import Timing
from xmppctl.errors import XmppctlError
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

T = TypeVar("T")

PATIENCE = 60.0
#: As a daemon's, but that it notices silence sooner.
TIMING = Timing(idle=0.5, patience=3, answer=20, tick=0.2, login=20, farewell=2, proof=3)

_numbers = count()


class End:
    """One account's link: what it received and what was acknowledged."""

    def __init__(self, server: Server, port: int, account: Account, resource: str = "here") -> None:
        settings = Settings(
            jid=Jid.parse(account.jid),
            password=GivenPassword(Secret(account.password), "test"),
            host="127.0.0.1",
            port=port,
            tls="starttls",
            ca=server.ca,
            resource=resource,
        )
        self.states: list[str] = []
        self.bodies: list[str] = []
        self.notes: list[str] = []
        self.acknowledged_bodies: list[str] = []
        self.link = Link(
            settings,
            lambda: Secret(account.password),
            note=self.notes.append,
            timing=TIMING,
            backoff=Backoff(floor=0.05, ceiling=0.2),
        )
        self.link.listener = self
        self.task = asyncio.create_task(self.link.run())

    # -- Listener --

    def online(self, jid: Jid, *, resumed: bool) -> Iterable[Outgoing]:
        self.states.append("resumed" if resumed else "online")
        assert jid.resource == "here"
        return [] if resumed else [Outgoing(b"<presence/>", again=False)]

    def offline(self, error: XmppctlError | None) -> None:
        self.states.append("offline")

    def failed(self, error: XmppctlError) -> None:
        self.states.append("failed")

    def received(self, frame: Frame) -> None:
        if frame.kind == "message" and frame.body is not None and frame.type != "error":
            self.bodies.append(frame.body)

    def wire(self, frame: Frame) -> None: ...

    def relieved(self) -> None: ...

    # -- Owner --

    def acknowledged(self, stanza: Outgoing) -> None:
        found = re.search(b"<body>(.*?)</body>", stanza.data)
        assert found
        self.acknowledged_bodies.append(found.group(1).decode())

    # -- for tests --

    def send(self, to: Jid | None, *bodies: str) -> None:
        assert to is not None
        for body in bodies:
            data = f"<message to='{to}' type='chat' id='{body[:40]}'><body>{body}</body></message>"
            self.link.send(Outgoing(data.encode(), self))
        self.link.want_acknowledgement()

    async def until(self, true: Callable[[], object], what: str) -> None:
        end = monotonic() + PATIENCE
        while not true():
            if self.task.done():
                self.task.result()
            assert monotonic() < end, (
                what,
                self.states,
                self.notes[-5:],
                self.link.facts()["unacknowledged"],
            )
            await asyncio.sleep(0.01)

    async def online_again(self, times: int = 1) -> None:
        def seen() -> int:
            return sum(state in ("online", "resumed") for state in self.states)

        await self.until(lambda: seen() >= times and self.states[-1] != "offline", "online")

    async def end(self) -> None:
        await self.link.close(0)
        with suppress(XmppctlError):
            await self.task


class Pair:
    """Alice behind a bad network, bob on a good one."""

    def __init__(self, server: Server, proxy: Proxy) -> None:
        number = next(_numbers)
        self.server = server
        self.proxy = proxy
        self.accounts = [server.create_account(f"{name}-link-{number}") for name in ("alice", "bob")]
        self.alice: End
        self.bob: End

    async def __aenter__(self) -> Pair:
        self.alice = End(self.server, self.proxy.port, self.accounts[0])
        self.bob = End(self.server, self.server.port_starttls, self.accounts[1])
        await self.alice.online_again()
        await self.bob.online_again()
        await self.alice.until(lambda: self.alice.link.facts()["stream_management"]["resumable"], "enabled")
        await self.bob.until(lambda: self.bob.link.facts()["stream_management"]["resumable"], "enabled")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.alice.end()
        await self.bob.end()

    async def none_lost(self, sender: End, receiver: End, bodies: list[str]) -> None:
        """Check that all of these have come, and that their sender knows."""
        await receiver.until(lambda: set(receiver.bodies) >= set(bodies), "arrived")
        await sender.until(lambda: set(sender.acknowledged_bodies) >= set(bodies), "acknowledged")

    async def all_arrive(
        self, sender: End, receiver: End, bodies: list[str], *, restarted: bool = False
    ) -> None:
        """Check that exactly these have come, in order, and that their sender knows.

        An ejabberd that was `restarted` keeps what comes before the receiver does, and may hand that over behind what
        comes later.
        """
        await receiver.until(lambda: len(receiver.bodies) >= len(bodies), "arrived")
        await sender.until(lambda: len(sender.acknowledged_bodies) >= len(bodies), "acknowledged")
        if restarted:
            assert sorted(receiver.bodies) == sorted(bodies)
        else:
            assert receiver.bodies == bodies
        assert sender.acknowledged_bodies == bodies


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{each:04}" for each in range(number)]


def play(case: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(case, PATIENCE * 1.5))


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port_starttls) as made:
        yield made


def test_a_cut_connection_is_resumed_and_nothing_is_lost_or_doubled(server: Server, proxy: Proxy) -> None:
    """Prosody 0.12 now and then reads nothing more of a stream that it has resumed: that one is given up after a while
    and everything is sent again on a new one, perhaps twice. Then it is tried once more."""

    async def case() -> bool:
        async with Pair(server, proxy) as pair:
            alice, bob = pair.alice, pair.bob
            sent: list[str] = []
            back: list[str] = []
            for turn in range(4):
                there, here = names(f"there{turn}-", 25), names(f"here{turn}-", 25)
                alice.send(bob.link.jid, *there)
                bob.send(alice.link.jid, *here)
                sent += there
                back += here
                if turn % 2:
                    await asyncio.sleep(0.02)
                proxy.cut(reset=turn > 1)
                await alice.online_again(turn + 2)
            await pair.none_lost(alice, bob, sent)
            await pair.none_lost(bob, alice, back)
            if "online" in alice.states[1:]:
                return False
            await pair.all_arrive(alice, bob, sent)
            await pair.all_arrive(bob, alice, back)
            assert alice.link.facts()["stream_management"]["resumed"] == 4
            return True

    assert any(play(case()) for _ in range(4 if server.kind == "prosody" else 1))


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_in_the_middle_of_a_stanza(server: Server, proxy: Proxy, direction: Any) -> None:
    async def case() -> None:
        async with Pair(server, proxy) as pair:
            alice, bob = pair.alice, pair.bob
            sender, receiver = (alice, bob) if direction == "up" else (bob, alice)
            long = [f"{name}-{'x' * 3000}" for name in names("long", 30)]
            proxy.cut_after(10_007, direction)
            sender.send(receiver.link.jid, *long)
            await alice.online_again(2)
            proxy.cut_after(20_011, direction)
            await pair.all_arrive(sender, receiver, long)

    play(case())


def test_silence_is_noticed_by_a_question(server: Server, proxy: Proxy) -> None:
    """The network loses everything and tells nobody: no FIN, no RST."""

    async def case() -> None:
        async with Pair(server, proxy) as pair:
            alice, bob = pair.alice, pair.bob
            proxy.freeze()
            alice.send(bob.link.jid, *names("frozen", 10))
            bob.send(alice.link.jid, *names("back", 10))
            await alice.until(lambda: "offline" in alice.states, "noticed")
            assert "does not answer" in " ".join(alice.notes)
            proxy.thaw()
            await alice.online_again(2)
            await pair.all_arrive(alice, bob, names("frozen", 10))
            await pair.all_arrive(bob, alice, names("back", 10))

    play(case())


def test_silence_is_noticed_though_nothing_is_sent(server: Server, proxy: Proxy) -> None:
    async def case() -> None:
        async with Pair(server, proxy) as pair:
            proxy.freeze("down")
            await pair.alice.until(lambda: "offline" in pair.alice.states, "noticed")
            proxy.thaw()
            await pair.alice.online_again(2)

    play(case())


def test_a_slow_network_is_not_a_dead_one(server: Server, proxy: Proxy) -> None:
    async def case() -> None:
        async with Pair(server, proxy) as pair:
            alice, bob = pair.alice, pair.bob
            proxy.throttle(60_000)
            bodies = [f"{name}-{'x' * 1000}" for name in names("slow", 200)]
            alice.send(bob.link.jid, *bodies)
            await pair.all_arrive(alice, bob, bodies)
            assert alice.states == ["online"]

    play(case())


def test_a_server_that_refuses_for_a_while_is_found_again(server: Server, proxy: Proxy) -> None:
    async def case() -> None:
        async with Pair(server, proxy) as pair:
            alice, bob = pair.alice, pair.bob
            proxy.refuse()
            proxy.cut()
            alice.send(bob.link.jid, *names("held", 20))
            await alice.until(lambda: alice.states.count("offline") >= 3, "several attempts")
            proxy.allow_connections()
            await pair.all_arrive(alice, bob, names("held", 20))

    play(case())


# -- a server that is restarted: it has forgotten the stream --


@pytest.fixture(params=[Prosody, Ejabberd], ids=lambda kind: kind.kind)
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that this test may kill."""
    running = started(request.param)
    yield running
    running.stop()


def test_after_a_crash_of_the_server_everything_is_sent_again(own_server: Server) -> None:
    """At least once: what the server had handled and not yet acknowledged may come twice, with the same id."""

    async def case() -> None:
        with Proxy(own_server.port_starttls) as proxy:
            async with Pair(own_server, proxy) as pair:
                alice, bob = pair.alice, pair.bob
                before = names("before", 20)
                alice.send(bob.link.jid, *before)
                await pair.all_arrive(alice, bob, before)
                proxy.freeze("up")  # what is sent now does not arrive, and neither do acknowledgements
                lost = names("lost", 20)
                alice.send(bob.link.jid, *lost)
                await asyncio.sleep(0.1)
                await asyncio.to_thread(own_server.kill)
                proxy.cut()
                held = names("held", 20)
                alice.send(bob.link.jid, *held)
                bob.send(alice.link.jid, *names("back", 20))
                await asyncio.to_thread(own_server.start)
                for account in pair.accounts:
                    await asyncio.to_thread(own_server.restore, account)
                proxy.target = own_server.port_starttls
                proxy.thaw()
                bob.link._settings = bob.link._settings._replace(port=own_server.port_starttls)
                await pair.all_arrive(
                    alice, bob, [*before, *lost, *held], restarted=own_server.kind == "ejabberd"
                )
                await pair.all_arrive(bob, alice, names("back", 20), restarted=own_server.kind == "ejabberd")
                assert alice.states[-1] == bob.states[-1] == "online"

    play(case())


def test_a_server_that_is_stopped_is_waited_for(own_server: Server) -> None:
    from xmppctl.sandbox import process

    async def case() -> None:
        with Proxy(own_server.port_starttls) as proxy:
            async with Pair(own_server, proxy) as pair:
                alice, bob = pair.alice, pair.bob
                await asyncio.to_thread(process.terminate, own_server.directory)
                await alice.until(lambda: "offline" in alice.states, "offline")
                alice.send(bob.link.jid, *names("held", 20))
                await asyncio.to_thread(own_server.start)
                proxy.target = own_server.port_starttls
                bob.link._settings = bob.link._settings._replace(port=own_server.port_starttls)
                await pair.all_arrive(alice, bob, names("held", 20))
                assert "failed" not in alice.states

    play(case())


def test_another_login_with_our_resource_ends_it(server: Server, proxy: Proxy) -> None:
    async def case() -> None:
        async with Pair(server, proxy) as pair:
            alice = pair.alice
            usurper = End(server, server.port_starttls, pair.accounts[0])
            await usurper.online_again()
            with suppress(XmppctlError):
                await asyncio.wait_for(asyncio.shield(alice.task), PATIENCE)
            assert alice.states[-1] == "failed" and alice.link.state == "failed"
            await usurper.end()

    play(case())


def test_a_stanza_that_the_server_does_not_bear_is_refused(server: Server, proxy: Proxy) -> None:
    """Prosody ends the stream where a stanza is larger than 256 KiB, ejabberd only at 10 MB."""
    if server.kind != "prosody":
        pytest.skip("its limit is higher than ours")

    async def case() -> None:
        async with Pair(server, proxy) as pair:
            alice, bob = pair.alice, pair.bob
            errors: list[Frame] = []
            take = alice.received

            def received(frame: Frame) -> None:
                take(frame)
                if frame.type == "error":
                    errors.append(frame)

            alice.received = received  # type: ignore[method-assign]
            alice.send(bob.link.jid, "one", "bad" + "x" * 400_000, "two")
            await bob.until(lambda: bob.bodies[-1:] == ["two"], "what is behind it arrives")
            assert bob.bodies == ["one", "two"]
            assert [(frame.id or "")[:3] for frame in errors] == ["bad"]

    play(case())
