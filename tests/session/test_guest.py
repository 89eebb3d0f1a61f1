"""Guests on one stream: each has its own, none disturbs the others, and nothing of them stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.servers.scripted import ScriptedServer
from tests.servers.timeless import Side
from xmppctl.errors import ConnectionLost, DeadlineExceeded, Interrupted, StanzaRefused, Terminated
from xmppctl.protocols import disco
from xmppctl.session.deadline import Deadline
from xmppctl.session.guest import Guest
from xmppctl.session.loop import LoopSession
from xmppctl.session.memory import MemorySession, Responder
from xmppctl.stanza.build import attributes
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

FULL = "romeo@montague.example/orchard"
INFO = "http://jabber.org/protocol/disco#info"


def iq(id_: str, to: str | None = None, type_: str = "get", sender: str | None = None) -> str:
    head = attributes({"type": type_, "id": id_, "to": to, "from": sender})
    return f"<iq{head}><query xmlns='x:y'/></iq>"


def result(id_: str | None, sender: str | None = None, payload: str = "") -> str:
    return f"<iq{attributes({'type': 'result', 'id': id_, 'from': sender})}>{payload}</iq>"


def echo(frame: Frame) -> list[str] | None:
    """Answers every request."""
    return [result(frame.id, frame.to)] if frame.kind == "iq" and frame.type in ("get", "set") else None


def play(
    main: Callable[..., Awaitable[Any]], *names: str, responder: Responder | None = None, **how: Any
) -> Any:
    """Run `main(host, guest...)`; what the host hears comes as it would under a shell."""

    async def run() -> Any:
        host = MemorySession(responder, jid=FULL, **how)
        guests = [Guest(host, Deadline(None)) for _ in names or "1"]
        pumping = asyncio.ensure_future(pump(host))
        try:
            async with asyncio.timeout(10):
                return await main(host, *guests)
        finally:
            pumping.cancel()
            for guest in guests:
                await guest.close()

    return asyncio.run(run())


async def pump(host: MemorySession) -> None:
    while True:
        try:
            await host.wait(lambda: False)
        except DeadlineExceeded:
            await asyncio.sleep(0.001)
        except Exception:
            return


async def waiting(guest: Guest, predicate: Callable[[], bool]) -> None:
    """As a guest waits on a real stream: a scripted one says that time is up where it has nothing to say."""
    while True:
        try:
            return await guest.wait(predicate)
        except DeadlineExceeded:
            if guest.deadline.passed:
                raise
            await asyncio.sleep(0.001)


def test_what_is_asked_is_answered_and_nothing_stays() -> None:
    async def main(host: MemorySession, guest: Guest) -> None:
        reply = await guest.request(iq("a"))
        assert (reply.id, guest.jid) == ("a", host.jid)
        with pytest.raises(StanzaRefused):
            await guest.request(iq("refused"))
        stanzas = guest.stanzas(lambda frame: frame.kind == "message")
        host.deliver("<presence/>", "<message id='m'/>")
        await waiting(guest, lambda: bool(stanzas.queue))
        assert [frame.id for frame in stanzas.queue] == ["m"]
        await guest.close()
        assert host.subscriptions == [] and guest.subscriptions == [] and not stanzas.open
        assert host.replies._pending == {}
        with pytest.raises(ConnectionLost):
            guest.write("<presence/>")
        host.write("<presence/>")
        assert (await host.ask(iq("b"))).id == "b"

    def respond(frame: Frame) -> list[str] | None:
        if frame.id == "refused":
            return ["<iq type='error' id='refused'><error type='cancel'/></iq>"]
        return echo(frame)

    play(main, responder=respond)


def test_the_same_id_twice_gets_each_its_own_reply() -> None:
    async def main(host: MemorySession, one: Guest, other: Guest) -> None:
        for first, second in ((one, other), (other, one)):
            asking = [
                asyncio.ensure_future(patient(guest, iq("same", "juliet@capulet.example")))
                for guest in (first, second)
            ]
            await asyncio.sleep(0.01)
            for body in ("first", "second"):
                host.deliver(
                    result("same", "mallory@evil.example", "<spoof/>"),
                    result("same", "juliet@capulet.example", f"<{body}/>"),
                )
            replies = await asyncio.gather(*asking)
            assert [reply.payloads for reply in replies] == [
                ["jabber:client first"],
                ["jabber:client second"],
            ]

    async def patient(guest: Guest, request: str) -> Frame:
        pending = guest.replies.expect("same", "juliet@capulet.example")
        guest.write(request)
        await waiting(guest, lambda: pending.reply is not None)
        assert pending.reply is not None
        return pending.reply

    play(main, "one", "other", responder=lambda _: [])


def test_each_has_a_deadline_of_its_own() -> None:
    async def main(host: MemorySession, one: Guest, other: Guest) -> None:
        one.deadline = Deadline(0.02)
        with pytest.raises(DeadlineExceeded):
            await waiting(one, lambda: False)
        assert (await other.request(iq("a"))).id == "a"
        host.check()

    play(main, "one", "other", responder=echo)


@pytest.mark.parametrize("error", [Interrupted("stopped"), RuntimeError("a plugin failed")])
def test_what_ends_one_leaves_the_others(error: Exception) -> None:
    async def main(host: MemorySession, one: Guest, other: Guest) -> None:
        ended = asyncio.ensure_future(waiting(one, lambda: False))
        heard = other.stanzas()
        await asyncio.sleep(0.01)
        one.fail(error)
        with pytest.raises(type(error)):
            await ended
        with pytest.raises(type(error)):
            one.write("<presence/>")
        await one.close()
        host.check()
        host.deliver("<message id='m'/>")
        await waiting(other, lambda: bool(heard.queue))
        assert (await other.request(iq("a"))).id == "a"

    play(main, "one", "other", responder=echo)


@pytest.mark.parametrize("how", ["hang_up", "Terminated"])
def test_what_ends_the_host_ends_all(how: str) -> None:
    async def main(host: MemorySession, one: Guest, other: Guest) -> None:
        ended = [asyncio.ensure_future(waiting(guest, lambda: False)) for guest in (one, other)]
        await asyncio.sleep(0.01)
        if how == "hang_up":
            host.hang_up()
        else:
            host.fail(Terminated("terminated"))
        for each in ended:
            with pytest.raises(ConnectionLost if how == "hang_up" else Terminated):
                await each
        with pytest.raises(ConnectionLost if how == "hang_up" else Terminated):
            one.write("<presence/>")

    play(main, "one", "other")


@pytest.mark.parametrize("whose", ["guest", "host"])
def test_who_was_told_to_end_may_undo_what_it_did(whose: str) -> None:
    """Also where the signal was for the whole shell; and a second one does not cut that short."""

    async def main(host: MemorySession, guest: Guest) -> None:
        (guest if whose == "guest" else host).fail(Terminated("terminated"))
        with pytest.raises(Terminated):
            guest.check()
        guest.grace(5.0)
        guest.fail(Interrupted("stopped"))
        pending = guest.replies.expect("undo", None)
        guest.write(iq("undo", type_="set"))
        await waiting(guest, lambda: pending.reply is not None)
        host.hang_up()
        with pytest.raises((ConnectionLost, Terminated)):
            guest.write(iq("more"))

    play(main, responder=echo)


def test_the_host_alone_answers_requests() -> None:
    async def main(host: MemorySession, one: Guest, other: Guest) -> None:
        heard: list[Frame] = []
        one.listener = other.listener = heard.append
        host.deliver(iq("r1", sender="juliet@capulet.example/b"))
        await settle()
        assert [(frame.id, frame.type) for frame in host.sent] == [("r1", "error")]
        assert heard == []
        host.deliver("<message id='m'/>")
        await settle()
        assert [frame.id for frame in heard] == ["m", "m"]

    play(main, "one", "other")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)


def test_settled_is_what_has_no_request_open() -> None:
    async def main(host: MemorySession, one: Guest, other: Guest) -> None:
        assert one.settled
        one.write("<message to='a@b'/>")
        one.write(iq("answer", type_="result"))
        assert one.settled
        one.write(iq("a", "juliet@capulet.example"))
        one.write(iq("b"))
        assert (one.settled, other.settled) == (False, True)
        host.deliver(result("b"), result("a", "mallory@evil.example"), iq("a"))
        await settle()
        assert not one.settled, "nobody answered for whom was asked"
        host.deliver(result("a", "juliet@capulet.example").replace("result", "error"))
        await settle()
        assert one.settled

    play(main, "one", "other", responder=lambda _: [])


def test_a_barrier_is_a_ping() -> None:
    async def main(host: MemorySession, guest: Guest) -> None:
        guest.enable_acks()
        guest.write("<message to='a@b'/>")
        await guest.barrier()
        assert [frame.name for frame in host.sent] == ["message", "iq"]

    play(main, features=["urn:xmpp:sm:3 sm"])


def test_stanzas_count_for_the_host() -> None:
    async def main(host: MemorySession, guest: Guest) -> None:
        host.enable_acks()
        guest.write("<message to='a@b'/>")
        guest.write_nonza("<x xmlns='y:z'/>")
        await guest.send("<message to='a@b'/>")
        assert host.acks.sent == 2

    play(main, features=["urn:xmpp:sm:3 sm"])


def test_plugins_run_on_each() -> None:
    def respond(frame: Frame) -> list[str] | None:
        if f"{INFO} query" not in frame.payloads:
            return echo(frame)
        if frame.to == "silent.example":
            return []
        identity = f"<identity category='server' type='im' name='{frame.to}'/>"
        return [result(frame.id, frame.to, f"<query xmlns='{INFO}'>{identity}</query>")]

    side = Side()
    server = ScriptedServer(side, respond, Jid.parse(FULL))

    async def main() -> None:
        host = LoopSession(server.established((), None), Deadline(10.0))
        one, other = Guest(host, Deadline(10.0)), Guest(host, Deadline(10.0))
        found = await asyncio.gather(disco.info(one, "a.example"), disco.info(other, "b.example"))
        assert [info.identities[0].name for info in found] == ["a.example", "b.example"]
        asking = asyncio.ensure_future(disco.info(one, "silent.example"))
        await asyncio.sleep(0.01)
        one.fail(Interrupted("stopped"))
        with pytest.raises(Interrupted):
            await asking
        await one.close()
        assert (await disco.info(other, "c.example")).identities[0].name == "c.example"
        await other.close()
        assert host.subscriptions == []
        assert (await host.ask(iq("still", "d.example"))).id == "still"
        await host.close()

    try:
        asyncio.run(main())
    finally:
        side.close()
    assert [frame.to for frame in server.sent] == [
        f"{name}.example" for name in ("a", "b", "silent", "c", "d")
    ]


def test_it_shows_what_the_host_shows() -> None:
    async def main(host: MemorySession, guest: Guest) -> None:
        assert not guest.shown
        host.shown = True
        assert guest.shown

    play(main)


def test_input_is_read_where_there_is_some() -> None:
    import os

    async def main(host: MemorySession, guest: Guest) -> None:
        reading, writing = os.pipe()
        with pytest.raises(DeadlineExceeded):
            await guest.wait_readable(reading)
        assert not await guest.wait_readable(reading, unless=lambda: True)
        os.write(writing, b"x")
        assert await guest.wait_readable(reading)
        os.close(reading)
        os.close(writing)

    play(main)
