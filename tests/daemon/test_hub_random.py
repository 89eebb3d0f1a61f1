"""Clients that do anything at any time, a link that breaks at any time: what must hold whatever happens."""

from __future__ import annotations

import random
import re

import pytest

from tests.daemon.conftest import House, Talker, attribute

R = "<r xmlns='urn:xmpp:sm:3'/>"
SERVE = (
    "<iq type='set' id='serve' to='daemon.xmppctl.invalid'>"
    "<serve xmlns='urn:xmppctl:daemon:1' namespace='urn:served'/></iq>"
)


class Player:
    """A client, what it said and what it heard."""

    def __init__(self, talker: Talker, number: int) -> None:
        self.talker = talker
        self.number = number
        self.stanzas = 0
        self.asked: dict[str, int] = {}
        self.heard: list[str] = []
        self.marks: list[int] = []
        self.gone = False

    def say(self, text: str) -> None:
        self.stanzas += 1
        self.talker.say(text)

    def ask(self) -> None:
        id_ = f"i{self.stanzas}" if self.stanzas % 3 else "same"
        self.asked[id_] = self.asked.get(id_, 0) + 1
        self.say(f"<iq type='get' id='{id_}' to='a@b'><who xmlns='urn:x' n='{self.number}' i='{id_}'/></iq>")

    def want(self) -> None:
        self.marks.append(self.stanzas)
        self.talker.say(R)


class Game:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.house = House()
        self.house.link.online()
        self.players: list[Player] = []
        self.answered: set[str] = set()
        self.requests = 0

    def living(self) -> list[Player]:
        return [player for player in self.players if not player.gone]

    def play(self, steps: int) -> None:
        moves = [
            self.join,
            self.leave,
            self.die,
            self.message,
            self.ask,
            self.present,
            self.direct,
            self.want,
        ]
        moves += [
            self.message,
            self.ask,
            self.want,
            self.acknowledge,
            self.answer,
            self.request,
            self.forge,
        ] * 2
        moves += [self.cut, self.resume, self.renew, self.wait]
        for _ in range(steps):
            self.random.choice(moves)()
            self.listen()

    def someone(self) -> Player:
        if not self.living():
            self.join()
        return self.random.choice(self.living())

    # -- moves --

    def join(self) -> None:
        self.resume()
        player = Player(self.house.bound(acks=True), len(self.players))
        self.players.append(player)
        if self.random.random() < 0.5:
            player.say(SERVE)

    def leave(self) -> None:
        player = self.someone()
        player.talker.close()
        player.gone = True

    def die(self) -> None:
        player = self.someone()
        player.talker.client.receive(b"<message to='a@b'><bo")
        player.talker.die()
        player.gone = True

    def message(self) -> None:
        player = self.someone()
        player.say(f"<message to='a@b' id='m{player.number}-{player.stanzas}'/>")

    def ask(self) -> None:
        self.someone().ask()

    def present(self) -> None:
        self.someone().say(
            self.random.choice(["<presence/>", "<presence type='unavailable'/>", "<presence id='x'/>"])
        )

    def direct(self) -> None:
        muc = "<x xmlns='http://jabber.org/protocol/muc'/>"
        said = [
            "<presence to='c@d'/>",
            "<presence to='c@d' type='unavailable'/>",
            f"<presence to='r@s/n'>{muc}</presence>",
        ]
        self.someone().say(self.random.choice(said))

    def want(self) -> None:
        self.someone().want()

    def acknowledge(self) -> None:
        if self.house.link.state == "online":
            self.house.link.acknowledge(self.random.randrange(4))

    def answer(self) -> None:
        """The server answers one of the requests that it has."""
        if self.house.link.state != "online":
            return
        asks = [
            text
            for text in self.house.link.texts
            if "urn:x'" in text and attribute(text, "id") not in self.answered
        ]
        if asks:
            text = self.random.choice(asks)
            id_ = attribute(text, "id")
            self.answered.add(id_)
            found = re.search(r"n='(\d+)' i='(\w+)'", text)
            assert found
            self.house.link.receive(
                f"<iq type='result' from='a@b' id='{id_}'><for xmlns='urn:x' n='{found[1]}' i='{found[2]}'/></iq>"
            )

    def forge(self) -> None:
        asks = [text for text in self.house.link.texts if "urn:x'" in text]
        if asks and self.house.link.state == "online":
            id_ = attribute(self.random.choice(asks), "id")
            self.house.link.receive(f"<iq type='result' from='evil@b' id='{id_}'><forged/></iq>")

    def request(self) -> None:
        if self.house.link.state == "online":
            self.requests += 1
            self.house.link.receive(
                f"<iq type='get' id='q{self.requests}' from='j@k'><x xmlns='urn:served'/></iq>"
            )

    def cut(self) -> None:
        if self.house.link.state == "online":
            self.house.link.cut()

    def resume(self) -> None:
        if self.house.link.state != "online":
            self.house.link.online(resumed=True)

    def renew(self) -> None:
        if self.house.link.state != "online":
            self.house.link.online()

    def wait(self) -> None:
        self.house.clock.advance(self.random.choice([1, 40]))

    # -- what must hold --

    def listen(self) -> None:
        for player in self.living():
            for text in player.talker.read():
                player.heard.append(text)
                if text.startswith("<iq type='get'") and self.random.random() < 0.5:
                    player.say(f"<iq type='result' id='{attribute(text, 'id')}' to='j@k'/>")

    def finish(self) -> None:
        """The network is good again, and everything that is owed comes."""
        self.renew()
        self.house.link.acknowledge()
        while len(self.answered) < (before := len(self.answered)) + 1:
            self.answer()
            if len(self.answered) == before:
                break
        self.house.link.acknowledge()
        self.house.clock.advance(100)
        self.listen()
        self.house.link.acknowledge()
        self.listen()

    def check(self) -> None:
        assert self.house.notes == []
        for player in self.living():
            self._check_replies(player)
            told = [int(attribute(text, "h")) for text in player.heard if text.startswith("<a ")]
            assert len(told) == len(player.marks), "each question is answered"
            assert all(h >= mark for h, mark in zip(told, player.marks, strict=True)), "and not too early"
            assert told == sorted(told) and all(h <= player.stanzas for h in told)
        sent = {
            id(stanza): stanza.data.decode() for stanza in self.house.link.sent
        }  # a resumed stream repeats
        answers = [attribute(text, "id") for text in sent.values() if re.match("<iq [^>]*to='j@k'", text)]
        assert len(answers) == len(set(answers)), "a request is answered once"
        requests = self.house.hub.facts()["requests"]
        assert requests["waiting"] == 0 and requests["unanswered"] == 0

    def _check_replies(self, player: Player) -> None:
        replies = [text for text in player.heard if re.match("<iq [^>]*type='(result|error)'", text)]
        assert not [text for text in replies if "<forged" in text]
        own = [text for text in replies if "daemon.xmppctl.invalid" not in text]
        counts: dict[str, int] = {}
        for text in own:
            id_ = attribute(text, "id")
            counts[id_] = counts.get(id_, 0) + 1
            if "type='result'" in text:
                assert f"n='{player.number}' i='{id_}'" in text, "somebody else's"
            else:
                assert "remote-server-timeout" in text
        assert counts == player.asked


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_everybody_gets_what_is_his_and_once(seed: int) -> None:
    game = Game(seed)
    game.play(200)
    game.finish()
    game.check()
    while game.living():
        game.die()
    assert not game.house.hub.clients
    facts = game.house.hub.facts()
    assert facts["requests"]["waiting"] == 0 and facts["presence"]["directed"] == 0
    assert facts["presence"]["shown"] is None
