"""The spool on real servers: what was accepted arrives, whoever is killed meanwhile. Seen from the receiver's side."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.program import PATIENCE, Cli, Following, alive, program, wait_until
from tests.servers.base import Server
from tests.servers.proxy import Proxy

# Read before the private_home fixture takes every XMPPCTL_ variable away.
SEED = int(os.environ.get("XMPPCTL_TEST_SEED", "20"))


@contextmanager
def online(cli: Cli, name: str, *words: str) -> Iterator[Following]:
    """A `watch` of an account on a stream of its own, when it is online."""
    with cli.follow("watch", "--daemon", "off", "-o", "jsonl", *words, account=name) as watching:
        watching.wait_record(lambda record: record["kind"] == "presence" and record["direction"] == "in")
        yield watching


def received(watching: Following) -> list[dict[str, Any]]:
    """The messages that have come, in order."""
    return [
        record
        for record in map(json.loads, tuple(watching.lines))
        if record["direction"] == "in" and record["kind"] == "message" and "body" in record
    ]


def kill_daemon(cli: Cli) -> bool:
    """End the daemon of alice with SIGKILL; whether there was one."""
    pid = cli.daemon_pid()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), "killed")
    return pid is not None


def spooled(cli: Cli, *words: str) -> list[dict[str, Any]]:
    ran = cli.run("daemon", "spool", "list", "-o", "jsonl", *words)
    assert ran.code == 0, ran.stderr
    return ran.records


def test_what_was_spooled_without_a_daemon_goes_out_when_there_is_one(cli: Cli) -> None:
    bob = cli.jid("bob")
    ids = []
    for body in ("one", "two"):
        ran = cli.run("send", bob, body, "--spool", "-o", "jsonl")
        assert ran.code == 0 and ran.records[0]["state"] == "spooled" and "no daemon runs" in ran.stderr
        ids.append(ran.records[0]["id"])
    ran = cli.run("send", bob, "--lines", "--spool", stdin="three\nfour\n")
    assert ran.code == 0
    assert [record["state"] for record in spooled(cli)] == ["spooled"] * 4
    with online(cli, "bob") as watching:
        assert cli.run("daemon", "start").code == 0
        watching.wait_record(lambda record: record.get("body") == "four")
        got = received(watching)
    assert [record["body"] for record in got] == ["one", "two", "three", "four"]
    assert [record["id"] for record in got[:2]] == ids
    assert all(
        f"id='{record['id']}'" in record["xml"].partition("origin-id")[2].replace('"', "'") for record in got
    )
    wait_until(lambda: spooled(cli) == [], "all delivered")
    assert [record["state"] for record in spooled(cli, "--all")] == ["delivered"] * 4


def test_a_running_daemon_sends_at_once(cli: Cli) -> None:
    assert cli.run("daemon", "start").code == 0
    with online(cli, "bob") as watching:
        ran = cli.run("send", cli.jid("bob"), "now", "--spool")
        assert ran == (0, "", "")
        watching.wait_record(lambda record: record.get("body") == "now")


def test_a_daemon_that_is_to_persist_is_started_for_it(cli: Cli) -> None:
    with online(cli, "bob") as watching:
        environment = {"XMPPCTL_PERSIST": "10m"}
        ran = cli.run("send", cli.jid("bob"), "hello", "--spool", environment=environment)
        assert ran.code == 0
        watching.wait_record(lambda record: record.get("body") == "hello")


def test_what_comes_back_is_told_and_can_be_dropped(cli: Cli) -> None:
    nobody = f"nobody-{secrets.token_hex(4)}@{cli.server.domain}"
    assert cli.run("daemon", "start").code == 0
    with online(cli, "bob") as watching:
        lost = cli.run("send", nobody, "hi", "--spool", "-o", "jsonl").records[0]["id"]
        cli.run("send", cli.jid("bob"), "behind it", "--spool")
        watching.wait_record(lambda record: record.get("body") == "behind it")
        wait_until(lambda: [each for each in spooled(cli) if each["state"] == "refused"], "refused")
        (record,) = spooled(cli)
        assert (record["id"], record["to"], record["condition"]) == (lost, nobody, "service-unavailable")
        assert cli.run("daemon", "spool", "retry", lost).code == 0
        wait_until(
            lambda: [each for each in spooled(cli) if each["attempts"] == 2 and "reason" in each], "again"
        )
        assert cli.run("daemon", "spool", "drop", lost).code == 0
        assert spooled(cli) == [] and cli.run("daemon", "spool", "drop", lost).code == 2


def test_what_expired_is_not_sent(cli: Cli) -> None:
    late = cli.run("send", cli.jid("bob"), "late", "--spool", "--ttl", "0.1s", "-o", "jsonl").records[0]["id"]
    cli.run("send", cli.jid("bob"), "in time", "--spool", "--ttl", "1h")
    time.sleep(0.2)
    with online(cli, "bob") as watching:
        assert cli.run("daemon", "start").code == 0
        watching.wait_record(lambda record: record.get("body") == "in time")
        assert [record["body"] for record in received(watching)] == ["in time"]
    assert [(record["id"], record["state"]) for record in spooled(cli)] == [(late, "expired")]
    assert cli.run("daemon", "spool", "retry", "--all").code == 0
    wait_until(lambda: spooled(cli) == [], "delivered after all")


# -- killed at any moment ---------------------------------------------------------------------------------------------


class Sender:
    """Sends numbered lines, by commands that are killed at any moment, and knows what was accepted."""

    def __init__(self, cli: Cli, name: str, seed: int) -> None:
        self._cli = cli
        self._name = name
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._next = 0
        #: The bodies that a command told of as spooled, by line or by its exit code.
        self.accepted: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _bodies(self, count: int) -> list[str]:
        made = [f"{self._name} {number:06d}" for number in range(self._next, self._next + count)]
        self._next += count
        return made

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._chance.random() < 0.5:
                self._one()
            else:
                self._lines()

    def _popen(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*program(), "-a", "alice", "send", self._cli.jid("bob"), *words, "--spool", "-q"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._cli.environment,
        )

    def _one(self) -> None:
        (body,) = self._bodies(1)
        process = self._popen(body)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._chance.choice([0.1, 0.2, 20]))
        process.kill()
        process.communicate()
        if process.returncode == 0:
            self.accepted.append(body)

    def _lines(self) -> None:
        bodies = self._bodies(self._chance.randrange(1, 60))
        process = self._popen("--lines", "-o", "jsonl")
        assert process.stdin is not None and process.stdout is not None
        half = self._chance.randrange(len(bodies))
        with suppress(BrokenPipeError):
            process.stdin.write("".join(f"{body}\n" for body in bodies[:half]).encode())
            process.stdin.flush()
            time.sleep(self._chance.random() * 0.3)
            process.stdin.write("".join(f"{body}\n" for body in bodies[half:]).encode())
            process.stdin.close()
        if self._chance.random() < 0.5:
            time.sleep(self._chance.random() * 0.2)
            process.kill()
        told = process.stdout.read().splitlines(keepends=True)
        process.wait(PATIENCE)
        process.stdout.close()
        self.accepted += [bodies[json.loads(line)["line"] - 1] for line in told if line.endswith(b"\n")]


def wait_for_all(watching: Following, senders: list[Sender]) -> list[dict[str, Any]]:
    wanted = {body for sender in senders for body in sender.accepted}
    wait_until(
        lambda: wanted <= {record["body"] for record in received(watching)}, "all that was accepted", 60
    )
    return received(watching)


def check(got: list[dict[str, Any]], senders: list[Sender]) -> None:
    """At least once, always with the same id, and those of one command after the other in order."""
    ids: dict[str, set[str]] = {}
    firsts: list[str] = []
    for record in got:
        if record["body"] not in ids:
            firsts.append(record["body"])
        ids.setdefault(record["body"], set()).add(record["id"])
    assert [body for body, used in ids.items() if len(used) > 1] == []
    for sender in senders:
        mine = [body for body in firsts if body.startswith(sender._name)]
        assert mine == sorted(mine)


@pytest.mark.timeout(240)
def test_whatever_was_accepted_arrives_though_everybody_is_killed(cli: Cli) -> None:
    chance = random.Random(SEED)
    senders = [Sender(cli, name, SEED + at) for at, name in enumerate(("a", "b"))]
    with online(cli, "bob") as watching:
        for sender in senders:
            sender.start()
        kills = 0
        end = time.monotonic() + 8
        while time.monotonic() < end or kills < 3 or any(len(sender.accepted) <= 10 for sender in senders):
            cli.run("daemon", "start")
            time.sleep(chance.random() * 1.0)
            kills += kill_daemon(cli)
            time.sleep(chance.random() * 0.3)
        for sender in senders:
            sender.stop()
        assert cli.run("daemon", "start").code == 0
        check(wait_for_all(watching, senders), senders)
        wait_until(lambda: spooled(cli) == [], "the spool is empty")


def test_whatever_was_accepted_arrives_though_the_server_is_killed(
    prosody_server: Server, tmp_path: Path
) -> None:
    """With some of it delivered, some written and never acknowledged, some taken back, some never looked at."""
    with Proxy(prosody_server.port_direct) as proxy:
        cli = Cli(prosody_server, tmp_path)
        cli.add_account("carol", port=proxy.port)

        def spool(begin: int, end: int) -> None:
            lines = "".join(f"{number}\n" for number in range(begin, end))
            assert (
                cli.run("send", cli.jid("bob"), "--lines", "--spool", stdin=lines, account="carol").code == 0
            )

        def states() -> list[str]:
            ran = cli.run("daemon", "spool", "list", "-o", "jsonl", account="carol")
            return [record["state"] for record in ran.records]

        try:
            cli.start_daemon("carol")
            spool(0, 50)
            wait_until(lambda: not states(), "the first are delivered")
            proxy.freeze("up")
            spool(50, 700)
            wait_until(lambda: "sending" in states(), "more are being sent")
            prosody_server.kill()
            proxy.cut()
            spool(700, 800)
            assert len(states()) == 750
            prosody_server.start()
            proxy.target = prosody_server.port_direct
            proxy.thaw()
            with online(cli, "bob", "--port", str(prosody_server.port_direct)) as watching:
                wait_until(lambda: not states(), "everything is delivered", 60)
                wanted = [str(number) for number in range(800)]
                wait_until(lambda: set(wanted) <= {each["body"] for each in received(watching)}, "all of it")
                got = [each["body"] for each in received(watching)]
            assert list(dict.fromkeys(got)) == wanted
        finally:
            cli.close()
