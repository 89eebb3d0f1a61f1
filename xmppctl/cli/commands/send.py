"""`xmppctl send`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.batch import Batch, bad_line
from xmppctl.cli.options import positive_duration
from xmppctl.cli.tree import Command
from xmppctl.errors import MalformedInput, UsageError, XmppctlError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.cli.stdin import Lines
    from xmppctl.protocols.messages import Delivery, Outgoing
    from xmppctl.session.base import Session

_NS_SID = "urn:xmpp:sid:0"


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
@click.option(
    "--spool",
    is_flag=True,
    help="Put it on disk for the daemon to send, now or when there is one; needs no connection.",
)
@click.option(
    "--ttl", metavar="DURATION", help="With --spool: do not send it after so long (90s, 10m, 1h30m, 2d)."
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
    spool: bool,
    ttl: str | None,
) -> None:
    """Send BODY to TO; with - it is read from standard input.

    Exit 0 means that the server has it. A message that comes back makes it 1, with the reason; where only a part of
    several fails it is 10, and each failure is told.

    With --spool, exit 0 means that it is on the disk. The daemon of the account sends it, in order, at least once
    and always with the same id, however often connections and processes break. What became of it: daemon spool list.
    The same --id and text to the same recipient, while it waits there, is one message.
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
    seconds = _time_to_live(spool, ttl)
    if app.output != "text":
        app.renderer()
    app.settings()  # a password on standard input is its first line
    form = _Form(recipients, kind, subject, thread, id_)
    if lines:
        from xmppctl.cli import stdin

        form.message("")  # what does not depend on the lines is checked before connecting
        batch = Batch(app, many=True)
        source = stdin.Lines(stdin.descriptor(app))
        if spool:
            from xmppctl.cli import spooling

            spooling.put_lines(app, batch, form.messages, source, ttl=seconds)
        else:
            app.run(lambda session: _send_lines(session, batch, form, source, wait), follow=True)
    else:
        messages = form.messages(_body(app, body, subject))
        batch = Batch(app, many=len(messages) > 1)
        if spool:
            from xmppctl.cli import spooling

            spooling.put(app, batch, messages, ttl=seconds, given_id=id_ is not None)
        else:
            app.run(lambda session: _send_all(session, batch, messages, wait))
    complete.remember(app, recipients)
    batch.finish("the spool" if spool else "the server")


def _time_to_live(spool: bool, ttl: str | None) -> float | None:
    """What --ttl says, in seconds. Raises UsageError."""
    source = click.get_current_context().get_parameter_source("wait")
    if spool and source == click.core.ParameterSource.COMMANDLINE:
        raise UsageError("--wait and --spool exclude each other", hint="--spool waits for the disk only")
    if ttl is None:
        return None
    if not spool:
        raise UsageError("--ttl is for --spool: what is not spooled is sent at once, or not at all")
    return positive_duration("--ttl", ttl)


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
            # By this id whoever gets a message twice knows it (XEP-0359): it outlives what rewrites the other.
            origin = f"<origin-id xmlns='{_NS_SID}' id='{build.escape_attribute(id_)}'/>"
            xml = build.message(to, body, id=id_, payload=origin, **self._common)
            made.append(Outgoing(to, id_, xml, line))
        return made

    def message(self, body: str) -> Outgoing:
        """The first of `messages`."""
        return self.messages(body)[0]


async def _send_all(session: Session, batch: Batch, messages: list[Outgoing], wait: str) -> None:
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


async def _send_lines(session: Session, batch: Batch, form: _Form, lines: Lines, wait: str) -> None:
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


async def _send_line(delivery: Delivery, batch: Batch, form: _Form, line: bytes, number: int) -> None:
    if not line.strip():
        return
    try:
        from xmppctl.cli.stdin import decode

        messages = form.messages(decode(line, number), number)
    except MalformedInput as error:
        await delivery.settle()
        raise bad_line(error, number, _told_before(batch)) from None
    for message in messages:
        batch.total += 1
        await delivery.send(message, more=True)


def _told_before(batch: Batch) -> str:
    if not batch.total:
        return "nothing was sent"
    return f"what stands before it was sent ({batch.total - batch.failed} of {batch.total} messages arrived)"


async def _more_input(session: Session, delivery: Delivery, lines: Lines) -> None:
    """Read more lines. While none come, learn what became of those that were sent, and stay on line."""
    if not lines.ready():
        await delivery.settle()
        while not await session.wait_readable(lines.source, unless=delivery.has_news):
            delivery.hear()
    lines.fill()


def _give_up(delivery: Delivery, batch: Batch) -> None:
    delivery.abandon()
    batch.tell_unknown()
