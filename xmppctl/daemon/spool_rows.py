"""The rows of a spool (see `spool`): what they mean, and what is done with them inside one transaction.

Whatever comes from outside is a parameter of a statement; what is put into its text stands in this file.
"""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from xmppctl.errors import StanzaCondition, UsageError

if TYPE_CHECKING:
    import sqlite3

State = Literal["spooled", "sending", "delivered", "refused", "expired"]
STATES: Final[tuple[State, ...]] = ("spooled", "sending", "delivered", "refused", "expired")

#: How long a delivered message is kept, in seconds: a bounce from another server can take minutes.
KEEP_SECONDS: Final = 3600.0
#: Delivered messages that are removed in one transaction.
_PURGE: Final = 5000
#: Ids that an error names.
_NAMED: Final = 5
_LAPSED: Final = "it was sent, and the server did not acknowledge it in time: it may have arrived"
_COLUMNS: Final = (
    "n, account, recipient, id, state, created, expires, attempts, reason, condition, type, text"
)


class New(NamedTuple):
    """A message to put in: its recipient (prepared), its id, its XML."""

    to: str
    id: str
    xml: str


class Waiting(NamedTuple):
    """A message to send. `n` is its row; `expires` in seconds since the epoch, None for never."""

    n: int
    to: str
    id: str
    stanza: bytes
    expires: float | None


class Entry(NamedTuple):
    """A message as a list shows it. Times are in seconds since the epoch."""

    n: int
    account: str
    to: str
    id: str
    state: State
    created: float
    expires: float | None
    attempts: int
    reason: str
    condition: StanzaCondition


class Refusal(NamedTuple):
    """A message that came back: its id, who may have refused it (asked of its recipient), and why."""

    id: str
    may_refuse: Callable[[str], bool]
    reason: str
    condition: StanzaCondition


class News(NamedTuple):
    """What a daemon has to tell, by rows. `back` was not written to any stream; `lapsed` may have arrived."""

    delivered: Sequence[int] = ()
    refused: Sequence[Refusal] = ()
    back: Sequence[int] = ()
    lapsed: Sequence[int] = ()


class Turn(NamedTuple):
    """What has come of a daemon's turn: rows to send now, in order; rows that were refused."""

    taken: Sequence[Waiting] = ()
    refused: Sequence[int] = ()


class Counts(NamedTuple):
    """How many messages of an account are in each state but delivered."""

    spooled: int = 0
    sending: int = 0
    refused: int = 0
    expired: int = 0


_DUE: Final = "state = 'spooled' AND expires IS NOT NULL AND expires <= ?"
_COUNTED: Final[tuple[State, ...]] = ("spooled", "sending", "refused", "expired")
_FAILED: Final = "state IN ('refused', 'expired')"
#: Each with its index. The second is what was delivered in the future: the clock was wrong then.
_OLD: Final = ("state = 'delivered' AND changed < ?", "state = 'delivered' AND changed > ?")


def insert(
    database: sqlite3.Connection, account: str, messages: Sequence[New], now: float, ttl: float | None
) -> None:
    """Put messages in."""
    expires = None if ttl is None else now + ttl
    database.executemany(
        "INSERT INTO message (account, recipient, id, stanza, state, created, expires, changed)"
        " VALUES (?, ?, ?, ?, 'spooled', ?, ?, ?)",
        [(account, each.to, each.id, each.xml.encode(), now, expires, now) for each in messages],
    )


def waits(database: sqlite3.Connection, account: str, message: New) -> bool:
    """Whether the same message waits already. Raises UsageError where another one with its id does."""
    found = database.execute(
        "SELECT stanza FROM message WHERE id = ? AND account = ? AND recipient = ?"
        " AND state IN ('spooled', 'sending')",
        (message.id, account, message.to),
    ).fetchone()
    if found is not None and found[0] != message.xml.encode():
        raise UsageError(
            f"another message to {message.to} with the id {message.id} waits in the spool",
            hint="choose another --id, or leave it out",
        )
    return found is not None


def entries(database: sqlite3.Connection, states: set[State], now: float) -> list[Entry]:
    """The messages in these states, in the order of acceptance. What is due counts as expired."""
    # Each state by itself, so that the (many) delivered rows are not read for the others.
    asked = [each for each in STATES if each in states or (each == "spooled" and "expired" in states)]
    query = " UNION ALL ".join(f"SELECT {_COLUMNS} FROM message WHERE {_is(each)}" for each in asked)
    found = (_entry(row, now) for row in database.execute(query))
    # Sorted here: asked to do it, SQLite would read all rows in their order instead.
    return sorted((entry for entry in found if entry.state in states), key=lambda entry: entry.n)


def _entry(row: tuple[Any, ...], now: float) -> Entry:
    condition = StanzaCondition(*row[-3:])
    entry = Entry._make((*row[:-3], condition))
    if entry.state == "spooled" and entry.expires is not None and entry.expires <= now:
        return entry._replace(state="expired")
    return entry


def find(database: sqlite3.Connection, ids: Sequence[str], states: Sequence[State]) -> list[int]:
    """The rows with these ids that are in one of these states. Raises UsageError where an id has none."""
    found: list[int] = []
    missing: list[str] = []
    for id_ in dict.fromkeys(ids):
        rows = database.execute("SELECT n, state FROM message WHERE id = ?", (id_,)).fetchall()
        fitting = [n for n, state in rows if state in states]
        if not fitting:
            missing.append(f"{id_} is {rows[0][1]}" if rows else f"there is no message {id_}")
        found += fitting
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise UsageError(
            f"{', '.join(missing[:_NAMED])}{more}: nothing was changed",
            hint="see xmppctl daemon spool list --all",
        )
    return found


def put_back(
    database: sqlite3.Connection, chosen: Sequence[int] | None, now: float, ttl: float | None
) -> int:
    """Have what has failed sent again, of `chosen` rows or all; return how many."""
    expires = None if ttl is None else now + ttl
    return sum(
        database.execute(
            "UPDATE message SET state = 'spooled', changed = ?, expires = ?,"
            " reason = '', condition = '', type = '', text = ''"
            f" WHERE {_FAILED}{which}",
            (now, expires, *row),
        ).rowcount
        for which, row in _each(chosen)
    )


def delete(
    database: sqlite3.Connection, chosen: Sequence[int] | None, states: Sequence[State]
) -> dict[State, int]:
    """Remove rows in these states, of `chosen` ones or all; return how many of each."""
    removed: dict[State, int] = {}
    for state in states:
        for which, row in _each(chosen):
            count = database.execute(f"DELETE FROM message WHERE {_is(state)}{which}", row).rowcount
            if count:
                removed[state] = removed.get(state, 0) + count
    return removed


def _each(chosen: Sequence[int] | None) -> list[tuple[str, tuple[int, ...]]]:
    """Conditions and their parameters that choose these rows, or every one."""
    return [("", ())] if chosen is None else [(" AND n = ?", (n,)) for n in chosen]


def any_spooled(database: sqlite3.Connection, account: str) -> bool:
    """Whether anything waits."""
    query = "SELECT 1 FROM message WHERE account = ? AND state = 'spooled' LIMIT 1"
    return database.execute(query, (account,)).fetchone() is not None


def any_due(database: sqlite3.Connection, now: float) -> bool:
    """Whether there is something for `expire`."""
    return database.execute(f"SELECT 1 FROM message WHERE {_DUE} LIMIT 1", (now,)).fetchone() is not None


def expire(database: sqlite3.Connection, now: float) -> None:
    """Let expire what waits and is due."""
    database.execute(f"UPDATE message SET state = 'expired', changed = ? WHERE {_DUE}", (now, now))


def any_old(database: sqlite3.Connection, now: float) -> bool:
    """Whether there is something for `purge`."""
    return any(
        database.execute(f"SELECT 1 FROM message WHERE {which} LIMIT 1", (limit,)).fetchone()
        for which, limit in _old(now)
    )


def purge(database: sqlite3.Connection, now: float) -> int:
    """Remove some of what was delivered long enough ago; return how many."""
    return sum(
        database.execute(
            f"DELETE FROM message WHERE n IN (SELECT n FROM message WHERE {which} LIMIT {_PURGE})", (limit,)
        ).rowcount
        for which, limit in _old(now)
    )


def _old(now: float) -> list[tuple[str, float]]:
    return list(zip(_OLD, (now - KEEP_SECONDS, now + KEEP_SECONDS), strict=True))


def recover(database: sqlite3.Connection, account: str, now: float) -> None:
    """What was being sent waits again."""
    database.execute(
        "UPDATE message SET state = 'spooled', changed = ? WHERE state = 'sending' AND account = ?",
        (now, account),
    )


def note(database: sqlite3.Connection, now: float, news: News) -> None:
    """Note what has become of rows, but for refusals."""
    # One that had lapsed, or was to be sent once more, has arrived after all; what was refused stays refused.
    database.executemany(
        "UPDATE message SET state = 'delivered', changed = ?, reason = '' WHERE n = ? AND state != 'refused'",
        [(now, n) for n in news.delivered],
    )
    database.executemany(
        "UPDATE message SET state = 'spooled', changed = ?, attempts = attempts - 1"
        " WHERE n = ? AND state = 'sending'",
        [(now, n) for n in news.back],
    )
    database.executemany(
        "UPDATE message SET state = 'expired', changed = ?, reason = ? WHERE n = ? AND state = 'sending'",
        [(now, _LAPSED, n) for n in news.lapsed],
    )


def refuse(database: sqlite3.Connection, now: float, account: str, refusal: Refusal) -> list[int]:
    """Note that a message came back; return its row, if it is one of ours."""
    rows = database.execute(
        "SELECT n, recipient FROM message WHERE id = ? AND account = ?"
        " AND (state IN ('sending', 'delivered') OR (state = 'expired' AND attempts > 0)) ORDER BY n DESC",
        (refusal.id, account),
    ).fetchall()
    found = [n for n, recipient in rows if refusal.may_refuse(recipient)][:1]
    condition = refusal.condition
    database.executemany(
        "UPDATE message SET state = 'refused', changed = ?, reason = ?, condition = ?, type = ?, text = ?"
        " WHERE n = ?",
        [(now, refusal.reason, condition.condition, condition.type, condition.text, n) for n in found],
    )
    return found


def take(database: sqlite3.Connection, account: str, now: float, room: int, room_bytes: int) -> list[Waiting]:
    """Take up to `room` of the next rows to send; they are `sending` from then on."""
    taken: list[Waiting] = []
    size = 0
    rows = database.execute(
        "SELECT n, recipient, id, stanza, expires FROM message WHERE account = ? AND state = 'spooled'"
        " ORDER BY n LIMIT ?",
        (account, room),
    )
    for row in rows:
        message = Waiting(*row)
        size += len(message.stanza)
        if taken and size > room_bytes:
            break
        taken.append(message)
    rows.close()
    database.executemany(
        "UPDATE message SET state = 'sending', changed = ?, attempts = attempts + 1 WHERE n = ?",
        [(now, each.n) for each in taken],
    )
    return taken


def counts(database: sqlite3.Connection, account: str) -> Counts:
    """How many messages of `account` are in each state but delivered."""
    query = "SELECT COUNT(*) FROM message WHERE account = ? AND "
    return Counts(*(database.execute(query + _is(each), (account,)).fetchone()[0] for each in _COUNTED))


def _is(state: State) -> str:
    """The condition that a row is in this state, so that SQLite sees which index fits."""
    failed = f" AND {_FAILED}" if state in ("refused", "expired") else ""
    return f"state = '{state}'{failed}"
