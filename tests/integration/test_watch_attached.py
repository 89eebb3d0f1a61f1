"""`watch` through a daemon: the account's wire byte for byte, for any number of watchers, over reconnects."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.examples import EXAMPLES, HEADER, ODD
from tests.integration.program import Cli, wait_until
from tests.servers.daemons import Home, login
from tests.servers.hostile import Gone, Peer, Server
from tests.servers.proxy import Proxy
from xmppctl.stanza import build
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.redact import redact
from xmppctl.stanza.splitter import Splitter

PATIENCE = 30.0
STANZAS = ("message", "presence", "iq")
JSONL = ("-o", "jsonl")


def split(data: bytes) -> list[Frame]:
    splitter = Splitter()
    splitter.feed(HEADER)
    return splitter.feed(data)


#: What a server may send at any time: nothing that belongs to a stream's own management.
COMING = b"\n".join(
    raw for raw in (EXAMPLES | ODD).values() if all(frame.kind in STANZAS for frame in split(raw))
)
#: What a command may send and nobody answers.
GOING = [raw for raw in (EXAMPLES | ODD).values() if all(frame.kind == "message" for frame in split(raw))]
GO = b"<message id='go'/>"


def without_secrets(data: bytes) -> str:
    return b"".join(redact(frame).raw for frame in split(data)).decode()


def joined(records: list[dict[str, Any]], direction: str) -> str:
    return "".join(record["xml"] for record in records if record["direction"] == direction)


def ready(watching: Any) -> None:
    """Wait until the command watches. It needs -v."""
    watching.wait_note("watching as")


def status(cli: Cli) -> Any:
    """What the daemon tells of itself."""
    return json.loads(cli.run("daemon", "status", "-o", "json").stdout)


# -- on a scripted server: every byte ---------------------------------------------------------------------------------


@pytest.fixture
def scripted(tmp_path: Path) -> Any:
    """A daemon of an account on a server that sends COMING as soon as it gets a message with the id `go`."""

    def play(peer: Peer) -> None:
        login(peer)
        splitter = Splitter()
        splitter.feed(HEADER)
        with suppress(Gone):
            while True:
                for frame in splitter.feed(peer.take()):
                    if frame.kind == "iq" and frame.type in ("get", "set"):
                        head = build.attributes({"type": "result", "id": frame.id, "from": frame.to})
                        peer.send(f"<iq{head}/>")
                    elif frame.id == "go":
                        for at in range(0, len(COMING), 1000):
                            peer.send(COMING[at : at + 1000])
                        peer.send("<message id='came'/>")
                    elif frame.raw == b"</stream:stream>":
                        peer.send("</stream:stream>")

    with Server(play) as server:
        home = Home(tmp_path, server.port)
        try:
            assert home.run("daemon", "start").returncode == 0
            yield home, server
            assert home.run("daemon", "stop").returncode == 0
        finally:
            home.close()


def test_what_is_shown_is_what_was_on_the_wire_in_both_directions(scripted: Any) -> None:
    home, server = scripted
    with subprocess.Popen(
        home.command("watch", "-v", "--presence", "none", *JSONL),
        env=home.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as watch:
        assert watch.stdout is not None and watch.stderr is not None
        while b"watching as" not in watch.stderr.readline():
            assert watch.poll() is None
        typed = b"<message id='go'/>" + b"\n".join(GOING)
        sent = subprocess.run(
            home.command("raw", "-"), env=home.environ, input=typed, capture_output=True, timeout=PATIENCE
        )
        assert sent.returncode == 0, sent.stderr
        records = []
        for line in watch.stdout:
            records.append(json.loads(line))
            if records[-1].get("id") == "came":
                break
        # What was sent before it came was shown before, too; what the daemon answers may follow.
        watch.send_signal(signal.SIGINT)
        # Not by communicate(), which passes over what has been read ahead.
        records += [json.loads(line) for line in watch.stdout]
        assert b"lost" not in watch.stderr.read()
        assert watch.wait(PATIENCE) == 130
    assert without_secrets(COMING) in joined(records, "in")
    out = joined(records, "out")
    shown = out[out.index(GO.decode()) :]
    end = time.monotonic() + PATIENCE
    while len(heard := without_secrets(server.heard[server.heard.index(GO) :])) < len(shown):
        assert time.monotonic() < end  # what was written is on its way to the server
        time.sleep(0.01)
    assert heard.startswith(shown)
    for raw in GOING:
        assert without_secrets(raw) in out


# -- on real servers --------------------------------------------------------------------------------------------------


def test_a_watch_through_a_daemon_shows_what_one_of_its_own_shows(cli: Cli) -> None:
    cli.start_daemon()
    typed = [
        f"<message to='{cli.jid('alice')}' type='chat' id='{number}'>{inner}</message>"
        for number, inner in enumerate(
            [
                "<body>plain</body>",
                "<body>&#13;\n\t&amp;#13; ]]&gt; \u202e\U0001f600</body>",
                "<body><![CDATA[<b>]]></body>",
                "<x:y xmlns:x='urn:x' x:z='&lt;'><x:w/></x:y><body/>",
                f"<body>{'long ' * 20_000}</body>",
            ]
        )
    ]
    words = ("watch", "kind:message", "--count", str(len(typed)), "-v", *JSONL)
    with cli.follow(*words) as attached, cli.follow(*words, "--daemon", "off") as direct:
        ready(attached), ready(direct)
        assert cli.run("raw", "-", account="bob", stdin="\n".join(typed)).code == 0
        through, own = attached.finish(), direct.finish()
    assert (through.code, own.code) == (0, 0)
    assert [record["xml"] for record in through.records] == [record["xml"] for record in own.records]
    assert [record["id"] for record in through.records] == [str(number) for number in range(len(typed))]
    strip = {"time", "xml"}
    plain = [[{k: v for k, v in r.items() if k not in strip} for r in ran.records] for ran in (through, own)]
    assert plain[0] == plain[1]


def test_what_every_command_sends_through_the_daemon_is_seen(cli: Cli) -> None:
    cli.start_daemon()
    with cli.follow("watch", "-v", *JSONL) as watch:
        ready(watch)
        assert cli.run("send", cli.jid("bob"), "a <b> & c").code == 0
        message = watch.wait_record(lambda record: record["kind"] == "message")
        assert message["direction"] == "out" and "<body>a &lt;b&gt; &amp; c</body>" in message["xml"]
        assert cli.run("ping").code == 0
        asked = watch.wait_record(
            lambda record: record.get("type") == "get" and "urn:xmpp:ping" in record["xml"]
        )
        answered = watch.wait_record(
            lambda record: record.get("id") == asked["id"] and record["direction"] == "in"
        )
        assert answered["kind"] == "iq"
        ran = watch.end()
    assert ran.code == 130
    # The stream's header was not just sent.
    assert not any(record["kind"] == "stream" and "<stream:stream" in record["xml"] for record in ran.records)


def test_it_comes_online_while_it_lasts_and_with_presence_none_not_at_all(cli: Cli) -> None:
    cli.start_daemon()
    with cli.follow("watch", "-v", "dir:out", "kind:presence", *JSONL) as seen:
        ready(seen)
        assert "<priority>0</priority>" in seen.wait_record(lambda _: True)["xml"]
        seen.end()
    wait_until(lambda: status(cli)["presence"]["shown"] is None, "it is offline again")
    with cli.follow("watch", "-v", "dir:out", "kind:presence", "--presence", "none", *JSONL) as still:
        ready(still)
        assert cli.run("ping").code == 0
        assert still.end().stdout == ""


def test_watchers_with_filters_of_their_own_at_once(cli: Cli) -> None:
    cli.start_daemon()
    filters = {
        ("kind:message", "dir:in"): ["1", "2", "3"],
        ("kind:message", "dir:in", "-id:2"): ["1", "3"],
        ("body:~^t.*o$",): ["2"],
        ("xpath:c:body[starts-with(., 'th')]",): ["3"],
        ("body:one,two", f"from:{cli.jid('bob')}"): ["1", "2"],
        ("kind:presence", "type:subscribed"): [],
    }
    with ExitStack() as stack:
        watching = {
            terms: stack.enter_context(cli.follow("watch", "-v", "--presence", "none", *terms, *JSONL))
            for terms in filters
        }
        for each in watching.values():
            ready(each)
        # Their own presence would have the server deliver nothing to a bare JID.
        full = next(iter(watching.values())).wait_note("watching as").split()[-1]
        for id_, body in (("1", "one"), ("2", "two"), ("3", "three")):
            sent = cli.run("send", full, body, "--id", id_, account="bob")
            assert sent.code == 0, sent.stderr
        for terms, ids in filters.items():
            if ids:
                watching[terms].wait_record(lambda record, last=ids[-1]: record["id"] == last)
        assert {
            terms: [record["id"] for record in watching[terms].end().records] for terms in filters
        } == filters


def test_it_survives_a_reconnect_and_shows_the_new_stream_without_its_secrets(cli: Cli) -> None:
    with Proxy(cli.server.port_direct) as proxy:
        carol = cli.add_account("carol", port=proxy.port)
        cli.start_daemon("carol")
        with (
            cli.follow("watch", "-v", *JSONL, account="carol") as everything,
            cli.follow("watch", "-v", "kind:message", *JSONL, account="carol") as messages,
        ):
            ready(everything), ready(messages)
            proxy.cut()
            everything.wait_record(lambda record: record.get("event") == "offline")
            everything.wait_record(lambda record: "<stream:stream" in record.get("xml", ""))
            everything.wait_record(lambda record: "urn:ietf:params:xml:ns:xmpp-sasl" in record.get("xml", ""))
            everything.wait_record(lambda record: record.get("event") == "online")
            full = messages.wait_note("watching as").split()[-1]
            wait_until(lambda: cli.run("ping", account="carol").code == 0, "the daemon is online again")
            assert cli.run("send", full, "again", account="bob").code == 0
            for watch in (everything, messages):
                assert watch.wait_record(lambda record: "body" in record)["body"] == "again"
            shown, chosen = everything.end(), messages.end()
    assert (shown.code, chosen.code) == (130, 130)
    assert [record.get("event") or record["kind"] for record in chosen.records] == [
        "offline",
        "online",
        "message",
    ]
    secrets = [
        r for r in shown.records if re.match("<(auth|response|challenge|success)\\b", r.get("xml", ""))
    ]
    assert len(secrets) >= 3
    assert all(re.search(r">(\[redacted:\d+\])?</|/>$", record["xml"]) for record in secrets)
    assert carol.password not in shown.stdout


def test_a_reader_that_is_too_slow_loses_its_oldest_is_told_and_holds_up_nobody(cli: Cli) -> None:
    count = 8000
    daemon = cli.start_daemon()
    mine = ("watch", "-v", "--presence", "none", "kind:message", "dir:out", *JSONL)
    with subprocess.Popen(
        cli.words(mine, "alice"),
        env=cli.environment,
        cwd=cli.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as slow:
        assert slow.stdout is not None and slow.stderr is not None
        while b"watching as" not in (line := slow.stderr.readline()):
            assert slow.poll() is None
        me = line.split()[-1].decode()
        with cli.follow(*mine, "--count", str(count)) as quick:
            ready(quick)
            lines = "".join(f"{number} {'x' * 1000}\n" for number in range(count))
            sent = cli.run("send", me, "--lines", "--type", "headline", stdin=lines, timeout=90)
            assert sent.code == 0, sent.stderr
            ran = quick.finish(PATIENCE)
        assert ran.code == 0 and "lost" not in ran.stderr
        assert [int(record["body"].split()[0]) for record in ran.records] == list(range(count))
        assert memory(daemon) < 96 * 1024
        # Now it reads.
        shown, said = [], b""
        os.set_blocking(slow.stdout.fileno(), False)
        end = time.monotonic() + PATIENCE
        data = b""
        while b'"%d xxx' % (count - 1) not in data[-8000:]:
            assert time.monotonic() < end and slow.poll() is None
            data += slow.stdout.read(1 << 20) or b""
            time.sleep(0.005)
        slow.send_signal(signal.SIGINT)
        rest, said = slow.communicate(timeout=PATIENCE)
        records = [json.loads(each) for each in (data + rest).splitlines()]
        shown = [int(record["body"].split()[0]) for record in records if "body" in record]
        gaps = [record["count"] for record in records if record.get("event") == "lost"]
        assert slow.returncode == 130
    lost = re.search(r"lost ([\d,]+) stanzas? in all", said.decode())
    assert lost is not None, said
    assert len(shown) + int(lost[1].replace(",", "")) == len(shown) + sum(gaps) == count
    assert shown == sorted(set(shown)) and shown[-1] == count - 1
    assert 2 <= said.decode().count("lost ") <= 8


def memory(pid: int) -> int:
    """What is resident, in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def test_a_reader_that_closes_the_pipe_is_a_quiet_end(cli: Cli) -> None:
    cli.start_daemon()
    with subprocess.Popen(
        cli.words(("watch", "-v", "kind:message"), "alice"),
        env=cli.environment,
        cwd=cli.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as watch:
        assert watch.stdout is not None and watch.stderr is not None
        while b"watching as" not in watch.stderr.readline():
            assert watch.poll() is None
        watch.stdout.close()
        assert watch.wait(PATIENCE) == 0 and watch.stderr.read() == b""


def test_it_ends_as_it_would_on_a_stream_of_its_own(cli: Cli) -> None:
    cli.start_daemon()
    quiet = ("watch", "kind:message", "--presence", "none")
    idle = cli.run(*quiet, "--until-idle", "0.2")
    assert (idle.code, idle.stdout) == (0, "")
    for seconds in ("0.5", "5", "25"):  # in which a busy machine has to begin to watch, too
        short = cli.run(*quiet, "--timeout", seconds)
        missed = cli.run(*quiet, "--count", "1", "--timeout", seconds)
        if short.code == 0 and "0 of 1" in missed.stderr:
            break
    assert (short.code, short.stdout) == (0, "")
    assert missed.code == 6 and "0 of 1" in missed.stderr
    bad = cli.run("watch", "kind:letter")
    assert bad.code == 2 and "'letter'" in bad.stderr


def test_the_end_of_the_daemon_ends_it_and_says_so(cli: Cli) -> None:
    cli.start_daemon()
    with cli.follow("watch", "-v", *JSONL) as watch:
        ready(watch)
        cli.stop_daemon()
        ran = watch.finish()
    assert ran.code == 4 and "daemon" in ran.stderr
    assert ran.records[-1]["xml"] == "</stream:stream>"


def test_nothing_is_left_of_watchers_that_are_killed(cli: Cli) -> None:
    cli.start_daemon()
    with ExitStack() as stack:
        watching = [stack.enter_context(cli.follow("watch", "-v")) for _ in range(4)]
        for each in watching:
            ready(each)
        assert len(status(cli)["clients"]) >= 4
        for each in watching:
            each.process.kill()
            each.finish()
    wait_until(lambda: len(status(cli)["clients"]) <= 1, "the daemon has noticed")
