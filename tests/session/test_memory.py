"""The scripted session keeps the promises of real ones, so that what is tested on it holds on them."""

from __future__ import annotations

import asyncio
import os

import pytest

from xmppctl.errors import (
    ConnectionLost,
    DeadlineExceeded,
    Interrupted,
    StanzaRefused,
    StreamError,
)
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza import build

ERROR = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def answering(reply: str):
    return lambda frame: [reply.format(id=frame.id)] if frame.kind == "iq" else None


def get(to: str | None = None) -> str:
    return build.iq("get", "<x xmlns='urn:x'/>", to=to, id="1")


def test_a_request_gets_its_reply():
    session = MemorySession(answering("<iq type='result' id='{id}' from='a@b'><y xmlns='urn:y'/></iq>"))
    reply = drive(session.request(get("a@b")))
    assert [name.endswith("y") for name in reply.payloads] == [True]
    assert session.sent[0].raw.decode() == get("a@b")


@pytest.mark.parametrize("sender", ["mallory@evil.example", "a@b/resource", "montague.example"])
def test_only_who_was_asked_may_answer(sender):
    session = MemorySession(answering(f"<iq type='result' id='{{id}}' from='{sender}'/>"))
    with pytest.raises(DeadlineExceeded):
        drive(session.request(get("a@b")))


@pytest.mark.parametrize("sender", ["", " from='romeo@montague.example'", " from='montague.example'"])
def test_the_own_server_answers_what_is_for_nobody_else(sender):
    session = MemorySession(answering(f"<iq type='result' id='{{id}}'{sender}/>"))
    assert drive(session.request(get())).type == "result"


def test_an_error_is_a_refusal():
    session = MemorySession(answering(f"<iq type='error' id='{{id}}' from='a@b'>{ERROR}</iq>"))
    with pytest.raises(StanzaRefused) as caught:
        drive(session.request(get("a@b")))
    assert caught.value.reason.condition == "item-not-found"
    assert drive(session.ask(build.iq("get", to="a@b"))).type == "error"


def test_time_does_not_pass():
    session = MemorySession()
    with pytest.raises(DeadlineExceeded):
        drive(session.wait(lambda: False, 1000))
    drive(session.sleep(1000))


def test_stanzas_come_in_order_to_who_has_asked_before():
    session = MemorySession()
    session.deliver("<message id='early'/>")
    messages = session.stanzas(lambda frame: frame.kind == "message")
    session.deliver("<presence/>", "<message id='late'/>")

    async def take() -> list[str | None]:
        return [(await messages.next()).id, (await anext(messages)).id]

    assert drive(take()) == ["early", "late"]
    messages.close()
    with pytest.raises(StopAsyncIteration):
        drive(messages.__anext__())


@pytest.mark.parametrize("features", [(), ("urn:xmpp:sm:3 sm",)])
def test_the_barrier_is_reached_by_a_ping(features):
    def respond(frame):
        if frame.name == "enable":
            return ["<enabled xmlns='urn:xmpp:sm:3'/>"]
        if frame.name == "r":
            return ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]
        return None

    session = MemorySession(respond, features=features)

    async def main() -> None:
        session.enable_acks()
        await session.send("<message/>")
        await session.barrier()

    drive(main())
    names = [frame.name for frame in session.sent]
    assert names == (["enable", "message", "r", "iq"] if features else ["message", "iq"])


def test_a_barrier_without_acknowledgement_is_none():
    def respond(frame):
        if frame.name == "enable":
            return ["<enabled xmlns='urn:xmpp:sm:3'/>"]
        return ["<a xmlns='urn:xmpp:sm:3' h='0'/>"] if frame.name == "r" else None

    session = MemorySession(respond, features=("urn:xmpp:sm:3 sm",))

    async def main() -> None:
        session.enable_acks()
        await session.send("<message/>")
        await session.barrier()

    with pytest.raises(DeadlineExceeded):
        drive(main())


@pytest.mark.parametrize(
    ("stanza", "answer"),
    [
        ("<iq type='get' id='q' from='x@y'><ping xmlns='urn:xmpp:ping'/></iq>", "error"),
        ("<iq type='set' id='q'><query xmlns='jabber:iq:roster'/></iq>", "result"),
        ("<iq type='set' id='q' from='x@y'><query xmlns='jabber:iq:roster'/></iq>", "error"),
        ("<iq type='result' id='q' from='x@y'/>", None),
        ("<message id='q' from='x@y'/>", None),
        ("<presence type='subscribe' id='q' from='x@y'/>", None),
    ],
)
def test_only_requests_are_answered(stanza, answer):
    session = MemorySession()
    session.deliver(stanza)
    drive(session.sleep(1))
    assert [frame.type for frame in session.sent] == ([answer] if answer else [])


def test_a_stream_error_ends_every_wait():
    session = MemorySession(
        lambda frame: ["<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"]
    )
    with pytest.raises(StreamError) as caught:
        drive(session.request(get()))
    assert caught.value.condition == "conflict"


def test_a_broken_connection_ends_every_wait():
    session = MemorySession()
    session.hang_up()
    for call in (session.wait(lambda: False), session.send("<message/>"), session.request(get())):
        with pytest.raises(ConnectionLost):
            drive(call)


def test_grace_lets_clean_up_after_a_signal_but_not_after_a_break():
    session = MemorySession()
    session.fail(Interrupted("interrupted"))
    with pytest.raises(Interrupted):
        drive(session.send("<presence/>"))
    session.grace(1)
    drive(session.send("<presence type='unavailable'/>"))
    assert [frame.type for frame in session.sent] == ["unavailable"]
    session.hang_up()
    session.grace(1)
    with pytest.raises(ConnectionLost):
        drive(session.send("<presence/>"))


def test_the_tap_sees_both_directions_up_to_the_footers():
    seen = []
    session = MemorySession(on_frame=lambda frame: seen.append((frame.direction, frame.text)))
    session.deliver("<message/>")

    async def main() -> None:
        await session.send("<presence/>")
        await session.sleep(1)
        await session.close()

    drive(main())
    assert seen == [
        ("out", "<presence/>"),
        ("in", "<message/>"),
        ("out", "</stream:stream>"),
        ("in", "</stream:stream>"),
    ]


def test_closing_twice_is_closing_once():
    session = MemorySession()
    drive(session.close())
    drive(session.close())
    assert session.closed


def test_nonzas_are_not_counted():
    session = MemorySession(
        lambda frame: ["<enabled xmlns='urn:xmpp:sm:3'/>"] if frame.name == "enable" else None,
        features=("urn:xmpp:sm:3 sm",),
    )
    session.enable_acks()
    session.write_nonza("<active xmlns='urn:xmpp:csi:0'/>")
    session.write("<message/>")
    assert session._acks.sent == 1


def test_input_is_waited_for_while_stanzas_come():
    read, write = os.pipe()
    session = MemorySession()
    news = session.stanzas()
    session.deliver("<message id='m'/>")

    async def main() -> tuple[bool, bool]:
        first = await session.wait_readable(read, unless=lambda: bool(news.queue))
        news.queue.clear()
        os.write(write, b"x")
        return first, await session.wait_readable(read)

    assert drive(main()) == (False, True)
    os.read(read, 1)
    with pytest.raises(DeadlineExceeded):
        drive(session.wait_readable(read, timeout=0.01))
    os.close(write)
    assert drive(session.wait_readable(read)) is True
    os.close(read)


def test_slixmpp_plugins_run_on_it():
    def respond(frame):
        if "jabber:iq:version query" in frame.names:
            return [
                f"<iq type='result' id='{frame.id}' from='{frame.to}'>"
                "<query xmlns='jabber:iq:version'><name>Globe</name></query></iq>"
            ]
        return None

    async def main() -> str:
        session = MemorySession(respond)
        client = await session.client()
        client.register_plugin("xep_0092")
        reply = await client.result(client.plugin["xep_0092"].get_version("a@b"), "asking")
        await session.close()
        return reply["software_version"]["name"]

    assert asyncio.run(main()) == "Globe"
