"""Rosters and who is online, through a daemon and without one; a few of them, and 35,000."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.integration.program import Cli, wait_until
from tests.servers import crowd
from tests.servers.base import Server
from tests.servers.prosody import Prosody

SIZE = 35_000
MOST_MEMORY = 160 * 1024  # KiB
#: What anybody may have to wait for a daemon that is busy, on a machine that is busy as well.
LONGEST_WAIT = 20.0


def befriend(cli: Cli) -> None:
    """Have alice see bob's presence, and bob hers."""
    for kind in ("subscribe", "subscribed"):
        for one, other in (("alice", "bob"), ("bob", "alice")):
            sent = cli.run(
                "raw", f"<presence to='{cli.jid(other)}' type='{kind}'/>", "--daemon", "off", account=one
            )
            assert sent.code == 0, sent.stderr


def contact(cli: Cli, *words: str) -> dict[str, object]:
    """What alice's roster says of bob."""
    ran = cli.run("roster", "list", "-o", "jsonl", *words)
    assert ran.code == 0, ran.stderr
    (found,) = [record for record in ran.records if record["jid"] == cli.jid("bob")]
    return {name: value for name, value in found.items() if name not in ("time", "schema")}


def test_who_is_online_comes_and_goes(cli: Cli) -> None:
    befriend(cli)
    cli.start_daemon()
    direct = contact(cli, "--daemon", "off")
    assert direct["subscription"] == "both" and "resources" not in direct
    assert contact(cli) == direct
    assert "xmppctl status" in cli.run("roster", "list").stderr  # it shows none, so it gets none
    set_ = cli.run("status", "away", "in a meeting")
    assert set_.code == 0, set_.stderr
    assert contact(cli) == direct | {"resources": []}
    with cli.follow("status", "dnd", "writing <verses>", "--hold", "--daemon", "off", account="bob") as bob:
        bob.wait_note("is dnd")
        wait_until(lambda: contact(cli)["resources"], "bob is seen")
        (resource,) = contact(cli)["resources"]  # type: ignore[misc]
        assert {**resource, "resource": ""} == {
            "resource": "",
            "show": "dnd",
            "status": "writing <verses>",
            "priority": -1,
        }
        table = cli.run("roster", "list").stdout
        assert re.search(r"dnd \([^ ]+\)$", table, re.MULTILINE)
        bob.end()
    wait_until(lambda: not contact(cli)["resources"], "bob is gone")


def test_changes_made_elsewhere_are_seen_in_the_daemon(cli: Cli) -> None:
    cli.start_daemon()
    assert cli.run("roster", "list", "-o", "json").stdout == "[]\n"
    added = cli.run("roster", "add", cli.jid("bob"), "--name", "Bob", "--no-subscribe", "--daemon", "off")
    assert added.code == 0, added.stderr
    wait_until(lambda: cli.jid("bob") in cli.run("roster", "list").stdout, "bob is in the roster")
    changed = cli.run("roster", "set", cli.jid("bob"), "--group", "Friends")
    assert changed.code == 0, changed.stderr
    wait_until(lambda: contact(cli)["groups"] == ["Friends"], "bob is in a group")
    assert contact(cli) == contact(cli, "--daemon", "off")
    removed = cli.run("roster", "remove", cli.jid("bob"), "--daemon", "off")
    assert removed.code == 0, removed.stderr
    wait_until(lambda: cli.jid("bob") not in cli.run("roster", "list").stdout, "bob is out of the roster")


def test_a_status_lasts_until_it_is_taken_back(cli: Cli) -> None:
    befriend(cli)
    without = cli.run("status", "away", "--daemon", "auto")
    assert without.code == 9 and "daemon start" in without.stderr
    cli.start_daemon()
    with cli.follow(
        "watch", "-o", "jsonl", "kind:presence", "dir:in", "--daemon", "off", account="bob"
    ) as bob:
        bob.wait_line(cli.jid("bob"))
        ran = cli.run("status", "xa", "gone fishing", "-o", "jsonl")
        assert ran.code == 0, ran.stderr
        (record,) = ran.records
        assert {name: record[name] for name in ("state", "status", "priority")} == {
            "state": "xa",
            "status": "gone fishing",
            "priority": -1,
        }
        seen = bob.wait_line("gone fishing")
        assert json.loads(seen)["from"] == record["jid"]
        assert cli.run("ping").code == 0  # other commands come and go, and it stays
        offline = cli.run("status", "offline")
        assert offline.code == 0, offline.stderr
        bob.wait_record(lambda each: each.get("type") == "unavailable" and each["from"] == record["jid"])
        assert sum(record["jid"] in line for line in bob.lines) == 2


# -- 35,000 ------------------------------------------------------------------------------------------------------------


def memory(pid: int, what: str = "VmRSS") -> int:
    """KiB of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found.group(1))


class Asking:
    """Asks the daemon for its status again and again while the `with` block runs. (The server is busy as well.)"""

    def __init__(self, cli: Cli) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._cli = cli
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                ran = self._cli.run("daemon", "status", timeout=120)
            except subprocess.TimeoutExpired:
                self.failures.append("no answer")
                return
            self.seconds.append(time.monotonic() - began)
            if ran.code != 0:
                self.failures.append(ran.stderr)


@pytest.fixture
def many(prosody_server: Server, tmp_path: Path) -> Cli:
    """Alice has SIZE contacts."""
    assert isinstance(prosody_server, Prosody)
    made = Cli(prosody_server, tmp_path)
    crowd.write_roster(prosody_server, made.jid("alice").partition("@")[0], SIZE)
    return made


@pytest.mark.timeout(900)
def test_many_contacts(many: Cli) -> None:
    cli, server = many, many.server
    assert isinstance(server, Prosody)
    try:
        with crowd.Crowd(server) as contacts:
            pid = cli.start_daemon()
            assert cli.run("status", "online", "--timeout", "60", timeout=90).code == 0
            with Asking(cli) as asking:
                contacts.appear(cli.jid("alice"), 0, SIZE)
                wait_until(lambda: online(cli) == SIZE, "all presences have come", timeout=300)
            assert not asking.failures and max(asking.seconds) < LONGEST_WAIT, asking.seconds
            assert memory(pid) <= MOST_MEMORY
            attached = cli.run("roster", "list", "-o", "jsonl", timeout=120)
            direct = cli.run("roster", "list", "-o", "jsonl", "--daemon", "off", timeout=120)
            assert (attached.code, direct.code) == (0, 0) and attached.stderr == ""
            told = [without_time(record) for record in attached.records]
            assert [without(record, "resources") for record in told] == [
                without_time(record) for record in direct.records
            ]
            assert len(told) == SIZE
            assert all(
                resource["resource"] == "office" and resource["priority"] == 5
                for record in told
                for resource in record["resources"]
            )
            contacts.appear(cli.jid("alice"), 0, 100, type="unavailable")
            wait_until(lambda: online(cli) == SIZE - 100, "some have gone")
            assert memory(pid) <= MOST_MEMORY
    finally:
        cli.close()


def online(cli: Cli) -> int:
    """How many contacts the daemon knows to be online."""
    (record,) = cli.run("daemon", "status", "-o", "jsonl").records
    found: int = record["contacts"]["online"]
    return found


def without(record: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in record.items() if key != name}


def without_time(record: dict[str, object]) -> dict[str, object]:
    return without(record, "time")
