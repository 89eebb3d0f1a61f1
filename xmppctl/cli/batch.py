"""What became of the messages of one `send`: records, reports, and how the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from xmppctl.errors import MalformedInput, PartialFailure, StanzaRefused

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.protocols.messages import Outgoing

#: What is told of a message: as `protocols.messages.State`, or that it is in the spool.
State = Literal["server", "sent", "bounced", "unknown", "spooled"]

#: Recipients and ranges of lines that are named; more are only hinted at.
_NAMED = 20


class Batch:
    """What became of the messages of a run: records, reports, and how the run ends."""

    def __init__(self, app: App, *, many: bool) -> None:
        self._app = app
        self._many = many
        self._records = app.output != "text"
        self.total = 0
        self.failed = 0
        self._first: StanzaRefused | None = None
        self._unknown: list[Outgoing] = []
        if self._records and many:
            app.renderer().begin_list()

    def report(self, message: Outgoing, state: State, why: StanzaRefused | None) -> None:
        """Take what became of one message."""
        if self._records:
            self._app.renderer().record(_record(message, state, why))
        if why is not None:
            self.failed += 1
            self._first = self._first or why
            if self._many:
                self._tell(message, why)
        elif state == "unknown":
            self._unknown.append(message)

    def _tell(self, message: Outgoing, why: StanzaRefused) -> None:
        where = f"line {message.line}" if message.line else "the message"
        told = f"{where} to {message.to} (id {message.id}) came back: {why.message}"
        self._app.tell(StanzaRefused(told, reason=why.reason, stanza=why.stanza))

    def tell_unknown(self) -> None:
        """Say of which messages nobody knows whether the server has them."""
        if not self._unknown:
            return
        if self._unknown[0].line is None:
            which = "to " + ", ".join(message.to for message in self._unknown[:_NAMED])
            if len(self._unknown) > _NAMED:
                which += f" and {len(self._unknown) - _NAMED} more"
        else:
            which = f"of {_ranges([message.line or 0 for message in self._unknown])}"
        self._app.warn(f"not acknowledged, so the server may not have it: the message {which}")

    def finish(self, holder: str = "the server") -> None:
        """Raise what the failures amount to. `holder` is who has the messages now."""
        if self.failed and self._first is not None:
            if not self._many:
                raise self._first
            if self.failed >= self.total:
                raise StanzaRefused(
                    f"all {self.total} messages came back", reason=self._first.reason, hint=self._first.hint
                )
            raise PartialFailure(f"{self.failed} of {self.total} messages came back")
        self._app.detail(f"{holder} has {self.total} message{'s' if self.total != 1 else ''}")


def _record(message: Outgoing, state: State, why: StanzaRefused | None) -> dict[str, Any]:
    record: dict[str, Any] = {"id": message.id, "to": message.to, "state": state}
    if message.line is not None:
        record["line"] = message.line
    if why is not None:
        reason = why.reason
        record |= {"condition": reason.condition, "type": reason.type, "text": reason.text}
    return {name: value for name, value in record.items() if value != ""}


def _ranges(numbers: list[int]) -> str:
    """`lines 3-7, 9`."""
    parts: list[list[int]] = []
    for number in dict.fromkeys(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts[:_NAMED])
    more = ", ..." if len(parts) > _NAMED else ""
    return ("line " if shown.isdigit() and not more else "lines ") + shown + more


def bad_line(error: MalformedInput, number: int, before: str) -> MalformedInput:
    """The error of a line that cannot be sent. `before` says what became of those that stand before it."""
    what = error.message.rpartition(": ")[2]
    return MalformedInput(
        f"line {number}, column {error.column}: {what}; {before}, this line and what follows was not",
        line=number,
        column=error.column,
        hint=error.hint,
    )
