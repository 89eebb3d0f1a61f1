"""`xmppctl pubsub`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Group
from xmppctl.errors import DeadlineExceeded, ExpectationFailed, UsageError, XmppctlError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.protocols.pubsub import Event, Follower, Subscribed
    from xmppctl.session.base import Session

#: What undoing the subscription may take on the way out.
_LEAVE_SECONDS = 10.0


@click.group(cls=Group)
def command() -> None:
    """Follow PubSub nodes (XEP-0060)."""


class _Wish(NamedTuple):
    """What the options say."""

    service: str
    node: str
    items: int
    limit: int | None
    keep: bool
    follow: bool


@command.command("subscribe")
@click.argument("service", metavar="SERVICE", shell_complete=complete.jids)
@click.argument("node", metavar="NODE")
@click.option("--items", type=click.IntRange(0), default=0, metavar="N", help="Show the last N items first.")
@click.option(
    "--count", type=click.IntRange(1), metavar="N", help="End after N events, shown items included."
)
@click.option("--keep", is_flag=True, help="Stay subscribed at the end.")
@click.option(
    "--follow/--no-follow", default=True, help="Whether to wait for events, or to subscribe and leave."
)
@click.pass_obj
def subscribe(
    app: App, service: str, node: str, items: int, count: int | None, keep: bool, follow: bool
) -> None:
    """Subscribe to NODE at SERVICE and follow its events.

    SERVICE is a service such as pubsub.example.org, or an account for its personal nodes (PEP). It goes on until
    --count, --timeout or Ctrl-C ends it, or the node is deleted. A subscription that it has made is undone at the
    end, unless --keep; one that was there before stays.
    """
    from xmppctl.stanza.build import escape_attribute
    from xmppctl.stanza.jid import Jid

    if not node:
        raise UsageError("NODE is empty")
    escape_attribute(node)
    if count is not None and not follow:
        raise UsageError("--count is for following: it excludes --no-follow")
    wish = _Wish(str(Jid.parse(service)), node, items, count, keep, follow)
    app.renderer()
    app.run(lambda session: _main(app, session, wish), plugins=True, follow=follow)


async def _main(app: App, session: Session, wish: _Wish) -> None:
    from xmppctl.protocols.pubsub import Follower, Node

    follower = Follower(session, Node(wish.service, wish.node))
    try:
        await _follow(app, session, follower, wish)
    except XmppctlError:
        await _leave(app, session, follower, wish)
        raise
    failure = await _leave(app, session, follower, wish)
    if failure is not None:
        raise failure


async def _leave(app: App, session: Session, follower: Follower, wish: _Wish) -> XmppctlError | None:
    """Undo the subscription; what keeps us from it is told, and returned."""
    if wish.keep or not wish.follow:
        return None
    session.grace(_LEAVE_SECONDS)
    made = follower.subscribed is not None and follower.subscribed.made
    try:
        await follower.leave()
    except XmppctlError as error:
        if made:
            app.warn(f"the subscription to {wish.node} at {wish.service} was not undone: {error.message}")
        return error
    if made and not follower.over:
        app.detail(f"unsubscribed from {wish.node} at {wish.service}")
    return None


async def _follow(app: App, session: Session, follower: Follower, wish: _Wish) -> None:
    from xmppctl.protocols.presence import appear

    if wish.follow:
        app.renderer().begin_list()
        await appear(session)  # events go to who is online
    subscribed = await follower.subscribe()
    app.note(_told(subscribed, wish))
    complete.remember(app, [wish.service])
    if not wish.follow:
        _show_subscription(app, session, subscribed, wish)
    shown = 0
    if wish.items:
        for event in await follower.items(wish.items):
            if shown != wish.limit:
                shown += 1
                _show(app, event)
    if not wish.follow:
        return
    try:
        while shown != wish.limit:
            if follower.over:
                _judge_end(app, wish, shown)
                return
            event = await follower.next(app.output_pipe)
            shown += 1
            _show(app, event)
    except DeadlineExceeded:
        if wish.limit is not None:
            raise DeadlineExceeded(
                f"time ran out after {shown} of {wish.limit} events",
                hint="allow more time with --timeout SECONDS",
            ) from None


def _judge_end(app: App, wish: _Wish, shown: int) -> None:
    """No more events can come. Raises ExpectationFailed where more were wanted."""
    if wish.limit is not None:
        raise ExpectationFailed(f"no more events can come, after {shown} of {wish.limit}")
    app.note("no more events can come")


def _told(subscribed: Subscribed, wish: _Wish) -> str:
    where = f"{wish.node} at {wish.service}"
    if subscribed.state == "pending":
        return f"subscription to {where} is pending: an owner of the node has to approve it"
    if subscribed.state == "unconfigured":
        # Only where its answer says <required/> must they be (XEP-0060 section 6.1.5).
        return f"subscription to {where} is unconfigured: its options may have to be set before events come"
    return f"subscribed to {where}" + ("" if subscribed.made else " (as before)")


def _show_subscription(app: App, session: Session, subscribed: Subscribed, wish: _Wish) -> None:
    if app.output == "text":
        return
    record: dict[str, Any] = {
        "event": "subscription",
        "service": wish.service,
        "node": wish.node,
        "jid": session.jid.bare,
        "subscription": subscribed.state,
    }
    if subscribed.subid:
        record["subid"] = subscribed.subid
    app.renderer().record(record)


def _show(app: App, event: Event) -> None:
    app.renderer().record(event.record, _text(event) if app.output == "text" else None)


def _text(event: Event) -> str:
    """The event for people: a head line, and what it brings below it, indented."""
    from xmppctl.output.safe import block, safe

    record = event.record
    parts = [record["time"], event.kind]
    if event.id is not None:
        parts.append(event.id)
    parts += [f"{name}={record[name]}" for name in ("subscription", "jid", "redirect") if name in record]
    if "publisher" in record:
        parts.append(f"by {record['publisher']}")
    lines = [safe(" ".join(parts))]
    atom = record.get("atom")
    if atom:
        lines += _atom_lines(atom)
    elif "payload" in record:
        lines.append(block("  " + record["payload"]))
    return "\n".join(lines)


def _atom_lines(atom: dict[str, Any]) -> list[str]:
    from xmppctl.output.safe import block, safe

    title = atom.get("title", "(no title)")
    lines = [safe("  " + title + (f", by {atom['author']}" if "author" in atom else ""))]
    text = atom.get("summary") or atom.get("content")
    if text:
        lines.append(block("  " + text))
    lines += [safe(f"  {link['href']}") for link in atom.get("links", ()) if "href" in link]
    return lines
