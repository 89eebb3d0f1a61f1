"""`xmppctl daemon spool`: what waits to be sent, and what could not be. Reads and writes the file itself: no daemon is
needed."""

from __future__ import annotations

from contextlib import closing
from time import time
from typing import TYPE_CHECKING, Any, Final

import click

from xmppctl.cli.options import positive_duration
from xmppctl.cli.tree import Group
from xmppctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xmppctl.cli.app import App
    from xmppctl.daemon.spool import Spool
    from xmppctl.daemon.spool_rows import Entry, State

#: As `spool_rows.STATES`, which costs SQLite to import; a test compares them.
_STATES: Final = ("spooled", "sending", "delivered", "refused", "expired")
_AGES: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@click.group(cls=Group)
def command() -> None:
    """See what waits in the spool and what could not be delivered, send it again or drop it.

    `send --spool` puts messages there, and the daemon of the account sends them. A message is spooled (it waits),
    sending (given to the connection, not yet acknowledged by the server), delivered (the server has it; kept for an
    hour, in which it may still come back), refused (it came back) or expired (its --ttl was over before the server
    had it). Refused and expired ones stay until they are sent again or dropped.

    The time to live goes by the clock on the wall: if that is set forward, messages expire earlier by as much, if it is
    set back, later.
    """


@command.command("list", short_help="Show what waits and what has failed")
@click.option("--all", "every", is_flag=True, help="Also what was delivered within the last hour.")
@click.pass_obj
def list_(app: App, every: bool) -> None:
    """Show the messages in the spool, in the order in which they were accepted."""
    renderer = app.renderer()
    with closing(_store(app)) as store:
        states: list[State] = [state for state in _STATES if every or state != "delivered"]
        entries = store.entries(states)
    now = time()
    renderer.table(
        ("ID", "To", "State", "Age", "Attempts", "Reason"),
        [
            (each.id, each.to, each.state, _age(now - each.created), each.attempts, each.reason)
            for each in entries
        ],
        [_record(each, now) for each in entries],
    )
    if not entries:
        app.note("the spool is empty" if every else "nothing waits in the spool, and nothing has failed")
    _note_others(app, entries)


@command.command(short_help="Send again what was refused or has expired")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--all", "every", is_flag=True, help="All that were refused or have expired.")
@click.option(
    "--ttl", metavar="DURATION", help="Do not send them after so long; else they do not expire again."
)
@click.pass_obj
def retry(app: App, ids: tuple[str, ...], every: bool, ttl: str | None) -> None:
    """Send messages again that were refused or have expired, with the same ids.

    An ID that is not there, or whose message has not failed, is an error (2), and nothing is changed.
    """
    chosen = _chosen(ids, every, "retry")
    seconds = None if ttl is None else positive_duration("--ttl", ttl)
    renderer = app.renderer()
    with closing(_store(app)) as store:
        count = store.retry(chosen, ttl=seconds)
    if app.output != "text":
        renderer.record({"retried": count})
    app.note(
        f"{_messages(count)} {'waits' if count == 1 else 'wait'} to be sent again"
        if count
        else "nothing has failed"
    )
    if count:
        from xmppctl.cli.spooling import Daemon

        Daemon(app).tell(more=False)


@command.command(short_help="Remove messages for good")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--all", "every", is_flag=True, help="All of them, also those that wait; see --state.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="With --all: only those in this state; repeatable.",
)
@click.pass_obj
def drop(app: App, ids: tuple[str, ...], every: bool, states: tuple[State, ...]) -> None:
    """Remove messages from the spool for good. What is being sent may still arrive.

    An ID that is not there is an error (2), and nothing is changed.
    """
    if states and not every:
        raise UsageError("--state is for --all", hint="an ID says already which message is meant")
    chosen = _chosen(ids, every, "drop")
    renderer = app.renderer()
    with closing(_store(app)) as store:
        dropped = store.drop(chosen, states or _STATES)
    total = sum(dropped.values())
    if app.output != "text":
        renderer.record({"dropped": total} | {str(state): count for state, count in dropped.items()})
    app.note(f"dropped {_told(dropped)}" if total else "there is nothing to drop")
    if dropped.get("sending"):
        app.note("what was being sent may have arrived")


@command.command(short_help="Move a damaged spool aside")
@click.pass_obj
def reset(app: App) -> None:
    """Move a damaged spool aside, so that a new one can begin. One that is not damaged stays where it is (2).

    Nothing is deleted: sqlite3 can often recover messages from the file that is left.
    """
    renderer = app.renderer()
    with closing(_store(app)) as store:
        aside = store.set_aside()
    renderer.record({"moved": str(aside)}, f"the damaged spool is now {aside}")
    app.note(f'what can be recovered of it: sqlite3 "{aside}" .recover')


def _store(app: App) -> Spool:
    from xmppctl.config import paths
    from xmppctl.daemon.spool import Spool

    return Spool(paths.spool_file(app.settings().name, app.environ), patience=app.timeout() or 0)


def _chosen(ids: Sequence[str], every: bool, what: str) -> Sequence[str] | None:
    """The ids, None for all. Raises UsageError for neither and for both."""
    if bool(ids) == every:
        raise UsageError(
            "IDs and --all exclude each other" if every else f"{what} what?",
            hint="give IDs, which `xmppctl daemon spool list` shows, or --all",
        )
    return None if every else ids


def _record(entry: Entry, now: float) -> dict[str, Any]:
    from xmppctl.output.records import utc_time

    condition = entry.condition
    record = {
        "id": entry.id,
        "from": entry.account,
        "to": entry.to,
        "state": entry.state,
        "accepted": utc_time(entry.created),
        "age": max(0, round(now - entry.created)),
        "expires": utc_time(entry.expires) if entry.expires is not None else None,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "condition": condition.condition,
        "type": condition.type,
        "text": condition.text,
    }
    return {name: value for name, value in record.items() if value not in ("", None)}


def _note_others(app: App, entries: Sequence[Entry]) -> None:
    """Tell of messages that the account's daemon will not send."""
    own = app.settings().jid.bare
    others = sorted({each.account for each in entries if each.account != own and each.state == "spooled"})
    if others:
        app.note(f"messages of {', '.join(others)} wait until the account has that address again")


def _age(seconds: float) -> str:
    """`3s`, `12m`, `5h`, `2d`: whole units, the largest that fits."""
    size, unit = next((each for each in _AGES if seconds >= each[0]), _AGES[-1])
    return f"{max(0, int(seconds // size))}{unit}"


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


def _told(dropped: Mapping[State, int]) -> str:
    return f"{_messages(sum(dropped.values()))} ({', '.join(f'{count} {state}' for state, count in dropped.items())})"
