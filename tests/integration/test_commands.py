"""The commands of the main job, on real servers: each result is seen from the other side."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.program import PATIENCE, Cli, Following, Result, program

pytestmark = pytest.mark.kinds("direct", "attached")

NS_PUBSUB = "http://jabber.org/protocol/pubsub"
ENTRY = (
    "<entry xmlns='http://www.w3.org/2005/Atom'><title>Soliloquy</title><author><name>Hamlet</name></author>"
    "<summary>To be, or not to be &amp; so on</summary></entry>"
)


@contextmanager
def online(cli: Cli, name: str, *words: str) -> Iterator[Following]:
    """A `watch` of an account, when it is online. With `--daemon off` it is a session of its own in any case."""
    with cli.follow("watch", "-o", "jsonl", *words, account=name) as watching:
        watching.wait_record(lambda record: record["kind"] == "presence" and record["direction"] == "in")
        yield watching


def bodies(watching: Following) -> list[str]:
    return [
        record["body"]
        for record in map(json.loads, watching.lines)
        if record["direction"] == "in" and "body" in record
    ]


# -- send -------------------------------------------------------------------------------------------------------------


def test_a_message_arrives(cli: Cli) -> None:
    with online(cli, "bob") as bob:
        ran = cli.run(
            "send", cli.jid("bob"), "Wherefore art thou <Romeo> & é 🌹?", "--subject", "Q", "--thread", "t"
        )
        assert ran == (0, "", "")
        got = bob.wait_record(lambda record: record.get("body", "").startswith("Wherefore"))
    assert got["body"] == "Wherefore art thou <Romeo> & é 🌹?"
    assert got["from"].startswith(cli.jid("alice") + "/") and got["type"] == "chat"
    assert "<subject>Q</subject>" in got["xml"] and "<thread>t</thread>" in got["xml"]


def test_a_message_from_standard_input_as_json(cli: Cli) -> None:
    with online(cli, "bob") as bob:
        ran = cli.run("send", cli.jid("bob"), "-", "-o", "jsonl", "--id", "mine", stdin="two\nlines\n")
        bob.wait_record(lambda record: record.get("body") == "two\nlines")
    (record,) = ran.records
    assert (ran.code, record["state"], record["id"]) == (0, "server", "mine")


def test_a_message_to_nobody_comes_back(cli: Cli) -> None:
    ran = cli.run("send", f"nobody-{secrets.token_hex(4)}@{cli.server.domain}", "hi")
    assert ran.code == 1 and "service-unavailable" in ran.stderr


def test_a_batch_that_fails_in_part(cli: Cli) -> None:
    nobody = f"nobody-{secrets.token_hex(4)}@{cli.server.domain}"
    with online(cli, "bob") as bob:
        ran = cli.run("send", cli.jid("bob"), "--to", nobody, "hello", "-o", "jsonl")
        bob.wait_record(lambda record: record.get("body") == "hello")
    assert ran.code == 10
    assert {record["to"]: record["state"] for record in ran.records} == {
        cli.jid("bob"): "server",
        nobody: "bounced",
    }


def test_many_lines_arrive_in_order(cli: Cli) -> None:
    lines = [f"line {number} é" for number in range(600)]
    with online(cli, "bob") as bob:
        ran = cli.run("send", cli.jid("bob"), "--lines", stdin="\n".join(lines), timeout=60)
        assert ran.code == 0, ran.stderr
        bob.wait_record(lambda record: record.get("body") == lines[-1])
        assert bodies(bob) == lines


def test_slow_lines_arrive_as_they_come_and_the_session_lives_on(cli: Cli) -> None:
    with online(cli, "bob") as bob, cli.follow("send", cli.jid("bob"), "--lines", "-o", "jsonl") as sending:
        assert sending.process.stdin
        for word in ("one", "two"):
            sending.process.stdin.write(word + "\n")
            sending.process.stdin.flush()
            bob.wait_record(lambda record, word=word: record.get("body") == word)
            sending.wait_record(lambda record: record["state"] == "server")
            time.sleep(0.5)
        sending.process.stdin.close()
        assert sending.finish().code == 0


def test_an_interrupted_send_tells_what_is_not_acknowledged(cli: Cli) -> None:
    with online(cli, "bob") as bob, cli.follow("send", cli.jid("bob"), "--lines") as sending:
        assert sending.process.stdin
        sending.process.stdin.write("one\n")
        sending.process.stdin.flush()
        bob.wait_record(lambda record: record.get("body") == "one")
        ran = sending.end(signal.SIGINT)
    assert ran.code == 130


@pytest.mark.parametrize("wait", ["none", "server"])
def test_nothing_is_lost_at_the_end(cli: Cli, wait: str) -> None:
    with online(cli, "bob") as bob:
        assert cli.run("send", cli.jid("bob"), "last words", "--wait", wait).code == 0
        bob.wait_record(lambda record: record.get("body") == "last words")


# -- roster and status ------------------------------------------------------------------------------------------------


def test_a_contact_comes_changes_and_goes(cli: Cli) -> None:
    bob = cli.jid("bob")
    assert cli.run("roster", "list", "-o", "json").stdout == "[]\n"
    ran = cli.run("roster", "add", bob, "--name", "Bob <B>", "-g", "Friends", "-g", "Ünïcode & Co")
    assert ran.code == 0, ran.stderr
    (contact,) = cli.run("roster", "list", "-o", "jsonl").records
    assert (contact["jid"], contact["name"], contact["groups"]) == (
        bob,
        "Bob <B>",
        ["Friends", "Ünïcode & Co"],
    )
    assert (contact["subscription"], contact["ask"]) == ("none", "subscribe")
    assert cli.run("roster", "set", bob, "--name", "Robert").code == 0
    (contact,) = cli.run("roster", "list", "-o", "jsonl").records
    assert (contact["name"], contact["groups"]) == ("Robert", ["Friends", "Ünïcode & Co"])
    assert cli.run("roster", "set", bob, "--name", "", "--no-groups").code == 0
    (contact,) = cli.run("roster", "list", "-o", "jsonl").records
    assert "name" not in contact and contact["groups"] == []
    assert cli.run("roster", "remove", bob).code == 0
    assert cli.run("roster", "list", "-o", "json").stdout == "[]\n"
    gone = cli.run("roster", "remove", bob)
    assert gone.code == 1 and "item-not-found" in gone.stderr


def test_a_subscription_request_reaches_the_contact(cli: Cli) -> None:
    with online(cli, "bob") as bob:
        assert cli.run("roster", "add", cli.jid("bob")).code == 0
        bob.wait_record(lambda record: record.get("type") == "subscribe")
        assert cli.run("roster", "add", cli.jid("bob"), "--no-subscribe").code == 0


def test_a_stranger_is_never_granted_a_subscription(cli: Cli) -> None:
    with online(cli, "bob"):
        assert cli.run("roster", "add", cli.jid("bob")).code == 0
        time.sleep(0.5)
        (contact,) = cli.run("roster", "list", "-o", "jsonl").records
    assert contact["subscription"] == "none"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_held_status_is_seen_and_taken_back(cli: Cli, number: signal.Signals, code: int) -> None:
    alone = online(cli, "alice", "--daemon", "off")
    with alone as other, cli.follow("status", "dnd", "at lunch", "--hold") as holding:
        came = other.wait_record(lambda record: "<show>dnd</show>" in record["xml"])
        assert "at lunch" in came["xml"]
        holding.wait_note("is dnd")
        assert holding.end(number).code == code
        other.wait_record(
            lambda record: record.get("type") == "unavailable" and record.get("from") == came["from"]
        )


def test_a_status_for_a_while(cli: Cli) -> None:
    began = time.monotonic()
    assert cli.run("status", "--hold", "0.5").code == 0
    assert time.monotonic() - began >= 0.5
    assert cli.run("status", "away").code == (0 if cli.kind == "attached" else 9)


# -- pubsub -----------------------------------------------------------------------------------------------------------


class Node:
    """A node that alice has made, and what she does to it."""

    def __init__(self, cli: Cli, name: str) -> None:
        self.cli = cli
        self.name = name
        self.service = cli.server.pubsub

    def ask(self, inside: str, *, owner: bool = False) -> Result:
        namespace = f"{NS_PUBSUB}#owner" if owner else NS_PUBSUB
        xml = f"<iq type='set' to='{self.service}'><pubsub xmlns='{namespace}'>{inside}</pubsub></iq>"
        ran = self.cli.run("raw", xml)
        assert ran.code == 0, ran.stderr
        return ran

    def publish(self, id_: str, payload: str) -> None:
        self.ask(f"<publish node='{self.name}'><item id='{id_}'>{payload}</item></publish>")

    def announce_deletion(self) -> None:
        """Have subscribers told when the node is deleted, which ejabberd does not do by itself."""
        fields = {"FORM_TYPE": f"{NS_PUBSUB}#node_config", "pubsub#notify_delete": "1"}
        form = "".join(
            f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items()
        )
        inside = (
            f"<configure node='{self.name}'><x xmlns='jabber:x:data' type='submit'>{form}</x></configure>"
        )
        self.ask(inside, owner=True)

    def subscriptions(self, account: str = "bob") -> str:
        xml = f"<iq type='get' to='{self.service}'><pubsub xmlns='{NS_PUBSUB}'><subscriptions/></pubsub></iq>"
        return self.cli.run("raw", xml, "-o", "jsonl", account=account).stdout


@pytest.fixture
def node(cli: Cli) -> Node:
    made = Node(cli, f"node-{secrets.token_hex(4)}")
    made.ask(f"<create node='{made.name}'/>")
    return made


def following(node: Node, *words: str) -> Following:
    return node.cli.follow(
        "pubsub", "subscribe", node.service, node.name, "-o", "jsonl", *words, account="bob"
    )


def test_events_of_a_node(node: Node) -> None:
    odd = "<p:x xmlns:p='urn:x'><p:y>&lt;é&gt;</p:y></p:x>"
    with following(node) as bob:
        bob.wait_note("subscribed to")
        assert node.name in node.subscriptions()
        node.publish("1", ENTRY)
        item = bob.wait_record(lambda record: record.get("id") == "1")
        assert (item["event"], item["service"], item["node"]) == ("item", node.service, node.name)
        assert (item["atom"]["title"], item["atom"]["author"]) == ("Soliloquy", "Hamlet")
        node.publish("2", odd)
        item = bob.wait_record(lambda record: record.get("id") == "2")
        assert "&lt;é&gt;" in item["payload"]  # servers bind prefixes their own way
        node.ask(f"<retract node='{node.name}' notify='true'><item id='1'/></retract>")
        bob.wait_record(lambda record: (record["event"], record.get("id")) == ("retract", "1"))
        node.announce_deletion()
        node.ask(f"<delete node='{node.name}'/>", owner=True)
        bob.wait_record(lambda record: record["event"] == "delete")
        assert bob.finish().code == 0


def test_what_is_shown_is_what_was_on_the_wire(node: Node) -> None:
    with online(node.cli, "bob") as wire, following(node) as bob:
        bob.wait_note("subscribed to")
        node.publish("1", ENTRY)
        shown = bob.wait_record(lambda record: record.get("id") == "1")["payload"]
        wire.wait_record(lambda record: shown in record["xml"] and record["direction"] == "in")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_subscription_is_left_behind_after_a_signal(node: Node, number: signal.Signals, code: int) -> None:
    with following(node) as bob:
        bob.wait_note("subscribed to")
        assert node.name in node.subscriptions()
        assert bob.end(number).code == code
    assert node.name not in node.subscriptions()


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--count", "1"), 6)])
def test_no_subscription_is_left_behind_after_a_timeout(
    node: Node, words: tuple[str, ...], code: int
) -> None:
    for seconds in ("1", "5", "25"):  # in which a busy machine has to come to the subscription, too
        with following(node, "--timeout", seconds, *words) as bob:
            ran = bob.finish()
        if "subscribed to" in ran.stderr:
            break
    assert "subscribed to" in ran.stderr and ran.code == code, ran.stderr
    assert node.name not in node.subscriptions()


def test_a_subscription_that_was_there_or_is_kept_stays(node: Node) -> None:
    subscribe = ("pubsub", "subscribe", node.service, node.name, "-o", "jsonl")
    ran = node.cli.run(*subscribe, "--no-follow", account="bob")
    assert ran.code == 0 and ran.records[0]["subscription"] == "subscribed"
    assert node.name in node.subscriptions()
    with node.cli.follow(*subscribe, account="bob") as again:
        again.wait_note("as before")
        assert again.end().code == 130
    assert node.name in node.subscriptions()


def test_items_first_then_events(node: Node) -> None:
    for number in ("1", "2", "3"):
        node.publish(number, f"<n xmlns='urn:n'>{number}</n>")
    with following(node, "--items", "10", "--count", "4") as bob:
        bob.wait_record(lambda record: record.get("id") == "3")
        node.publish("4", "<n xmlns='urn:n'>4</n>")
        ran = bob.finish()
    assert ran.code == 0
    assert sorted(record["id"] for record in ran.records) == ["1", "2", "3", "4"]
    assert ran.records[-1]["id"] == "4"


def test_a_node_that_is_not_there_is_1(cli: Cli) -> None:
    ran = cli.run("pubsub", "subscribe", cli.server.pubsub, "no-such-node")
    assert ran.code == 1 and "item-not-found" in ran.stderr


def test_a_closed_pipe_ends_it_quietly_and_undoes_the_subscription(node: Node) -> None:
    words = node.cli.words(("pubsub", "subscribe", node.service, node.name, "-v"), "bob")
    with subprocess.Popen(
        words, env=node.cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=node.cli.home
    ) as process:
        assert process.stdout and process.stderr
        assert any(b"subscribed to" in line for line in iter(process.stderr.readline, b""))
        process.stdout.close()  # and nothing is ever published
        assert process.wait(PATIENCE) == 0
        assert b"unsubscribed from" in process.stderr.read()
    assert node.name not in node.subscriptions()


# -- watch ------------------------------------------------------------------------------------------------------------


@pytest.mark.kinds("direct", why="a daemon's stream has begun before, and does not end")
def test_watch_sees_everything_from_the_first_byte_to_the_last(cli: Cli) -> None:
    with online(cli, "bob") as bob:
        assert cli.run("send", cli.jid("bob"), "seen").code == 0
        bob.wait_record(lambda record: record.get("body") == "seen")
        ran = bob.end()
    assert ran.code == 130
    records = ran.records
    assert records[0]["direction"] == "out" and "<stream:stream" in records[0]["xml"]
    kinds = [record["xml"].split()[0].strip("<>/") for record in records]
    assert {"auth", "response", "presence", "message"} <= {kind.split(">")[0] for kind in kinds}
    footers = [record["direction"] for record in records if record["xml"] == "</stream:stream>"]
    assert sorted(footers) == ["in", "out"]
    assert cli.accounts["bob"].password not in ran.stdout


def test_watch_survives_a_ping_of_the_other_side(cli: Cli) -> None:
    with online(cli, "bob") as bob:
        own = bob.wait_record(lambda record: record["kind"] == "presence" and record["direction"] == "in")
        full = own["from"]
        ran = cli.run("ping", full)
        assert ran.code in (0, 1), ran.stderr
        assert cli.run("send", full, "still there").code == 0
        bob.wait_record(lambda record: record.get("body") == "still there")


def test_a_closed_pipe_ends_watch_quietly(cli: Cli) -> None:
    words = cli.words(("watch", "--format", "line"), "bob")
    with subprocess.Popen(
        words, env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cli.home
    ) as process:
        assert process.stdout and process.stderr
        while b"presence" not in process.stdout.readline():
            pass
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_a_server_that_dies_is_4_after_what_was_seen(prosody_server, tmp_path) -> None:
    cli = Cli(prosody_server, tmp_path)
    with online(cli, "bob") as bob:
        prosody_server.kill()
        ran = bob.finish()
    assert ran.code == 4 and ran.records and "connection" in ran.stderr


# -- raw, disco, version, ping ----------------------------------------------------------------------------------------


def test_raw_sends_what_was_typed(cli: Cli) -> None:
    inside = "<body>a<![CDATA[<b>]]></body><z:x xmlns:z='urn:z'/>"
    odd = f"<message  to='{cli.jid('bob')}'\ttype=\"chat\" >{inside}</message >"
    trace = cli.home / "trace"
    with online(cli, "bob") as bob:
        assert cli.run("raw", "-", "--trace", str(trace), stdin=odd).code == 0
        bob.wait_record(lambda record: record.get("body") == "a<b>")
    sent = [json.loads(line)["xml"] for line in trace.read_text().splitlines()]
    assert odd in sent


def test_raw_prints_replies_and_errors(cli: Cli) -> None:
    ok = "<iq type='get'><query xmlns='jabber:iq:roster'/></iq>"
    bad = f"<iq type='get' id='bad' to='{cli.server.domain}'><x xmlns='urn:nothing'/></iq>"
    ran = cli.run("raw", ok + bad, "-o", "jsonl")
    assert ran.code == 10
    assert [record["type"] for record in ran.records] == ["result", "error"]
    assert cli.run("raw", bad).code == 1


def test_raw_with_thousands_of_stanzas(cli: Cli) -> None:
    domain = cli.server.domain
    ping = f"<iq type='get' id='p{{}}' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>\n"
    ran = cli.run("raw", "-", "-o", "jsonl", stdin="".join(ping.format(n) for n in range(2000)), timeout=60)
    assert ran.code == 0, ran.stderr[-500:]
    assert [record["id"] for record in ran.records] == [f"p{n}" for n in range(2000)]


def test_raw_that_provokes_a_stream_error_is_4(cli: Cli) -> None:
    ran = cli.run(
        "raw", "<iq xmlns='jabber:client' type='get' id='1' from='mallory@evil.example'><x xmlns='u'/></iq>"
    )
    assert ran.code in (1, 4)
    if ran.code == 4:
        assert "invalid-from" in ran.stderr


def test_disco_version_and_ping(cli: Cli) -> None:
    domain = cli.server.domain
    (info,) = cli.run("disco", "info", "-o", "jsonl").records
    assert "urn:xmpp:ping" in info["features"]
    assert any(identity["category"] == "server" for identity in info["identities"])
    items = cli.run("disco", "items", domain, "-o", "jsonl").records
    assert cli.server.pubsub in {item["jid"] for item in items}
    (version,) = cli.run("version", "-o", "jsonl").records
    assert version["jid"] == domain and cli.server.kind in version["name"].lower()
    ran = cli.run("ping", "--count", "3", "--interval", "0", "-o", "jsonl")
    assert ran.code == 0 and ran.records[-1]["received"] == 3
    gone = cli.run("version", f"nobody-{secrets.token_hex(4)}@{domain}")
    assert gone.code == 1 and "service-unavailable" in gone.stderr


def test_hot_commands_load_nothing_heavy_all_the_way(cli: Cli) -> None:
    """Up to the end of a run, against a real server."""
    code = (
        "import atexit, os, sys\n"
        "os._exit = sys.exit\n"  # by which the program leaves, and which nothing that is registered would outlive
        "heavy = ('slixmpp', 'asyncio', 'rich', 'lxml', 'prompt_toolkit')\n"
        "atexit.register(lambda: sys.stderr.write('LOADED %s\\n' % [n for n in heavy if n in sys.modules]))\n"
        "from xmppctl.cli import main\nmain()\n"
    )
    for words in (
        ("send", cli.jid("bob"), "hi"),
        ("send", cli.jid("bob"), "hi", "-o", "jsonl"),
        ("ping", "-o", "json"),
        ("raw", "<presence/>"),
        ("status", "--hold", "0.1"),
        ("roster", "list"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *cli.words(words, "alice")[len(program()) :]],
            env=cli.environment,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=cli.home,
        )
        assert done.returncode == 0 and "LOADED []" in done.stderr, (words, done.stderr)
