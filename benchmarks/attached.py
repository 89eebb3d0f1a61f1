"""Commands through a daemon, the whole process: against the bare interpreter, go-sendxmpp, and themselves without one.

A cold login on this machine is the cheapest there can be: direct TLS, no DNS, and nothing takes time on its way. So
the commands are also run with a server that is farther away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from distance import distant
from measure import NO_TARGET, Case, Process, Row, Target, medians
from send import THEIRS, go_sendxmpp, sandbox_in
from startup import compile_package, program

TITLE = "commands through a daemon, against the interpreter, go-sendxmpp and the same commands cold"
OF_THE_INTERPRETER = Target(most=6)
OF_THEIRS = Target(most=0.45)
OF_COLD = Target(most=0.5)
#: Seconds that everything takes to a server that is farther away, one way.
AWAY = 0.01
#: Commands at once, and how much slower than one alone the slowest of them may be.
CROWD = 100
OF_ONE_ALONE = Target(most=20)

BARE = "python -c pass"
SEND = ("send", "bob@localhost", "hi")
OTHERS = {
    "ping": ("ping",),
    "raw": ("raw", "<iq type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"),
    "roster list": ("roster", "list"),
    "disco info": ("disco", "info", "localhost"),
}


def run(rounds: int) -> list[Row] | str:
    """Measure all; a line that says why where it cannot be measured."""
    for needed, package in ((THEIRS, THEIRS), ("prosody", "prosody")):
        if shutil.which(needed) is None:
            return f"{needed} is not installed: apt-get install {package}"
    compile_package()
    with tempfile.TemporaryDirectory() as home, sandbox_in(Path(home)) as sandbox:
        from xmppctl.sandbox.run import environment

        environ = environment(sandbox, os.environ) | {"XDG_RUNTIME_DIR": home, "XMPPCTL_PERSIST": "10m"}
        with daemon(environ):
            rows = [
                *sends(go_sendxmpp(sandbox, Path(home)), environ, rounds),
                *others(environ, rounds, "here"),
                *crowds(environ, rounds),
            ]
        with distant(sandbox.ports.direct, AWAY) as port:
            environ["XMPPCTL_PORT"] = str(port)
            with daemon(environ):
                return rows + others(environ, rounds, f"{AWAY * 2000:.0f} ms away", OF_COLD)


@contextmanager
def daemon(environ: Mapping[str, str]) -> Iterator[None]:
    """The daemon of the sandbox's alice."""
    words = [*program(), "-a", "alice", "daemon"]
    subprocess.run([*words, "start"], env=environ, check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run([*words, "stop"], env=environ, check=True, stdout=subprocess.DEVNULL)


def xmppctl(words: Sequence[str], environ: Mapping[str, str], mode: str) -> Process:
    """A command of alice's."""
    return Process([*program(), "-a", "alice", "--daemon", mode, *words], environ)


def sends(theirs: Process, environ: Mapping[str, str], rounds: int) -> list[Row]:
    """A `send`."""
    cases: dict[str, Case] = {
        BARE: Process([sys.executable, "-c", "pass"]),
        "send": xmppctl(SEND, environ, "only"),
        THEIRS: theirs,
    }
    taken = medians(cases, rounds)
    bare, ours = taken[BARE], taken["send"]
    return [
        Row(BARE, f"{bare * 1000:.1f} ms", 1.0),
        Row("xmppctl send, attached", f"{ours * 1000:.1f} ms", ours / bare, OF_THE_INTERPRETER),
        Row(f"{THEIRS}, cold", f"{taken[THEIRS] * 1000:.1f} ms", taken[THEIRS] / bare),
        Row(f"the send of {THEIRS}'s", f"{ours * 1000:.1f} ms", ours / taken[THEIRS], OF_THEIRS),
    ]


def others(environ: Mapping[str, str], rounds: int, where: str, target: Target = NO_TARGET) -> list[Row]:
    """Other commands, of their own time without a daemon; `where` says how far the server is."""
    cases = {
        f"{name}, {mode}": xmppctl(words, environ, mode)
        for name, words in OTHERS.items()
        for mode in ("only", "off")
    }
    taken = medians(cases, rounds)
    return [
        Row(
            f"{name}, of cold, {where}",
            f"{taken[f'{name}, only'] * 1000:.1f} ms",
            taken[f"{name}, only"] / taken[f"{name}, off"],
            target,
        )
        for name in OTHERS
    ]


def crowds(environ: Mapping[str, str], rounds: int) -> list[Row]:
    """So many at once, the slowest of them: of one alone. The interpreter shows what this machine gives to each."""
    rows = []
    for name, case, target in (
        (BARE, Process([sys.executable, "-c", "pass"]), Target()),
        ("send, attached", xmppctl(SEND, environ, "only"), OF_ONE_ALONE),
    ):
        alone = medians({name: case}, rounds)[name]
        slowest = max(crowd(case))
        rows.append(Row(f"{CROWD} at once: {name}", f"{slowest * 1000:.1f} ms", slowest / alone, target))
    return rows


def crowd(case: Process, number: int = CROWD) -> list[float]:
    """Start so many at once; the seconds that each took. Raises RuntimeError where one fails."""
    began: dict[int, float] = {}
    taken = []
    children = []
    for _ in range(number):
        start = time.perf_counter()
        child = subprocess.Popen(
            case.words,
            env=case.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        children.append(child)
        began[child.pid] = start
    while began:
        pid, status = os.waitpid(-1, 0)
        if pid in began:
            taken.append(time.perf_counter() - began.pop(pid))
            if status:
                raise RuntimeError(f"one of {number} at once ended with {os.waitstatus_to_exitcode(status)}")
    for child in children:
        child.returncode = 0  # it was waited for here
    return taken
