"""The shell on a terminal: from the login to the prompt, a key under a flood of stanzas, and completing a JID.

The screen is a pseudo-terminal that this process reads. A key is there when what it types has been written to it.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from measure import NO_TARGET, Row, Target
from roster import CONTACTS, bench

if TYPE_CHECKING:
    from tests.integration.program import Cli
    from tests.servers.crowd import Crowd
    from tests.servers.prosody import Prosody

TITLE = "typing in the shell, as parts of what each may take"
MOST = Target(most=1.0)
#: What each may take, in seconds.
PROMPT, KEY, COMPLETION = 0.5, 0.02, 0.05
#: Stanzas a second that come meanwhile, and how many keys are typed.
RATE = 1000
KEYS = 300
PAUSE = 0.03
PATIENCE = 30.0
COLUMNS, LINES = 100, 40
READY = b"alice"


def run(rounds: int) -> list[Row] | str:
    """Measure; a line where that cannot be done."""
    if shutil.which("prosody") is None:
        return "prosody is not installed: apt-get install prosody"
    with bench() as (cli, server):
        from tests.servers import crowd

        crowd.write_roster(server, cli.jid("alice").partition("@")[0], CONTACTS)
        with crowd.Crowd(server) as contacts:
            return measured(cli, server, contacts, rounds)


def measured(cli: Cli, server: Prosody, contacts: Crowd, rounds: int) -> list[Row]:
    """The rows."""
    ready = statistics.median(prompts(cli) for _ in range(rounds))
    with shell(cli) as screen:
        found = re.search(rb"you are ([^;]+);", screen.all)
        assert found
        screen.key("<message><body>", "body")
        still = keys(screen, 0x4E00)
        with flood(contacts, server, found.group(1).decode()):
            screen.until(b"flood")
            shown, began = screen.shown, time.perf_counter()
            busy = keys(screen, 0x5000)
            rate = (screen.shown - shown) / (time.perf_counter() - began)
    with shell(cli) as screen:
        completed = statistics.median(completions(screen, rounds))
    return [
        row("prompt, after the login (of 0.5 s)", ready, PROMPT),
        row("a key, median (of 20 ms)", statistics.median(still), KEY),
        row("a key of 20 (of 20 ms)", late(still), KEY),
        Row(f"stanzas shown meanwhile, of {RATE}/s", f"{rate:.0f}/s", rate / RATE),
        row(f"a key, {RATE} stanzas/s, median", statistics.median(busy), KEY),
        row(f"a key of 20, {RATE} stanzas/s", late(busy), KEY),
        row(f"the slowest key, {RATE} stanzas/s", max(busy), KEY, NO_TARGET),
        row(f"a JID of {CONTACTS} (of 50 ms)", completed, COMPLETION),
    ]


def row(name: str, seconds: float, most: float, target: Target = MOST) -> Row:
    """A figure as a part of what it may be."""
    return Row(name, f"{seconds * 1000:.1f} ms", seconds / most, target)


def late(taken: list[float]) -> float:
    """What one of twenty takes at least."""
    return sorted(taken)[int(len(taken) * 0.95)]


class Screen:
    """A shell on a pseudo-terminal."""

    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        self._pid, self._fd = pty.fork()
        if not self._pid:
            os.execvpe(words[0], words, environ)
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.seen = b""
        #: Stanzas of the flood that were shown, but for those that lie across two reads.
        self.shown = 0
        #: Its beginning.
        self.all = b""

    def until(self, wanted: bytes) -> float:
        """Read until it is written; the time at which that was."""
        end = time.perf_counter() + PATIENCE
        while wanted not in self.seen:
            if not select.select([self._fd], [], [], max(end - time.perf_counter(), 0))[0]:
                raise RuntimeError(f"{wanted!r} was not shown: {self.seen[-500:]!r}")
            data = self._read()
            self.seen = self.seen[-4096:] + data
            if len(self.all) < 4096:
                self.all += data
        return time.perf_counter()

    def key(self, typed: str, shown: str) -> float:
        """Type; the seconds until it is shown."""
        self.seen = b""
        began = time.perf_counter()
        os.write(self._fd, typed.encode())
        return self.until(shown.encode()) - began

    def drain(self, seconds: float) -> None:
        """Read whatever is written in that time."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                self._read()

    def _read(self) -> bytes:
        data = os.read(self._fd, 65536)
        self.shown += data.count(b"message headline")
        if b"\x1b[6n" in data:  # where is the cursor? Terminals answer, and it is waited for
            os.write(self._fd, b"\x1b[%d;1R" % LINES)
        return data

    def close(self) -> None:
        """End it."""
        os.kill(self._pid, signal.SIGTERM)
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                try:
                    if select.select([self._fd], [], [], 0.1)[0] and not os.read(self._fd, 65536):
                        return
                except OSError:
                    return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        os.waitpid(self._pid, 0)
        stop.set()
        reader.join()
        os.close(self._fd)


@contextmanager
def shell(cli: Cli) -> Iterator[Screen]:
    """Alice's shell, ready."""
    environ = {**cli.environment, "TERM": "xterm-256color"}
    screen = Screen(cli.words(("shell",), "alice"), environ)
    try:
        screen.until(b"[1] " + READY)
        yield screen
    finally:
        screen.close()


def prompts(cli: Cli) -> float:
    """Seconds from the last step of a login to the prompt."""
    trace = cli.home / "trace"
    trace.unlink(missing_ok=True)
    environ = {**cli.environment, "TERM": "xterm-256color"}
    screen = Screen(cli.words(("shell", "--no-acks", "--trace", str(trace)), "alice"), environ)
    try:
        screen.until(b"[1] " + READY)
        return time.time() - trace.stat().st_mtime
    finally:
        screen.close()


def keys(screen: Screen, first: int) -> list[float]:
    """The seconds that each key takes; each is another character, that nothing else shows."""
    taken = []
    for number in range(KEYS):
        char = chr(first + number % 64)
        taken.append(screen.key(char, char))
        screen.drain(PAUSE)
        if number % 64 == 63:
            os.write(screen._fd, b"\x15")  # the line begins anew
            screen.drain(0.2)
    return taken


@contextmanager
def flood(contacts: Crowd, server: Prosody, to: str) -> Iterator[None]:
    """Messages come, evenly, while this lasts."""
    from tests.servers import crowd

    stop = threading.Event()
    text = "flood " * 20
    message = "".join(
        f"<message type='headline' from='{crowd.jid(server, number)}' to='{to}'><body>{text}</body></message>"
        for number in range(RATE // 100)
    )

    def send() -> None:
        due = time.perf_counter()
        while not stop.is_set():
            contacts.say(message)
            due += 0.01
            time.sleep(max(due - time.perf_counter(), 0))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


def completions(screen: Screen, rounds: int) -> list[float]:
    """Seconds until the menu has an address of which six characters are typed, when the roster is there."""
    screen.key("<message to='u1\t", "message")
    screen.drain(5.0)  # the roster comes
    taken = []
    for number in range(rounds):
        os.write(screen._fd, b"\x03")
        screen.drain(0.3)
        screen.key("<message to=", "message")
        screen.drain(0.3)
        taken.append(screen.key(f"'u{34000 + number * 7}", f"Number {34000 + number * 7}"))
    return taken
