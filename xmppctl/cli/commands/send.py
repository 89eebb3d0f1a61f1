"""`xmppctl send`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Command
from xmppctl.errors import MalformedInput, PartialFailure, StanzaRefused, UsageError, XmppctlError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.cli.stdin import Lines
    from xmppctl.protocols.messages import Delivery, Outgoing, State
    from xmppctl.session.base import Session

#: Recipients and ranges of lines that are named; more are only hinted at.
_NAMED = 20


@click.command(cls=Command)
@click.argument("to", metavar="TO", shell_complete=complete.jids)
@click.argument("body", required=False, metavar="[BODY|-]")
@click.option(
    "--to",
    "others",
    multiple=True,
    metavar="JID",
    shell_complete=complete.jids,
    help="Another recipient; repeatable.",
)
@click.option(
    "--lines", is_flag=True, help="Send each line of standard input as it comes; blank ones are not sent."
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["chat", "normal", "headline", "groupchat"]),
    default="chat",
    show_default=True,
    help="The message's type.",
)
@click.option("--subject", metavar="TEXT", help="Its subject.")
@click.option("--thread", metavar="ID", help="The conversation it belongs to.")
@click.option("--id", "id_", metavar="ID", help="Its id, instead of a random one.")
@click.option(
    "--wait",
    type=click.Choice(["none", "server"]),
    default="server",
    show_default=True,
    help="What to wait for: the server's acknowledgement, or nothing.",
)
@click.pass_obj
def command(
    app: App,
    to: str,
    body: str | None,
    others: Sequence[str],
    lines: bool,
    kind: str,
    subject: str | None,
    thread: str | None,
    id_: str | None,
    wait: str,
) -> None:
    """Send BODY to TO; with - it is read from standard input.

    Exit 0 means that the server has it. A message that comes back makes it 1, with the reason; where only a part of
    several fails it is 10, and each failure is told.
    """
    from xmppctl.stanza.jid import Jid

    recipients = list(dict.fromkeys(str(Jid.parse(jid)) for jid in (to, *others)))
    if id_ is not None and (lines or len(recipients) > 1 or not id_):
        raise UsageError(
            "--id names one message" if id_ else "--id is empty",
            hint="without --id each message gets an id of its own",
        )
    if lines and body not in (None, "-"):
        raise UsageError("--lines reads the messages from standard input", hint="leave out BODY, or --lines")
    if app.output != "text":
        app.renderer()
    app.settings()  # a password on standard input is its first line
    form = _Form(recipients, kind, subject, thread, id_)
    if lines:
        from xmppctl.cli import stdin

        form.message("")  # what does not depend on the lines is checked before connecting
        batch = _Batch(app, many=True)
        source = stdin.Lines(stdin.descriptor(app))
        app.run(lambda session: _send_lines(session, batch, form, source, wait), follow=True)
    else:
        messages = form.messages(_body(app, body, subject))
        batch = _Batch(app, many=len(messages) > 1)
        app.run(lambda session: _send_all(session, batch, messages, wait))
    complete.remember(app, recipients)
    batch.finish()


def _body(app: App, body: str | None, subject: str | None) -> str | None:
    """The text to send, from the argument or standard input. An empty one is a mistake, unless there is a subject."""
    from xmppctl.cli import stdin

    if body is None:
        if subject is not None:
            return None
        raise stdin.refuse_missing(app, "BODY")
    if body == "-":
        text = stdin.read_text(app)
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise UsageError("standard input is empty: nothing was sent")
        return text
    if not body and subject is None:
        raise UsageError("BODY is empty: nothing was sent", hint="give a text, or a --subject")
    return body


class _Form:
    """What all messages of a run have in common."""

    def __init__(
        self, recipients: list[str], kind: str, subject: str | None, thread: str | None, id_: str | None
    ) -> None:
        self._recipients = recipients
        self._common: dict[str, Any] = {
            # RFC 6121 section 5.2.2: a message without a type is normal.
            "type": None if kind == "normal" else kind,
            "subject": subject,
            "thread": thread,
        }
        self._id = id_

    def messages(self, body: str | None, line: int | None = None) -> list[Outgoing]:
        """One message for each recipient. Raises MalformedInput for what XML cannot hold."""
        from xmppctl.protocols.messages import Outgoing
        from xmppctl.stanza import build

        made = []
        for to in self._recipients:
            id_ = self._id or build.new_id()
            made.append(Outgoing(to, id_, build.message(to, body, id=id_, **self._common), line))
        return made

    def message(self, body: str) -> Outgoing:
        """The first of `messages`."""
        return self.messages(body)[0]


class _Batch:
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

    def finish(self) -> None:
        """Raise what the failures amount to."""
        if self.failed and self._first is not None:
            if not self._many:
                raise self._first
            if self.failed >= self.total:
                raise StanzaRefused(
                    f"all {self.total} messages came back", reason=self._first.reason, hint=self._first.hint
                )
            raise PartialFailure(f"{self.failed} of {self.total} messages came back")
        self._app.detail(f"the server has {self.total} message{'s' if self.total != 1 else ''}")


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


async def _send_all(session: Session, batch: _Batch, messages: list[Outgoing], wait: str) -> None:
    from xmppctl.protocols.messages import Delivery

    delivery = Delivery(session, batch.report, acknowledged=wait == "server")
    try:
        for message in messages:
            batch.total += 1
            await delivery.send(message, more=True)
        await delivery.settle()
    except XmppctlError:
        _give_up(delivery, batch)
        raise


async def _send_lines(session: Session, batch: _Batch, form: _Form, lines: Lines, wait: str) -> None:
    from xmppctl.protocols.messages import Delivery

    delivery = Delivery(session, batch.report, acknowledged=wait == "server")
    try:
        while True:
            line = lines.take()
            if line is not None:
                await _send_line(delivery, batch, form, line, lines.number)
            elif lines.ended:
                await delivery.settle()
                return
            else:
                await _more_input(session, delivery, lines)
    except XmppctlError:
        _give_up(delivery, batch)
        raise


async def _send_line(delivery: Delivery, batch: _Batch, form: _Form, line: bytes, number: int) -> None:
    if not line.strip():
        return
    try:
        from xmppctl.cli.stdin import decode

        messages = form.messages(decode(line, number), number)
    except MalformedInput as error:
        await delivery.settle()
        raise _bad_line(error, number, batch) from None
    for message in messages:
        batch.total += 1
        await delivery.send(message, more=True)


async def _more_input(session: Session, delivery: Delivery, lines: Lines) -> None:
    """Read more lines. While none come, learn what became of those that were sent, and stay on line."""
    if not lines.ready():
        await delivery.settle()
        while not await session.wait_readable(lines.source, unless=delivery.has_news):
            delivery.hear()
    lines.fill()


def _bad_line(error: MalformedInput, number: int, batch: _Batch) -> MalformedInput:
    what = error.message.rpartition(": ")[2]
    sent = "nothing was sent"
    if batch.total:
        sent = (
            f"what stands before it was sent ({batch.total - batch.failed} of {batch.total} messages arrived)"
        )
    return MalformedInput(
        f"line {number}, column {error.column}: {what}; {sent}, this line and what follows was not",
        line=number,
        column=error.column,
        hint=error.hint,
    )


def _give_up(delivery: Delivery, batch: _Batch) -> None:
    delivery.abandon()
    batch.tell_unknown()
