"""What is told of many messages. How whole runs end is in `commands/test_send`."""

from __future__ import annotations

import io
from typing import Any

import pytest

from xmppctl.cli.app import App
from xmppctl.cli.batch import Batch, _ranges, bad_line
from xmppctl.errors import MalformedInput, PartialFailure, StanzaCondition, StanzaRefused
from xmppctl.protocols.messages import Outgoing


def app(**options: Any) -> App:
    made = App(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    made.options.update(options)
    return made


def told(made: App) -> str:
    assert isinstance(made.stderr, io.StringIO)
    return made.stderr.getvalue()


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ([1], "line 1"),
        ([3, 4, 5], "lines 3-5"),
        ([1, 1, 3, 4, 9], "lines 1, 3-4, 9"),
        (
            list(range(1, 80, 2)),
            "lines 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, ...",
        ),
    ],
)
def test_ranges_of_lines(numbers: list[int], shown: str) -> None:
    assert _ranges(numbers) == shown


@pytest.mark.parametrize(
    ("holder", "total", "shown"),
    [("the server", 1, "the server has 1 message\n"), ("the spool", 2, "the spool has 2 messages\n")],
)
def test_who_has_them_is_told_with_verbose(holder: str, total: int, shown: str) -> None:
    for verbose, expected in (("1", f"xmppctl: {shown}"), ("0", "")):
        made = app(verbose=verbose)
        batch = Batch(made, many=total > 1)
        batch.total = total
        batch.finish(holder)
        assert told(made) == expected


def test_a_part_that_came_back() -> None:
    made = app()
    batch = Batch(made, many=True)
    batch.total = 2
    why = StanzaRefused("juliet refused", reason=StanzaCondition("gone"))
    batch.report(Outgoing("juliet@x", "1", "<message/>", 7), "bounced", why)
    batch.report(Outgoing("juliet@x", "2", "<message/>", 8), "server", None)
    assert "line 7 to juliet@x (id 1) came back: juliet refused" in told(made)
    with pytest.raises(PartialFailure, match="1 of 2"):
        batch.finish()


def test_a_bad_line_says_where_and_what_became_of_the_others() -> None:
    error = bad_line(
        MalformedInput("line 1, column 5: it rings", line=1, column=5, hint="do not"), 3, "two went"
    )
    assert (error.line, error.column, error.hint) == (3, 5, "do not")
    assert error.message == "line 3, column 5: it rings; two went, this line and what follows was not"
