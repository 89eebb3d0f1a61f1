"""The spool: messages that were accepted, kept on disk until the server has them.

A message is in one of these states:

  spooled    it waits
  sending    a daemon has given it to its connection, and the server has not acknowledged it yet
  delivered  the server has it; kept for an hour, since it may come back for as long
  refused    it came back, or the server said no; kept until it is sent again or dropped
  expired    its time ran out before the server had it; kept likewise

Commands put messages in and take them out by themselves, the daemon moves them along. Every change is a transaction.
Rows are numbered in the order of acceptance, which is that of sending. Each belongs to an account (a bare JID), and
only a daemon of that account sends it.

Time is the wall clock's, since a message outlives processes and restarts of the machine: where the clock is set
forward, a message with a time to live expires earlier by as much; where it is set back, later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import time
from typing import Final

from xmppctl.daemon import spool_rows as rows
from xmppctl.daemon.spool_file import PATIENCE as PATIENCE
from xmppctl.daemon.spool_file import SpoolFile
from xmppctl.daemon.spool_rows import STATES, Counts, Entry, New, News, State, Turn
from xmppctl.errors import ConfigError, UsageError

#: How often a message is put into a new file because the old one was moved away meanwhile.
_MOVES: Final = 3


class Spool:
    """The spool in the file at `path`. `now` is the wall clock.

    Opens the file when it is first needed, and makes it only for `add`. Used in one thread. Every method may raise
    ConfigError (the file is damaged, unsafe or of another release), OutputFailed (it cannot be written) and
    DeadlineExceeded (other processes kept it busy for `patience` seconds).
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE, now: Callable[[], float] = time) -> None:
        self._file = SpoolFile(path, patience)
        self._now = now

    @property
    def path(self) -> Path:
        """Where it is, or would be."""
        return self._file.path

    @property
    def generation(self) -> tuple[int, int]:
        """Which file is open: row numbers of one mean nothing in another."""
        return self._file.generation

    def open(self) -> bool:
        """Have the file open; False where there is none."""
        return self._file.open(create=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def set_aside(self) -> Path:
        """Move a damaged file out of the way; return where it is now. Raises UsageError where it is not damaged."""
        return self._file.set_aside()

    # -- commands --

    def add(
        self, account: str, messages: Sequence[New], *, ttl: float | None = None, given_id: bool = False
    ) -> None:
        """Put messages in, all or none; they are on the disk when this returns. `ttl` is in seconds.

        `given_id`: the ids are the user's, so that one may be there already. The same message for the same recipient
        that still waits is not put in again, so that a script may repeat a command of which it does not know whether
        it was done; another one is a UsageError.
        """
        for _ in range(_MOVES):
            self._file.open(create=True)
            with self._file.transaction(write=True) as database:
                now = self._now()
                new = [each for each in messages if not (given_id and rows.waits(database, account, each))]
                rows.insert(database, account, new, now, ttl)
                rows.purge(database, now)
            if self._file.in_place:
                return
        raise ConfigError(f"the spool {self.path} is being moved away again and again")

    def entries(self, states: Iterable[State]) -> list[Entry]:
        """The messages in these states, in the order of acceptance."""
        if not self.open():
            return []
        with self._file.transaction(write=False) as database:
            return rows.entries(database, set(states), self._now())

    def retry(self, ids: Sequence[str] | None, *, ttl: float | None = None) -> int:
        """Have refused and expired messages sent again, those with `ids` or all; return how many.

        They get a new time to live, or none. Raises UsageError, having changed nothing, for ids that are not there
        or whose messages have not failed.
        """
        if not self._open_for(ids):
            return 0
        with self._file.transaction(write=True) as database:
            now = self._now()
            rows.expire(database, now)
            chosen = None if ids is None else rows.find(database, ids, ("refused", "expired"))
            return rows.put_back(database, chosen, now, ttl)

    def drop(self, ids: Sequence[str] | None, states: Sequence[State] = STATES) -> Mapping[State, int]:
        """Remove messages, those with `ids` or all in `states`, for good; return how many were in each state.

        Raises UsageError, having removed nothing, for ids that are not there (or not in these states).
        """
        if not self._open_for(ids):
            return {}
        with self._file.transaction(write=True) as database:
            rows.expire(database, self._now())
            chosen = None if ids is None else rows.find(database, ids, states)
            dropped = rows.delete(database, chosen, states)
        self._file.tidy()
        return dropped

    def _open_for(self, ids: Sequence[str] | None) -> bool:
        if self.open():
            return True
        if ids:
            raise UsageError(
                f"there is no {ids[0]}: the spool is empty", hint="see xmppctl daemon spool list"
            )
        return False

    # -- the daemon --

    def recover(self, account: str) -> None:
        """Whatever an earlier daemon of `account` was sending waits again: nobody knows whether it arrived."""
        with self._file.transaction(write=True) as database:
            rows.recover(database, account, self._now())

    def turn(self, account: str, news: News, *, room: int, room_bytes: int) -> Turn:
        """Note what has become of messages, let expire what does, take up to `room` of the next ones to send.

        They are `sending` from then on. One that is larger than `room_bytes` comes alone. Nothing is written where
        there is nothing to do.
        """
        if not any(news) and not self._has_work(account, room):
            return Turn()
        with self._file.transaction(write=True) as database:
            now = self._now()
            rows.note(database, now, news)
            refused = [n for each in news.refused for n in rows.refuse(database, now, account, each)]
            rows.expire(database, now)
            return Turn(rows.take(database, account, now, room, room_bytes), refused)

    def _has_work(self, account: str, room: int) -> bool:
        with self._file.transaction(write=False) as database:
            return (room > 0 and rows.any_spooled(database, account)) or rows.any_due(database, self._now())

    def purge(self) -> None:
        """Remove what was delivered long enough ago, for good."""
        removed = 0
        while self._has_old():
            with self._file.transaction(write=True) as database:
                removed += rows.purge(database, self._now())
        if removed:
            self._file.tidy()

    def _has_old(self) -> bool:
        with self._file.transaction(write=False) as database:
            return rows.any_old(database, self._now())

    def counts(self, account: str) -> Counts:
        """How many messages of `account` are in each state but delivered."""
        with self._file.transaction(write=False) as database:
            return rows.counts(database, account)
