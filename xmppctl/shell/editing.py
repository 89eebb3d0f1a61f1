"""The stanza at hand in an editor: `$VISUAL`, else `$EDITOR`, else one that is there.

prompt_toolkit's own way tells of an editor's failure by a traceback, ends with a signal that was meant for the editor,
and does not end before the editor has.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prompt_toolkit.application import get_app, in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

#: Where the environment names none that can be started.
_OTHERS: Final = ("/usr/bin/editor", "/usr/bin/nano", "/usr/bin/vi", "/usr/bin/emacs")
#: What an editor gets to put the terminal in order, when the shell ends.
_END_SECONDS: Final = 1.0


class Editing:
    """Edits what stands in `buffer`. `hint` hears why it was not changed."""

    def __init__(self, buffer: Buffer, environ: Mapping[str, str], hint: Callable[[str], None]) -> None:
        self._buffer = buffer
        self._environ = environ
        self._hint = hint
        self._task: asyncio.Task[None] | None = None

    def open(self, validate_and_handle: bool = False) -> asyncio.Task[None]:
        """As `Buffer.open_in_editor`: edit it, and enter it then if told so. Never raises for what an editor does."""
        self._task = get_app().create_background_task(self._run(validate_and_handle))
        return self._task

    def stop(self) -> None:
        """End an editor that is open: a prompt that is cancelled would wait for it."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, enter: bool) -> None:
        try:
            text = await self._edited(self._buffer.text)
        except (OSError, ValueError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            self._hint(f"the line is as it was: {why}")
            return
        self._buffer.document = Document(text, len(text))
        if enter:
            self._buffer.validate_and_handle()

    async def _edited(self, text: str) -> str:
        """What an editor makes of it. Raises OSError, ValueError."""
        # A directory of its own takes what editors put beside a file, and is private (0700).
        with tempfile.TemporaryDirectory(prefix="xmppctl-", ignore_cleanup_errors=True) as directory:
            path = Path(directory, "stanza.xml")
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            async with in_terminal():
                code = await self._call(path)
            if code:
                raise ValueError(f"the editor has failed (exit code {code})")
            if not path.is_file():
                raise ValueError("the editor has left no file")
            # What is no UTF-8 comes back, too: it is on the line then, and is refused there.
            return path.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\n")

    async def _call(self, path: Path) -> int:
        """Run the first editor that can be started. Raises ValueError where there is none, or its words are wrong."""
        for name in ("VISUAL", "EDITOR", *_OTHERS):
            line = self._environ.get(name, "") if not name.startswith("/") else name
            try:
                words = shlex.split(line)
            except ValueError as error:
                raise ValueError(f"{name} cannot be read: {error}") from None
            if words:
                with suppress(OSError), _left_to_the_editor():
                    return await _wait(await asyncio.create_subprocess_exec(*words, str(path)))
        raise ValueError("no editor can be started; set EDITOR")


async def _wait(process: asyncio.subprocess.Process) -> int:
    """Its exit code. When the shell ends, it ends."""
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await process.wait()
                if process.returncode is None:
                    process.kill()


@contextmanager
def _left_to_the_editor() -> Iterator[None]:
    """Keys that are signals are the editor's. Not by SIG_IGN: that would be its as well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    for number in before:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
