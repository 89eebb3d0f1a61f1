"""The real `xmppctl` as a subprocess: one-shot runs, and commands that follow."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tests.servers.base import Account, Server
from xmppctl.config.locks import is_locked

#: What nothing takes here. More than --timeout is by default: then the program says itself what it waited for.
PATIENCE = 45.0


class Result(NamedTuple):
    """How a run ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output of `-o jsonl`."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def program() -> list[str]:
    """The words that run the installed program."""
    installed = Path(sys.executable).with_name("xmppctl")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "xmppctl"]


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended may lie about until its parent looks."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_until(holds: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Wait until `holds()`; fails the test where that takes longer than `timeout` seconds."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, f"{timeout:g} s passed, and not yet: {what}"
        time.sleep(0.02)


class Cli:
    """Runs `xmppctl` in a home of its own, whose config.toml has accounts on one server, alice and bob to begin with.

    Their JIDs are new each time, so that no test sees another's roster, messages or subscriptions. `kind` is how
    commands reach the server: "direct" never through a daemon, "attached" always, through one that is started when its
    account is first used, "auto" as the program itself decides. Call `close` at the end.
    """

    def __init__(self, server: Server, home: Path, kind: str = "auto") -> None:
        self.server = server
        self.home = home
        self.kind = kind
        self.runtime = home / "run"
        self._started: set[str] = set()
        self.accounts: dict[str, Account] = {}
        self._mark = os.urandom(4).hex()
        for name in ("alice", "bob"):
            self.add_account(name)

    def jid(self, name: str) -> str:
        """The bare JID of an account."""
        return self.accounts[name].jid

    def add_account(self, name: str, *, tls: str = "direct", **values: object) -> Account:
        """Create an account on the server and put it into config.toml, with `values` on top."""
        account = self.server.create_account(f"{name}-{self._mark}")
        password_file = self.home / f"{name}.password"
        password_file.write_text(account.password + "\n")
        password_file.chmod(0o600)
        port = self.server.port_direct if tls == "direct" else self.server.port_starttls
        settings = {
            "jid": account.jid,
            "password_file": str(password_file),
            "host": self.server.host,
            "port": port,
            "tls": tls,
            "ca": str(self.server.ca),
        } | values
        self.configure(name, settings)
        self.accounts[name] = account
        return account

    def configure(self, name: str, settings: Mapping[str, object]) -> None:
        """Put an account into config.toml."""
        path = self.home / ".config/xmppctl/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        with path.open("a") as file:
            file.write(f"[accounts.{name}]\n{lines}\n")
        path.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the program."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return kept | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XMPPCTL_DAEMON": {"direct": "off", "attached": "only"}.get(self.kind, ""),
            "PYTHONUTF8": "1",
        }

    def run(
        self,
        *arguments: str,
        account: str | None = "alice",
        stdin: str | bytes = b"",
        timeout: float = PATIENCE,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command to its end; fails the test where it has none within `timeout` seconds."""
        done = subprocess.run(
            self.words(arguments, account),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=timeout,
            env=self.environment | dict(environment or {}),
            cwd=self.home,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def follow(
        self, *arguments: str, account: str | None = "alice", environment: Mapping[str, str] | None = None
    ) -> Following:
        """Start a command that goes on until it is ended; a context manager."""
        return Following(
            self.words(arguments, account), self.environment | dict(environment or {}), self.home
        )

    def words(self, arguments: tuple[str, ...], account: str | None) -> list[str]:
        """The command line that runs the program."""
        if self.kind == "attached" and account in self.accounts and account not in self._started:
            self._started.add(account)  # once: a test may end it and mean it
            self.start_daemon(account)
        chosen = ["-a", account] if account else []
        return [*program(), *chosen, *arguments]

    # -- daemons --

    def start_daemon(self, account: str = "alice", *words: str) -> int:
        """Start the account's daemon; return its process id."""
        ran = self.run("daemon", "start", *words, account=account)
        assert ran.code == 0, ran.stderr
        pid = self.daemon_pid(account)
        assert pid is not None
        return pid

    def stop_daemon(self, account: str = "alice") -> None:
        """End the account's daemon as a user does, and see that its process is gone."""
        pid = self.daemon_pid(account)
        ran = self.run("daemon", "stop", account=account)
        assert ran.code == 0, ran.stderr
        if pid is not None:
            wait_until(lambda: not alive(pid), f"the daemon of {account} has ended")

    def daemon_pid(self, account: str = "alice") -> int | None:
        """The process id of the account's daemon while it lives."""
        lock = self.runtime / "xmppctl" / f"{account}.lock"
        try:
            pid = int(lock.read_text().split("\n")[0])
        except (OSError, ValueError):
            return None
        return pid if alive(pid) and is_locked(lock, fcntl.LOCK_SH) else None

    def daemon_log(self, account: str = "alice") -> str:
        """What the account's daemon has logged."""
        path = self.home / f".local/state/xmppctl/daemon/{account}.log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End the daemons. One that does not end as it should is killed, and fails the test."""
        try:
            for name in self.accounts:
                if self.daemon_pid(name) is not None:
                    self.stop_daemon(name)
            # One that could not log in has said so, and is perhaps just about to end.
            wait_until(lambda: not self._daemons(), "no daemon is left behind")
        finally:
            for pid in self._daemons():
                os.kill(pid, signal.SIGKILL)

    def _daemons(self) -> list[int]:
        """The processes of daemons in this home."""
        home = f"HOME={self.home}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                words = path.with_name("cmdline").read_bytes().split(b"\0")
                if home in path.read_bytes().split(b"\0") and {b"daemon", b"--foreground"} <= set(words):
                    found.append(int(path.parent.name))
        return found


class Following:
    """A running command whose lines can be waited for. Leaving the `with` block ends it."""

    def __init__(self, words: list[str], environment: dict[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=cwd,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news: queue.Queue[None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Following:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def wait_line(self, wanted: str | Callable[[str], bool], timeout: float = PATIENCE) -> str:
        """The first line of standard output, from the start, that holds `wanted` (or for which it is true)."""
        return self._wait(self.lines, wanted, timeout)

    def wait_note(self, wanted: str | Callable[[str], bool], timeout: float = PATIENCE) -> str:
        """As `wait_line`, of standard error."""
        return self._wait(self.errors, wanted, timeout)

    def wait_record(
        self, wanted: Callable[[dict[str, Any]], bool], timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """As `wait_line`, of `-o jsonl`."""
        record: dict[str, Any] = json.loads(self.wait_line(lambda line: wanted(json.loads(line)), timeout))
        return record

    def end(self, number: signal.Signals = signal.SIGINT, timeout: float = PATIENCE) -> Result:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.finish(timeout)

    def finish(self, timeout: float = PATIENCE) -> Result:
        """Wait for the end."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return Result(code, "".join(self.lines), "".join(self.errors))

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
            self._news.put(None)
        self._news.put(None)

    def _wait(self, lines: list[str], wanted: str | Callable[[str], bool], timeout: float) -> str:
        holds = wanted if callable(wanted) else lambda line: wanted in line
        end, seen = time.monotonic() + timeout, 0
        while True:
            while seen < len(lines):
                seen += 1
                if holds(lines[seen - 1]):
                    return lines[seen - 1]
            ended = not any(reader.is_alive() for reader in self._readers)
            left = end - time.monotonic()
            if left <= 0 or (ended and seen == len(lines)):
                said = "".join(self.lines) + "".join(self.errors)
                raise AssertionError(f"no such line ({'it ended' if ended else f'{timeout:g} s'}):\n{said}")
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=min(left, 0.5))
