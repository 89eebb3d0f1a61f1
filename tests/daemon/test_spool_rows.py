"""What is asked of the spool again and again must not take longer the more there is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from xmppctl.daemon import spool_file, spool_rows
from xmppctl.daemon.spool_rows import New, News, Refusal
from xmppctl.errors import StanzaCondition

ROMEO = "romeo@montague.example"


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(spool_file._SCHEMA)
    yield made
    made.close()


REFUSAL = Refusal("1", lambda _: True, "why", StanzaCondition("x"))

ASKED: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "add": lambda database: spool_rows.insert(database, ROMEO, [New("j@x", "1", "<m/>")], 1.0, None),
    "look for an id": lambda database: spool_rows.waits(database, ROMEO, New("j@x", "1", "<m/>")),
    "look for work": lambda database: (
        spool_rows.any_spooled(database, ROMEO) or spool_rows.any_due(database, 1.0)
    ),
    "expire": lambda database: spool_rows.expire(database, 1.0),
    "take": lambda database: spool_rows.take(database, ROMEO, 1.0, 500, 1 << 20),
    "note": lambda database: spool_rows.note(database, 1.0, News([1], [], [2], [3])),
    "refuse": lambda database: spool_rows.refuse(database, 1.0, ROMEO, REFUSAL),
    "count": lambda database: spool_rows.counts(database, ROMEO),
    "purge": lambda database: (spool_rows.any_old(database, 1.0), spool_rows.purge(database, 1.0)),
    "recover": lambda database: spool_rows.recover(database, ROMEO, 1.0),
    "list": lambda database: spool_rows.entries(database, {"spooled", "sending", "refused", "expired"}, 1.0),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_statement_has_an_index(database: sqlite3.Connection, name: str) -> None:
    statements: list[str] = []
    database.set_trace_callback(statements.append)
    spool_rows.insert(database, ROMEO, [New("j@x", "0", "<m/>")], 1.0, None)
    ASKED[name](database)
    database.set_trace_callback(None)
    assert len(statements) > 1
    for statement in statements:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert "SCAN message" not in plan, statement
