"""The spool: what is accepted, what a daemon takes, what becomes of it, who gets to see what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xmppctl.daemon import spool_rows
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import KEEP_SECONDS, STATES, New, News, Refusal, Turn, Waiting
from xmppctl.errors import StanzaCondition, UsageError

ROMEO = "romeo@montague.example"
JULIET = "juliet@capulet.example"
NURSE = "nurse@capulet.example"
GONE = StanzaCondition("service-unavailable", "cancel", "no such user")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool" / "work.db", now=clock)
    yield made
    made.close()


def new(id_: str, to: str = JULIET, body: str = "hi") -> New:
    return New(to, id_, f"<message to='{to}' id='{id_}'><body>{body}</body></message>")


def take(spool: Spool, room: int = 500, room_bytes: int = 1 << 20, account: str = ROMEO) -> list[Waiting]:
    spool.open()
    return list(spool.turn(account, News(), room=room, room_bytes=room_bytes).taken)


def tell(spool: Spool, **news: list) -> Turn:
    return spool.turn(ROMEO, News(**news), room=0, room_bytes=0)


def refused(id_: str, by: str = JULIET) -> Refusal:
    return Refusal(id_, lambda to: to == by, "juliet refused", GONE)


def states(spool: Spool) -> dict[str, str]:
    return {entry.id: entry.state for entry in spool.entries(STATES)}


# -- accepting --------------------------------------------------------------------------------------------------------


def test_a_message_waits_until_it_is_taken(spool: Spool, clock: Clock) -> None:
    spool.add(ROMEO, [new("1")])
    (entry,) = spool.entries(STATES)
    assert (entry.account, entry.to, entry.id, entry.state) == (ROMEO, JULIET, "1", "spooled")
    assert (entry.created, entry.expires, entry.attempts, entry.reason) == (clock.now, None, 0, "")
    (taken,) = take(spool)
    assert (taken.to, taken.id, taken.stanza) == (JULIET, "1", new("1").xml.encode())
    (entry,) = spool.entries(STATES)
    assert (entry.state, entry.attempts) == ("sending", 1)
    assert take(spool) == []


def test_what_is_in_the_file_outlives_the_process(spool: Spool, tmp_path: Path) -> None:
    spool.add(ROMEO, [new("1"), new("2")])
    other = Spool(spool.path)
    assert [entry.id for entry in other.entries(STATES)] == ["1", "2"]
    other.close()


def test_looking_makes_no_file(spool: Spool) -> None:
    assert spool.entries(STATES) == [] and not spool.open()
    assert spool.retry(None) == 0 and spool.drop(None) == {}
    assert not spool.path.exists()


def test_all_or_none_is_put_in(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")])
    with pytest.raises(UsageError):
        spool.add(ROMEO, [new("2"), new("1", body="other")], given_id=True)
    assert list(states(spool)) == ["1"]


def test_the_same_message_under_a_given_id_is_put_in_once_while_it_waits(spool: Spool) -> None:
    for _ in range(2):
        spool.add(ROMEO, [new("1")], given_id=True)
    assert len(spool.entries(STATES)) == 1
    (row,) = take(spool)
    spool.add(ROMEO, [new("1")], given_id=True)
    assert states(spool) == {"1": "sending"}
    tell(spool, delivered=[row.n])
    spool.add(ROMEO, [new("1")], given_id=True)
    assert [entry.state for entry in spool.entries(STATES)] == ["delivered", "spooled"]


def test_another_message_under_an_id_that_waits_is_refused(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")], given_id=True)
    with pytest.raises(UsageError, match="the id 1"):
        spool.add(ROMEO, [new("1", body="other")], given_id=True)
    spool.add(ROMEO, [new("1", to=NURSE, body="other")], given_id=True)
    assert len(spool.entries(STATES)) == 2


# -- taking -----------------------------------------------------------------------------------------------------------


def test_messages_are_taken_in_the_order_of_acceptance_and_in_bounds(spool: Spool) -> None:
    spool.add(ROMEO, [new(str(number)) for number in range(7)])
    assert [row.id for row in take(spool, room=3)] == ["0", "1", "2"]
    size = len(new("3").xml)
    assert [row.id for row in take(spool, room_bytes=2 * size)] == ["3", "4"]
    assert [row.id for row in take(spool, room_bytes=size - 1)] == ["5"]
    assert take(spool, room=0) == []


def test_a_daemon_takes_only_messages_of_its_account(spool: Spool) -> None:
    spool.add(NURSE, [new("1")])
    spool.add(ROMEO, [new("2")])
    assert [row.id for row in take(spool)] == ["2"]
    assert states(spool) == {"1": "spooled", "2": "sending"}
    assert spool.counts(ROMEO) == (0, 1, 0, 0) and spool.counts(NURSE) == (1, 0, 0, 0)


def test_what_no_stream_has_seen_waits_again_in_its_place(spool: Spool) -> None:
    spool.add(ROMEO, [new("1"), new("2"), new("3")])
    first, second = take(spool, room=2)
    tell(spool, back=[second.n, first.n])
    assert [row.id for row in take(spool)] == ["1", "2", "3"]
    assert [entry.attempts for entry in spool.entries(STATES)] == [1, 1, 1]


def test_what_a_killed_daemon_was_sending_waits_again(spool: Spool) -> None:
    spool.add(ROMEO, [new("1"), new("2")])
    spool.add(NURSE, [new("3")])
    take(spool, room=1)
    take(spool, account=NURSE)
    spool.recover(ROMEO)
    assert states(spool) == {"1": "spooled", "2": "spooled", "3": "sending"}
    assert [row.id for row in take(spool)] == ["1", "2"]


# -- what becomes of it -----------------------------------------------------------------------------------------------


def test_what_the_server_has_is_delivered_and_kept_for_a_while(spool: Spool, clock: Clock) -> None:
    spool.add(ROMEO, [new("1")])
    tell(spool, delivered=[row.n for row in take(spool)])
    assert states(spool) == {"1": "delivered"}
    clock.now += KEEP_SECONDS - 1
    spool.purge()
    assert states(spool) == {"1": "delivered"}
    clock.now += 2
    spool.purge()
    assert states(spool) == {}


def test_a_clock_that_was_wrong_keeps_nothing_for_ever(spool: Spool, clock: Clock) -> None:
    clock.now += 10 * 365 * 86400
    spool.add(ROMEO, [new("1")])
    tell(spool, delivered=[row.n for row in take(spool)])
    clock.now -= 10 * 365 * 86400
    spool.purge()
    assert states(spool) == {}


def test_what_commands_put_in_clears_old_rows_away(spool: Spool, clock: Clock) -> None:
    """Where no daemon runs any more, bodies must not stay for ever."""
    spool.add(ROMEO, [new("1")])
    tell(spool, delivered=[row.n for row in take(spool)])
    clock.now += KEEP_SECONDS + 1
    spool.add(ROMEO, [new("2")])
    assert states(spool) == {"2": "spooled"}


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_message_that_comes_back_is_refused_with_its_reason(spool: Spool, acknowledged: bool) -> None:
    spool.add(ROMEO, [new("1"), new("2")])
    rows = take(spool)
    if acknowledged:
        tell(spool, delivered=[row.n for row in rows])
    assert tell(spool, refused=[refused("1")]).refused == [rows[0].n]
    entry = spool.entries(["refused"])[0]
    assert (entry.id, entry.reason, entry.condition) == ("1", "juliet refused", GONE)
    assert states(spool)["2"] == ("delivered" if acknowledged else "sending")


def test_an_acknowledgement_does_not_undo_a_refusal(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")])
    (row,) = take(spool)
    tell(spool, refused=[refused("1")])
    tell(spool, delivered=[row.n])
    assert states(spool) == {"1": "refused"}


def test_both_at_once_are_a_refusal(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")])
    (row,) = take(spool)
    tell(spool, delivered=[row.n], refused=[refused("1")])
    assert states(spool) == {"1": "refused"}


def test_only_who_may_refuse_does(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")])
    take(spool)
    assert tell(spool, refused=[refused("1", by="mallory@evil.example"), refused("other")]).refused == []
    assert states(spool) == {"1": "sending"}


def test_what_was_never_sent_cannot_come_back(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")])
    assert tell(spool, refused=[refused("1")]).refused == []
    assert states(spool) == {"1": "spooled"}


def test_of_messages_with_one_id_the_latest_comes_back(spool: Spool) -> None:
    for body in ("one", "two"):
        spool.add(ROMEO, [new("1", body=body)])
    tell(spool, delivered=[row.n for row in take(spool)])
    tell(spool, refused=[refused("1")])
    assert [entry.state for entry in spool.entries(STATES)] == ["delivered", "refused"]


# -- the time to live -------------------------------------------------------------------------------------------------


def test_what_is_due_expires_and_is_not_sent(spool: Spool, clock: Clock) -> None:
    spool.add(ROMEO, [new("1")], ttl=60)
    spool.add(ROMEO, [new("2")], ttl=61)
    clock.now += 60
    assert [row.id for row in take(spool)] == ["2"]
    assert states(spool) == {"1": "expired", "2": "sending"}


def test_a_list_tells_what_is_due_though_nobody_has_noted_it(spool: Spool, clock: Clock) -> None:
    spool.add(ROMEO, [new("1")], ttl=60)
    clock.now += 60
    assert [entry.state for entry in spool.entries(["expired"])] == ["expired"]
    assert spool.entries(["spooled"]) == []


def test_it_goes_by_the_wall_clock(spool: Spool, clock: Clock) -> None:
    spool.add(ROMEO, [new("1")], ttl=60)
    clock.now -= 3600
    assert states(spool) == {"1": "spooled"}
    clock.now += 3600 + 61
    assert states(spool) == {"1": "expired"}


def test_what_lapsed_in_flight_says_that_it_may_have_arrived(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")], ttl=60)
    (row,) = take(spool)
    tell(spool, lapsed=[row.n])
    (entry,) = spool.entries(STATES)
    assert entry.state == "expired" and "may have arrived" in entry.reason
    tell(spool, delivered=[row.n])
    (entry,) = spool.entries(STATES)
    assert (entry.state, entry.reason) == ("delivered", "")


# -- retry and drop ---------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(spool: Spool, clock: Clock) -> Spool:
    """1 was refused, 2 has expired, 3 waits, 4 is being sent, 5 was delivered."""
    spool.add(ROMEO, [new("1"), new("5"), new("4")])
    rows = take(spool)
    tell(spool, delivered=[rows[1].n], refused=[refused("1")])
    spool.add(ROMEO, [new("2")], ttl=1)
    spool.add(ROMEO, [new("3")])
    clock.now += 2
    return spool


def test_all_that_failed_is_sent_again(failed: Spool) -> None:
    assert failed.retry(None) == 2
    assert [row.id for row in take(failed)] == ["1", "2", "3"]
    assert {entry.id: entry.attempts for entry in failed.entries(STATES)}["1"] == 2
    assert all(entry.reason == "" and entry.condition.condition == "" for entry in failed.entries(STATES))


def test_one_is_sent_again_with_a_new_time_to_live(failed: Spool, clock: Clock) -> None:
    assert failed.retry(["2"], ttl=10) == 1
    assert states(failed)["2"] == "spooled" and states(failed)["1"] == "refused"
    clock.now += 10
    assert states(failed)["2"] == "expired"


@pytest.mark.parametrize(
    ("ids", "told"), [(["9"], "no message 9"), (["1", "3"], "3 is spooled"), (["5"], "5 is delivered")]
)
def test_what_cannot_be_sent_again_is_an_error_that_changes_nothing(
    failed: Spool, ids: list[str], told: str
) -> None:
    before = states(failed)
    with pytest.raises(UsageError, match=told):
        failed.retry(ids)
    assert states(failed) == before


def test_dropping(failed: Spool) -> None:
    assert failed.drop(["1", "3"]) == {"refused": 1, "spooled": 1}
    assert set(states(failed)) == {"2", "4", "5"}
    with pytest.raises(UsageError, match="no message 1"):
        failed.drop(["2", "1"])
    assert failed.drop(None, ["expired"]) == {"expired": 1}
    assert failed.drop(None) == {"sending": 1, "delivered": 1}
    assert states(failed) == {}


def test_an_id_is_an_error_where_there_is_no_spool(spool: Spool) -> None:
    for change in (spool.retry, spool.drop):
        with pytest.raises(UsageError, match="empty"):
            change(["1"])


def test_a_row_number_is_never_used_again(spool: Spool) -> None:
    """What a daemon has in flight may be dropped meanwhile: its acknowledgement must not fall on another message."""
    spool.add(ROMEO, [new("1")])
    (row,) = take(spool)
    spool.drop(None)
    spool.add(ROMEO, [new("2")])
    tell(spool, delivered=[row.n])
    assert states(spool) == {"2": "spooled"}


# -- what is left on the disk -----------------------------------------------------------------------------------------


def on_disk(spool: Spool) -> bytes:
    return b"".join(path.read_bytes() for path in spool.path.parent.iterdir())


def test_what_is_dropped_is_gone_from_the_disk(spool: Spool) -> None:
    spool.add(ROMEO, [new(str(number), body="a5ecret" * 50) for number in range(200)])
    assert b"a5ecret" in on_disk(spool)
    spool.close()  # which puts all of it into the file
    before = spool.path.stat().st_size
    spool.drop(None)
    assert b"a5ecret" not in on_disk(spool)
    spool.close()
    assert spool.path.stat().st_size <= 12 * 4096 < before  # its room is given back


def test_what_was_delivered_is_gone_from_the_disk_after_a_while(spool: Spool, clock: Clock) -> None:
    spool.add(ROMEO, [new(str(number), body="a5ecret" * 50) for number in range(200)])
    tell(spool, delivered=[row.n for row in take(spool)])
    clock.now += KEEP_SECONDS + 1
    spool.purge()
    assert b"a5ecret" not in on_disk(spool)


def test_nobody_else_can_read_it(spool: Spool) -> None:
    spool.add(ROMEO, [new("1")])
    assert spool.path.parent.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in spool.path.parent.iterdir()}
    assert len(modes) == 3 and set(modes.values()) == {0o600}


# -- a file that is moved away meanwhile ------------------------------------------------------------------------------


def move_away(spool: Spool, to: Path) -> None:
    """With all that belongs to it."""
    to.mkdir()
    for path in spool.path.parent.glob(f"{spool.path.name}*"):
        path.rename(to / path.name)


def test_a_message_goes_into_the_file_that_is_in_place(spool: Spool, tmp_path: Path) -> None:
    spool.add(ROMEO, [new("1")])
    generation = spool.generation
    move_away(spool, tmp_path / "away")
    spool.add(ROMEO, [new("2")])
    assert states(spool) == {"2": "spooled"} and spool.generation != generation
    move_away(spool, tmp_path / "far away")
    assert not spool.open() and states(spool) == {}


def test_a_message_is_not_left_in_a_file_that_is_moved_while_it_is_put_in(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.add(ROMEO, [new("1")])
    purge = spool_rows.purge

    def moved_first(*arguments: Any) -> int:
        monkeypatch.undo()
        move_away(spool, tmp_path / "away")
        return purge(*arguments)

    monkeypatch.setattr(spool_rows, "purge", moved_first)
    spool.add(ROMEO, [new("2")])
    assert states(spool) == {"2": "spooled"}
