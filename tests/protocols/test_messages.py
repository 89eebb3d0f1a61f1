"""Deliveries: each message is settled once, whatever becomes of it."""

from __future__ import annotations

import pytest

from xmppctl.errors import ConnectionLost, DeadlineExceeded
from xmppctl.protocols import messages
from xmppctl.protocols.messages import Delivery, Outgoing
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession
from xmppctl.stanza import build

TO = "juliet@capulet.example/balcony"


def message(id_: str, to: str = TO, body: str = "hi") -> Outgoing:
    return Outgoing(to, id_, build.message(to, body, id=id_))


def bounce(id_: str, sender: str | None = TO) -> str:
    told = f" from='{sender}'" if sender else ""
    return (
        f"<message type='error' id='{id_}'{told}><error type='cancel'>"
        "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )


class Log:
    def __init__(self):
        self.states: list[tuple[str, str]] = []

    def __call__(self, sent, state, why):
        self.states.append((sent.id, state if why is None else f"{state}: {why.reason.condition}"))


def test_settled_when_the_server_has_them():
    session, log = MemorySession(), Log()

    async def main():
        delivery = Delivery(session, log)
        await delivery.send(message("1"))
        await delivery.send(message("2"))
        assert log.states == [] and delivery.pending
        await delivery.settle()
        assert not delivery.pending
        await delivery.settle()

    drive(main())
    assert log.states == [("1", "server"), ("2", "server")]
    assert len([frame for frame in session.sent if frame.kind == "iq"]) == 1


@pytest.mark.parametrize(
    ("sender", "counts"),
    [
        (TO, True),
        ("juliet@capulet.example", True),
        ("Capulet.Example", True),
        ("montague.example", True),
        (None, True),
        ("romeo@montague.example", True),
        ("juliet@capulet.example/other", False),
        ("mallory@capulet.example", False),
        ("evil.example", False),
    ],
)
def test_who_may_send_it_back(sender, counts):
    def respond(frame):
        return [bounce(frame.id, sender)] if frame.kind == "message" else None

    log = Log()

    async def main():
        delivery = Delivery(MemorySession(respond), log)
        await delivery.send(message("1"))
        await delivery.settle()

    drive(main())
    assert log.states == [("1", "bounced: gone" if counts else "server")]


def test_a_late_bounce_is_told_once():
    session, log = MemorySession(), Log()

    async def main():
        delivery = Delivery(session, log)
        await delivery.send(message("1"))
        await delivery.settle()
        session.deliver(bounce("1"), bounce("1"))
        await session.sleep(1)
        assert delivery.has_news()
        delivery.hear()
        assert not delivery.has_news()

    drive(main())
    assert log.states == [("1", "server"), ("1", "bounced: gone")]


def test_what_was_sent_long_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr(messages, "_REMEMBERED", 10)
    session, log = MemorySession(), Log()

    async def main():
        delivery = Delivery(session, log)
        for number in range(50):
            await delivery.send(message(str(number)), more=True)
        await delivery.settle()
        session.deliver(bounce("3"), bounce("49"))
        await session.sleep(1)
        delivery.hear()
        assert len(delivery._settled) <= 10

    drive(main())
    assert log.states[50:] == [("49", "bounced: gone")]


@pytest.mark.parametrize(("count", "size"), [(messages.WINDOW, 1), (4, messages.WINDOW_BYTES // 3)])
def test_a_full_window_is_settled_on_its_own(count, size):
    session, log = MemorySession(), Log()

    async def main():
        delivery = Delivery(session, log)
        for number in range(count):
            await delivery.send(message(str(number), body="x" * size), more=True)
        assert len(log.states) >= count - 1

    drive(main())


def test_a_failure_leaves_them_unknown():
    session, log = MemorySession(lambda frame: []), Log()

    async def main():
        delivery = Delivery(session, log)
        await delivery.send(message("1"))
        await delivery.send(message("2"))
        session.deliver(bounce("1"))
        try:
            await delivery.settle()
        finally:
            delivery.abandon()

    with pytest.raises(DeadlineExceeded):
        drive(main())
    assert log.states == [("1", "bounced: gone"), ("2", "unknown")]


def test_a_broken_connection_leaves_them_unknown():
    session, log = MemorySession(), Log()

    async def main():
        delivery = Delivery(session, log)
        await delivery.send(message("1"))
        session.hang_up()
        try:
            await delivery.send(message("2"))
        finally:
            delivery.abandon()

    with pytest.raises(ConnectionLost):
        drive(main())
    assert log.states == [("1", "unknown"), ("2", "unknown")]


def test_nobody_is_asked_where_nobody_wants_to_know():
    session, log = MemorySession(features=("urn:xmpp:sm:3 sm",)), Log()

    async def main():
        delivery = Delivery(session, log, acknowledged=False)
        await delivery.send(message("1"))
        await delivery.send(message("2"), more=True)
        await delivery.settle()

    drive(main())
    assert log.states == [("1", "sent"), ("2", "sent")]
    assert [frame.name for frame in session.sent] == ["message", "message"]


def test_a_server_that_takes_ever_longer_is_asked_ever_more_often(monkeypatch):
    """A window that a slow server takes 50 s for must not become one that it takes 70 s for: that would be too long."""
    session, log = MemorySession(), Log()
    clock = [0.0]
    monkeypatch.setattr(messages, "monotonic", lambda: clock[0])
    windows: list[int] = []
    asked = 0
    a_message = [0.1]

    def passes(frame):
        nonlocal asked
        if frame.kind == "iq":
            count = len([f for f in session.sent if f.kind == "message"])
            windows.append(count - asked)
            clock[0] += windows[-1] * a_message[0]
            asked = count

    session._responder = passes

    async def main():
        delivery = Delivery(session, log)
        for number in range(1500):
            a_message[0] = 0.1 + number / 1000
            await delivery.send(message(str(number)), more=True)
        a_message[0] = 0.0001
        for number in range(1500, 5000):
            await delivery.send(message(str(number)), more=True)
        await delivery.settle()

    drive(main())
    assert windows[0] == messages.WINDOW
    assert max(windows[1:10]) * 1.6 < messages.ACK_SECONDS
    assert messages.WINDOW in windows[10:]  # quick again
    assert [state for _, state in log.states] == ["server"] * 5000
