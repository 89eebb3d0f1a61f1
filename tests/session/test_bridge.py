"""slixmpp's plugins on a session, and that nothing of slixmpp's own accord gets out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from slixmpp.exceptions import IqError

from xmppctl.errors import ConnectionLost, DeadlineExceeded, StanzaRefused
from xmppctl.session.bridge import Bridge
from xmppctl.session.deadline import Deadline
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.frame import Frame

JID = "romeo@montague.example"
FULL = f"{JID}/orchard"
SERVER = "montague.example"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
Use = Callable[[MemorySession, Bridge], Awaitable[Any]]
Responder = Callable[[Frame], Iterable[str] | None]


def run(use: Use, *plugins: str, responder: Responder | None = None) -> tuple[Any, MemorySession]:
    """Run `use` on a client with these plugins; return its result and the session."""
    session = MemorySession(responder, jid=FULL)

    async def main() -> Any:
        client = await session.client()
        for plugin in plugins:
            client.register_plugin(plugin)
        try:
            return await use(session, client)
        finally:
            await session.close()
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "something was left running"

    return asyncio.run(main()), session


def reply(frame: Frame, payload: str = "", type_: str = "result") -> list[str]:
    """A reply from whom was asked."""
    origin = f" from='{frame.to}'" if frame.to else ""
    return [f"<iq type='{type_}' id='{frame.id}' to='{FULL}'{origin}>{payload}</iq>"]


async def settle(session: MemorySession, times: int = 20) -> None:
    """Let what is on its way arrive, and slixmpp act on it."""
    for _ in range(times):
        try:
            await session.wait(lambda: False)
        except DeadlineExceeded:
            await asyncio.sleep(0)


# -- plugins work --


def test_disco() -> None:
    def server(frame: Frame) -> list[str] | None:
        if "http://jabber.org/protocol/disco#info query" not in frame.payloads:
            return None
        return reply(
            frame,
            "<query xmlns='http://jabber.org/protocol/disco#info'>"
            "<identity category='server' type='im' name='x'/><feature var='urn:xmpp:ping'/></query>",
        )

    async def use(_: MemorySession, client: Bridge) -> list[str]:
        info = await client.result(client.plugin["xep_0030"].get_info(jid=SERVER), "asking")
        return sorted(info["disco_info"]["features"])

    assert run(use, "xep_0030", responder=server)[0] == ["urn:xmpp:ping"]


def test_pubsub() -> None:
    def server(frame: Frame) -> list[str] | None:
        assert "http://jabber.org/protocol/pubsub pubsub" in frame.payloads
        return reply(
            frame,
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscription node='n' jid='romeo@montague.example'"
            " subscription='subscribed'/></pubsub>",
        )

    async def use(session: MemorySession, client: Bridge) -> str:
        events: list[str] = []
        client.add_event_handler(
            "pubsub_publish", lambda m: events.append(m["pubsub_event"]["items"]["node"])
        )
        call = client.plugin["xep_0060"].subscribe("pubsub.montague.example", "n")
        answer = await client.result(call, "subscribing")
        session.deliver(
            "<message from='pubsub.montague.example'><event xmlns='http://jabber.org/protocol/pubsub#event'>"
            "<items node='n'><item id='1'><a xmlns='x:y'/></item></items></event></message>"
        )
        await session.wait(lambda: bool(events))
        return f"{answer['pubsub']['subscription']['subscription']} {events}"

    assert run(use, "xep_0060", responder=server)[0] == "subscribed ['n']"


def test_the_roster() -> None:
    def server(frame: Frame) -> list[str] | None:
        if frame.type != "get":
            return None
        return reply(
            frame,
            "<query xmlns='jabber:iq:roster'><item jid='juliet@capulet.example' subscription='both'/></query>",
        )

    async def use(session: MemorySession, client: Bridge) -> list[str]:
        await client.result(client.get_roster(), "asking")
        session.deliver(
            f"<iq type='set' id='p1' from='{JID}'><query xmlns='jabber:iq:roster'>"
            "<item jid='nurse@capulet.example' subscription='to'/></query></iq>"
        )
        await settle(session)
        return sorted(client.client_roster)

    roster, session = run(use, responder=server)
    assert roster == [
        "juliet@capulet.example"
    ]  # pushes are the session's business: acknowledged, not swallowed
    assert [frame.text for frame in session.sent if frame.id == "p1"] == [
        f"<iq type='result' id='p1' to='{JID}'/>"
    ]


def test_the_version() -> None:
    def server(frame: Frame) -> list[str]:
        return reply(frame, "<query xmlns='jabber:iq:version'><name>Prosody</name></query>")

    async def use(_: MemorySession, client: Bridge) -> str:
        answer = await client.result(client.plugin["xep_0092"].get_version(SERVER), "asking")
        return str(answer["software_version"]["name"])

    assert run(use, "xep_0092", responder=server)[0] == "Prosody"


# -- failures --


async def ask(_: MemorySession, client: Bridge) -> None:
    """Ask for a version."""
    await client.result(client.plugin["xep_0092"].get_version(SERVER), "asking for the version")


def test_an_error_is_a_refusal() -> None:
    def server(frame: Frame) -> list[str]:
        return reply(frame, f"<error type='cancel'><forbidden xmlns='{STANZAS}'/></error>", "error")

    with pytest.raises(StanzaRefused, match=r"montague\.example refused: forbidden") as caught:
        run(ask, "xep_0092", responder=server)
    assert caught.value.reason.condition == "forbidden"
    assert "<forbidden" in caught.value.stanza and caught.value.hint


def test_no_answer_is_a_timeout() -> None:
    with pytest.raises(DeadlineExceeded, match="asking for the version"):
        run(ask, "xep_0092", responder=lambda _: [])


def test_slixmpps_own_timeout_is_a_timeout() -> None:
    async def use(_: MemorySession, client: Bridge) -> None:
        call = client.plugin["xep_0092"].get_version(SERVER, timeout=0.01)
        await asyncio.sleep(0.05)
        await client.result(call, "asking for the version")

    with pytest.raises(DeadlineExceeded, match="no reply came while asking"):
        run(use, "xep_0092", responder=lambda _: [])


def test_a_broken_connection_ends_the_call() -> None:
    def server(_: Frame) -> list[str]:
        session.hang_up()
        return []

    session = MemorySession(server, jid=FULL)

    async def main() -> None:
        client = await session.client()
        client.register_plugin("xep_0092")
        await ask(session, client)

    with pytest.raises(ConnectionLost):
        asyncio.run(main())


def test_a_reply_from_somebody_else_is_none() -> None:
    def server(frame: Frame) -> list[str]:
        return [f"<iq type='result' id='{frame.id}' from='mallory@evil.example'/>"]

    with pytest.raises(DeadlineExceeded):
        run(ask, "xep_0092", responder=server)


# -- handlers that fail --

HELLO = f"<message from='juliet@capulet.example/x' to='{FULL}' type='chat' id='m1'><body>hi</body></message>"
CARBON = (
    f"<message from='{JID}' to='{FULL}'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
    f"<message xmlns='jabber:client' from='juliet@capulet.example/x' to='{JID}/other' type='chat'><body>hi</body>"
    "</message></forwarded></received></message>"
)


def fail(_: object) -> None:
    """A handler with a bug."""
    raise ValueError("the insides")


async def fail_later(_: object) -> None:
    """The same, as a coroutine."""
    await asyncio.sleep(0)
    raise ValueError("the insides")


@pytest.mark.parametrize("handler", [fail, fail_later])
@pytest.mark.parametrize(("event", "stanza"), [("message", HELLO), ("carbon_received", CARBON)])
def test_a_failing_handler_ends_the_wait_and_tells_nobody(
    handler: Callable[[object], object], event: str, stanza: str, capfd: pytest.CaptureFixture[str]
) -> None:
    sent: list[Frame] = []

    async def use(session: MemorySession, client: Bridge) -> None:
        client.add_event_handler(event, handler)
        session.deliver(stanza)
        try:
            await session.sleep(1)
            await settle(session)
        finally:
            await asyncio.sleep(0)
            sent.extend(session.sent)

    with pytest.raises(ValueError, match="the insides"):
        run(use, "xep_0280")
    assert sent == []
    assert capfd.readouterr().err == ""


def test_a_handler_that_fails_on_a_stanza_that_a_plugin_made_tells_nobody() -> None:
    sent: list[Frame] = []

    def fail_for_others(_: object) -> None:
        raise IqError(client_iq[0])  # slixmpp itself has an answer of its own to this one

    client_iq: list[Any] = []

    async def use(session: MemorySession, client: Bridge) -> None:
        client_iq.append(client.make_iq_error("x", condition="gone"))
        client.add_event_handler("made", fail_for_others)
        made = client.make_message("juliet@capulet.example", "hi", mfrom="juliet@capulet.example/x")
        client.event("made", made)
        await asyncio.sleep(0.01)
        sent.extend(session.sent)
        await session.sleep(1)

    with pytest.raises(IqError):
        run(use)
    assert sent == []


def test_a_task_that_fails_ends_the_wait() -> None:
    async def use(session: MemorySession, client: Bridge) -> None:
        task = asyncio.ensure_future(fail_later(None))
        await asyncio.sleep(0.01)
        del task
        await settle(session)

    with pytest.raises(ValueError, match="the insides"):
        run(use)


def test_an_error_that_no_one_waited_for_ends_nothing() -> None:
    def server(frame: Frame) -> list[str]:
        return reply(frame, f"<error type='cancel'><forbidden xmlns='{STANZAS}'/></error>", "error")

    async def use(session: MemorySession, client: Bridge) -> str:
        client.plugin["xep_0092"].get_version(SERVER)
        await settle(session)
        import gc

        gc.collect()
        await asyncio.sleep(0)
        await settle(session)
        return "well"

    assert run(use, "xep_0092", responder=server)[0] == "well"


# -- what comes from others --


@pytest.mark.parametrize(
    "stanza",
    [
        "<presence type='subscribe' from='mallory@evil.example' to='romeo@montague.example'/>",
        "<presence type='unsubscribe' from='mallory@evil.example' to='romeo@montague.example'/>",
        "<presence type='probe' from='mallory@evil.example' to='romeo@montague.example'/>",
        "<message from='mallory@evil.example'><request xmlns='urn:xmpp:receipts'/><body>x</body></message>",
        "<message from='mallory@evil.example' id='1'><markable xmlns='urn:xmpp:chat-markers:0'/></message>",
        "<message from='mallory@evil.example' type='error' id='x'/>",
        "<iq from='mallory@evil.example' type='result' id='x'/>",
    ],
)
def test_nothing_is_answered_by_plugins(stanza: str) -> None:
    async def use(session: MemorySession, client: Bridge) -> None:
        session.deliver(stanza)
        await settle(session)

    _, session = run(use, "xep_0184", "xep_0333", "xep_0092", "xep_0199", "xep_0030")
    assert session.sent == []


@pytest.mark.parametrize("plugin", ["xep_0092", "xep_0199", "xep_0030", "xep_0202", "xep_0012", "xep_0077"])
def test_requests_never_reach_a_plugin(plugin: str) -> None:
    async def use(session: MemorySession, client: Bridge) -> None:
        for payload in (
            "<query xmlns='jabber:iq:version'/>",
            "<ping xmlns='urn:xmpp:ping'/>",
            "<time xmlns='urn:xmpp:time'/>",
        ):
            session.deliver(f"<iq type='get' id='q' from='mallory@evil.example'>{payload}</iq>")
        await settle(session)

    _, session = run(use, plugin)
    assert len(session.sent) == 3
    assert all("<service-unavailable" in frame.text for frame in session.sent)


def test_a_carbon_from_a_stranger_is_none() -> None:
    async def use(session: MemorySession, client: Bridge) -> list[object]:
        seen: list[object] = []
        client.add_event_handler("carbon_received", seen.append)
        session.deliver(CARBON.replace(f"from='{JID}'", "from='mallory@evil.example'", 1))
        await settle(session)
        return seen

    assert run(use, "xep_0280")[0] == []


def test_a_stanza_that_slixmpp_changes_stays_as_it_was_for_others() -> None:
    async def use(session: MemorySession, client: Bridge) -> str:
        messages = session.stanzas()
        client.add_event_handler("message", lambda m: m.__setitem__("body", "changed"))
        session.deliver(HELLO)
        frame = await messages.next()
        return frame.body or ""

    assert run(use)[0] == "hi"


def test_its_log_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("slixmpp.xmlstream").error("text from the network: \x1b[31m")
    assert capfd.readouterr().err == ""


def test_keep_alives_and_closing_are_the_sessions_own() -> None:
    async def use(session: MemorySession, client: Bridge) -> None:
        client.send_raw(" ")
        client.disconnect()
        await settle(session)
        await session.send("<message/>")

    _, session = run(use)
    assert [frame.text for frame in session.sent] == ["<message/>"]


def test_a_deadline_of_the_session_ends_a_call() -> None:
    async def use(session: MemorySession, client: Bridge) -> None:
        session.deadline = Deadline(0)
        await ask(session, client)

    with pytest.raises(DeadlineExceeded):
        run(use, "xep_0092", responder=lambda _: [])


def test_the_loop_is_as_it_was_when_it_is_shut_down() -> None:
    """What others fail at in a loop that goes on is not for a session that has ended to hear."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        heard: list[object] = []
        loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
        session = MemorySession()
        bridge = await session.client()
        bridge.shut_down()
        loop.call_exception_handler({"message": "somebody else's"})
        assert heard == ["somebody else's"]

    asyncio.run(main())
