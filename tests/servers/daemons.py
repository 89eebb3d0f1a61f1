"""A home with one account, the server that it is on, and the real program in it: for tests of daemons as processes.

The server plays a script over loopback, without TLS.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.servers.hostile import JID, PASSWORD, Gone, Peer, bind, greet, mechanisms, scram
from xmppctl.config.settings import Settings, resolve
from xmppctl.daemon import instance
from xmppctl.daemon.control import Place

PATIENCE = 20.0
NAME = "work"


def login(peer: Peer, password: str = PASSWORD) -> None:
    """A faultless login."""
    greet(peer, mechanisms("SCRAM-SHA-256"))
    scram(peer, password)
    bind(peer)


def answer(peer: Peer, seconds: float = PATIENCE) -> None:
    """Answer each request until the client closes its stream."""
    end = time.monotonic() + seconds
    with suppress(Gone):
        while time.monotonic() < end:
            found = peer.expect(r"<iq [^>]*?/?>|</stream:stream>", end - time.monotonic()).group()
            if found.startswith("</"):
                peer.finish()
                return
            id_ = re.search(r"\bid='([^']+)'", found)
            if id_ is not None and re.search(r"\btype='(get|set)'", found):
                peer.send(f"<iq type='result' id='{id_.group(1)}'/>")


def serving(peer: Peer) -> None:
    """A faultless server of an account with nothing in it."""
    login(peer)
    answer(peer)


class Home:
    """Directories, a configuration with the account NAME, and what runs in them. `close` ends what still runs."""

    def __init__(self, path: Path, port: int, *, password: str = PASSWORD, more: str = "") -> None:
        self.path = path
        (path / "run").mkdir(mode=0o700)
        config = path / "config/xmppctl/config.toml"
        config.parent.mkdir(parents=True)
        (config.parent / "password").write_text(password + "\n")
        (config.parent / "password").chmod(0o600)
        config.write_text(
            f'[accounts.{NAME}]\njid = "{JID}"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
            f'password_file = "password"\n{more}\n'
        )
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(path),
            "XDG_RUNTIME_DIR": str(path / "run"),
            "XDG_STATE_HOME": str(path / "state"),
            "XDG_CONFIG_HOME": str(path / "config"),
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._started: list[subprocess.Popen[str]] = []

    # -- files --

    @property
    def socket(self) -> Path:
        return self.path / f"run/xmppctl/{NAME}.sock"

    @property
    def lock(self) -> Path:
        return self.path / f"run/xmppctl/{NAME}.lock"

    @property
    def log(self) -> str:
        """What the daemon has logged."""
        return (self.path / f"state/xmppctl/daemon/{NAME}.log").read_text()

    @property
    def settings(self) -> Settings:
        return resolve({}, self.environ)

    @property
    def place(self) -> Place:
        return Place(self.settings, self.socket, self.lock)

    # -- the program --

    def command(self, *words: str, **environ: str) -> list[str]:
        return [sys.executable, "-m", "xmppctl", *words]

    def run(self, *words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `xmppctl words` to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def start(self, *words: str, python: tuple[str, ...] = (), **environ: str) -> subprocess.Popen[str]:
        """Start `xmppctl daemon start --foreground words`."""
        process = subprocess.Popen(
            [sys.executable, *python, "-m", "xmppctl", "daemon", "start", "--foreground", *words],
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    @property
    def pid(self) -> int:
        """The process id of the daemon that runs."""
        found = instance.pid(self.lock)
        assert found is not None
        return found

    def status(self) -> dict[str, Any]:
        """What `daemon status -o json` prints."""
        done = self.run("daemon", "status", "-o", "json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def wait(self, holds: Callable[[], object], what: str = "it") -> None:
        """Wait until `holds` is true."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                said = self.log if self.lock.exists() else "(no log)"
                raise AssertionError(f"{what} never came true:\n{said}")
            time.sleep(0.01)

    def wait_online(self) -> None:
        """Wait until the daemon has logged that it is online."""
        log = self.path / f"state/xmppctl/daemon/{NAME}.log"
        self.wait(lambda: log.exists() and " online as " in log.read_text(), "online")

    def close(self) -> None:
        """End everything."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        found = instance.pid(self.lock) if self.lock.exists() else None
        if found is not None:
            instance.send_signal(self.lock, found, signal.SIGKILL)
