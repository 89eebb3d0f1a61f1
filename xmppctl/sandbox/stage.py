"""A stage for `xmppctl demo`: real commands run, and what they say is shown line by line while they say it.

Several run at the same time; each line stays whole and tells whose it is. The children's output is passed on as it
is, colours included: it comes from this very program, which has made the network's text safe already.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from xmppctl.errors import DeadlineExceeded, ExpectationFailed, XmppctlError
from xmppctl.output.palette import Palette
from xmppctl.output.sink import Sink

STEP_SECONDS: Final = 10.0
_END_SECONDS: Final = 3.0
_INDENT: Final = "  "
_SGR: Final = re.compile(r"\x1b\[[0-9;]*m")


class Stage:
    """Shows what is said and run on `sink`. A context manager: leaving it ends every command that still runs."""

    def __init__(self, sink: Sink, palette: Palette, environ: Mapping[str, str]) -> None:
        self._sink = sink
        self._palette = palette
        self._environ = {**environ, "XMPPCTL_COLOR": "always" if palette.colored else "never"}
        self._children: list[Child] = []
        self._news = threading.Condition()
        self._failure: XmppctlError | None = None
        self._interrupt: Any = None

    def __enter__(self) -> Self:
        # Started in the background by a script, this process ignores Ctrl-C, and so would its children, which are
        # ended by it: with a handler here, be it one that does nothing, they have the default.
        self._interrupt = signal.getsignal(signal.SIGINT)
        if self._interrupt == signal.SIG_IGN:
            signal.signal(signal.SIGINT, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.kill()
        if self._interrupt == signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def title(self, text: str) -> None:
        """Say what comes next."""
        self.show(f"\n{self._palette.bold}{text}{self._palette.reset}\n")

    def text(self, text: str) -> None:
        """Say something in passing."""
        self.show(f"{self._palette.dim}{text}{self._palette.reset}\n")

    def run(self, *words: str) -> None:
        """Show and run `xmppctl WORDS` to its end. Raises ExpectationFailed where it fails, DeadlineExceeded."""
        child = self._start(words, _INDENT)
        code = child.finish(STEP_SECONDS)
        if code != 0:
            raise ExpectationFailed(f"xmppctl {shlex.join(words)} ended with exit code {code}")

    def follow(self, name: str, *words: str) -> Child:
        """Show and start `xmppctl WORDS`, which goes on; its lines begin with `name`."""
        bar = "│" if self._sink.holds_unicode else "|"
        return self._start(words, f"{self._palette.dim}{name} {bar}{self._palette.reset} ", behind=True)

    def _start(self, words: Sequence[str], prefix: str, *, behind: bool = False) -> Child:
        palette = self._palette
        shown = f"xmppctl {shlex.join(words)}{' &' if behind else ''}"
        self.show(f"{palette.dim}${palette.reset} {palette.bold}{shown}{palette.reset}\n")
        columns = self._sink.columns
        width = None if columns is None else max(20, columns - len(_SGR.sub("", prefix)))
        child = Child(words, self._environ, width, prefix, self)
        self._children.append(child)
        return child

    def show(self, text: str) -> None:
        """Write; may be called by any thread, the first failure is raised in the one that waits."""
        with self._news:
            if self._failure is None:
                try:
                    self._sink.write(text)
                except XmppctlError as error:
                    self._failure = error
            self._news.notify_all()

    def wait(self, holds: Callable[[], bool], seconds: float, doing: str) -> None:
        """Wait until it holds. Raises DeadlineExceeded, and what writing raised."""
        end = time.monotonic() + seconds
        with self._news:
            while not holds():
                if self._failure is not None:
                    raise self._failure
                left = end - time.monotonic()
                if left <= 0:
                    raise DeadlineExceeded(f"time ran out after {seconds:g} s while {doing}")
                self._news.wait(min(left, 0.1))
            if self._failure is not None:
                raise self._failure


class Child:
    """One running command. On a terminal it gets one of its own, so that it folds its lines to what is left."""

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        width: int | None,
        prefix: str,
        stage: Stage,
    ) -> None:
        self._words = words
        self._prefix = prefix
        self._stage = stage
        self._lines: list[str] = []
        reader, writer = os.pipe() if width is None else _terminal(width)
        try:
            self._process = subprocess.Popen(
                [*program(), *words],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=environ,
                start_new_session=True,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._thread.start()

    def wait_for(self, text: str) -> None:
        """Wait until a line with `text` was shown. Raises DeadlineExceeded, ExpectationFailed where it ended first."""
        self._stage.wait(
            lambda: self._said(text) or not self._thread.is_alive(),
            STEP_SECONDS,
            f"waiting for {text!r} from xmppctl {shlex.join(self._words)}",
        )
        if not self._said(text):
            raise ExpectationFailed(f"xmppctl {shlex.join(self._words)} ended without saying {text!r}")

    def finish(self, seconds: float) -> int:
        """Wait for the end and give the exit code. Raises DeadlineExceeded."""
        self._stage.wait(
            lambda: not self._thread.is_alive() and self._process.poll() is not None,
            seconds,
            f"running xmppctl {shlex.join(self._words)}",
        )
        return self._process.wait()

    def end(self) -> None:
        """End it as Ctrl-C would."""
        self._stage.show(f"{self._prefix}^C\n")
        self._signal(signal.SIGINT)
        self.finish(_END_SECONDS)

    def kill(self) -> None:
        """End it now, if it runs; never raises."""
        for number in (signal.SIGINT, signal.SIGKILL):
            self._signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
        self._thread.join(_END_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        """To all of its process group, which it leads; to nobody when it has ended."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _said(self, text: str) -> bool:
        # A narrow terminal folds lines: white space does not count.
        said = _SGR.sub("", "".join(self._lines))
        return "".join(text.split()) in "".join(said.split())

    def _read(self, reader: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as stream:
            rest = b""
            # Linux tells the end of a terminal by EIO.
            with suppress(OSError):
                while data := stream.read(65536):
                    *lines, rest = (rest + data).split(b"\n")
                    self._take(lines)
            if rest:
                self._take([rest])

    def _take(self, lines: Sequence[bytes]) -> None:
        # All at once: what was written together, such as a stanza, is not torn by another command's lines.
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        self._stage.show("".join(f"{self._prefix}{text}\n" for text in texts))
        self._lines += texts


def _terminal(width: int) -> tuple[int, int]:
    """Both ends of a pseudo-terminal of that width that passes lines on as they are."""
    reader, writer = os.openpty()
    attributes = termios.tcgetattr(writer)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(writer, termios.TCSANOW, attributes)
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    return reader, writer


def program() -> list[str]:
    """The words that run this very program once more."""
    started_as = Path(sys.argv[0])
    if started_as.name == "xmppctl" and os.access(started_as, os.X_OK):
        return [str(started_as.absolute())]
    return [sys.executable, "-m", "xmppctl"]
