"""The outbox: order, counts modulo 2**32, what is sent again on which kind of stream, and what is never sent again."""

from __future__ import annotations

import pytest

from xmppctl.daemon.outbox import (
    MAX_HELD_BYTES,
    MAX_UNACKNOWLEDGED,
    MAX_UNACKNOWLEDGED_BYTES,
    Outbox,
    TooManyHandled,
)
from xmppctl.daemon.parts import Outgoing

LOTS = 1_000_000


class Sender:
    """An owner that remembers what was acknowledged."""

    def __init__(self, failing: bool = False) -> None:
        self.heard: list[bytes] = []
        self._failing = failing

    def acknowledged(self, stanza: Outgoing) -> None:
        self.heard.append(stanza.data)
        if self._failing:
            raise ValueError("a bug")


def fill(outbox: Outbox, *names: str, owner: Sender | None = None, again: bool = True) -> list[Outgoing]:
    made = [Outgoing(name.encode(), owner, again=again) for name in names]
    for stanza in made:
        outbox.add(stanza)
    return made


def write(outbox: Outbox, limit: int = LOTS, window: int = LOTS) -> bytes:
    return outbox.take(limit, window)


def test_what_is_taken_is_in_order_and_counts_as_written() -> None:
    outbox = Outbox()
    one, two = fill(outbox, "<a/>", "<b/>")
    assert not one.written
    assert write(outbox) == b"<a/><b/>"
    assert one.written and two.written
    assert write(outbox) == b""
    assert list(outbox.unacknowledged) == [one, two] and not outbox.held
    assert outbox.written == 2


def test_bytes_and_window_limit_what_is_taken_but_no_stanza_is_cut() -> None:
    outbox = Outbox()
    fill(outbox, "<aaa/>", "<bbb/>", "<ccc/>", "<ddd/>")
    assert write(outbox, limit=7) == b"<aaa/><bbb/>"
    assert write(outbox, limit=0) == b""
    assert write(outbox, window=3) == b"<ccc/>"
    assert write(outbox, window=3) == b""
    outbox.acknowledge(1)
    assert write(outbox, window=3) == b"<ddd/>"


def test_owners_hear_in_the_order_of_sending_and_only_of_what_the_server_has() -> None:
    outbox, sender = Outbox(), Sender()
    fill(outbox, "<a/>", "<b/>", "<c/>", owner=sender)
    fill(outbox, "<nobody/>")
    write(outbox)
    assert outbox.handled(2)
    assert sender.heard == [b"<a/>", b"<b/>"]
    assert not outbox.handled(2)
    assert sender.heard == [b"<a/>", b"<b/>"]
    outbox.handled(4)
    assert sender.heard == [b"<a/>", b"<b/>", b"<c/>"] and len(outbox) == 0
    assert outbox.unacknowledged_bytes == outbox.held_bytes == 0


def test_counts_go_round_at_two_to_the_32() -> None:
    outbox, sender = Outbox(), Sender()
    outbox._handled = 2**32 - 2  # four thousand million stanzas take too long
    fill(outbox, "<a/>", "<b/>", "<c/>", owner=sender)
    write(outbox)
    outbox.handled(2**32 - 1)
    assert sender.heard == [b"<a/>"]
    outbox.handled(1)
    assert sender.heard == [b"<a/>", b"<b/>", b"<c/>"]


@pytest.mark.parametrize("told", [4, 100, 2**32 - 1])
def test_more_than_was_sent_is_refused_and_acknowledges_nothing(told: int) -> None:
    outbox, sender = Outbox(), Sender()
    fill(outbox, "<a/>", "<b/>", "<c/>", owner=sender)
    write(outbox)
    with pytest.raises(TooManyHandled) as caught:
        outbox.handled(told)
    assert (caught.value.handled, caught.value.sent) == (told, 3)
    assert sender.heard == [] and len(outbox.unacknowledged) == 3


def test_a_count_that_goes_back_is_refused() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>", "<b/>")
    write(outbox)
    outbox.handled(2)
    with pytest.raises(TooManyHandled):
        outbox.handled(1)


def test_an_owner_that_fails_keeps_nobody_from_hearing() -> None:
    outbox, bad, good = Outbox(), Sender(failing=True), Sender()
    fill(outbox, "<a/>", owner=bad)
    fill(outbox, "<b/>", owner=good)
    write(outbox)
    with pytest.raises(ValueError, match="a bug"):
        outbox.handled(2)
    assert good.heard == [b"<b/>"] and len(outbox) == 0


def test_after_a_resumption_exactly_what_the_server_has_not_goes_out_again_first() -> None:
    outbox, sender = Outbox(), Sender()
    fill(outbox, "<a/>", "<b/>", "<c/>", owner=sender)
    fill(outbox, "<presence/>", again=False)
    write(outbox)
    fill(outbox, "<held/>")
    outbox.resumed(1)
    assert sender.heard == [b"<a/>"]
    assert write(outbox) == b"<b/><c/><presence/><held/>"
    outbox.handled(5)
    assert len(outbox) == 0


def test_a_resumption_with_a_wrong_count_still_loses_nothing() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>", "<b/>")
    write(outbox)
    with pytest.raises(TooManyHandled):
        outbox.resumed(3)
    outbox.restarted([])
    assert write(outbox) == b"<a/><b/>"


def test_a_new_stream_gets_what_restores_then_what_was_lost_then_what_was_held() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>")
    fill(outbox, "<old-presence/>", again=False)
    fill(outbox, "<b/>")
    write(outbox)
    fill(outbox, "<held/>")
    fill(outbox, "<held-presence/>", again=False)
    outbox.start_counting()
    outbox.restarted([Outgoing(b"<restored/>", again=False)])
    assert write(outbox) == b"<restored/><a/><b/><held/><held-presence/>"
    outbox.handled(5)
    assert len(outbox) == 0 and outbox.held_bytes == outbox.unacknowledged_bytes == 0


def test_what_the_server_had_of_the_old_stream_is_not_sent_again() -> None:
    outbox, sender = Outbox(), Sender()
    fill(outbox, "<a/>", "<b/>", owner=sender)
    write(outbox)
    outbox.handled(1)  # the h of <failed/>
    outbox.start_counting()
    outbox.restarted([])
    assert write(outbox) == b"<b/>" and sender.heard == [b"<a/>"]


def test_what_a_resumed_stream_did_not_come_to_is_as_lost_as_before() -> None:
    outbox = Outbox()
    fill(outbox, "<presence/>", again=False)
    fill(outbox, "<a/>")
    write(outbox)
    outbox.resumed(0)
    outbox.restarted([])  # the resumed stream broke before anything was written to it
    assert write(outbox) == b"<a/>"


def test_what_is_given_again_to_restore_is_not_sent_twice() -> None:
    outbox = Outbox()
    (join,) = fill(outbox, "<join/>", again=False)
    (message,) = fill(outbox, "<a/>")
    write(outbox)
    outbox.restarted([join, message])
    assert write(outbox) == b"<join/><a/>"


def test_only_what_no_stream_has_seen_can_be_taken_back() -> None:
    outbox, one, other = Outbox(), Sender(), Sender()
    fill(outbox, "<a/>", owner=one)
    write(outbox)
    fill(outbox, "<b/>", "<c/>", owner=one)
    fill(outbox, "<other/>", owner=other)
    taken = outbox.withdraw(one)
    assert [stanza.data for stanza in taken] == [b"<b/>", b"<c/>"]
    assert outbox.withdraw(one) == []
    outbox.resumed(0)
    assert outbox.withdraw(one) == []  # <a/> may have arrived
    assert write(outbox) == b"<a/><other/>"


def test_somebody_wants_to_know_until_all_that_was_there_is_acknowledged() -> None:
    outbox = Outbox()
    outbox.want()
    assert not outbox.wanting
    fill(outbox, "<a/>", "<b/>")
    outbox.want()
    assert not outbox.wanting  # nothing is written yet
    write(outbox, window=1)
    assert outbox.wanting
    outbox.handled(1)
    write(outbox)
    fill(outbox, "<c/>")
    write(outbox)
    assert outbox.wanting
    outbox.handled(2)
    assert not outbox.wanting  # of <c/> nobody has asked


def test_on_a_new_stream_it_is_still_wanted() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>")
    write(outbox)
    outbox.want()
    outbox.start_counting()
    outbox.restarted([Outgoing(b"<first/>")])
    write(outbox)
    outbox.handled(1)
    assert outbox.wanting
    outbox.handled(2)
    assert not outbox.wanting


def test_congestion_begins_at_the_limit_and_ends_at_half_of_it() -> None:
    outbox = Outbox()
    half = "x" * (MAX_HELD_BYTES // 2)
    fill(outbox, half, half)
    assert not outbox.congested and not outbox.relieved
    fill(outbox, "x")
    assert outbox.congested
    write(outbox)
    assert not outbox.congested and outbox.relieved
    while not outbox.congested:
        fill(outbox, half)
        write(outbox)
    assert outbox.unacknowledged_bytes > MAX_UNACKNOWLEDGED_BYTES
    outbox.acknowledge(len(outbox.unacknowledged) - 1)
    assert outbox.relieved


def test_too_many_small_ones_are_congestion_too() -> None:
    outbox = Outbox()
    for _ in range(MAX_UNACKNOWLEDGED + 1):
        outbox.add(Outgoing(b"<a/>"))
    write(outbox)
    assert outbox.congested


def next_stream(outbox: Outbox) -> bytes:
    outbox.start_counting()
    outbox.restarted([])
    return write(outbox)


def test_a_stanza_that_ends_every_stream_is_found_and_taken_out() -> None:
    outbox, sender = Outbox(), Sender()
    fill(outbox, "<good/>", "<bad/>", "<other/>", owner=sender)
    write(outbox)
    assert outbox.blame() is None  # it may have been any of the three
    assert next_stream(outbox) == b"<good/>"
    assert outbox.wanting  # or the next would never be sent
    outbox.handled(1)
    assert write(outbox) == b"<bad/>"
    culprit = outbox.blame()
    assert culprit is not None and culprit.data == b"<bad/>"
    assert next_stream(outbox) == b"<other/>"
    outbox.handled(1)
    assert sender.heard == [b"<good/>", b"<other/>"] and len(outbox) == 0


def test_one_alone_is_not_judged_the_first_time() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>")
    write(outbox)
    assert outbox.blame() is None
    assert next_stream(outbox) == b"<a/>"
    assert outbox.blame() is not None


def test_when_all_suspects_are_acquitted_everything_is_as_before() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>", "<b/>")
    write(outbox)
    outbox.blame()
    fill(outbox, "<c/>", "<d/>")
    assert next_stream(outbox) == b"<a/>"
    outbox.handled(1)
    assert write(outbox) == b"<b/>"
    outbox.handled(2)
    assert write(outbox) == b"<c/><d/>"


def test_many_suspects_are_narrowed_down_in_few_streams() -> None:
    outbox = Outbox()
    names = [f"<s{number}/>" for number in range(1000)]
    fill(outbox, *names)
    write(outbox)
    streams = 0
    culprit = None
    while culprit is None and streams < 10:
        culprit = outbox.blame()
        if culprit is not None:
            break
        streams += 1
        outbox.start_counting()
        outbox.restarted([])
        handled = 0
        while b"<s700/>" not in (sent := write(outbox)):
            handled += sent.count(b"<")
            outbox.handled(handled)
    assert culprit is not None and culprit.data == b"<s700/>"
    assert streams <= 3


def test_what_restores_one_stream_is_not_left_over_for_the_next() -> None:
    outbox = Outbox()
    fill(outbox, "<a/>")
    for number in range(5):  # none of them takes anything
        outbox.restarted([Outgoing(f"<restored n='{number}'/>".encode(), again=False)])
    assert write(outbox) == b"<restored n='4'/><a/>"
