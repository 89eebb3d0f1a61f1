"""35,000 contacts that all are online: what a daemon needs for them, and how long listing them takes."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Process, Row, Target, medians
from startup import compile_package

if TYPE_CHECKING:
    from tests.integration.program import Cli
    from tests.servers.prosody import Prosody

TITLE = "a roster of 35,000 contacts, through a daemon against a login of its own"
CONTACTS = 35_000
PEAK_KIB = 160 * 1024
MOST = Target(most=1.0)

DIRECT = "roster list --daemon off"
#: Seconds for all presences to come.
PATIENCE = 180.0


def run(rounds: int) -> list[Row] | str:
    """Measure both ways of listing, and the daemon's memory at its largest; a line where that cannot be done."""
    if shutil.which("prosody") is None:
        return "prosody is not installed: apt-get install prosody"
    with bench() as (cli, server):
        return measured(cli, server, rounds)


@contextmanager
def bench() -> Iterator[tuple[Cli, Prosody]]:
    """The program with accounts on a Prosody of its own."""
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.integration.program import Cli
    from tests.servers.prosody import Prosody

    compile_package()
    server = Prosody()
    server.start()
    try:
        with tempfile.TemporaryDirectory() as home:
            cli = Cli(server, Path(home))
            try:
                yield cli, server
            finally:
                cli.close()
    finally:
        server.stop()


def measured(cli: Cli, server: Prosody, rounds: int) -> list[Row]:
    """The rows, from one daemon."""
    from tests.servers import crowd

    crowd.write_roster(server, cli.jid("alice").partition("@")[0], CONTACTS)
    with crowd.Crowd(server) as contacts:
        pid = cli.start_daemon()
        empty = memory(pid)
        cli.run("status", "online", "--timeout", "60", timeout=90)
        began = time.perf_counter()
        contacts.appear(cli.jid("alice"), 0, CONTACTS)
        while online(cli) < CONTACTS:
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"{online(cli)} of {CONTACTS} presences have come")
        rate = CONTACTS / (time.perf_counter() - began)
        taken = medians(
            {
                DIRECT: case(cli, "roster", "list", "--daemon", "off"),
                "roster list": case(cli, "roster", "list"),
                "roster list -o jsonl": case(cli, "roster", "list", "-o", "jsonl"),
                "ping": case(cli, "ping"),
            },
            rounds,
        )
        peak = memory(pid)
    rows = [Row(name, f"{taken[name] * 1000:.0f} ms", taken[name] / taken[DIRECT], MOST) for name in taken]
    rows.append(Row("presences, from a component", f"{rate / 1000:.1f} k/s", 1.0))
    rows.append(Row("peak, daemon at its start", f"{empty / 1024:.1f} MiB", empty / PEAK_KIB))
    rows.append(Row("peak, daemon (of 160 MiB)", f"{peak / 1024:.1f} MiB", peak / PEAK_KIB, MOST))
    return rows


def case(cli: Cli, *words: str) -> Process:
    """Alice's command, as its user runs it."""
    return Process(cli.words(words, "alice"), cli.environment)


def online(cli: Cli) -> int:
    """How many contacts the daemon knows to be online."""
    (record,) = cli.run("daemon", "status", "-o", "jsonl").records
    found: int = record["contacts"]["online"]
    return found


def memory(pid: int) -> int:
    """The largest resident set that a process has had, in KiB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0
