"""Seeing the wire through a daemon: what is asked of it, what is shown, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from xmppctl.errors import BadFilter, DaemonError, OutputClosed, XmppctlError
from xmppctl.session import local
from xmppctl.session.drive import drive
from xmppctl.session.local import DAEMON, NS_DAEMON, failure
from xmppctl.session.memory import MemorySession
from xmppctl.session.observe import Observation
from xmppctl.session.relayed import encode
from xmppctl.session.run import Observer
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

HEADER = (
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='urn:p'>"
)


def split(data: bytes) -> list[Frame]:
    return Splitter().feed(data)


class Daemon:
    """Answers `<watch/>`, and keeps what it was asked. `tells` is what comes right behind the answer."""

    def __init__(self, tells: Iterable[bytes] = (), error: XmppctlError | None = None) -> None:
        self.asked: list[Frame] = []
        self._tells = [each.decode() for each in tells]
        self._error = error

    def __call__(self, frame: Frame) -> list[str] | None:
        if frame.to != DAEMON:
            return None
        self.asked.append(frame)
        if self._error is not None:
            return [f"<iq type='error' id='{frame.id}' from='{DAEMON}'>{failure(self._error)}</iq>"]
        return [f"<iq type='result' id='{frame.id}' from='{DAEMON}'/>", *self._tells]


class Seen:
    """What an observer was shown: frames, and the numbers of lost ones among them."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.take: Callable[[Any], None] = self.all.append

    def observer(self, *terms: str, only: bool = False) -> Observer:
        return Observer(terms, self.take, self.take, only)


def observe(daemon: Daemon, observer: Observer) -> MemorySession:
    """A session that observes until nothing more comes."""
    session = MemorySession(daemon)
    observation = Observation(session, observer)

    async def main() -> None:
        await observation.begin()
        await session.sleep(1)

    drive(main())
    return session


def test_the_terms_travel_as_they_are() -> None:
    daemon = Daemon()
    terms = ("kind:message", "body:~<a & b>\t'\"", "-type:error")
    observe(daemon, Seen().observer(*terms))
    (asked,) = daemon.asked
    watch = asked.element().find(f"{{{NS_DAEMON}}}watch")
    assert asked.type == "set" and watch is not None
    assert tuple(term.text for term in watch) == terms and watch.get("only") is None


def test_a_command_that_wants_nothing_else_says_so() -> None:
    daemon = Daemon()
    observe(daemon, Seen().observer(only=True))
    (watch,) = daemon.asked[0].element()
    assert watch.get("only") == "true" and len(watch) == 0


def test_shows_the_frames_as_they_were_and_how_many_are_missing_where_they_are() -> None:
    header, one, two = split(HEADER + b"<message id='1'>\r\n</message><p:x/>")
    tells = [
        encode(header, known=True),
        encode(one),
        f"<dropped xmlns='{NS_DAEMON}' count='7'/>".encode(),
        encode(two),
    ]
    seen = Seen()
    observe(Daemon(tells), seen.observer())
    first, lost, second = seen.all
    assert (first.raw, lost, second.names) == (one.raw, 7, ["urn:p x"])


def test_stanzas_of_the_session_itself_are_not_shown() -> None:
    seen = Seen()
    observe(Daemon([b"<message id='own'/>", b"<x xmlns='urn:other'/>"]), seen.observer())
    assert seen.all == []


def test_what_the_daemon_says_later_and_is_not_known_here_is_passed_over() -> None:
    seen = Seen()
    session = observe(Daemon([f"<news xmlns='{NS_DAEMON}'/>".encode()]), seen.observer())
    assert seen.all == [] and session.nonza_failure is None


def test_a_filter_that_the_daemon_refuses_is_an_error_of_usage() -> None:
    with pytest.raises(BadFilter, match="no kind") as caught:
        observe(Daemon(error=BadFilter("there is no kind", hint="look")), Seen().observer("kind:x"))
    assert caught.value.hint == "look"


@pytest.mark.parametrize("error", [OutputClosed("gone"), OSError(28, "full"), ValueError("a bug")])
def test_what_the_observer_raises_ends_the_session_and_nothing_more_is_shown(error: Exception) -> None:
    shown: list[Frame] = []

    def show(frame: Frame) -> None:
        shown.append(frame)
        raise error

    header, *frames = split(HEADER + b"<message/>" * 3)
    daemon = Daemon([encode(frame) for frame in (header, *frames)])
    session = MemorySession(daemon)
    observation = Observation(session, Observer((), show, lambda _: None))

    async def main() -> None:
        await observation.begin()
        await session.sleep(1)

    with pytest.raises(type(error)):
        drive(main())
    drive(session.close())
    assert session.nonza_failure is error and shown[0].raw == HEADER and len(shown) == 1


@pytest.mark.parametrize(
    "told", ["<dropped xmlns='{}' count='many'/>", "<dropped xmlns='{}'/>", "<frame xmlns='{}'/>"]
)
def test_a_daemon_that_speaks_otherwise_ends_it(told: str) -> None:
    with pytest.raises(DaemonError):
        observe(Daemon([told.format(NS_DAEMON).encode()]), Seen().observer())


def test_changes_of_the_connection_are_told_in_their_place() -> None:
    seen = Seen()
    gone = Event("offline", 12.5, "reset <by> peer")
    back = Event("online", 13.0, "romeo@montague.example/orchard")
    header, hi = split(HEADER + b"<message/>")
    tells = [encode(header, known=True), local.event(gone).encode(), encode(hi), local.event(back).encode()]
    observe(Daemon(tells), seen.observer()._replace(event=seen.take))
    assert seen.all[0] == gone and seen.all[2] == back
    assert seen.all[1].raw == b"<message/>"


def test_changes_that_nobody_asked_for_or_knows_are_passed_over() -> None:
    seen = Seen()
    unknown = f"<event xmlns='{NS_DAEMON}' name='eclipse' time='1'>dark</event>".encode()
    observe(Daemon([local.event(Event("offline", 1.0)).encode()]), seen.observer())
    observe(Daemon([unknown]), seen.observer()._replace(event=seen.take))
    assert seen.all == []
