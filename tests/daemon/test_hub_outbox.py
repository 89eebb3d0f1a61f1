"""The hub on a real outbox, with a server that takes little at a time and a network that breaks in the middle.

Nothing is told to have arrived that has not; nothing is lost, or comes out of order; a new stream ends up showing what
is to be shown.
"""

from __future__ import annotations

import random
import re

import pytest

from tests.daemon.conftest import FULL, HEADER, ROMEO, Clock, House, Talker, attribute
from xmppctl.daemon.hub import Hub
from xmppctl.daemon.outbox import Outbox
from xmppctl.daemon.parts import Outgoing, Owner, State
from xmppctl.errors import XmppctlError
from xmppctl.stanza.jid import Jid
from xmppctl.stanza.splitter import Splitter

R = "<r xmlns='urn:xmpp:sm:3'/>"


class Link:
    """The outbox, and the server behind it: `wire` is what was written to the stream, `had` how much of it it has."""

    congested = watched = False
    failure: XmppctlError | None = None

    def __init__(self) -> None:
        self.state: State = "waiting"
        self.jid: Jid | None = None
        self.outbox = Outbox()
        self.wire: list[str] = []
        self.had = 0
        #: What the server got on this stream, and on all of them.
        self.stream: list[str] = []
        self.everything: list[str] = []
        self.hub: Hub

    def send(self, stanza: Outgoing) -> None:
        self.outbox.add(stanza)

    def withdraw(self, owner: Owner) -> list[Outgoing]:
        return self.outbox.withdraw(owner)

    def want_acknowledgement(self) -> None:
        self.outbox.want()

    def hurry(self) -> None:
        """It is the test that says when."""

    def write(self, count: int) -> None:
        """The network takes so many more."""
        before = len(self.outbox.unacknowledged)
        self.outbox.take(1 << 30, before + count)
        self.wire += [each.data.decode() for each in list(self.outbox.unacknowledged)[before:]]

    def handle(self, count: int) -> None:
        """The server takes in so many more."""
        new = self.wire[self.had : self.had + count]
        self.had += len(new)
        self.stream += new
        self.everything += new

    def tell(self) -> None:
        """It acknowledges them."""
        self.outbox.handled(self.had)

    def cut(self) -> None:
        self.state = "waiting"
        self.hub.offline(None)

    def resume(self) -> None:
        self.outbox.resumed(self.had)
        self.wire = self.wire[: self.had]
        self.state = "online"
        assert not list(self.hub.online(FULL, resumed=True))

    def renew(self, *, told: bool) -> None:
        """A new stream; `told`: the server still knew what it had of the old one."""
        if told:
            self.outbox.handled(self.had)
        self.outbox.start_counting()
        self.wire, self.stream, self.had = [], [], 0
        self.state, self.jid = "online", FULL
        self.outbox.restarted(self.hub.online(FULL, resumed=False))


class Player:
    """A client and the stanzas that it sent, in order."""

    def __init__(self, talker: Talker, number: int) -> None:
        self.talker = talker
        self.number = number
        self.said: list[str] = []
        self.told = 0
        #: Questions that were not answered yet.
        self.open = 0

    def say(self, text: str) -> None:
        self.said.append(text)
        self.talker.say(text)

    def read(self) -> None:
        for text in self.talker.read():
            if text.startswith("<a "):
                self.told = int(attribute(text, "h"))
                self.open -= 1

    def want(self) -> None:
        self.open += 1
        self.talker.say(R)


class Game:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.link = Link()
        self.house = House.__new__(House)
        self.house.clock = Clock()
        self.house.notes = []
        self.house.hub = self.link.hub = Hub(
            self.link,
            jid=ROMEO,
            account="work",
            settings="5f3a9c01",
            note=self.house.notes.append,
            later=self.house.clock.later,
        )
        self.link.renew(told=False)
        self.players: list[Player] = []
        #: Those that have closed their streams and had no question open: all that they sent counts.
        self.orderly: list[Player] = []
        self.count = 0
        #: Requests that were answered, and how much the server had got by then.
        self.answered: dict[str, int] = {}

    def join(self) -> Player:
        if self.link.state != "online":
            self.go_on()
        self.count += 1
        player = Player(self.house.bound(acks=True), self.count)
        self.players.append(player)
        return player

    def someone(self) -> Player:
        return self.random.choice(self.players) if self.players else self.join()

    def message(self) -> None:
        player = self.someone()
        player.say(f"<message to='a@b' id='m{player.number}-{len(player.said)}'/>")

    def present(self) -> None:
        self.count += 1
        self.someone().say(
            self.random.choice([f"<presence id='p{self.count}'/>", "<presence type='unavailable'/>"])
        )

    def direct(self) -> None:
        kind = self.random.choice(["", " type='unavailable'", " type='subscribe'"])
        self.someone().say(f"<presence to='c@d'{kind}/>")

    def ask(self) -> None:
        player = self.someone()
        player.say(f"<iq type='set' id='{len(player.said)}' to='a@b'><q xmlns='urn:x'/></iq>")

    def answer(self) -> None:
        """The server answers the last request that it got."""
        asked = [text for text in self.link.stream if "urn:x" in text]
        if asked and self.link.state == "online":
            id_ = attribute(asked[-1], "id")
            reader = Splitter("in")
            reader.feed(HEADER.encode())
            (reply,) = reader.feed(f"<iq type='result' from='a@b' id='{id_}'/>".encode())
            self.house.hub.received(reply)
            self.answered.setdefault(asked[-1], len(self.link.everything))

    def want(self) -> None:
        self.someone().want()

    def leave(self) -> None:
        player = self.someone()
        player.read()
        self.players.remove(player)
        if not player.open:
            self.orderly.append(player)
        player.talker.close()

    def die(self) -> None:
        player = self.someone()
        self.players.remove(player)
        player.talker.die()

    def flow(self) -> None:
        if self.link.state == "online":
            self.link.write(self.random.randrange(4))
            self.link.handle(self.random.randrange(4))
            if self.random.random() < 0.6:
                self.link.tell()

    def cut(self) -> None:
        if self.link.state == "online":
            self.link.cut()

    def go_on(self) -> None:
        if self.link.state != "online":
            if self.random.random() < 0.4:
                self.link.resume()
            else:
                self.link.renew(told=self.random.random() < 0.5)

    def play(self, steps: int) -> None:
        moves = [self.message, self.message, self.present, self.direct, self.ask, self.answer, self.want]
        moves += [self.flow] * 5 + [self.cut, self.go_on, self.leave, self.die, self.join]
        for _ in range(steps):
            self.random.choice(moves)()
            self.check_told()

    def check_told(self) -> None:
        seen = set(self.link.everything)
        for player in self.players:
            player.read()
            missing = [text for text in player.said[: player.told] if "<message" in text and text not in seen]
            assert not missing, "told to have arrived"

    def finish(self) -> None:
        self.cut()
        self.link.renew(told=False)
        while self.link.outbox:
            self.link.write(100)
            self.link.handle(100)
            self.link.tell()
        for player in self.players:
            player.want()
            player.read()
            assert player.told == len(player.said), "and all is told"

    def check_end(self) -> None:
        first: dict[str, int] = {}
        for number, text in enumerate(self.link.everything):
            first.setdefault(text, number)
        for player in (*self.players, *self.orderly):
            messages = [text for text in player.said if "<message" in text]
            places = [first[text] for text in messages]  # all of them are there
            assert places == sorted(places), "in order"
        for text, at in self.answered.items():
            assert text not in self.link.everything[at:], "an answered request is made once more"
        wanted = self.house.hub.presence._wanted()
        shown = [text for text in self.link.stream if re.match(r"<presence(?! to=)", text)]
        last = shown[-1] if shown else None
        assert (None if last is None or "unavailable" in last else last.encode()) == wanted
        assert self.house.notes == []


@pytest.mark.parametrize("seed", range(60))
def test_whatever_breaks_nothing_is_lost_and_nothing_told_too_early(seed: int) -> None:
    game = Game(seed)
    game.play(250)
    game.finish()
    game.check_end()
