"""What is asked for completion: the right thing at each place, seldom, little at a time, and quietly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest

from tests.shell.test_completion import FORM, INFO, ITEMS, PUBSUB, sources
from tests.shell.test_knowledge import frames, roster
from xmppctl.errors import ConnectionLost
from xmppctl.session.base import Session
from xmppctl.session.memory import MemorySession
from xmppctl.shell.completion import Lookup, lookup
from xmppctl.shell.knowledge import Knowledge
from xmppctl.shell.lookups import Learner, Lookups
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import MAX_STANZA_BYTES

ROSTER = Lookup("roster", None, None)
COMMANDS = "http://jabber.org/protocol/commands"


def item(number: int) -> Lookup:
    return Lookup("items", f"s{number}.example", None)


# -- what to ask --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("<message", None),
        ("<message to=", None),
        ("<message to='", ROSTER),
        ("<message to='rom@montague", ROSTER),
        ("<iq to='x'><query xmlns='http://jabber.org/protocol/bytestreams'><activate>r", ROSTER),
        ("<message to='x@pubsub.example", Lookup("items", "pubsub.example", None)),
        ("<message to='x@PubSub.example/n", Lookup("items", "pubsub.example", None)),
        ("<message to='x@capulet.example", ROSTER),
        ("<message id='", None),
        ("<message><body>", None),
        (f"<iq to='a&amp;b'><query xmlns='{ITEMS}' node='x", Lookup("items", "a&b", None)),
        (f"<iq to=''><pubsub xmlns='{PUBSUB}'><publish node='", Lookup("items", None, None)),
        (f"<iq to='a.example'><command xmlns='{COMMANDS}' node='", Lookup("items", "a.example", COMMANDS)),
        (f"<iq><query xmlns='{INFO}'><feature var='", Lookup("info", None, None)),
        (f"<iq to='a.example'><query xmlns='{INFO}'><feature var='u", Lookup("info", "a.example", None)),
        (f"<iq>{FORM}<field var='", None),
        ("/filter kind:iq from:", ROSTER),
        ("/wait -with:a,", ROSTER),
        ("/expect to", None),
        ("/expect ns:", None),
        ("/send from:", None),
    ],
)
def test_what_there_is_to_ask(text: str, expected: Lookup | None) -> None:
    known = sources("<message from='capulet.example'/>", "<message from='pubsub.example'/>")
    assert lookup(text, known) == expected


# -- asking -------------------------------------------------------------------------------------------------------


class Asking:
    """Lookups on a session that a responder answers; `now` is the time."""

    def __init__(self, responder: Callable[[Frame], Iterable[str] | None] | None = None) -> None:
        self.now = 0.0
        self.heard: list[str] = []
        self.session: Session = MemorySession(responder or self.result)
        self.lookups = Lookups(lambda: self.open(), self.learned, self.changed, lambda: self.now)

    def open(self) -> Session:
        return self.session

    async def learned(self) -> None:
        self.heard.append("learned")

    def changed(self) -> None:
        self.heard.append("changed")

    @staticmethod
    def result(frame: Frame) -> list[str]:
        sender = f" from='{frame.to}'" if frame.to else ""
        return [f"<iq type='result' id='{frame.id}'{sender}/>"]

    @property
    def sent(self) -> list[tuple[str | None, str]]:
        assert isinstance(self.session, MemorySession)
        return [(frame.to, frame.payloads[0]) for frame in self.session.sent]

    async def want(self, *lookups: Lookup) -> None:
        """Ask one after the other, each to its end."""
        for each in lookups:
            self.lookups.want(each)
            await settle()


async def settle() -> None:
    """Let every other task run to its end."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.mark.parametrize(
    ("wanted", "to", "payload"),
    [
        (ROSTER, None, b"<query xmlns='jabber:iq:roster'/>"),
        (Lookup("items", "A.example", None), "a.example", f"<query xmlns='{ITEMS}'/>".encode()),
        (Lookup("items", None, "a'b"), None, f"<query xmlns='{ITEMS}' node='a&apos;b'/>".encode()),
        (Lookup("info", "a@b.example/c", None), "a@b.example/c", f"<query xmlns='{INFO}'/>".encode()),
        (Lookup("info", None, None), "montague.example", f"<query xmlns='{INFO}'/>".encode()),
    ],
)
def test_what_is_asked_and_that_somebody_hears_of_the_answer(
    wanted: Lookup, to: str | None, payload: bytes
) -> None:
    async def main() -> None:
        asking = Asking()
        await asking.want(wanted)
        (request,) = asking.session.sent  # type: ignore[attr-defined]
        assert (request.kind, request.type, request.to) == ("iq", "get", to)
        assert payload in request.raw
        assert asking.heard == ["learned", "changed"]
        assert asking.session.subscriptions == []

    run(main())


@pytest.mark.parametrize(
    "jid",
    ["@", "a b.example", "x@", "a\0b.example", "x" * 2000],
)
def test_what_is_no_jid_is_not_asked(jid: str) -> None:
    async def main() -> None:
        asking = Asking()
        await asking.want(Lookup("items", jid, None), Lookup("items", None, "a\0b"))
        assert asking.sent == []

    run(main())


def test_the_same_is_asked_once_a_minute_also_where_it_is_refused() -> None:
    async def main() -> None:
        for answer in ("<iq type='error' id='{}' from='{}'/>", ""):
            asking = Asking(
                lambda frame, answer=answer: [answer.format(frame.id, frame.to)] if answer else []
            )
            await asking.want(item(1), item(1), item(2))
            assert [to for to, _ in asking.sent] == ["s1.example", "s2.example"]
            asking.now = 59.9
            await asking.want(item(1))
            assert len(asking.sent) == 2
            asking.now = 60
            await asking.want(item(1))
            assert len(asking.sent) == 3
            assert asking.heard == []
            assert asking.session.subscriptions == []

    run(main())


def test_the_roster_is_asked_for_once_in_a_session_and_again_in_another() -> None:
    async def main() -> None:
        asking = Asking()
        await asking.want(ROSTER)
        asking.now = 1000
        await asking.want(ROSTER)
        assert len(asking.sent) == 1
        asking.session = MemorySession(Asking.result)
        await asking.want(ROSTER, ROSTER)
        assert len(asking.sent) == 1

        refusing = Asking(lambda frame: [f"<iq type='error' id='{frame.id}'/>"])
        await refusing.want(ROSTER)
        refusing.now = 1000
        await refusing.want(ROSTER)
        assert len(refusing.sent) == 2

    run(main())


def test_three_are_asked_at_the_same_time_and_no_more() -> None:
    async def main() -> None:
        asking = Asking()
        for number in range(10):
            asking.lookups.want(item(number))
        await settle()
        assert [to for to, _ in asking.sent] == ["s0.example", "s1.example", "s2.example"]
        await asking.want(item(9))
        assert len(asking.sent) == 4  # what was too much is asked when it is wanted again

    run(main())


def test_what_is_typed_makes_no_flood() -> None:
    async def main() -> None:
        asking = Asking()
        await asking.want(*map(item, range(100)))
        assert len(asking.sent) == 30
        asking.now = 61
        await asking.want(*map(item, range(100, 200)))
        assert len(asking.sent) == 60

    run(main())


def test_without_a_stream_nothing_happens() -> None:
    async def main() -> None:
        asking = Asking()

        def lost() -> Session:
            raise ConnectionLost("gone")

        asking.open = lost  # type: ignore[method-assign]
        await asking.want(ROSTER)
        assert asking.sent == []

        broken = Asking(lambda _: [])
        assert isinstance(broken.session, MemorySession)
        broken.session.fail(RuntimeError("a tap broke"))
        await broken.want(ROSTER)
        assert broken.heard == []

    run(main())


def test_stopping_gives_up_what_is_asked() -> None:
    async def main() -> None:
        asking = Asking()
        waiting = asyncio.Event()
        asking.lookups = Lookups(asking.open, waiting.wait, asking.changed)  # type: ignore[arg-type]
        asking.lookups.want(ROSTER)
        await asyncio.sleep(0)
        asking.lookups.stop()
        await settle()
        assert asking.heard == []
        assert asking.session.subscriptions == []

    run(main())


# -- learning -----------------------------------------------------------------------------------------------------

LARGE = roster(*(f"<item jid='c{number}@x.example' name='{'n' * 200}'/>" for number in range(1000)))


def names(knowledge: Knowledge) -> list[str]:
    return [jid for jid, about in knowledge.jids("", 5000) if about != "seen"]


def test_a_small_frame_is_learned_at_once_and_without_a_loop() -> None:
    knowledge = Knowledge()
    Learner(knowledge).take(*frames(roster("<item jid='a@x.example'/>")))
    assert names(knowledge) == ["a@x.example"]


def test_a_large_frame_is_learned_while_others_run() -> None:
    async def main() -> None:
        knowledge = Knowledge()
        learner = Learner(knowledge)
        learner.take(*frames(LARGE))
        turns = 0
        learned = asyncio.ensure_future(learner.learned())
        while not names(knowledge):
            assert not learned.done()
            turns += 1
            await asyncio.sleep(0)
        await learned
        assert turns > len(LARGE) // 100_000
        assert len(names(knowledge)) == 1000

    run(main())


def test_frames_are_learned_in_the_order_they_came() -> None:
    async def main() -> None:
        knowledge = Knowledge()
        learner = Learner(knowledge)
        learner.take(*frames(LARGE))
        learner.take(*frames(roster("<item jid='late@x.example'/>", type="set")))
        learner.take(*frames(LARGE))
        learner.take(*frames(roster("<item jid='later@x.example'/>", type="set")))
        learner.take(*frames(roster("<item jid='c0@x.example' subscription='remove'/>", type="set")))
        await learner.learned()
        found = names(knowledge)
        assert len(found) == 1000
        assert {"late@x.example", "later@x.example", "c0@x.example"}.intersection(found) == {
            "later@x.example"
        }
        learner.take(*frames(roster("<item jid='a@x.example'/>", type="set")))
        assert "a@x.example" in names(knowledge)
        learner.take(*frames(LARGE))
        await learner.learned()
        assert "a@x.example" not in names(knowledge)

    run(main())


def test_what_waits_to_be_learned_is_bounded() -> None:
    async def main() -> None:
        knowledge = Knowledge()
        learner = Learner(knowledge)
        learner.take(*frames(LARGE))
        padding = " " * (MAX_STANZA_BYTES // 2)
        for number in range(6):
            learner.take(*frames(f"<presence from='p{number}@x.example'>{padding}</presence>"))
        await learner.learned()
        known = [jid for jid, about in knowledge.jids("p", 5000) if about == "seen"]
        assert sorted(known) == [f"p{number}@x.example" for number in range(3)]
        learner.take(*frames("<presence from='p9@x.example'/>"))
        assert "p9@x.example" in dict(knowledge.jids("p9"))

    run(main())


@pytest.mark.parametrize("turns", [0, 2])
def test_stopping_gives_up_what_waits_and_only_that(turns: int) -> None:
    async def main() -> None:
        knowledge = Knowledge()
        learner = Learner(knowledge)
        learner.take(*frames(LARGE))
        for _ in range(turns):
            await asyncio.sleep(0)
        learner.stop()
        await learner.learned()
        await asyncio.sleep(0)
        assert names(knowledge) == []
        learner.take(*frames(roster("<item jid='a@x.example'/>", type="set")))
        assert names(knowledge) == ["a@x.example"]

    run(main())
