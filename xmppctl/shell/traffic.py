"""What crosses a shell's wire, and what becomes of it: shown, paired with what was typed, kept for who waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from xmppctl.errors import ConnectionLost, OutputFailed, XmppctlError
from xmppctl.protocols.ledger import Ledger, Sent
from xmppctl.session.acks import NS_SM
from xmppctl.session.answers import is_roster_push
from xmppctl.session.failures import TRY_AGAIN, refusal
from xmppctl.session.replies import Replies
from xmppctl.shell.arrivals import Arrivals
from xmppctl.shell.knowledge import Knowledge
from xmppctl.shell.lookups import Learner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xmppctl.errors import StanzaRefused
    from xmppctl.output.recorder import Recorder
    from xmppctl.session.acks import Acks
    from xmppctl.session.run import Observer
    from xmppctl.shell.display import Display
    from xmppctl.shell.jobs import Job
    from xmppctl.shell.wire import Line
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.filters import Filter
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.jid import Jid

_MAX_ANSWERABLE: Final = 200
#: Requests that wait to be answered by hand; more are refused at once.
_MAX_REQUESTS: Final = 100
#: Ids of requests that commands made and nobody has answered; what was typed and the server may not have.
_MAX_WAITING: Final = 10_000


class Traffic:
    """Hears the frames of a stream, from the loop's thread or another. Must be made while the loop runs."""

    def __init__(self, display: Display, own: Jid, note: Callable[[str], None]) -> None:
        self.display = display
        self.ledger = Ledger(Replies(own))
        self.arrivals = Arrivals()
        self.knowledge = Knowledge(str(own))
        self.learner = Learner(self.knowledge)
        self.observers: list[tuple[Job, Observer]] = []
        self.recorder: Recorder | None = None
        #: What has ended a recording early.
        self.record_failure: OutputFailed | None = None
        self.recorded: Filter | None = None
        #: What came last, and what of it `/reply` can answer.
        self.newest: Frame | None = None
        self.answerable: deque[Frame] = deque(maxlen=_MAX_ANSWERABLE)
        #: Refused stanzas by their number, but for those whose refusal was expected.
        self.refused: dict[int, StanzaRefused] = {}
        self.line: Line | None = None
        #: Requests that came, each with when: a person may answer them, for a while.
        self._requests: dict[tuple[str, str], tuple[float, Frame]] = {}
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._typing = False
        self._machine: dict[str, None] = {}
        #: For each acknowledgement that was asked for, whether by hand, and when.
        self._acks_due: deque[tuple[bool, float]] = deque()
        #: When something came last.
        self._heard = monotonic()
        #: How many stanzas had been sent when the last one was.
        self._asked_for = 0
        #: With who counts, and how many stanzas the server must have for it.
        self._unsure: deque[tuple[Acks, int, Sent]] = deque(maxlen=_MAX_WAITING)

    def begin(self, line: Line) -> None:
        """The stream is another one than before."""
        self.line = line
        self._acks_due.clear()
        self._heard = monotonic()
        self._asked_for = 0
        self._machine.clear()
        self._requests.clear()
        if line.session is not None:
            line.session.on_request = self.hold
        if line.jid is not None:
            self.ledger.replies = Replies(line.jid)
            self.knowledge.own = str(line.jid)

    def hear(self, frame: Frame) -> None:
        """A frame crossed the wire. From any thread: while a stream is opened that is another one."""
        if threading.get_ident() == self._thread:
            self._take(frame)
        else:
            self._loop.call_soon_threadsafe(self._take, frame)

    def hear_login(self, frames: Iterable[Frame], *, by_hand: bool) -> None:
        """What crossed the wire before somebody typed. Who goes on by hand has to see how far it has come."""
        for frame in frames:
            self._record(frame)
            if by_hand:
                self.display.past(frame)
            else:
                self.display.machinery(frame)

    @contextmanager
    def typing(self) -> Iterator[None]:
        """What goes out meanwhile was typed."""
        self._typing = True
        try:
            yield
        finally:
            self._typing = False

    def sent(self, entry: Sent) -> None:
        """A stanza was sent, and the server may not have it yet."""
        session = self.line.session if self.line is not None else None
        if session is not None and not session.acks.off:
            self._unsure.append((session.acks, session.acks.sent, entry))

    # -- frames --

    def _take(self, frame: Frame) -> None:
        self.learner.take(frame)
        self._record(frame)
        for job, observer in tuple(self.observers):
            try:
                observer.take(frame)
            except Exception as error:  # noqa: BLE001 (it is that command's own, and ends that alone)
                if job.guest is not None:
                    job.guest.fail(error)
        if frame.direction == "in":
            self._heard = monotonic()
            self._came_in(frame)
        else:
            self._went_out(frame)

    def _record(self, frame: Frame) -> None:
        if self.recorder is not None and (self.recorded is None or self.recorded(frame)):
            self._keep(partial(self.recorder.write, frame))

    def _keep(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OutputFailed as error:  # a full disk ends the recording, and not the stream
            self.record_failure = error
            self._note(f"the recording has ended: {error.message}")
            with suppress(OutputFailed):
                self.stop_recording()

    def _went_out(self, frame: Frame) -> None:
        session = self.line.session if self.line is not None else None
        if session is not None and frame.kind == "presence" and frame.to is None:
            session.shown = frame.type is None
        if frame.namespace == NS_SM and frame.name == "r":
            self._acks_due.append((self._typing, monotonic()))
        if self._typing:
            self.display.typed(frame)
            if frame.kind == "iq" and frame.type in ("result", "error"):
                self._requests.pop((frame.id or "", frame.to or ""), None)
            return
        if frame.kind == "iq" and frame.type in ("get", "set") and len(self._machine) < _MAX_WAITING:
            self._machine[frame.id or ""] = None
        self.display.machinery(frame)

    def _came_in(self, frame: Frame) -> None:
        if frame.kind in ("nonza", "stream"):
            self._stream_part(frame)
            return
        entry = self.ledger.take(frame)
        if entry is None and self._is_asked_by_a_machine(frame):
            self.display.machinery(frame)
            return
        if is_answerable(frame):
            self.answerable.append(frame)
        self.newest = frame
        if entry is None:
            self.display.unasked(frame)
        else:
            if frame.type == "error":
                self.refused[entry.number] = refusal(frame)
            self.display.answer(frame, entry)
        self.arrivals.put(frame)

    def _is_asked_by_a_machine(self, frame: Frame) -> bool:
        """Whether an iq belongs to a request that nobody typed. A component's may be to itself, and comes back."""
        if frame.kind != "iq" or (frame.id or "") not in self._machine:
            return False
        if frame.type in ("result", "error"):
            del self._machine[frame.id or ""]
            return True
        return frame.sender is not None and frame.sender == frame.to

    def _stream_part(self, frame: Frame) -> None:
        if self._is_machinery(frame):
            self.display.machinery(frame)
            return
        self.display.unasked(frame)
        if frame.names:
            self.newest = frame
            self.arrivals.put(frame)

    def _is_machinery(self, frame: Frame) -> bool:
        """Whether a nonza belongs to acknowledgements that nobody typed (XEP-0198)."""
        session = self.line.session if self.line is not None else None
        if session is None:
            return self.line is None or not self.line.by_hand
        if frame.namespace != NS_SM or session.acks.off:
            return False
        if frame.name != "a":
            return frame.name in ("r", "enabled")
        # The tap is asked before the session, which counts.
        self._loop.call_soon(self._acknowledged)
        return not (self._acks_due and self._acks_due.popleft()[0])

    def ask_for_ack(self) -> None:
        """Have the server say what it has, unless it is just about to, or has been asked for all of it."""
        session = self.line.session if self.line is not None else None
        if self.line is None or session is None or session.closed or self._acks_due:
            return
        if session.acks.sent > self._asked_for:
            self._asked_for = session.acks.sent
            self.line.ask_for_ack()

    def listen(self, idle: float, patience: float) -> None:
        """Find out whether the server is still there: a network that is gone says nothing.

        It is asked when nothing has come for `idle` seconds; where it says nothing for `patience` seconds after it was
        asked, the connection counts as lost. A daemon sees to its own.
        """
        session = self.line.session if self.line is not None else None
        if self.line is None or session is None or session.attached or session.acks.off:
            return
        now = monotonic()
        if not self._acks_due:
            if now - self._heard >= idle:
                with suppress(XmppctlError):  # it is just lost, and that is told
                    self.line.ask_for_ack()
        elif now - max(self._heard, self._acks_due[0][1]) >= patience:
            session.lose(ConnectionLost(f"the server has said nothing for {patience:g} s", hint=TRY_AGAIN))

    def _acknowledged(self) -> None:
        self._forget_what_is_sure()
        if self._unsure:
            with suppress(XmppctlError):  # it is just lost, and that is told
                self.ask_for_ack()

    def _forget_what_is_sure(self) -> None:
        while self._unsure and self._unsure[0][0].cover(self._unsure[0][1]):
            self._unsure.popleft()

    # -- the end of a stream --

    def event(self, event: Event) -> None:
        """The connection is lost, or back."""
        if self.recorder is not None:
            self._keep(partial(self.recorder.event, event))
        for _, observer in tuple(self.observers):
            if observer.event is not None:
                observer.event(event)
        self.display.event(event)

    def lost(self, _: XmppctlError) -> None:
        """The stream is gone: say what is unsure now."""
        self.arrivals.wake()
        waiting = self.ledger.give_up()
        asked = {entry.number for entry in waiting}
        # Frames are heard before the session counts them: the last acknowledgement is not accounted for yet.
        self._forget_what_is_sure()
        unsure = [entry.number for _, _, entry in self._unsure if entry.number not in asked]
        self._unsure.clear()
        if waiting:
            self._note(f"no answer will come to {_numbers(asked)}")
        if unsure:
            self._note(f"the server may not have got {_numbers(unsure)}; /resend N sends one again")

    def hold(self, request: Frame) -> bool:
        """Whether a request that came waits for whoever types to answer it."""
        if self.line is None or self.line.jid is None or len(self._requests) >= _MAX_REQUESTS:
            return False
        if is_roster_push(request, self.line.jid) or (request.id or "") in self._machine:
            return False
        self._requests[request.id or "", request.sender or ""] = time(), request
        return True

    def answer_overdue(self, seconds: float) -> None:
        """Answer requests that nobody has answered for so long, as must be done (RFC 6120 section 8.2.3)."""
        session = self.line.session if self.line is not None else None
        for place, (came, request) in tuple(self._requests.items()):
            if time() - came >= seconds:
                del self._requests[place]
                if session is not None:
                    session.answer(request)

    def overdue(self, seconds: float) -> list[Sent]:
        """The requests that wait for longer than that for their reply."""
        now = time()
        return [entry for entry in self.ledger.unanswered() if now - entry.time >= seconds]

    def stop_recording(self) -> bool:
        """End the recording, if there is one; whether there was. Raises OutputFailed."""
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()
        return recorder is not None


def is_answerable(frame: Frame) -> bool:
    """Whether `/reply` has something to say to a frame that came in."""
    if frame.kind == "iq":
        return frame.type in ("get", "set")
    if frame.kind == "presence":
        return frame.type == "subscribe"
    return frame.kind == "message" and frame.type != "error"


def _numbers(numbers: Iterable[int]) -> str:
    shown = sorted(numbers)
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return ", ".join(f"[{number}]" for number in shown[:10]) + more
