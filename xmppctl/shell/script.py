"""A shell that reads a script: from a file or a pipe, without a terminal.

Each thing is done when the one before it is: a request has its reply, a command has ended. What fails ends the script
with its error, but for refused stanzas, which are counted. A file is checked whole before anything of it is sent; a
pipe may be another program that waits for answers, so there each part is done as it comes.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import select
import stat
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import CancelledError
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from xmppctl.errors import DeadlineExceeded, ExpectationFailed, MalformedInput, UsageError, XmppctlError
from xmppctl.shell import slash
from xmppctl.shell.core import PATIENCE
from xmppctl.shell.reader import Item, Raw, Reader, Slash
from xmppctl.stanza.splitter import MAX_STANZA_BYTES

if TYPE_CHECKING:
    from xmppctl.shell.core import Shell

#: How soon the reading of a pipe notices that nobody wants it any more, in seconds.
_LOOK_SECONDS: Final = 0.1
_READ_BYTES: Final = 64 * 1024
_SOURCE: Final = "standard input"


def whole(descriptor: int) -> bool:
    """Whether all of it is there already: a file."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def check_all(text: str, *, by_hand: bool) -> None:
    """Raise MalformedInput where what is no stanza or command stands in a script, before anything of it is sent.

    Its commands are checked when there is a shell, which knows them.
    """
    reader = Reader(_SOURCE, by_hand=by_hand)
    reader.feed(text)
    reader.finish()


class _Decoder:
    """UTF-8 that comes in pieces. Knows where in the input it is."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._begun = False
        self._line = self._column = 1

    def decode(self, data: bytes, *, last: bool) -> tuple[str, MalformedInput | None]:
        """The text of more bytes, up to what is wrong with them."""
        wrong = None
        try:
            text = self._decoder.decode(data, final=last)
        except UnicodeDecodeError as error:
            text, wrong = error.object[: error.start].decode(), error.object[error.start]
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        self._line += text.count("\n")
        after = text.rfind("\n")
        self._column = len(text) - after if after >= 0 else self._column + len(text)
        return text, None if wrong is None else self._error(wrong)

    def _error(self, byte: int) -> MalformedInput:
        return MalformedInput(
            f"{_SOURCE}, line {self._line}, column {self._column}: the byte 0x{byte:02X} is not UTF-8",
            line=self._line,
            column=self._column,
            hint="XMPP is UTF-8 only; convert the input, for example with iconv; bytes go with /send-raw --hex",
        )


class Script:
    """Plays what `descriptor` gives, or `text` where that was read already. `source` names it in errors."""

    def __init__(self, shell: Shell, descriptor: int, text: str | None) -> None:
        self._shell = shell
        self._descriptor = descriptor
        self._text = text

    async def run(self) -> None:
        """Play it to its end. Raises what ended it, and at its end what came of the stanzas (see `Shell.judge`)."""
        shell = self._shell
        if self._text is not None:
            for item in self._items_of(self._text):
                if isinstance(item, Slash):
                    try:
                        slash.check(shell, item)
                    except UsageError as error:
                        raise self._placed(error, item) from None
        async with aclosing(self._items()) as items:
            async for item in items:
                try:
                    await shell.do(item)
                except slash.Leave:
                    break
                except (UsageError, MalformedInput, ExpectationFailed, DeadlineExceeded) as error:
                    raise self._placed(error, item) from None
        await self._settle()
        shell.judge()

    async def _settle(self) -> None:
        """The server has everything, and its answers to it are here."""
        shell = self._shell
        if shell.end_expected:
            return
        await shell.jobs.stop_all()
        session = shell.line.session
        shell.check()
        if session is not None and shell.manner.checks:
            await session.barrier(PATIENCE)

    def _placed(self, error: XmppctlError, item: Item) -> XmppctlError:
        """An error with the line of the script in it."""
        if not error.message.startswith(_SOURCE):
            error.message = f"{_SOURCE}, line {item.line}: {error.message}"
        return error

    def _items_of(self, text: str) -> list[Item]:
        if not self._shell.manner.checks:
            return _raw_lines(text, 1)
        reader = Reader(_SOURCE, by_hand=self._shell.manner.by_hand)
        return [*reader.feed(text), *reader.finish()]

    async def _items(self) -> AsyncGenerator[Item, None]:
        if self._text is not None:
            for item in self._items_of(self._text):
                yield item
            return
        reader = Reader(_SOURCE, by_hand=self._shell.manner.by_hand)
        line = 1
        async with aclosing(self._pieces()) as pieces:
            async for text in pieces:
                for item in reader.items(text) if self._shell.manner.checks else _raw_lines(text, line):
                    yield item
                line += text.count("\n")
        if self._shell.manner.checks:
            for item in reader.finish():
                yield item

    async def _pieces(self) -> AsyncGenerator[str, None]:
        """Text as it comes; whole lines where they are sent as they are."""
        source = _Input(self._descriptor)
        try:
            async for text in self._decoded(source):
                yield text
        finally:
            source.close()

    async def _decoded(self, source: _Input) -> AsyncIterator[str]:
        decoder = _Decoder()
        rest = ""
        while True:
            data = await source.get()
            text, failure = decoder.decode(data, last=not data)
            if not self._shell.manner.checks:
                lines, end, rest = (rest + text).rpartition("\n")
                text = lines + end
                if not data:
                    text += rest
                elif len(rest) > MAX_STANZA_BYTES:
                    raise MalformedInput(f"{_SOURCE}: a line is larger than {MAX_STANZA_BYTES} bytes")
            if text:
                yield text
            if failure is not None:
                raise failure
            if not data:
                return


class _Input:
    """Reads a descriptor in a thread, to its end or until it is closed: then not a byte more is taken."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | OSError] = asyncio.Queue(maxsize=4)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True, name="input")
        self._thread.start()

    async def get(self) -> bytes:
        """What has come; empty at the end. Raises UsageError."""
        data = await self._queue.get()
        if isinstance(data, OSError):
            raise UsageError(f"cannot read standard input: {data.strerror or data}")
        return data

    def close(self) -> None:
        """Leave the rest to others."""
        self._stopped.set()
        self._thread.join(2 * _LOOK_SECONDS)

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while not self._stopped.is_set():
            if not poll.poll(_LOOK_SECONDS * 1000) or self._stopped.is_set():
                continue
            data: bytes | OSError
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except OSError as error:
                data = error
            if not self._put(data) or not data or isinstance(data, OSError):
                return

    def _put(self, data: bytes | OSError) -> bool:
        """Hand it over; False where nobody takes it any more."""
        putting = self._queue.put(data)
        try:
            handed = asyncio.run_coroutine_threadsafe(putting, self._loop)
        except RuntimeError:  # the loop has ended
            putting.close()
            return False
        while not self._stopped.is_set():
            try:
                handed.result(_LOOK_SECONDS)
                return True
            except TimeoutError:
                continue
            except CancelledError:
                return False
        handed.cancel()
        return False


def _raw_lines(text: str, first: int) -> list[Item]:
    """What is to be sent exactly as it is: each line, without its end; slash commands and comments as ever."""
    items: list[Item] = []
    for number, line in enumerate(text.split("\n"), first):
        if line.startswith("/"):
            name, _, rest = line[1:].strip().partition(" ")
            items.append(Slash(name, rest.strip(), number))
        elif line and not line.startswith("#"):
            items.append(Raw(line, number))
    return items
