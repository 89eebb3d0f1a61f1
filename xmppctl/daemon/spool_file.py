"""The file of a spool: an SQLite database that several processes write, and that survives each of them at any moment.

WAL, so that readers and a writer do not wait for each other; synchronous=FULL, so that a transaction is on the disk
when it is committed. The file appears whole, with its tables, or not at all: it is made under another name.
Nobody else can read it (0600 in a directory of mode 0700), and what is deleted is overwritten (secure_delete).

A file that is damaged is an error, never a reason to begin a new one: only `set_aside` moves it away.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Final, TypeVar

from xmppctl.config import locks, paths
from xmppctl.errors import (
    ConfigError,
    DeadlineExceeded,
    OutputFailed,
    SpoolDamaged,
    UsageError,
    XmppctlError,
)
from xmppctl.session.deadline import Deadline

T = TypeVar("T")

#: How long one transaction waits for those of other processes, in seconds.
PATIENCE: Final = 30.0
#: The same, of one attempt: a signal is heard between two.
_ATTEMPT: Final = 0.2

#: Pages that are given back in one transaction: others want to write as well.
_VACUUM: Final = 2000

_APPLICATION: Final = 0x78_6D_70_73  # "xmps"
_VERSION: Final = 1
_SCHEMA: Final = f"""
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
BEGIN;
CREATE TABLE message (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    recipient TEXT NOT NULL,
    id TEXT NOT NULL,
    stanza BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('spooled', 'sending', 'delivered', 'refused', 'expired')),
    created REAL NOT NULL,
    expires REAL,
    changed REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    condition TEXT NOT NULL DEFAULT '',
    type TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT ''
);
CREATE INDEX message_id ON message (id);
CREATE INDEX spooled ON message (account, n) WHERE state = 'spooled';
CREATE INDEX sending ON message (account) WHERE state = 'sending';
CREATE INDEX failed ON message (account, state) WHERE state IN ('refused', 'expired');
CREATE INDEX delivered ON message (changed) WHERE state = 'delivered';
CREATE INDEX expiring ON message (expires) WHERE state = 'spooled' AND expires IS NOT NULL;
COMMIT;
PRAGMA journal_mode = WAL;
"""

_COLUMNS: Final = (
    "n, account, recipient, id, stanza, state, created, expires, changed, attempts, "
    "reason, condition, type, text"
)

_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNWRITABLE: Final = (
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_TOOBIG),
)
_FORBIDDEN: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
#: What SQLite keeps beside the file.
_LOG: Final = "-wal"
_BESIDE: Final = (_LOG, "-shm", "-journal")


class SpoolFile:
    """The file at `path`. Opened when it is needed; all of it in one thread.

    `patience` is how long a transaction waits for other processes, in seconds. Every method may raise SpoolDamaged,
    ConfigError (it is unsafe, or of another release), OutputFailed (it cannot be written: the disk is full) and
    DeadlineExceeded.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.path = path
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)

    def open(self, *, create: bool) -> bool:
        """Have it open; False where there is none and none is to be made.

        One that was open, and is not what stands at its path any more, is closed first.
        """
        if self._connection is not None:
            if self.in_place:
                return True
            self.close()
        with self._telling():
            if not self._exists():
                if not create:
                    return False
                self._create()
            self._connect()
        return True

    @property
    def in_place(self) -> bool:
        """Whether what is open is what stands at `path`: it may have been moved aside, or removed."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    @property
    def generation(self) -> tuple[int, int]:
        """Which file is open: row numbers of one mean nothing in another."""
        return self._identity

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """A transaction on the open file: committed, and on the disk, when the block is left without an exception."""
        with self._telling():
            connection = self._opened()
            self._patiently(lambda: _begin(connection, write))
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                raise

    def tidy(self) -> None:
        """Give deleted pages back, and empty the log that still holds what they held. Waits for nobody."""
        with self._telling(), suppress(sqlite3.OperationalError):
            connection = self._opened()
            while connection.execute("PRAGMA freelist_count").fetchone()[0]:
                connection.executescript(
                    f"PRAGMA incremental_vacuum({_VACUUM})"
                )  # execute stops at the first page
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close it. Never raises: what was committed is safe."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def set_aside(self) -> Path:
        """Move a damaged file to another name and return that. Raises UsageError where it is not damaged."""
        self.close()
        try:
            self._examine()
        except SpoolDamaged:
            pass
        else:
            raise UsageError(
                f"{self.path} is not damaged", hint="drop messages with: daemon spool drop --all"
            )
        aside = self.path.with_name(f"{self.path.name}.damaged-{os.urandom(4).hex()}")
        with self._telling(), self._alone():
            # The file first: a process that opens it meanwhile must not find it without its log.
            for suffix in ("", *_BESIDE):
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        return aside

    def _examine(self) -> None:
        """Raise SpoolDamaged where anything is wrong with it; UsageError where there is none."""
        if not self.open(create=False):
            raise UsageError(f"there is no spool at {self.path}")
        try:
            with self._telling():
                connection = self._opened()
                connection.execute(f"SELECT {_COLUMNS} FROM message LIMIT 1").fetchone()  # noqa: S608
                found = connection.execute("PRAGMA integrity_check").fetchone()
                if found != ("ok",):
                    raise _damaged(self.path, str(found and found[0]))
        finally:
            self.close()

    # -- opening --

    def _exists(self) -> bool:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            self._refuse_orphan()
            return False
        paths.private_directory(self.path.parent)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self.path} is no file", hint="move it away")
        if found.st_uid != os.geteuid():
            raise ConfigError(
                f"{self.path} belongs to another user (uid {found.st_uid})", hint="move it away"
            )
        if found.st_mode & 0o077:
            raise ConfigError(f"{self.path} is open to other users", hint=f"chmod 600 {self.path}")
        if found.st_size == 0:
            raise _damaged(self.path, "it is empty")
        return True

    def _refuse_orphan(self) -> None:
        """A log whose file somebody has taken away holds messages: SQLite would mix them into a new file."""
        log = Path(f"{self.path}{_LOG}")
        try:
            holds_something = log.lstat().st_size > 0
        except FileNotFoundError:
            return
        if holds_something and not self.path.exists():
            raise _damaged(self.path, f"it is not there, but its log {log.name} is")

    def _create(self) -> None:
        """Make the file, unless another process does it first."""
        directory = paths.private_directory(self.path.parent)
        with self._alone():
            if self._exists():
                return
            new = directory / f".{self.path.name}.new"
            for suffix in ("", *_BESIDE):  # what a process left that did not live to finish it
                Path(f"{new}{suffix}").unlink(missing_ok=True)
            descriptor = os.open(
                new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                connection = sqlite3.connect(new, isolation_level=None)
                try:
                    connection.executescript(_SCHEMA)
                finally:
                    connection.close()
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            new.rename(self.path)
            # The directories may be new as well.
            for above in (directory, directory.parent, directory.parent.parent):
                paths.sync_directory(above)

    def _alone(self) -> AbstractContextManager[int]:
        """Keep other processes from making or moving files meanwhile."""
        return locks.locked(self.path.parent, self._patience, self._busy())

    def _connect(self) -> None:
        # As a URI, so that it is never made here; what means something in one is escaped.
        name = os.fsdecode(self.path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        found = self.path.lstat()
        connection = sqlite3.connect(f"file:{name}?mode=rw", uri=True, timeout=_ATTEMPT, isolation_level=None)
        try:
            self._patiently(lambda: self._prepare(connection))
            if not os.path.samestat(found, self.path.lstat()):
                raise OutputFailed(f"{self.path} was moved away just now", hint="repeat the command")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._identity = (found.st_dev, found.st_ino)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise _damaged(self.path, "it is no spool")
        if version != _VERSION:
            raise ConfigError(
                f"{self.path} is a spool of another release (version {version})",
                hint="use the release that made it, or the newest one",
            )
        for pragma in ("synchronous = FULL", "secure_delete = ON", "journal_size_limit = 0"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "the spool is not open"
        return self._connection

    # -- errors --

    def _patiently(self, act: Callable[[], T]) -> T:
        """Try again while other processes are in the way. Raises DeadlineExceeded."""
        limit = Deadline(self._patience)
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                if _primary(error) not in _BUSY:
                    raise
                if limit.passed:
                    raise self._busy() from None
                sleep(0.005)

    def _busy(self) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"other processes kept the spool {self.path} busy for {self._patience:g} s",
            hint=f"try again; if it stays so, see who has it open: fuser {self.path}",
        )

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors of SQLite and of the system as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from None
        except OSError as error:
            raise OutputFailed(
                f"cannot use the spool {self.path}: {error.strerror or error}", hint="make room and repeat"
            ) from None

    def _told(self, error: sqlite3.Error) -> XmppctlError:
        code = _primary(error)
        if code in _DAMAGED or code == sqlite3.SQLITE_ERROR:  # the latter: a table is not there
            return _damaged(self.path, str(error))
        if code in _BUSY:
            return self._busy()
        if code in _UNWRITABLE:
            hint = "make room on the disk and repeat"
            if code in _FORBIDDEN:
                hint = f"you must be able to write in {self.path.parent}; or set XDG_STATE_HOME"
            return OutputFailed(f"cannot write the spool {self.path}: {error}", hint=hint)
        raise error


def _begin(connection: sqlite3.Connection, write: bool) -> None:
    if write:
        connection.execute("BEGIN IMMEDIATE")
        return
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT 1 FROM message LIMIT 1").fetchone()  # a reader waits here, if at all
    except sqlite3.Error:
        connection.execute("ROLLBACK")
        raise


def _primary(error: sqlite3.Error) -> int:
    """SQLite's result code without its details."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _damaged(path: Path, why: str) -> SpoolDamaged:
    return SpoolDamaged(
        f"the spool {path} is damaged: {why}; nothing in it was changed",
        hint="restore it from a backup, or have it moved aside and begin a new one: xmppctl daemon spool reset",
    )
