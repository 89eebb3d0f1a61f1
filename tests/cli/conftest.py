"""Running a command line in this process, its streams in memory and its session scripted."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession, Responder
from xmppctl.session.run import both
from xmppctl.stanza.frame import Frame

JID = "romeo@montague.example"
FULL = f"{JID}/orchard"
ACCOUNT = ("--jid", JID)


class Terminal(io.TextIOWrapper):
    """A text stream that says whether it is a terminal."""

    def __init__(self, tty: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


class Ran:
    """How a command line ended, and what it sent."""

    def __init__(self, code: int, stdout: str, stderr: str, session: MemorySession | None) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.session = session

    @property
    def sent(self) -> list[Frame]:
        """What was sent; empty where no session was opened."""
        return self.session.sent if self.session else []

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output of `-o jsonl`."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The JSON objects on standard error."""
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]


class Runner:
    """Opens scripted sessions instead of real ones. `sessions` are those that were opened."""

    def __init__(
        self, responder: Responder | None, script: Callable[[MemorySession], None], features: tuple[str, ...]
    ):
        self._responder = responder
        self._script = script
        self._features = features
        self.sessions: list[MemorySession] = []

    def __call__(
        self,
        settings: Any,
        main: Callable[[Any], Coroutine[Any, Any, Any]],
        *,
        plugins: bool,
        on_frame: Any,
        observe: Any = None,
        **_: Any,
    ) -> Any:
        session = MemorySession(
            self._responder,
            jid=FULL,
            features=self._features,
            on_frame=both(on_frame, observe and observe.take),
        )
        self.sessions.append(session)

        async def body() -> Any:
            self._script(session)
            try:
                return await main(session)
            finally:
                await session.close()

        return asyncio.run(body()) if plugins else drive(body())


@pytest.fixture
def run_cli(tmp_path: Path) -> Iterator[Callable[..., Ran]]:
    """Run a command line: `run_cli("send", "juliet@…", "hi", responder=…)`.

    `script(session)` is called when the session is open. `stdin` is bytes, a file descriptor, or None for a terminal.
    """
    opened: list[Any] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def call(
        *words: str,
        responder: Responder | None = None,
        script: Callable[[MemorySession], None] = lambda _: None,
        features: tuple[str, ...] = (),
        stdin: bytes | int | None = b"",
        tty: bool = False,
        environ: dict[str, str] | None = None,
        account: tuple[str, ...] = ACCOUNT,
    ) -> Ran:
        runner = Runner(responder, script, features)
        stdout, stderr = Terminal(tty), Terminal(tty)
        source: Any = Terminal(True)
        if stdin is not None:
            if isinstance(stdin, bytes):
                path = tmp_path / "stdin"
                path.write_bytes(stdin)
                stdin = os.open(path, os.O_RDONLY)
            source = os.fdopen(stdin)
            opened.append(source)
        app = App(
            stdin=source,
            stdout=stdout,
            stderr=stderr,
            environ={"XMPPCTL_PASSWORD": "wherefore", "TERM": "xterm", **(environ or {})},
            runner=runner,
        )
        code = run([*words, *account], app)
        return Ran(code, stdout.text, stderr.text, runner.sessions[-1] if runner.sessions else None)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)
    for file in opened:
        file.close()
