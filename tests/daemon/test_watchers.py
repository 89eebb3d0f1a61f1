"""Watchers on a hub, without sockets: who sees what, what it costs, and that nobody holds up anybody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from xmppctl.daemon import watchers as module
from xmppctl.daemon.client import Client
from xmppctl.daemon.hub import Hub
from xmppctl.daemon.unread import MAX_BYTES
from xmppctl.daemon.watchers import Watchers
from xmppctl.errors import BadFilter, ConnectionLost
from xmppctl.session.local import DAEMON, NS_DAEMON, changed, error_of
from xmppctl.session.relayed import MAX_RELAYED_BYTES, Relayed, encode
from xmppctl.stanza.frame import Direction, Frame
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

LOCAL = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
HEADER = LOCAL.replace(b">", b" xmlns:p='urn:%s' from='montague.example'>")
ME = Jid.parse("romeo@montague.example/orchard")


class Link:
    """What the hub needs of a link."""

    def __init__(self) -> None:
        self.state = "online"
        self.jid = ME
        self.failure = None
        self.congested = False
        self.watched = False
        self.sent: list[bytes] = []

    def send(self, stanza: Any) -> None:
        self.sent.append(stanza.data)

    def withdraw(self, owner: Any) -> list[Any]:
        return []

    def want_acknowledgement(self) -> None: ...
    def hurry(self) -> None: ...


class Wire:
    """The account's stream, and the daemon that shows it."""

    def __init__(self) -> None:
        self.link = Link()
        self.notes: list[str] = []
        self.hub = Hub(
            self.link,  # type: ignore[arg-type]
            jid=Jid.parse(ME.bare),
            account="work",
            settings="00000000",
            note=self.notes.append,
            later=lambda *_: None,  # type: ignore[arg-type, return-value]
        )
        self.watchers = Watchers(self.hub)
        self.hub.online(ME, resumed=False)
        self._ways = {"in": Splitter("in"), "out": Splitter("out")}

    def opens(self, name: bytes = b"one") -> list[Frame]:
        """A stream begins."""
        found = []
        for direction, way in self._ways.items():
            way.reset()
            found += self.carries(HEADER % name, direction)  # type: ignore[arg-type]
        return found

    def carries(self, data: bytes, direction: Direction = "in") -> list[Frame]:
        """Frames cross the wire; the tap shows them, and headers always."""
        frames = self._ways[direction].feed(data)
        for frame in frames:
            if self.link.watched or frame.kind == "stream":
                self.hub.wire(frame)
        return frames

    def goes(self, state: str) -> None:
        self.link.state = state
        self.hub.offline(None)

    def watcher(self, *terms: str, only: bool = False) -> Watching:
        watching = Watching(self.hub)
        watching.watch(*terms, only=only)
        return watching


class Watching:
    """A client that watches. `reads` gives what it has got since: frames, numbers of lost ones, other stanzas."""

    def __init__(self, hub: Hub) -> None:
        self.client: Client = hub.join(4711)
        self.refused: list[Exception] = []
        self.known: list[bytes] = []
        self._splitter = Splitter(max_bytes=MAX_RELAYED_BYTES)
        self._relayed = Relayed()
        self.client.receive(LOCAL)
        self.client.receive(b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        self.reads()

    def watch(self, *terms: str, only: bool = False, type: str = "set") -> None:
        inner = "".join(f"<term>{term}</term>" for term in terms)
        mark = " only='true'" if only else ""
        self.client.receive(
            f"<iq type='{type}' id='w' to='{DAEMON}'><watch xmlns='{NS_DAEMON}'{mark}>{inner}</watch></iq>".encode()
        )

    def reads(self, limit: int = 1 << 30) -> list[Any]:
        found: list[Any] = []
        for frame in self._splitter.feed(self.client.take(limit)):
            if frame.name == "frame":
                shown = self._relayed.take(frame)
                if shown is None:
                    self.known.append(frame.raw)
                else:
                    found.append(shown)
            elif frame.name == "dropped":
                found.append(int(frame.attributes["count"]))
            elif frame.name == "event":
                found.append(changed(frame))
            elif frame.kind == "iq":
                error = error_of(frame) if frame.type == "error" else None
                if error is not None:
                    self.refused.append(error)
            elif frame.kind in ("message", "presence"):
                found.append(frame)
        return found

    def raws(self) -> list[Any]:
        return [each.raw if isinstance(each, Frame) else each for each in self.reads()]


@pytest.fixture
def wire() -> Wire:
    made = Wire()
    made.opens()
    return made


def test_both_directions_come_byte_for_byte_and_in_order(wire: Wire) -> None:
    watching = wire.watcher()
    frames = [
        *wire.carries(b"<message  from=\"a@b\"\tid='1' ><body>a &gt;\r\n b</body></message >", "in"),
        *wire.carries(b"<presence/>", "out"),
        *wire.carries(b"\n", "in"),
        *wire.carries(b"<p:x/>", "in"),
    ]
    got = watching.reads()
    assert [(frame.direction, frame.raw, list(frame.names), frame.time) for frame in got] == [
        (frame.direction, frame.raw, list(frame.names), frame.time) for frame in frames
    ]
    assert got[3].names == ["urn:one x"]


def test_each_gets_what_its_own_terms_select(wire: Wire) -> None:
    messages, out, everything = wire.watcher("kind:message"), wire.watcher("dir:out"), wire.watcher()
    wire.carries(b"<message id='1'/>", "in")
    wire.carries(b"<message id='2'/><presence/>", "out")
    assert messages.raws() == [b"<message id='1'/>", b"<message id='2'/>"]
    assert out.raws() == [b"<message id='2'/>", b"<presence/>"]
    assert len(everything.raws()) == 3


def test_the_headers_in_force_come_first_and_are_not_shown(wire: Wire) -> None:
    wire.opens(b"two")
    watching = wire.watcher()
    assert watching.reads() == [] and len(watching.known) == 2
    assert all(b"urn:two" in known for known in watching.known)
    wire.carries(b"<p:x/>", "out")
    (frame,) = watching.reads()
    assert frame.names == ["urn:two x"]


def test_a_new_stream_s_header_is_shown_to_who_wants_it_and_known_to_all(wire: Wire) -> None:
    everything, messages = wire.watcher(), wire.watcher("kind:message,nonza")
    messages.reads()
    before = len(messages.known)
    headers = wire.opens(b"new")
    wire.carries(b"<p:x/>", "in")
    assert everything.raws() == [headers[0].raw, headers[1].raw, b"<p:x/>"]
    (frame,) = messages.reads()
    assert frame.names == ["urn:new x"] and len(messages.known) == before + 2


def test_watchers_stay_over_a_reconnect(wire: Wire) -> None:
    watching = wire.watcher("kind:message")
    wire.carries(b"</stream:stream>")
    wire.goes("waiting")
    assert wire.link.watched
    late = wire.watcher("kind:message")
    assert late.reads() == [] and late.known == []  # no stream is in force
    wire.opens(b"again")
    wire.carries(b"<message/>")
    gone, *shown = watching.raws()
    assert (gone.name, gone.text) == ("offline", "")
    assert shown == late.raws() == [b"<message/>"]


def test_the_tap_runs_only_while_somebody_watches(wire: Wire) -> None:
    assert not wire.link.watched
    one, two = wire.watcher(), wire.watcher()
    one.client.drop()
    assert wire.link.watched
    two.client.receive(b"</stream:stream>")
    assert not wire.link.watched
    assert wire.watchers.facts() == {"watchers": 0, "filters": 0}


def test_same_terms_share_a_filter_and_all_share_an_encoding(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Frame] = []

    def counting(frame: Frame, **known: bool) -> bytes:
        encoded.append(frame)
        return encode(frame, **known)

    asked: list[Frame] = []
    compiled: list[Any] = []

    def compiling(terms: tuple[str, ...], **how: bool) -> Callable[[Frame], bool]:
        compiled.append((terms, how))

        class Asking(module.Filter):
            def __call__(self, frame: Frame) -> bool:
                asked.append(frame)
                return super().__call__(frame)

        return Asking(terms, **how)

    monkeypatch.setattr(module, "encode", counting)
    monkeypatch.setattr(module, "compile_filter", compiling)
    watching = [wire.watcher("kind:message") for _ in range(50)] + [wire.watcher("dir:in") for _ in range(50)]
    assert compiled == [(("kind:message",), {"bounded": True}), (("dir:in",), {"bounded": True})]
    assert wire.watchers.facts() == {"watchers": 100, "filters": 2}
    encoded.clear()
    wire.carries(b"<message/>")
    assert len(encoded) == 1 and len(asked) == 2
    wire.carries(b"<presence/>", "out")
    assert len(encoded) == 1 and len(asked) == 4
    assert all(each.raws() == [b"<message/>"] for each in watching)


def test_a_bad_filter_is_refused_as_the_command_would(wire: Wire) -> None:
    watching = Watching(wire.hub)
    watching.watch("kind:message", "kind:letter")
    assert watching.reads() == []
    (error,) = watching.refused
    assert isinstance(error, BadFilter) and "'letter'" in error.message and error.hint
    assert not wire.link.watched


def test_a_new_request_takes_the_place_of_the_one_before(wire: Wire) -> None:
    watching = wire.watcher("kind:message")
    watching.watch("kind:presence")
    wire.carries(b"<message/><presence/>")
    assert watching.raws() == [b"<presence/>"]
    watching.watch("kind:letter")
    wire.carries(b"<message/><presence/>")
    assert watching.raws() == [b"<presence/>"]
    assert wire.watchers.facts() == {"watchers": 1, "filters": 1}
    watching.client.drop()
    assert wire.watchers.facts() == {"watchers": 0, "filters": 0}


def test_a_get_changes_nothing(wire: Wire) -> None:
    watching = Watching(wire.hub)
    watching.watch(type="get")
    watching.reads()
    assert watching.refused and not wire.link.watched


def test_who_only_watches_gets_no_stanzas_besides(wire: Wire) -> None:
    only, too = wire.watcher("kind:message", only=True), wire.watcher("kind:message")
    only.reads(), too.reads()
    (frame,) = wire.carries(b"<message id='1'/>")
    wire.hub.received(frame)
    assert [each.time for each in only.reads()] == [frame.time]
    assert len(too.reads()) == 2


def test_who_only_watches_is_not_waited_for_to_answer_what_it_does_not_see(wire: Wire) -> None:
    only = wire.watcher("kind:message", only=True)
    only.client.receive(
        f"<iq type='set' id='s' to='{DAEMON}'><serve xmlns='{NS_DAEMON}' namespace='urn:x'/></iq>".encode()
    )
    (request,) = wire.carries(b"<iq type='get' id='r' from='a@b'><q xmlns='urn:x'/></iq>")
    wire.hub.received(request)
    (answer,) = wire.link.sent
    assert b"id='r'" in answer and b"service-unavailable" in answer


def test_one_that_does_not_read_loses_its_oldest_and_is_told_where_they_were(wire: Wire) -> None:
    slow, quick = wire.watcher(), wire.watcher()
    count = 20_000
    got: list[Any] = []
    for number in range(count):
        wire.carries(b"<message id='%d'/>" % number)
        got += quick.reads()
    assert [frame.id for frame in got] == [str(number) for number in range(count)]
    lost, *kept = slow.reads()
    assert isinstance(lost, int) and 0 < lost < count
    assert [frame.id for frame in kept] == [str(number) for number in range(lost, count)]
    wire.carries(b"<message id='after'/>")
    assert slow.raws() == [b"<message id='after'/>"]


def test_headers_are_never_lost(wire: Wire) -> None:
    slow = wire.watcher()
    for _ in range(3000):
        wire.carries(b"<message/>")
    wire.opens(b"new")
    for _ in range(20_000):
        wire.carries(b"<p:x/>")
    headers = [each for each in slow.reads() if isinstance(each, Frame) and b"urn:new" in each.raw]
    assert len(headers) == 2
    wire.carries(b"<p:x/>")
    (frame,) = slow.reads()
    assert frame.names == ["urn:new x"]


def test_what_a_watcher_leaves_unread_stays_within_its_bounds(wire: Wire) -> None:
    slow = wire.watcher()
    messages = b"".join(b"<message id='%d'>%s</message>" % (number, b"x" * 500) for number in range(1000))
    queued = []
    for _ in range(30):
        wire.carries(messages)
        queued.append(slow.client.facts()["queued"])
    assert max(queued) <= MAX_BYTES + 1024  # headers and replies are never dropped
    assert queued[-1] == pytest.approx(queued[-2], rel=0.01)  # it turns over
    assert slow.client.facts()["dropped"] > 15_000


def test_an_expression_without_end_holds_nobody_up(wire: Wire) -> None:
    watching = wire.watcher("body:~(a+)+$")
    evil = b"<message><body>%s!</body></message>" % (b"a" * 5000)
    wire.carries(evil + b"<presence/>")
    assert watching.raws() == [evil]


def test_a_watcher_that_goes_while_others_are_told_disturbs_nobody(wire: Wire) -> None:
    first, second, third = (wire.watcher() for _ in range(3))
    first.client.wake = second.client.drop
    wire.carries(b"<message/>")
    assert first.raws() == third.raws() == [b"<message/>"]
    assert wire.notes == [] and wire.watchers.facts()["watchers"] == 2


def test_filters_load_no_heavy_library_into_the_daemon() -> None:
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.daemon.test_watchers import Wire\n"
        "before = set(sys.modules)\n"
        "wire = Wire(); wire.opens()\n"
        "watching = wire.watcher('xpath:c:body', 'body:~x', 'xep:0060', 'from:a@b')\n"
        "wire.carries(b'<message/>'); watching.reads()\n"
        "assert not watching.refused and wire.link.watched\n"
        "assert not {'lxml', 'rich', 'slixmpp'} & set(sys.modules), 'loaded'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_lost_connection_and_a_new_one_are_told_between_the_frames() -> None:
    wire = Wire()
    wire.opens()
    watching = wire.watcher("kind:message")
    watching.reads()
    wire.carries(b"<message id='1'/>")
    wire.link.state = "waiting"
    wire.hub.offline(ConnectionLost("the server \x07 reset"))
    wire.hub.offline(ConnectionLost("and again"))
    wire.link.state = "online"
    wire.opens()
    wire.hub.online(ME, resumed=True)
    wire.carries(b"<message id='2'/>")
    one, gone, back, two = watching.reads()
    assert (one.id, two.id) == ("1", "2")
    assert (gone.name, gone.text) == ("offline", "the server \ufffd reset")
    assert (back.name, back.text) == ("online", f"{ME}, the stream was resumed")
    assert back.time >= gone.time > 1_000_000_000


def test_who_does_not_watch_hears_of_no_change() -> None:
    wire = Wire()
    watching = Watching(wire.hub)
    wire.goes("waiting")
    assert watching.reads() == []
