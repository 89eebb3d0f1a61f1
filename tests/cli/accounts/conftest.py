"""A command line of `account` in this process: its own home, its login scripted or on a scripted server."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.config.secrets import Secret
from xmppctl.session.drive import drive
from xmppctl.session.login import Step
from xmppctl.session.memory import MemorySession, Responder

SECRET = "hunter2-planted"


class Ran:
    """How it ended."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


class Server:
    """Plays a login: `passwords` are those it takes, by bare JID (None: any), `steps` what it reports.

    `tried` are the passwords that came; `fail` is raised behind the steps.
    """

    def __init__(self) -> None:
        self.passwords: dict[str, str] | None = None
        self.steps: list[Step] = []
        self.fail: Exception | None = None
        self.responder: Responder | None = None
        self.tried: list[str] = []
        self.settings: list[Any] = []

    def __call__(self, settings: Any, main: Any, *, progress: Any, **_: Any) -> Any:
        from xmppctl.errors import AuthError

        self.settings.append(settings)
        bare = settings.jid.bare
        if settings.password.available:
            given = settings.password.get(5).reveal()
            self.tried.append(given)
            if self.passwords is not None and self.passwords.get(bare) != given:
                raise AuthError("refused", condition="not-authorized")
        for step in self.steps if progress is not None else ():
            progress(step)
        if self.fail:
            raise self.fail
        return drive(main(MemorySession(self.responder, jid=f"{bare}/r")))


class Accounts:
    """Runs `xmppctl account ...`. `answers` are what the person at the terminal types; without any there is none."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.file = home / ".config/xmppctl/config.toml"
        self.server = Server()
        self.answers: list[str] | None = None
        self.asked: list[str] = []
        self.environ: dict[str, str] = {}
        monkeypatch.setattr("xmppctl.config.prompt.possible", lambda: self.answers is not None)
        monkeypatch.setattr("xmppctl.config.prompt.ask", self._ask)

    def _ask(self, question: str, seconds: float | None = None, *, echo: bool = False) -> Secret:
        assert self.answers, f"nobody expected to be asked {question!r}"
        self.asked.append(question)
        return Secret(self.answers.pop(0) + "\n")

    def write(self, text: str, name: str = "config.toml") -> Path:
        path = self.file.with_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def kept(self, name: str) -> str:
        return (self.file.parent / "passwords" / name).read_text()

    def __call__(self, *words: str, stdin: bytes = b"", runner: bool = True) -> Ran:
        return self.run("account", *words, stdin=stdin, runner=runner)

    def run(self, *words: str, stdin: bytes = b"", runner: bool = True) -> Ran:
        """Run any command."""
        stdout, stderr = io.StringIO(), io.StringIO()
        saved, (reading, writing) = os.dup(0), os.pipe()
        os.write(writing, stdin)
        os.close(writing)
        os.dup2(reading, 0)
        try:
            app = App(
                stdout=stdout,
                stderr=stderr,
                environ={"HOME": str(self.home), **self.environ},
                runner=self.server if runner else None,
            )
            code = run(words, app)
        finally:
            os.dup2(saved, 0)
            os.close(saved)
            os.close(reading)
        assert SECRET not in stdout.getvalue() + stderr.getvalue()
        return Ran(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def account(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Accounts(private_home, monkeypatch)
    for number, handler in before.items():
        signal.signal(number, handler)


HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "id='1' from='localhost' version='1.0'><stream:features>"
    "<register xmlns='http://jabber.org/features/iq-register'/></stream:features>"
)


@pytest.fixture
def stream_server() -> Iterator[Callable[[Callable[[str], str | None]], int]]:
    """A server on loopback without TLS: `start(answer)` gives its port; `answer(iq)` the reply, None to hang up."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, answer: Callable[[str], str | None]) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(10)
            heard = ""
            greeted = False
            while data := connection.recv(65536):
                heard += data.decode()
                if not greeted and "<stream:stream" in heard:
                    connection.sendall(HEADER.encode())
                    greeted, heard = True, heard.partition("version='1.0'")[2].partition(">")[2]
                    heard = heard.rpartition("?>")[2] if "?>" in heard else heard
                while "</iq>" in heard:
                    iq, _, heard = heard.partition("</iq>")
                    reply = answer("<iq" + iq.partition("<iq")[2] + "</iq>")
                    if reply is None:
                        return
                    connection.sendall(reply.encode())

    def start(answer: Callable[[str], str | None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=serve, args=(listener, answer), daemon=True)
        thread.start()
        listeners.append(listener)
        threads.append(thread)
        port: int = listener.getsockname()[1]
        return port

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)  # wakes who waits to accept
        listener.close()
    for thread in threads:
        thread.join(10)
