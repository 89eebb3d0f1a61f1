"""Running a command line in this process, its streams in memory and its session scripted.

Each test that does runs on sessions of every kind (KINDS), and must see the same on each.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.servers.scripted import ScriptedServer, Upstream, running_daemon
from tests.servers.timeless import Script, Side, no_time
from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.session.drive import drive
from xmppctl.session.memory import MemorySession, Responder
from xmppctl.session.run import both, run_direct
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

JID = "romeo@montague.example"
FULL = f"{JID}/orchard"
ACCOUNT = ("--jid", JID)

Main = Callable[[Any], Coroutine[Any, Any, Any]]


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

    def __init__(self, code: int, stdout: str, stderr: str, session: Any) -> None:
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
        self, responder: Responder | None, script: Callable[[Any], None], features: tuple[str, ...]
    ) -> None:
        self._responder = responder
        self._script = script
        self._features = features
        self.sessions: list[Any] = []

    def __call__(self, settings: Any, main: Main, **options: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """End what plays the other side."""


class MemoryRunner(Runner):
    """On a session without a network."""

    def __call__(
        self,
        settings: Any,
        main: Main,
        *,
        plugins: bool,
        on_frame: Any,
        observe: Any = None,
        needs_daemon: Any = None,
        **_: Any,
    ) -> Any:
        if needs_daemon is not None:
            raise needs_daemon
        taps = both(on_frame, observe and observe.take)
        session = MemorySession(self._responder, jid=FULL, features=self._features, on_frame=taps)
        self.sessions.append(session)

        async def body() -> Any:
            self._script(session)
            try:
                return await main(session)
            finally:
                await session.close()

        return asyncio.run(body()) if plugins else drive(body())


class SocketRunner(Runner):
    """On a socket, behind which the script is played by a server."""

    def __init__(self, *args: Any, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        super().__init__(*args)
        self._monkeypatch = monkeypatch
        self._directory = directory
        self._side: Side | None = None

    def __call__(self, settings: Any, main: Main, **options: Any) -> Any:
        side = self._side = self._side or Side()
        with self._monkeypatch.context() as patches, no_time(self._monkeypatch):
            return self._open(side, patches, settings, main, **options)

    def _open(
        self, side: Side, patches: pytest.MonkeyPatch, settings: Any, main: Main, **options: Any
    ) -> Any:
        raise NotImplementedError

    def _scripted(self, side: Side, server: ScriptedServer, main: Main) -> Main:
        async def scripted(session: Any) -> Any:
            Script(session, side, session._connection.sock, server)
            self.sessions.append(session)
            self._script(session)
            return await main(session)

        return scripted

    def close(self) -> None:
        if self._side is not None:
            self._side.close()


class DirectRunner(SocketRunner):
    """On a stream of its own. The script begins behind the login."""

    def _open(
        self, side: Side, patches: pytest.MonkeyPatch, settings: Any, main: Main, **options: Any
    ) -> Any:
        server = ScriptedServer(side, self._responder, Jid.parse(FULL))

        def login(*_: Any, on_frame: Any, **__: Any) -> Any:
            return server.established(self._features, on_frame)

        patches.setattr("xmppctl.session.login.login", login)
        return run_direct(settings, self._scripted(side, server, main), **options)


class AttachedRunner(SocketRunner):
    """On a daemon, whose server plays the script."""

    def _open(
        self, side: Side, patches: pytest.MonkeyPatch, settings: Any, main: Main, **options: Any
    ) -> Any:
        from xmppctl.cli import reach

        environ = dict(os.environ) | {"XDG_RUNTIME_DIR": str(self._directory)}
        server = Upstream(side, self._responder, Jid.parse(FULL))
        with running_daemon(side, server, settings, environ, self._directory, patches):
            return reach.run(
                settings,
                self._scripted(side, server, main),
                mode="only",
                environ=environ,
                warn=options["note"],
                **options,
            )


KINDS = ("memory", "direct", "attached")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on sessions of every kind, but those that tell why not (`kinds`)."""
    if "run_cli" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("kinds")
        metafunc.parametrize("kind", mark.args if mark else KINDS)


@pytest.fixture
def run_cli(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Run a command line: `run_cli("send", "juliet@…", "hi", responder=…)`.

    `script(session)` is called when the session is open. `stdin` is bytes, a file descriptor, or None for a terminal.
    """
    kinds = {
        "memory": MemoryRunner,
        "direct": partial(DirectRunner, monkeypatch=monkeypatch, directory=tmp_path),
        "attached": partial(AttachedRunner, monkeypatch=monkeypatch, directory=tmp_path),
    }
    opened: list[Any] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def call(
        *words: str,
        responder: Responder | None = None,
        script: Callable[[Any], None] = lambda _: None,
        features: tuple[str, ...] = (),
        stdin: bytes | int | None = b"",
        tty: bool = False,
        environ: dict[str, str] | None = None,
        account: tuple[str, ...] = ACCOUNT,
    ) -> Ran:
        runner = kinds[kind](responder, script, features)
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
        try:
            code = run([*words, *account], app)
        finally:
            runner.close()
        return Ran(code, stdout.text, stderr.text, runner.sessions[-1] if runner.sessions else None)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)
    for file in opened:
        file.close()
