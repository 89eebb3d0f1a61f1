"""The scripted session keeps the promises of a real one, so that what is tested on it holds on a server."""

from __future__ import annotations

import os

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded, OutputClosed, StanzaRefused
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.frame import Frame

SERVER = "montague.example"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
ASK = "<iq type='get' id='r1' to='{}'><query xmlns='x:y'/></iq>"


def answering(*stanzas: str) -> MemorySession:
    """A session whose server answers the first stanza with these."""
    waiting = list(stanzas)

    def server(_: Frame) -> list[str]:
        now, waiting[:] = list(waiting), []
        return now

    return MemorySession(server)


def test_a_request_gets_its_reply() -> None:
    session = answering("<iq type='result' id='r1' from='montague.example'><a xmlns='x:y'/></iq>")
    assert drive(session.request(ASK.format(SERVER))).payloads == ["x:y a"]
    assert [frame.id for frame in session.sent] == ["r1"]


def test_an_error_is_a_refusal() -> None:
    session = answering(
        f"<iq type='error' id='r1' from='{SERVER}'><error type='auth'><forbidden xmlns='{STANZAS}'/></error></iq>"
    )
    with pytest.raises(StanzaRefused, match="forbidden"):
        drive(session.request(ASK.format(SERVER)))


@pytest.mark.parametrize(
    "stanza",
    [
        "<iq type='result' id='r1' from='mallory@evil.example'/>",
        "<iq type='result' id='r2' from='montague.example'/>",
        "<message type='error' id='r1' from='montague.example'/>",
    ],
)
def test_what_is_no_reply_leaves_the_request_waiting(stanza: str) -> None:
    with pytest.raises(DeadlineExceeded):
        drive(answering(stanza).request(ASK.format(SERVER)))


def test_pings_to_the_own_server_are_answered_unless_the_script_does() -> None:
    drive(MemorySession().barrier())
    with pytest.raises(DeadlineExceeded):
        drive(MemorySession(lambda _: []).barrier())


def test_stanzas_are_delivered_in_order_and_selected() -> None:
    session = MemorySession()
    chats = session.stanzas(lambda frame: frame.type == "chat")

    async def main() -> list[str | None]:
        session.deliver("<message type='chat' id='1'/><presence/>", "<message type='chat' id='2'/>")
        return [(await chats.next()).id, (await chats.next()).id]

    assert drive(main()) == ["1", "2"]
    chats.close()
    chats.close()
    assert session.subscriptions == []


def test_a_closed_subscription_ends_its_loop() -> None:
    session = MemorySession()
    messages = session.stanzas()

    async def main() -> int:
        session.deliver("<message/>", "<message/>")
        count = 0
        async for _ in messages:
            count += 1
            if count == 2:
                messages.close()
        return count

    assert drive(main()) == 2


def test_a_wait_ends_when_the_script_does() -> None:
    with pytest.raises(DeadlineExceeded, match="waiting for a stanza"):
        drive(MemorySession().stanzas().next())


def test_requests_are_refused() -> None:
    session = MemorySession()
    session.deliver("<iq type='get' id='q' from='mallory@evil.example'><a xmlns='x:y'/></iq>")
    drive(session.sleep(1))
    assert len(session.sent) == 1 and "service-unavailable" in session.sent[0].text


def test_a_broken_connection_ends_every_wait_for_good() -> None:
    session = MemorySession()
    session.hang_up()
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            drive(session.stanzas().next())
    with pytest.raises(ConnectionLost):
        drive(session.send("<message/>"))
    drive(session.close())


def test_the_tap_sees_both_ways_to_the_end_without_secrets() -> None:
    frames: list[Frame] = []
    session = MemorySession(on_frame=frames.append)

    async def main() -> None:
        await session.send(
            "<iq type='set' id='1'><query xmlns='jabber:iq:register'><password>s3cret</password></query></iq>"
        )
        session.deliver("<message/>")
        await session.sleep(0)
        await session.close()

    drive(main())
    assert [(frame.direction, frame.name) for frame in frames] == [
        *(("out", "iq"), ("in", "message"), ("out", "stream"), ("in", "stream")),
    ]
    assert "s3cret" not in frames[0].text


def test_a_reader_that_fails_ends_the_wait() -> None:
    def fail(_: Frame) -> None:
        raise OutputClosed("gone")

    session = MemorySession(on_frame=fail)
    with pytest.raises(OutputClosed):
        drive(session.send("<message/>"))
    drive(session.close())
    assert isinstance(session.tap_failure, OutputClosed)


def test_input_is_waited_for() -> None:
    ours, theirs = os.pipe()
    session = MemorySession()
    session.deliver("<message/>")
    messages = session.stanzas()
    assert not drive(session.wait_readable(ours, unless=lambda: bool(messages.queue)))
    os.write(theirs, b"x")
    assert drive(session.wait_readable(ours))
    os.read(ours, 1)
    with pytest.raises(DeadlineExceeded):
        drive(session.wait_readable(ours, timeout=0))
    os.close(ours)
    os.close(theirs)


def test_plugins_need_an_event_loop() -> None:
    from xmppctl.session.base import Session

    with pytest.raises(RuntimeError, match="plugins=True"):
        drive(Session(MemorySession().jid).client())
