"""A soak with faults: whatever breaks meanwhile, nothing that was accepted is missing at the end.

Scripts send without a pause while the server is killed and restarted, the network is cut in the middle of stanzas or
swallows them, and the daemon is killed. What a script was told (exit code 0) is compared with what the receiver has.
XMPPCTL_SOAK_SECONDS makes it longer, XMPPCTL_SOAK_SEED repeats a sequence of faults.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.conftest import started
from tests.integration.program import Cli, Result, wait_until
from tests.servers.base import Server
from tests.servers.ejabberd import Ejabberd
from tests.servers.prosody import Prosody
from tests.servers.proxy import Proxy

# Read before the private_home fixture takes every XMPPCTL_ variable away.
SECONDS = float(os.environ.get("XMPPCTL_SOAK_SECONDS") or 5)
SEED = int(os.environ.get("XMPPCTL_SOAK_SEED") or random.randrange(1_000_000))

#: In which at least one of what was spooled is sent when nothing breaks any more.
DRAIN_SECONDS = 30.0
#: Exit codes after which a script tries again: the connection broke, it took too long, there is no daemon.
PASSING = (4, 6, 9)
#: Each sender has a recipient of its own. How it sends: one message after the other, with --spool, with --lines.
PLAIN = ("laertes", "horatio")
SPOOLED = ("ophelia", "polonius")
LINES = ("gertrude",)
RECIPIENTS = (*PLAIN, *SPOOLED, *LINES)
#: Lines of one command.
BATCH = 100


class Got(NamedTuple):
    """A message that the receiver has."""

    id: str
    body: str


class Soak:
    """One run: what sends, what breaks, and what was told."""

    def __init__(self, server: Server, home: Path, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy
        self.random = random.Random(SEED)
        self.cli = Cli(server, home)
        for name in RECIPIENTS:
            self.cli.add_account(name)
        self.cli.add_account("hamlet", port=proxy.port, persist="10m")
        #: By recipient, the bodies of what was accepted, in order.
        self.accepted: dict[str, list[str]] = {name: [] for name in RECIPIENTS}
        #: Those of which some attempt failed: they may be there twice.
        self.repeated: set[str] = set()
        self.codes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.unexpected: list[Result] = []
        self._over = threading.Event()

    # -- what sends --

    def send(self, to: str, *options: str, passing: tuple[int, ...] = ()) -> None:
        """Send numbered messages, one after the other; each is tried until it is accepted.

        `passing` are the exit codes of attempts that may fail.
        """
        for number in itertools.count(1):
            body = f"{to} {number}"
            while not self._attempt(to, body, options, passing):
                self.repeated.add(body)
                if self._over.is_set():
                    return
            self.accepted[to].append(body)
            if self._over.is_set():
                return

    def _attempt(self, to: str, body: str, options: tuple[str, ...], passing: tuple[int, ...]) -> bool:
        return self._run(to, (body, *options), " ".join(options), passing).code == 0

    def send_lines(self, to: str) -> None:
        """Send numbered lines; what counts is what is told of each, whatever becomes of the rest."""
        for number in itertools.count():
            lines = [f"{to} {number * BATCH + line}" for line in range(BATCH)]
            words = ("--lines", "-o", "jsonl")
            ran = self._run(to, words, "--lines", (*PASSING, 10), stdin="\n".join(lines))
            accepted = {record["line"] for record in ran.records if record["state"] == "server"}
            self.accepted[to] += [lines[line - 1] for line in sorted(accepted)]
            if self._over.wait(0.5):
                return

    def _run(
        self, to: str, words: tuple[str, ...], name: str, passing: tuple[int, ...], **more: str
    ) -> Result:
        # The spool must always be there, the daemon only for what goes through it.
        environment = {"XMPPCTL_DAEMON": "auto" if "--spool" in words else "only"}
        words = ("send", self.cli.jid(to), *words, "--timeout", "15")
        ran = self.cli.run(*words, account="hamlet", timeout=60, environment=environment, **more)
        self.codes[f"{ran.code} {name}".strip()] += 1
        if ran.code not in (0, *passing) or "Traceback" in ran.stderr:
            self.unexpected.append(ran)
        return ran

    # -- what breaks --

    def kill_the_daemon(self) -> None:
        """At any moment."""
        pid = self.cli.daemon_pid("hamlet")
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def restart_the_server(self) -> None:
        """Prosody as by a crash. ejabberd loses the last seconds of what it has acknowledged where it is killed."""
        if self.server.kind == "prosody":
            self.server.kill()
        else:
            self.server.halt()
        self.server.start()
        self.proxy.target = self.server.port_direct

    def cut(self) -> None:
        """In the middle of whatever stanza comes next."""
        self.proxy.cut_after(self.random.randrange(1, 1500), self.random.choice(("up", "down")))

    def swallow(self) -> None:
        """What is sent arrives nowhere, and nobody is told, until the connection is reset."""
        self.proxy.freeze(self.random.choice(("up", "down")))
        time.sleep(self.random.uniform(0.2, 2))
        self.proxy.cut(reset=True)
        self.proxy.thaw()

    def break_things(self, seconds: float) -> None:
        """One fault after the other, in an order of the seed's, each kind at least once."""
        kinds = [self.kill_the_daemon, self.restart_the_server, self.cut, self.swallow]
        end = time.monotonic() + seconds
        left: list[Callable[[], None]] = []
        while time.monotonic() < end or left:
            left = left or self.random.sample(kinds, len(kinds))
            time.sleep(self.random.uniform(0.3, 2))
            fault = left.pop()
            fault()
            self.faults[fault.__name__] += 1

    # -- all of it --

    def run(self) -> None:
        """Send and break things for SECONDS."""
        senders = [
            *(
                threading.Thread(target=self.send, args=(name,), kwargs={"passing": PASSING})
                for name in PLAIN
            ),
            *(threading.Thread(target=self.send, args=(name, "--spool")) for name in SPOOLED),
            *(threading.Thread(target=self.send_lines, args=(name,)) for name in LINES),
        ]
        for sender in senders:
            sender.start()
        try:
            self.break_things(SECONDS)
            # On a slow machine the breaks may have left nobody the time for a single message.
            wait_until(
                lambda: all(self.accepted[name] for name in RECIPIENTS), "all had one accepted", DRAIN_SECONDS
            )
        finally:
            self._over.set()
            for sender in senders:
                sender.join()

    def drain(self) -> None:
        """Have all that was spooled sent: by a daemon that was killed before, so that it connects at once."""
        self.kill_the_daemon()
        self.cli.start_daemon("hamlet")
        left = len(self.waiting())
        while left:
            wait_until(
                lambda left=left: len(self.waiting()) < left, f"fewer than {left} are left", DRAIN_SECONDS
            )
            left = len(self.waiting())

    def waiting(self) -> list[Any]:
        """What the spool still holds."""
        ran = self.cli.run("daemon", "spool", "list", "-o", "jsonl", account="hamlet")
        assert ran.code == 0, ran.stderr
        return ran.records

    def receive(self) -> dict[str, list[Got]]:
        """What the server has, by recipient."""
        with ThreadPoolExecutor(len(RECIPIENTS)) as pool:
            return dict(zip(RECIPIENTS, pool.map(self._received, RECIPIENTS), strict=True))

    def _received(self, name: str) -> list[Got]:
        """What the server has for an account that was never online, in its order."""
        words = ("watch", "kind:message", "dir:in", "-o", "jsonl", "--until-idle", "3", "--daemon", "off")
        port = str(self.server.port_direct)  # another one since the server was restarted
        ran = self.cli.run(*words, "--port", port, account=name, timeout=120)
        assert ran.code == 0, ran.stderr
        return [Got(record["id"], record["body"]) for record in ran.records if "body" in record]

    def report(self) -> str:
        """What happened, for whoever looks at a failure."""
        told = {name: len(bodies) for name, bodies in self.accepted.items()}
        return (
            f"{self.server.kind}, seed {SEED}, {SECONDS:g} s: accepted {told}, exit codes {dict(self.codes)}, "
            f"faults {dict(self.faults)}"
        )


@pytest.fixture(params=[Prosody, Ejabberd], ids=["prosody", "ejabberd"])
def soak(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Soak]:
    server = started(request.param)
    try:
        with Proxy(server.port_direct) as proxy:
            made = Soak(server, tmp_path, proxy)
            yield made
            made.cli.close()
    finally:
        server.stop()


@pytest.mark.timeout(SECONDS + 300)
def test_nothing_that_was_accepted_is_lost(soak: Soak) -> None:
    soak.run()
    soak.drain()
    print(soak.report())
    for name, got in soak.receive().items():
        accepted = soak.accepted[name]
        assert accepted, soak.report()
        missing = set(accepted) - {message.body for message in got}
        log = soak.cli.daemon_log("hamlet")[-5000:]
        assert not missing, f"{len(missing)} lost: {sorted(missing)}\n{soak.report()}\n{log}"
        first = list(dict.fromkeys(message.body for message in got))
        assert [body for body in first if body in set(accepted)] == accepted, soak.report()
        if name in SPOOLED:
            for body in set(accepted) - soak.repeated:
                assert len({message.id for message in got if message.body == body}) == 1, soak.report()
    assert soak.unexpected == [], soak.report()
