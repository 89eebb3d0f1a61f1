"""The shell itself: what is typed goes out, what comes in is shown, and each answer stands under its question.

Where the lines come from (a terminal, a script) and where text goes is not known here: see `terminal`, `script` and
`House`. Runs in an event loop; frames come from the taps of the streams.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from xmppctl.errors import (
    DeadlineExceeded,
    PartialFailure,
    StanzaRefused,
    UsageError,
    XmppctlError,
)
from xmppctl.session.deadline import Deadline
from xmppctl.session.replies import prepared
from xmppctl.shell import slash
from xmppctl.shell.display import Display
from xmppctl.shell.jobs import Jobs
from xmppctl.shell.reader import Item, Raw, Slash, Stanza
from xmppctl.shell.traffic import Traffic
from xmppctl.stanza.frame import NS_STREAM

if TYPE_CHECKING:
    from xmppctl.protocols.ledger import Sent
    from xmppctl.protocols.view import Screen
    from xmppctl.session.base import Session
    from xmppctl.shell.jobs import Commands, Job
    from xmppctl.shell.templates import Expanded, Templates
    from xmppctl.shell.wire import Line
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

#: What a reply, `/wait` and `/expect` get, in seconds, unless told otherwise.
PATIENCE: Final = 30.0
#: How long a request that came waits for an answer by hand, before it gets the one that it must have.
ANSWER_SECONDS: Final = 20.0
#: After so long without a word the server is asked whether it is there; what it gets to answer.
IDLE_SECONDS: Final = 60.0
SILENCE_SECONDS: Final = 30.0
_TICK_SECONDS: Final = 1.0
#: So many of what was typed last are kept for `/save`.
_MAX_LINES: Final = 10_000


class House(Protocol):
    """What a shell lives in."""

    @property
    def screen(self) -> Screen:
        """Where frames and events are shown."""

    @property
    def commands(self) -> Commands:
        """The commands of xmppctl."""

    @property
    def templates(self) -> Templates:
        """Stanzas to begin with."""

    def say(self, text: str) -> None:
        """A result, as text; what of it is the network's is made safe."""

    def note(self, text: str) -> None:
        """Something to know beside the results."""

    def tell(self, error: XmppctlError) -> None:
        """An error."""


class Manner(NamedTuple):
    """How a shell behaves.

    `in_order`: one thing after the other, each with its answer (a script); an error ends it. `echo`: what is typed is
    not on the screen already. `checks`: only what is well-formed is sent. `by_hand`: the stream itself is typed.
    """

    in_order: bool = False
    echo: bool = False
    checks: bool = True
    by_hand: bool = False


class Shell:
    """Must be made while the loop runs. `own` is the account, for who may answer."""

    def __init__(self, house: House, manner: Manner, own: Jid) -> None:
        self.house = house
        self.manner = manner
        self.own = own
        self.display = Display(house.screen, echo=manner.echo, by_hand=manner.by_hand)
        self.traffic = Traffic(self.display, own, house.note)
        self.jobs = Jobs(house.commands, self._session, self.traffic.observers, self._job_ended)
        #: The lines that were typed, in order.
        self.lines: deque[str] = deque(maxlen=_MAX_LINES)
        #: What the next line begins with.
        self.prefill: Expanded | None = None
        #: How many stanzas were sent.
        self.sent = 0
        #: How many frames had come when the last one was.
        self.since = 0
        #: Whether the end of the stream was part of the plan.
        self.end_expected = False
        #: Hears whenever something changes that a prompt shows.
        self.changed: Callable[[], None] = lambda: None
        self._late: set[int] = set()
        self.line: Line

    def attach(self, line: Line) -> None:
        """What to type on."""
        self.line = line
        self.traffic.begin(line)
        self.changed()

    def _session(self) -> Session:
        return self.line.session_for_commands()

    def event(self, event: Event) -> None:
        """The connection is lost, or back."""
        self.traffic.event(event)
        if event.name == "online":
            self.traffic.begin(self.line)
        self.changed()

    def check(self) -> None:
        """Raise what has ended the stream, where something waits for more to come."""
        self.line.open()

    @property
    def last(self) -> Sent | None:
        """What was sent last."""
        return self.traffic.ledger.get(0)

    # -- what is typed --

    async def do(self, item: Item) -> None:
        """Do one thing. Raises what is wrong with it; in a script also what came of it."""
        if isinstance(item, Slash):
            await slash.run(self, item)
            return
        self.line.open()
        self.lines.append(item.text)
        if isinstance(item, Raw):
            self.send_raw(item.text.encode("utf-8", "surrogateescape"))
            entry = None
        else:
            entry = self.send(item)
        if not self.manner.in_order:
            return
        await self.line.flush(PATIENCE)  # a script can be longer than what may wait to be sent
        if entry is not None and entry.asks and not self.manner.by_hand:
            await self.answered(entry, PATIENCE)

    def send(self, item: Stanza) -> Sent:
        """Send a stanza as it was typed. Raises ConnectionLost and what else has ended the stream."""
        self.line.open()
        self._warn_of_sender(item.frame)
        since, now = self.traffic.arrivals.count, time()
        with self.traffic.typing():
            self.line.write(item.frame)
        self.since = since
        entry = self.traffic.ledger.note(item.frame, now)
        entry.text = item.text
        self.sent += 1
        self.traffic.sent(entry)
        self.traffic.ask_for_ack()
        self.changed()
        return entry

    def _warn_of_sender(self, frame: Frame) -> None:
        """A `from` that is not one's own can end the stream (RFC 6120 section 8.1.2.1), as examples of XEPs do."""
        session = self.line.session
        if session is None or session.component or frame.kind == "nonza" or frame.sender is None:
            return
        if prepared(frame.sender) not in (str(session.jid), session.jid.bare):
            self.house.note(
                f"from='{frame.sender}' is not you: servers replace it, or end the stream (RFC 6120 section 8.1.2.1)"
            )

    def send_raw(self, data: bytes) -> None:
        """Send bytes exactly as they are."""
        self.line.open()
        since, now = self.traffic.arrivals.count, time()
        with self.traffic.typing():
            counted = self.line.write_raw(data)
        self.since = since
        for frame in _frames_in(data):
            self.traffic.ledger.note(frame, now)
        self.sent += 1
        if counted:
            self.house.note(
                "stream management is off from now on: nobody can count what is sent raw (XEP-0198)"
            )

    async def answered(self, entry: Sent, seconds: float) -> None:
        """Wait for the reply to a request. Raises DeadlineExceeded, and what ends the stream."""
        try:
            await self.traffic.arrivals.until(
                lambda: entry.answer is not None, Deadline(seconds), self.check, "waiting for a reply"
            )
        except DeadlineExceeded:
            raise DeadlineExceeded(
                f"no reply to the iq {entry.frame.id} in {seconds:g} s",
                hint="see what comes instead with /loud",
            ) from None

    def forgive(self, frame: Frame) -> None:
        """A frame was expected: where it is an error, it is no failure; where it ends the stream, that was the plan."""
        for number in tuple(self.traffic.refused):
            entry = self.traffic.ledger.get(number)
            if entry is not None and entry.answer is frame:
                del self.traffic.refused[number]
        if frame.kind == "stream" or frame.names[0] == f"{NS_STREAM} error":
            self.end_expected = True

    # -- commands of xmppctl --

    async def command(self, name: str, rest: str) -> None:
        """Run one. In a script until it has ended, or goes on by itself; raises what it ended with then."""
        background = rest.endswith("&")
        job = self.jobs.start(name, rest.removesuffix("&").rstrip())
        job.alone = background or not self.manner.in_order
        self.changed()
        if not self.manner.in_order:
            return
        job.alone |= await self.jobs.settle(job, self.check, background=background)
        if job.alone:
            return
        if job.failure is not None:
            raise job.failure
        if job.code:
            raise slash.Ended(job.code)

    def _job_ended(self, job: Job) -> None:
        self.changed()
        if job.failure is not None and job.alone:
            self.house.tell(
                job.failure
                if isinstance(job.failure, XmppctlError)
                else UsageError(f"{job.text} failed: {job.failure}")
            )
        elif job.stopped or (job.follows and not self.manner.in_order):
            self.house.note(f"[job {job.number}] {job.text}: {'stopped' if job.stopped else 'ended'}")

    # -- time and end --

    async def tick(self) -> None:
        """Tell of requests that nobody answers; until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.changed()
            self.traffic.answer_overdue(ANSWER_SECONDS)
            self.traffic.listen(IDLE_SECONDS, SILENCE_SECONDS)
            for entry in self.traffic.overdue(PATIENCE):
                if entry.number not in self._late:
                    self._late.add(entry.number)
                    self.house.note(f"no answer to [{entry.number}] in {PATIENCE:g} s")

    async def end(self) -> None:
        """End what still runs; the stream is closed by whoever has opened it."""
        await self.jobs.stop_all()
        self.traffic.learner.stop()
        with suppress(XmppctlError):  # where the stream is gone nobody waits for an answer
            self.traffic.answer_overdue(0.0)
        self.traffic.stop_recording()

    def judge(self) -> None:
        """What a script comes to.

        Raises StanzaRefused where all, PartialFailure where some of it was refused, OutputFailed where a recording is
        not whole.
        """
        if self.traffic.record_failure is not None:
            raise self.traffic.record_failure
        refused = list(self.traffic.refused.values())
        if not refused:
            return
        if self.sent == 1:
            raise refused[0]
        if len(refused) >= self.sent:
            raise StanzaRefused(f"all {self.sent} stanzas were refused", reason=refused[0].reason)
        raise PartialFailure(f"{len(refused)} of {self.sent} stanzas were refused")


def _frames_in(data: bytes) -> list[Frame]:
    """The stanzas that raw bytes are after all, so that their answers are paired; else the bytes."""
    from xmppctl.stanza.check import split_input
    from xmppctl.stanza.frame import Frame

    try:
        return split_input(data)
    except XmppctlError:
        return [Frame(data, direction="out")]
