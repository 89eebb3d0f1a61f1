"""What every renderer offers, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time as now
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from xmppctl.output.records import stamp
from xmppctl.output.sink import Sink
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame

if TYPE_CHECKING:
    from xmppctl.stanza.statistics import Summary


class Note(NamedTuple):
    """What is said of a frame besides what it says itself: `text` for people, `record` as members of its JSON."""

    text: str
    record: Mapping[str, str | float]


class Renderer:
    """Takes frames and result records, and writes each at once to one stream.

    Every method may raise OutputClosed (the reader has gone) and OutputFailed (a full disk). Used as a context manager
    it closes itself. A `record` is the JSON-ready dict of one result; `schema` and `time` are added where it has none.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    @property
    def colored(self) -> bool:
        """Whether it writes colours."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Show a frame of the wire, and what is to be said of it."""
        raise NotImplementedError

    def event(self, event: Event) -> None:
        """Show what happened to the stream between two frames."""
        raise NotImplementedError

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:
        """Show a result. `text` is what a person reads instead of the record, its parts made safe by `safe()`."""
        raise NotImplementedError

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        records: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Show a list. Machines get `records`, or, without them, each row under its columns' names in lower case."""
        self.begin_list()
        for record in records if records is not None else _records(columns, rows):
            self.record(record)

    def statistics(self, summary: Summary) -> None:
        """Show a stream in numbers."""
        from xmppctl.output.stats import record

        self.record(record(summary))

    def begin_list(self) -> None:
        """Say that the results are a list even if only one comes, or none: `-o json` then gives an array."""

    def close(self) -> None:
        """End the document, where the form has an end. Nothing is written after a failure."""

    def stamped(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record with the `schema` and `time` that each has."""
        return stamp(record, now())


def _records(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[dict[str, object]]:
    names = [name.lower().replace(" ", "_") for name in columns]
    return [
        {name: cell for name, cell in zip(names, row, strict=True) if cell is not None and cell != ""}
        for row in rows
    ]
