"""Interleaved measuring: every case once a round, so that a busy moment of the machine hits all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

#: A case: runs once, and gives the seconds it took.
Case = Callable[[], float]


class Target(NamedTuple):
    """The figure to reach, as a ratio to the first case: `most` for times, `least` for rates."""

    most: float | None = None
    least: float | None = None

    def holds(self, ratio: float) -> bool:
        """Whether `ratio` reaches it."""
        return (self.most is None or ratio <= self.most) and (self.least is None or ratio >= self.least)

    def __str__(self) -> str:
        if self.most is not None:
            return f"<= {self.most:g}"
        return "" if self.least is None else f">= {self.least:g}"


NO_TARGET = Target()


class Row(NamedTuple):
    """A line of the result."""

    name: str
    figure: str
    ratio: float
    target: Target = NO_TARGET

    def __str__(self) -> str:
        verdict = (
            "" if self.target == NO_TARGET else ("reached" if self.target.holds(self.ratio) else "MISSED")
        )
        return (
            f"  {self.name:<34} {self.figure:>14} {self.ratio:>8.2f}  {self.target!s:>8}  {verdict}".rstrip()
        )


def medians(cases: Mapping[str, Case], rounds: int) -> dict[str, float]:
    """The median seconds of each case, after one round that only warms up."""
    for case in cases.values():
        case()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            seconds[name].append(case())
    return {name: statistics.median(taken) for name, taken in seconds.items()}


#: Runs a program from an interpreter that is smaller than any program measured: a child's peak is at least what its
#: parent had when it began.
_PEAK = """
import os, sys
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Process:
    """A case that runs a program to its end."""

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> None:
        self.words = list(words)
        self.environ = dict(os.environ if environ is None else environ)
        self.stdin = stdin

    def __call__(self) -> float:
        """Run it. Raises RuntimeError where it fails: a time of a failure says nothing."""
        read, write = os.pipe()
        os.write(write, self.stdin)
        os.close(write)
        began = time.perf_counter()
        child = subprocess.Popen(
            self.words, env=self.environ, stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        os.close(read)
        assert child.stderr is not None
        with child.stderr:
            told = child.stderr.read()
        code = child.wait()
        taken = time.perf_counter() - began
        if code:
            raise RuntimeError(f"{self.words[0]} ended with {code}: {told.decode(errors='replace')}")
        return taken

    def peak(self) -> int:
        """Run it once more, and give the largest resident set it had, in KiB (`ru_maxrss`)."""
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PEAK, *self.words],
            env=self.environ,
            input=self.stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
        )
        return int(done.stderr.split()[-1])
