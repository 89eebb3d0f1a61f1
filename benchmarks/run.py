"""`python benchmarks/run.py [NAME...]`: figures of one run on one machine, each as a ratio to something known.

NAME is startup, send, attached, roster, lines, keys, streams or recordings; without one all of them. Everything is
local; medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module

#: Name -> rounds. Programs come before streams, which fill this process's memory.
ROUNDS = {
    "startup": 21,
    "send": 15,
    "attached": 15,
    "roster": 3,
    "lines": 3,
    "keys": 5,
    "streams": 5,
    "recordings": 5,
}
#: Those that --messages is for.
OF_MESSAGES = ("streams", "recordings")


def main(arguments: Sequence[str]) -> int:
    """Measure and print; with --check, 1 where a target was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ROUNDS))
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds of each")
    parser.add_argument(
        "--messages", type=int, default=20_000, metavar="N", help="so many messages in a stream"
    )
    parser.add_argument("--check", action="store_true", help="exit 1 if a target was missed")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in ROUNDS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(ROUNDS)}")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs; the ratio is to the first line of each"
    )
    missed = False
    for name in ROUNDS:
        if not given.names or name in given.names:
            missed |= measure(name, given.rounds or ROUNDS[name], given.messages)
    return int(missed and given.check)


def measure(name: str, rounds: int, messages: int) -> bool:
    """Print one benchmark's table; whether a target was missed."""
    benchmark = import_module(name)
    print(f"\n{benchmark.TITLE}")
    rows = benchmark.run(rounds, messages) if name in OF_MESSAGES else benchmark.run(rounds)
    if isinstance(rows, str):
        print(f"  skipped: {rows}")
        return False
    print(f"  {'':<34} {'median':>14} {'ratio':>8}  {'target':>8}")
    for row in rows:
        print(row, flush=True)
    return not all(row.target.holds(row.ratio) for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
