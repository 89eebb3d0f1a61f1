"""`send --lines` into Prosody without an archive, to one who reads along: messages a second, none lost or doubled."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from measure import Process, Row, Target, medians
from startup import compile_package

if TYPE_CHECKING:
    from tests.integration.program import Cli
    from xmppctl.session.connection import Connection

TITLE = "20,000 messages by send --lines, each acknowledged by Prosody; the ratio is to 5,000 a second"
MESSAGES = 20_000
RATE = 5_000
OF_THE_RATE = Target(least=1.0)
#: Seconds for one batch, and for what is on its way to the reader after it.
PATIENCE = 120.0
_TAIL = 10.0


def run(rounds: int) -> list[Row] | str:
    """Measure with a daemon and without; a line where that cannot be done."""
    if shutil.which("prosody") is None:
        return "prosody is not installed: apt-get install prosody"
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.integration.program import Cli
    from tests.servers.prosody import Prosody

    compile_package()
    server = Prosody({"modules_disabled": '{ "mam"; "carbons" }'})
    server.start()
    try:
        with tempfile.TemporaryDirectory() as home:
            cli = Cli(server, Path(home))
            try:
                cli.start_daemon()
                return measured(cli, rounds)
            finally:
                cli.close()
    finally:
        server.stop()


def measured(cli: Cli, rounds: int) -> list[Row]:
    """The rows. Raises RuntimeError where the reader did not get just what was sent, in order."""
    lines = "".join(f"{number}\n" for number in range(MESSAGES)).encode()
    file = Path(cli.environment["HOME"]) / "lines"
    file.write_bytes(lines)
    with reading(cli) as reader:
        cases = {
            name: Batch(cli, file, reader, mode)
            for name, mode in (("send --lines, attached", "only"), ("send --lines, cold", "off"))
        }
        taken = medians(cases, rounds)
    return [
        Row(
            name,
            f"{MESSAGES / seconds:.0f} /s",
            MESSAGES / seconds / RATE,
            OF_THE_RATE if at == 0 else Target(),
        )
        for at, (name, seconds) in enumerate(taken.items())
    ]


class Batch:
    """A case: sends the file's lines, and checks what came."""

    def __init__(self, cli: Cli, file: Path, reader: Reader, mode: str) -> None:
        words = ("send", "--lines", "--daemon", mode, "--timeout", str(PATIENCE), cli.jid("bob"))
        self._process = Process(
            ["sh", "-c", 'exec "$@" <"$0"', str(file), *cli.words(words, "alice")], cli.environment
        )
        self._reader = reader

    def __call__(self) -> float:
        taken = self._process()
        self._reader.check()
        return taken


class Reader(Thread):
    """Bob, who reads and keeps the bodies."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self._bodies: list[bytes] = []
        self._full = Event()

    def run(self) -> None:
        """Read to the end of the stream."""
        from xmppctl.session.deadline import Deadline

        while not self._connection.ended:
            for frame in self._connection.read(Deadline(None), "reading"):
                if frame.kind == "message":
                    self._bodies.append(frame.raw.partition(b"<body>")[2].partition(b"</body>")[0])
            if len(self._bodies) >= MESSAGES:
                self._full.set()

    def check(self) -> None:
        """Whether one batch has come, and nothing else."""
        self._full.wait(_TAIL)
        bodies, self._bodies = self._bodies, []
        self._full.clear()
        if bodies != [b"%d" % number for number in range(MESSAGES)]:
            raise RuntimeError(f"of {MESSAGES} messages {len(set(bodies))} came, {len(bodies)} in all")


@contextmanager
def reading(cli: Cli) -> Iterator[Reader]:
    """Bob online, reading."""
    from xmppctl.config.settings import resolve
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.login import login

    settings = resolve({"account": "bob"}, cli.environment)
    connection = login(settings, settings.password.get(10), Deadline(30)).connection
    connection.push(b"<presence/>")
    connection.flush(Deadline(10), "coming online")
    reader = Reader(connection)
    reader.start()
    try:
        yield reader
    finally:
        connection.sock.shutdown(2)
        reader.join(5)
        connection.close()
