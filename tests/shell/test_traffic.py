"""What crosses the wire: shown or not, paired, kept for who waits, and named where it is unsure."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.shell.play import SM, Stage, acknowledging, answering, perform
from xmppctl.errors import ConnectionLost, OutputFailed
from xmppctl.session.acks import NS_SM
from xmppctl.session.memory import MemorySession
from xmppctl.session.run import Observer
from xmppctl.shell.jobs import Job
from xmppctl.stanza import build
from xmppctl.stanza.frame import Frame

JULIET = "juliet@capulet.example/b"
PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
PONG = "<iq type='result' id='p1' from='montague.example'/>"
MESSAGE = f"<message from='{JULIET}' id='m1'><body>hi</body></message>"


def test_answers_stand_under_their_questions() -> None:
    async def main(stage: Any) -> None:
        await stage.type(PING)
        stage.session.deliver("<iq type='result' id='p1' from='mallory@evil.example'/>", MESSAGE, PONG, PONG)
        await stage.settled()
        assert [
            (frame.id, None if note is None else note.record["answers"]) for frame, note in stage.house.shown
        ] == [
            ("p1", None),
            ("m1", None),
            ("p1", 1),
            ("p1", None),
        ]

    perform(main, lambda _: [])


def test_bounces_are_told_and_counted() -> None:
    bounce = f"<message type='error' id='x' from='{JULIET}'><error type='cancel'/></message>"

    async def main(stage: Any) -> None:
        await stage.type(f"<message id='x' to='{JULIET}'/>")
        stage.session.deliver(bounce.replace(JULIET, "mallory@evil.example"), bounce)
        await stage.settled()
        notes = [note and note.text for _, note in stage.house.shown]
        assert notes == [None, "bounce of [1]"]
        assert list(stage.shell.traffic.refused) == [1]

    perform(main)


def test_what_commands_ask_is_theirs() -> None:
    """Neither it nor its answer is shown, waited for or answerable; but with /loud."""

    async def main(stage: Any) -> None:
        for level, shown in (("normal", []), ("loud", ["c1", "c1"])):
            stage.shell.display.level = level
            stage.session.write("<iq type='get' id='c1' to='a.example'/>")
            await stage.settled()
            assert stage.house.ids == shown
        assert stage.shell.traffic.arrivals.count == 0 and stage.shell.traffic.newest is None
        # The same id again, but nobody has asked.
        stage.session.deliver("<iq type='result' id='c1' from='a.example'/>")
        await stage.settled()
        assert stage.shell.traffic.arrivals.count == 1

    perform(main, answering(c1="<iq type='result' id='c1' from='a.example'/>"))


def test_what_can_be_answered() -> None:
    async def main(stage: Any) -> None:
        traffic = stage.shell.traffic
        stage.session.deliver(
            MESSAGE,
            "<message type='error' id='e'/>",
            "<presence id='p'/>",
            "<presence type='subscribe' id='s'/>",
            f"<iq type='get' id='g' from='{JULIET}'/>",
            "<iq type='result' id='r'/>",
        )
        await stage.settled()
        assert [frame.id for frame in traffic.answerable] == ["m1", "s", "g"]
        assert traffic.newest is not None and traffic.newest.id == "r"
        for number in range(500):
            stage.session.deliver(f"<message id='f{number}'/>")
        await stage.settled()
        assert len(traffic.answerable) == 200 and traffic.answerable[-1].id == "f499"

    perform(main)


def test_presence_is_known_for_commands() -> None:
    async def main(stage: Any) -> None:
        shown = []
        for text in (
            "<presence to='a@b'/>",
            "<presence type='subscribe' to='a@b'/>",
            "<presence/>",
            "<presence to='a@b' type='unavailable'/>",
            "<presence type='unavailable'/>",
        ):
            await stage.type(text)
            shown.append(stage.session.shown)
        assert shown == [False, False, True, True, False]

    perform(main)


# -- what is unsure when the stream is lost --


def lost(stage: Any) -> list[str]:
    del stage.house.notes[:]
    stage.session.hang_up()
    return stage.house.notes  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("acknowledged", "told"),
    [
        (lambda count: count, []),
        (lambda count: 0, ["[2], [3]"]),
        (lambda count: min(count, 2), ["[3]"]),
        (lambda count: 2**32 - 1, []),
    ],
    ids=["all", "none", "two", "more than all"],
)
def test_what_the_server_may_not_have_is_named(acknowledged: Any, told: list[str]) -> None:
    """Here the request is answered."""

    async def main(stage: Any) -> None:
        await stage.type(f"{PING}<message to='a@b'/><presence/>")
        await stage.until(lambda: stage.session.acks.cover(min(acknowledged(3), 3)))
        stage.session.deliver(PONG)
        await stage.settled()
        notes = lost(stage)
        await stage.until(lambda: stage.wire.session is None)
        unsure = ["[1], " * (acknowledged(3) == 0) + each for each in told]
        assert notes == [f"the server may not have got {each}; /resend N sends one again" for each in unsure]

    def respond(frame: Frame) -> Any:
        return acks(frame) or []

    acks = acknowledging(acknowledged)
    perform(main, respond, acks=True, features=[SM])


@pytest.mark.parametrize("acks", [False, True])
def test_requests_without_an_answer_are_named_once(acks: bool) -> None:
    async def main(stage: Any) -> None:
        await stage.type("".join(PING.replace("p1", f"p{number}") for number in range(12)))
        notes = lost(stage)
        await stage.until(lambda: stage.wire.session is None)
        (note,) = notes
        assert note.startswith("no answer will come to [1], [2], ") and note.endswith("[10] and 2 more")
        assert stage.shell.traffic.overdue(0.0) == []

    perform(main, lambda _: [], acks=acks, features=[SM])


def test_with_raw_bytes_nobody_can_tell() -> None:
    async def main(stage: Any) -> None:
        await stage.type("<message to='a@b'/>")
        stage.shell.send_raw(b"<message to='a@b'/>")
        assert "nobody can count" in stage.house.notes[0]
        notes = lost(stage)
        await stage.until(lambda: stage.wire.session is None)
        assert notes == []

    perform(main, acknowledging(lambda _: 0), acks=True, features=[SM])


def test_acknowledgements_are_machinery_unless_they_were_typed() -> None:
    async def main(stage: Any) -> None:
        await stage.type("<message to='a@b'/>")
        await stage.settled()
        assert stage.house.shown == []
        await stage.type(f"<r xmlns='{NS_SM}'/>")
        await stage.settled()
        assert [frame.name for frame, _ in stage.house.shown] == ["a"]
        assert stage.shell.traffic.arrivals.count == 1

    perform(main, acknowledging(), acks=True, features=[SM])


def test_nonzas_without_acknowledgements_are_shown() -> None:
    async def main(stage: Any) -> None:
        stage.session.deliver(f"<a xmlns='{NS_SM}' h='1'/>", "<x xmlns='y:z'/>")
        await stage.settled()
        assert [frame.name for frame, _ in stage.house.shown] == ["a", "x"]

    perform(main)


# -- who else hears --


def test_another_thread_may_tell() -> None:
    """A stream that is opened again blocks, and so has one."""

    async def main(stage: Any) -> None:
        (frame,) = MemorySession()._in.feed(MESSAGE.encode())
        threads: list[int] = []
        put = stage.shell.traffic.arrivals.put
        stage.shell.traffic.arrivals.put = lambda frame: (threads.append(threading.get_ident()), put(frame))
        await asyncio.to_thread(stage.shell.traffic.hear, frame)
        await stage.until(lambda: threads)
        assert threads == [threading.get_ident()]
        assert stage.house.ids == ["m1"]

    perform(main)


def test_an_observer_that_fails_ends_only_its_own_command() -> None:
    async def main(stage: Any) -> None:
        heard: list[Any] = []

        def broken(frame: Frame) -> None:
            raise ValueError("broken")

        class Guest:
            fail = heard.append

        job = Job(1, "/watch")
        job.guest = Guest()  # type: ignore[assignment]
        watching = Observer((), lambda frame: heard.append(frame.id), lambda _: None)
        other = Observer((), broken, lambda _: None, event=lambda event: heard.append(event.name))
        stage.shell.traffic.observers[:] = [(job, other), (Job(2, "/watch"), watching)]
        stage.session.deliver(MESSAGE)
        await stage.settled()
        assert isinstance(heard[0], ValueError) and heard[1:] == ["m1"]
        assert stage.house.ids == ["m1"]
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.session is None)
        assert heard[2:] == ["offline"]

    perform(main)


def test_overdue_requests() -> None:
    async def main(stage: Any) -> None:
        await stage.type(f"{PING}<message to='a@b'/>")
        assert [entry.number for entry in stage.shell.traffic.overdue(0.0)] == [1]
        assert stage.shell.traffic.overdue(60.0) == []
        stage.session.deliver(PONG)
        await stage.settled()
        assert stage.shell.traffic.overdue(0.0) == []

    perform(main, lambda _: [])


def test_secrets_are_not_shown_however_loud() -> None:
    secret = (
        "<iq type='set' id='r1'><query xmlns='jabber:iq:register'><password>hunter2</password></query></iq>"
    )

    async def main(stage: Any) -> None:
        stage.shell.display.level = "loud"
        await stage.type(secret)
        stage.shell.send_raw(secret.replace("r1", "r2").encode())
        stage.session.write(secret.replace("r1", build.new_id()))
        await stage.settled()
        assert stage.house.shown
        assert not [frame for frame, _ in stage.house.shown if b"hunter2" in frame.raw]

    from xmppctl.shell.core import Manner

    perform(main, manner=Manner(echo=True))


def silent(frame: Any) -> list[str] | None:
    """Agrees to acknowledgements, and says nothing any more."""
    return ["<enabled xmlns='urn:xmpp:sm:3'/>"] if frame.name == "enable" else []


@pytest.mark.parametrize(("responder", "lost"), [(silent, True), (acknowledging(), False)])
def test_a_server_that_says_nothing_any_more_is_given_up(responder: Any, lost: bool) -> None:
    async def main(stage: Stage) -> None:
        await stage.settled()
        traffic = stage.shell.traffic
        for _ in range(3):  # asked, waited for, and perhaps asked again
            traffic.listen(idle=0.0, patience=0.0)
            await stage.settled()
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
        assert [event.name for event in stage.house.events] == ["offline"] * lost
        assert not lost or "has said nothing for" in stage.house.events[0].text
        assert stage.house.shown == [], "nobody typed this"

    perform(main, responder, acks=True, features=[SM])


def test_where_nothing_is_acknowledged_nothing_is_asked() -> None:
    async def main(stage: Stage) -> None:
        stage.shell.traffic.listen(idle=0.0, patience=0.0)
        await stage.settled()
        assert stage.session.sent == []

    perform(main, silent, acks=False, features=[SM])


def test_a_stream_that_was_just_lost_is_not_asked_whether_it_is_there() -> None:
    async def main(stage: Stage) -> None:
        stage.session.lose(ConnectionLost("gone"))
        stage.shell.traffic.listen(0.0, 100.0)
        await stage.until(lambda: stage.house.events)
        assert [event.name for event in stage.house.events] == ["offline"]

    perform(main, acknowledging(), acks=True, features=[SM])


def test_a_recording_that_cannot_be_written_ends_and_the_stream_goes_on() -> None:
    class Full:
        def write(self, frame: Frame) -> None:
            raise OutputFailed("no space left on device")

        def close(self) -> None:
            pass

    async def main(stage: Stage) -> None:
        stage.shell.traffic.recorder = Full()  # type: ignore[assignment]
        await stage.type(PING)
        await stage.settled()
        assert [note for note in stage.house.notes if "the recording has ended" in note]
        assert stage.house.ids == ["p1"] and stage.house.events == []
        with pytest.raises(OutputFailed):
            stage.shell.judge()

    perform(main, answering(p1=PONG))
