"""Recordings read again: all parts of one, in order, as fast as can be or in the time that it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from xmppctl.errors import UsageError
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.recording import Decoder, Head

_READ_BYTES: Final = 64 * 1024
#: How far the parts of a recording are looked for.
_MAX_PARTS: Final = 10_000


def recorded(path: str) -> Iterator[Frame | Event]:
    """What the recording in `path` and its older parts (`path.1`, `path.2` ...) hold, in order, in bounded memory.

    The file is opened, and looked at, now. Raises UsageError where it cannot be read, MalformedInput where it is no
    recording.
    """
    newest = Path(path)
    parts = [newest]
    head = _head_of(newest)
    for number in range(1, _MAX_PARTS):
        older = Path(f"{path}.{number}")
        if head is None or not older.is_file():
            break
        before = _head_of(older)
        if before != Head(head.recording, head.part - 1):
            break  # of another recording
        parts.insert(0, older)
        head = before
    return _frames(parts)


def paced(
    items: Iterable[Frame | Event], speed: float, sleep: Callable[[float], object]
) -> Iterator[Frame | Event]:
    """The items, each as long after the one before it as it was then, divided by `speed`. `sleep` takes seconds."""
    last: float | None = None
    for item in items:
        if last is not None and item.time > last:
            sleep((item.time - last) / speed)
        last = item.time
        yield item


def _frames(parts: Iterable[Path]) -> Iterator[Frame | Event]:
    for part in parts:
        decoder = Decoder()
        for data in _pieces(part):
            yield from decoder.feed(data)
        yield from decoder.finish()


def _head_of(path: Path) -> Head | None:
    """What a part says of itself. Raises UsageError, MalformedInput."""
    decoder = Decoder()
    for data in _pieces(path):
        decoder.feed(data)
        if decoder.head is not None:
            return decoder.head
    decoder.finish()
    return None


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                yield data
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
