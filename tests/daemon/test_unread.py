from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from xmppctl.daemon.unread import Unread


def dropped(count: int) -> bytes:
    return f"<dropped xmlns='urn:xmppctl:daemon:1' count='{count}'></dropped>".encode()


def test_all_is_given_in_order() -> None:
    unread = Unread()
    unread.deliver(b"<a/>")
    unread.offer(b"<b/>")
    unread.offer(b"<c/>")
    unread.deliver(b"<d/>")
    assert unread and unread.size == 16 and unread.replies == 8
    assert unread.take(1000) == b"<a/><b/><c/><d/>"
    assert not unread and unread.size == unread.replies == 0
    assert unread.take(1000) == b""


def test_no_element_is_torn() -> None:
    unread = Unread()
    for _ in range(3):
        unread.deliver(b"<aaaaa/>")
    assert [unread.take(9), unread.take(1), unread.take(1)] == [b"<aaaaa/><aaaaa/>", b"<aaaaa/>", b""]


def test_the_oldest_go_first_and_where_they_were_it_is_told() -> None:
    unread = Unread(records=2)
    unread.deliver(b"<r1/>")
    for name in (b"<a/>", b"<b/>"):
        unread.offer(name)
    unread.deliver(b"<r2/>")
    for name in (b"<c/>", b"<d/>", b"<e/>"):
        unread.offer(name)
    assert unread.take(1000) == b"<r1/>" + dropped(2) + b"<r2/>" + dropped(1) + b"<d/><e/>"
    assert unread.dropped == 3


def test_what_is_dropped_behind_what_was_read_is_told_there() -> None:
    unread = Unread(records=2)
    unread.offer(b"<a/>")
    unread.offer(b"<b/>")
    assert unread.take(1) == b"<a/>"
    unread.offer(b"<c/>")
    unread.offer(b"<d/>")
    assert unread.take(1000) == dropped(1) + b"<c/><d/>"


def test_bytes_are_bounded_but_the_newest_is_always_kept() -> None:
    unread = Unread(size=10)
    unread.offer(b"<aaaa/>")
    unread.offer(b"<" + b"b" * 100 + b"/>")
    assert unread.size == 103
    unread.offer(b"<c/>")
    assert unread.size == 4
    assert unread.take(1000) == dropped(2) + b"<c/>"


def test_clear_forgets_everything() -> None:
    unread = Unread(records=1)
    for _ in range(3):
        unread.offer(b"<a/>")
        unread.deliver(b"<b/>")
    unread.clear()
    assert not unread and unread.size == 0
    unread.offer(b"<c/>")
    assert unread.take(10) == b"<c/>"


@given(st.lists(st.sampled_from(["reply", "loose", "take"]), max_size=60), st.integers(1, 5))
def test_nothing_is_lost_unnoticed_and_order_is_kept(steps: list[str], records: int) -> None:
    unread = Unread(records=records)
    replies: list[int] = []
    put = 0
    out = b""
    for number, step in enumerate(steps):
        if step == "reply":
            replies.append(number)
            unread.deliver(b"<r%d/>" % number)
        elif step == "loose":
            put += 1
            unread.offer(b"<l%d/>" % number)
        else:
            out += unread.take(6)
    out += unread.take(1 << 20)
    seen = [(kind, int(number)) for kind, number in re.findall(r"<([rl])(\d+)/>", out.decode())]
    assert [number for kind, number in seen if kind == "r"] == replies
    assert [number for _, number in seen] == sorted(number for _, number in seen)
    told = sum(map(int, re.findall(r"count='(\d+)'", out.decode())))
    assert told == unread.dropped == put - sum(kind == "l" for kind, _ in seen)
    assert not unread and unread.size == 0


def test_after_clearing_it_is_as_new() -> None:
    unread = Unread(records=1)
    unread.offer(b"<a/>")
    unread.clear()
    unread.offer(b"<b/>")
    unread.offer(b"<c/>")
    assert unread.take(1000) == dropped(1) + b"<c/>"


def test_what_was_dropped_is_told_once_however_little_is_taken_at_once() -> None:
    unread = Unread(records=2)
    for name in (b"<a/>", b"<b/>", b"<c/>"):
        unread.offer(name)
    assert [unread.take(1), unread.take(1), unread.take(1)] == [dropped(1) + b"<b/>", b"<c/>", b""]
