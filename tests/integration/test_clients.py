"""Clients of a daemon on a real server: what they get, and what is restored when that has forgotten everything."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import PATIENCE, Cli, wait_until
from tests.servers.base import Server
from tests.servers.proxy import Proxy
from xmppctl.session.unix import address

HEADER = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "to='localhost' version='1.0'>"
)
BIND = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3'/>"
R = "<r xmlns='urn:xmpp:sm:3'/>"
ROOM = "hall@conference.localhost"
JOIN = f"<presence to='{ROOM}/al'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
CARBONS = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
# XEP-0410: whether we are in the room.
SELF_PING = f"<iq type='get' id='there' to='{ROOM}/al'><ping xmlns='urn:xmpp:ping'/></iq>"


class Line:
    """A client that speaks and reads text. A context manager."""

    def __init__(self, cli: Cli, account: str = "carol") -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(PATIENCE)
        with address(cli.runtime / "xmppctl" / f"{account}.sock") as where:
            self._sock.connect(where)
        self._data = ""
        self.say(HEADER + BIND + ENABLE)
        self.jid = self.until(r"<jid>([^<]+)</jid>")[1]
        self.until("<enabled[^>]*>")

    def say(self, text: str) -> None:
        self._sock.sendall(text.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Read until this comes; what came before it is passed over."""
        while not (found := re.search(pattern, self._data)):
            data = self._sock.recv(65536)
            assert data, f"the daemon hung up before {pattern}: {self._data}"
            self._data += data.decode()
        self._data = self._data[found.end() :]
        return found

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()


class Place:
    """A Prosody that can be killed, a network in between that can be cut, and the daemon of carol behind it."""

    def __init__(self, server: Server, proxy: Proxy, cli: Cli) -> None:
        self.server = server
        self.proxy = proxy
        self.cli = cli

    @property
    def facts(self) -> Any:
        """What `daemon status` tells."""
        return json.loads(self.cli.run("daemon", "status", "-o", "json", account="carol").stdout)

    def kill(self) -> None:
        """The server crashes: it has forgotten every stream."""
        self.proxy.refuse()
        self.server.kill()
        self.proxy.cut()
        wait_until(lambda: self.facts["connection"]["state"] != "online", "the daemon notices it")

    def revive(self) -> None:
        """It is back, on another port."""
        self.server.start()
        self.proxy.target = self.server.port_direct
        self.proxy.allow_connections()
        wait_until(lambda: self.facts["connection"]["state"] == "online", "the daemon is online again")


@pytest.fixture
def place(prosody_server: Server, tmp_path: Path) -> Iterator[Place]:
    with Proxy(prosody_server.port_direct) as proxy:
        cli = Cli(prosody_server, tmp_path)
        cli.add_account("carol", port=proxy.port)
        cli.start_daemon("carol")
        try:
            yield Place(prosody_server, proxy, cli)
        finally:
            cli.close()


def sent_from_elsewhere(place: Place, body: str) -> None:
    """Carol sends a message on a stream of its own."""
    port = str(place.server.port_direct)
    words = ("send", place.cli.jid("bob"), body, "--daemon", "off", "--port", port)
    assert place.cli.run(*words, account="carol").code == 0


def test_what_a_server_has_forgotten_is_restored(place: Place) -> None:
    with Line(place.cli) as line:
        line.say("<presence><priority>5</priority></presence>" + JOIN + CARBONS + R)
        line.until("<a [^>]*h='3'")
        place.kill()
        place.revive()
        own = line.jid.partition("/")[0]
        line.say(f"<message to='{own}' type='chat'><body>to myself</body></message>")
        line.until("<body>to myself</body>")  # only who shows a presence gets what is for the account
        line.say(SELF_PING)
        assert "type='result'" in line.until("<iq [^>]*id='there'[^>]*>")[0]
        sent_from_elsewhere(place, "copied")
        line.until("<sent xmlns='urn:xmpp:carbons:2'.*?copied")
        assert place.facts["presence"]["rooms"] == [ROOM]
    wait_until(lambda: place.facts["presence"]["rooms"] == [], "the room is left")
    with Line(place.cli) as line:
        line.say(SELF_PING)
        assert "type='error'" in line.until("<iq [^>]*id='there'[^>]*>")[0]


def test_requests_of_a_stream_that_was_lost_are_answered_or_asked_again(place: Place) -> None:
    with Line(place.cli) as line:
        place.kill()
        line.say("<iq type='get' id='asked' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        line.say(f"<message to='{place.cli.jid('bob')}' id='m'><body>late</body></message>" + R)
        place.revive()
        line.until("<iq [^>]*id='asked'[^>]*type='result'|<iq [^>]*type='result'[^>]*id='asked'")
        line.until("<a [^>]*h='2'")
    port = str(place.server.port_direct)
    words = ("watch", "kind:message", "--count", "1", "-o", "jsonl", "--daemon", "off", "--port", port)
    assert '"late"' in place.cli.run(*words, account="bob").stdout


def test_a_network_that_breaks_again_and_again_costs_a_client_nothing(place: Place) -> None:
    """Prosody 0.12 now and then reads nothing more of a stream that it has resumed: then it is tried once more."""
    assert any(sent_while_the_network_breaks(place) for _ in range(4))


def sent_while_the_network_breaks(place: Place) -> bool:
    """Check that everything comes once and in order; False where a stream was not resumed."""
    bodies = [f"<{number}>" for number in range(60)]
    before = len(place.cli.daemon_log("carol"))
    with Line(place.cli) as line:
        own = line.jid.partition("/")[0]
        line.say("<presence/>" + R)
        line.until("<a [^>]*h='1'")
        for number, body in enumerate(bodies):
            if number % 20 == 10:
                place.proxy.cut_after(150)
            text = body.replace("<", "&lt;").replace(">", "&gt;")
            line.say(f"<message to='{own}' type='chat' id='m{number}'><body>{text}</body></message>")
        line.say(R)
        try:
            seen = [line.until("<message [^>]*id='m([0-9]+)'")[1] for _ in bodies]
            line.say(R)
            line.until(f"<a [^>]*h='{len(bodies) + 1}'")
        except TimeoutError:
            place.proxy.cut()
            return False
    online = re.findall(r" online as .*", place.cli.daemon_log("carol")[before:])
    if not all("resumed" in each for each in online):
        return False
    assert seen == [str(number) for number in range(len(bodies))]
    return True


def test_clients_share_one_resource_and_nothing_else(place: Place) -> None:
    reply = "<iq (?=[^>]*id='same')[^>]*from='([^']+)'[^>]*>"
    ask = "<iq type='get' id='same' to='{}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    with Line(place.cli) as one, Line(place.cli) as other:
        assert one.jid == other.jid
        one.say(ask.format("localhost") + ask.format("conference.localhost"))
        other.say(ask.format("pubsub.localhost"))
        assert {one.until(reply)[1], one.until(reply)[1]} == {"localhost", "conference.localhost"}
        assert other.until(reply)[1] == "pubsub.localhost"
        for line in (one, other):
            line.say("<iq type='get' id='end' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
            between = line.until("(.*?)<iq [^>]*id='end'")[1]
            assert "id='same'" not in between
