"""A home for the cases that start sandboxes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.program import Result, program


class Home:
    """Runs `xmppctl` in a home of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / ".local/state/xmppctl"
        self.directory = self.state / "sandbox"
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {"HOME": str(root), "PATH": os.environ["PATH"]}

    def run(self, *words: str, **environment: str) -> Result:
        done = subprocess.run(
            [*program(), *words],
            env=self.environment | environment,
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*program(), *words],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """End every command, with its children, and every server that a failed test has left."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.run("sandbox", "stop")
        for pid in self.servers():
            os.kill(pid, signal.SIGKILL)

    def status(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.run("sandbox", "status", "-o", "jsonl").stdout)
        return record

    def servers(self) -> list[int]:
        """The processes whose command line names this home."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.root) in b" ".join(words) and b"--config" in words:
                found.append(int(path.parent.name))
        return found

    def left(self) -> list[Path]:
        """All files in the state directory."""
        return list(self.state.rglob("*")) if self.state.exists() else []
