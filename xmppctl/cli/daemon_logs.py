"""`xmppctl daemon logs`: the last lines of a daemon's log, and those that come."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from xmppctl.cli.app import App

_POLL_SECONDS: Final = 0.2


def show(app: App, count: int, *, follow: bool) -> None:
    """Show the last `count` lines; with `follow` what comes after them. Raises ConfigError."""
    from xmppctl.config import paths

    name = app.settings().name
    path = paths.daemon_log(name, app.environ)
    tail = Tail(path)
    found = tail.last(count)
    for line in found:
        _print(app, line)
    if not found and not tail.is_there:
        app.note(f"the daemon of {name} has no log yet")
    if follow:
        _follow(app, tail)


def _follow(app: App, tail: Tail) -> None:
    from xmppctl.session.deadline import Deadline

    deadline = Deadline(app.timeout(follow=True))
    while not deadline.passed:
        for line in tail.new():
            _print(app, line)
        app.pause(_POLL_SECONDS)


def _print(app: App, line: str) -> None:
    time, _, rest = line.partition(" ")
    level, _, text = rest.partition(" ")
    app.renderer().record({"time": time, "level": level, "text": text.strip()}, line)


class Tail:
    """The end of a log at `path`, and what is written to it, through rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    @property
    def is_there(self) -> bool:
        """Whether there is a log."""
        return self._file is not None

    def last(self, count: int) -> list[str]:
        """The last lines, those of earlier files too; what `new` gives comes behind them."""
        from xmppctl.daemon.log import earlier

        now = list(self.new())
        kept: deque[str] = deque(maxlen=count)
        for path in reversed(earlier(self._path)):
            if len(now) < count:
                try:
                    kept += path.read_bytes().decode("utf-8", "replace").splitlines()
                except FileNotFoundError:
                    continue
        kept += now
        return list(kept)

    def new(self) -> Iterator[str]:
        """The whole lines that were written since the last time."""
        while True:
            if self._file is None:
                try:
                    self._file = self._path.open("rb")
                except FileNotFoundError:
                    return
            # Asked before reading: what is written to a file before it is moved away is read before it is left.
            moved = self._moved()
            *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
            if not moved:
                return
            self._file.close()
            self._file, self._rest = None, b""

    def _moved(self) -> bool:
        assert self._file is not None
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return True
