"""Pairs: which reply belongs to which request, and what becomes of the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmppctl.stanza.frame import Frame
from xmppctl.stanza.pairs import Outcome, Pairs

ME = "romeo@montague.example/orchard"


def iq(
    way: str,
    type_: str,
    id_: str = "1",
    time: float = 0.0,
    namespace: str = "jabber:client",
    raw: bytes = b"<iq/>",
    **addresses: str,
) -> Frame:
    attributes = {"type": type_, "id": id_}
    attributes |= {"from" if name == "sender" else name: jid for name, jid in addresses.items()}
    return Frame(raw, [f"{namespace} iq"], [], attributes, direction=way, time=time)  # type: ignore[arg-type]


def run(*frames: Frame, pairs: Pairs | None = None) -> list[Outcome]:
    pairs = pairs or Pairs()
    return [outcome for frame in frames if (outcome := pairs.take(frame)) is not None]


@pytest.mark.parametrize("type_", ["result", "error"])
def test_a_reply_and_its_request_and_the_time_between(type_: str) -> None:
    request = iq("out", "get", time=10.0, to="capulet.example")
    reply = iq("in", type_, time=10.25, sender="capulet.example", to=ME)
    assert run(request, reply) == [Outcome(request, reply, 0.25, "answered")]


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ({"to": "Juliet@Capulet.example/b"}, {"sender": "juliet@capulet.example/b"}),
        ({}, {}),
        ({}, {"to": ME}),
        ({}, {"sender": "romeo@montague.example", "to": ME}),
        ({}, {"sender": "montague.example", "to": ME}),
        ({}, {"sender": "romeo@montague.example"}),
        ({"sender": ME}, {"sender": "montague.example"}),
        ({"to": "romeo@montague.example"}, {"to": ME}),
        ({"to": "montague.example"}, {"to": ME}),
    ],
)
def test_who_may_answer(asked: dict[str, str], answers: dict[str, str]) -> None:
    (outcome,) = run(iq("out", "set", **asked), iq("in", "result", **answers))
    assert outcome.fate == "answered"


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ({"to": "capulet.example"}, {"sender": "evil.example", "to": ME}),
        ({"to": "juliet@capulet.example/b"}, {"sender": "juliet@capulet.example", "to": ME}),
        ({"to": "capulet.example"}, {"to": ME}),
        ({}, {"sender": "evil.example", "to": ME}),
        ({}, {"sender": "evil@evil.example/x"}),
        ({"sender": ME}, {"sender": "evil.example"}),
    ],
)
def test_who_may_not(asked: dict[str, str], answers: dict[str, str]) -> None:
    pairs = Pairs()
    reply = iq("in", "result", **answers)
    assert run(iq("out", "get", **asked), reply, pairs=pairs) == [Outcome(None, reply, None, "orphan")]
    assert [outcome.fate for outcome in pairs.rest()] == ["unanswered"]


@pytest.mark.parametrize(
    ("asks", "answered"),
    [
        ({"sender": "juliet@capulet.example/b", "to": ME}, {"to": "juliet@capulet.example/b"}),
        ({"sender": "Capulet.example", "to": ME}, {"to": "capulet.example", "sender": ME}),
        (
            {"sender": "capulet.example", "to": ME},
            {"to": "capulet.example", "sender": "romeo@montague.example"},
        ),
        ({"to": ME}, {}),
        ({"to": ME}, {"to": "romeo@montague.example"}),
        ({"to": ME}, {"to": "montague.example"}),
        ({"sender": "romeo@montague.example", "to": ME}, {}),
        ({}, {}),
    ],
)
def test_others_ask_too(asks: dict[str, str], answered: dict[str, str]) -> None:
    pairs = Pairs()
    (outcome,) = run(iq("in", "set", **asks), iq("out", "result", **answered), pairs=pairs)
    assert outcome.fate == "answered" and pairs.rest() == []


def test_an_answer_to_somebody_who_has_not_asked_is_an_orphan() -> None:
    asked = iq("in", "get", sender="juliet@capulet.example/b", to=ME)
    assert [each.fate for each in run(asked, iq("out", "result", to="tybalt@capulet.example/b"))] == [
        "orphan"
    ]


def test_whose_stream_it_is_is_learned_from_what_came_before() -> None:
    before = iq("in", "get", "0", sender="montague.example", to=ME)
    forged = run(before, iq("out", "get"), iq("in", "result", sender="evil@evil.example"))
    lawful = run(before, iq("out", "get"), iq("in", "result", sender="Romeo@montague.example"))
    assert [each.fate for each in (*forged, *lawful)] == ["orphan", "answered"]


def test_a_component_has_many_addresses_that_are_not_mixed_up() -> None:
    component = "jabber:component:accept"
    clients = ["juliet@capulet.example/b", ME]
    requests = [iq("in", "get", sender=each, to="rooms.example", namespace=component) for each in clients]
    requests += [iq("in", "get", sender=ME, to="a@rooms.example", namespace=component)]
    replies = [
        iq("out", "result", sender="a@rooms.example", to=ME, namespace=component),
        iq("out", "result", sender="rooms.example", to=ME, namespace=component),
        iq("out", "result", sender="rooms.example/x", to=clients[0], namespace=component),
    ]
    assert [outcome.request for outcome in run(*requests, *replies)] == [requests[2], requests[1], None]


def test_a_reply_goes_the_other_way() -> None:
    (outcome,) = run(iq("out", "get", to="b.example"), iq("out", "result", sender="b.example"))
    assert outcome.fate == "orphan"


def test_a_reply_counts_once() -> None:
    reply = iq("in", "result", sender="b.example")
    assert [each.fate for each in run(iq("out", "get", to="b.example"), reply, reply)] == [
        "answered",
        "orphan",
    ]


def test_one_id_twice_is_answered_in_order_or_by_whom_was_asked() -> None:
    first, second = iq("out", "get", time=1.0, to="b.example"), iq("out", "get", time=2.0, to="b.example")
    third = iq("out", "get", time=3.0, to="c.example")
    from_c, from_b = iq("in", "result", sender="c.example"), iq("in", "result", sender="b.example")
    found = run(first, second, third, from_c, from_b, from_b)
    assert [outcome.request for outcome in found] == [third, first, second]


def test_times_that_go_back_give_no_negative_round_trip() -> None:
    (outcome,) = run(iq("out", "get", time=5.0, to="b"), iq("in", "result", time=4.0, sender="b"))
    assert outcome.seconds == 0.0


def test_a_request_is_overdue_once_and_a_late_reply_is_an_orphan() -> None:
    pairs = Pairs(patience=5.0)
    assert pairs.due is None
    request = iq("out", "get", time=10.0, to="b")
    pairs.take(request)
    assert pairs.due == 15.0
    assert pairs.overdue(14.9) == []
    assert pairs.overdue(15.0) == [Outcome(request, None, None, "timeout")]
    assert pairs.overdue(99.0) == [] and pairs.due is None
    assert [each.fate for each in run(iq("in", "result", sender="b"), pairs=pairs)] == ["orphan"]


def test_what_waits_at_the_end_is_told_once() -> None:
    pairs = Pairs()
    request = iq("in", "set", sender="b", to=ME)
    pairs.take(request)
    assert pairs.rest() == [Outcome(request, None, None, "unanswered")]
    assert pairs.rest() == []


def test_too_many_that_wait_give_up_the_oldest() -> None:
    pairs = Pairs(limit=2)
    requests = [iq("out", "get", str(number), time=100.0, to="b") for number in range(3)]
    run(*requests, pairs=pairs)
    assert pairs.due is not None and pairs.due <= 100.0
    assert pairs.overdue(100.0) == [Outcome(requests[0], None, None, "unanswered")]
    assert len(pairs.rest()) == 2


def test_what_waits_is_bounded_in_bytes_as_well() -> None:
    pairs = Pairs()
    large = b" " * 1_000_000
    run(
        *[iq("in", "get", str(n), time=100.0, raw=large, sender=f"{n}.example") for n in range(100)],
        pairs=pairs,
    )
    given_up = pairs.overdue(100.0)
    assert {outcome.fate for outcome in given_up} == {"unanswered"}
    assert [outcome.request.id for outcome in given_up if outcome.request][:2] == ["0", "1"]
    assert len(given_up) + len(pairs.rest()) == 100 and len(given_up) >= 30


def test_one_id_over_and_over_does_not_pile_up() -> None:
    pairs = Pairs()
    run(
        *[iq("in", "get", time=100.0, sender="evil.example", to=f"{n}.example") for n in range(500)],
        pairs=pairs,
    )
    assert len(pairs.overdue(100.0)) >= 300


@pytest.mark.parametrize(
    ("frame", "concerns"),
    [
        (iq("in", "get"), True),
        (iq("in", "error"), True),
        (iq("in", "nonsense"), False),
        (Frame(b"<iq/>", ["jabber:client iq"], [], {"type": "get"}), False),
        (Frame(b"<message/>", ["jabber:client message"], [], {"type": "error", "id": "1"}), False),
    ],
)
def test_what_concerns_pairs(frame: Frame, concerns: bool) -> None:
    assert Pairs.concern(frame) is concerns


iqs = st.builds(
    iq,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["get", "set", "result", "error"]),
    st.sampled_from(["1", "2", "3"]),
    st.floats(0, 100),
    to=st.sampled_from(["a.example", "b.example"]),
    sender=st.sampled_from(["a.example", "b.example"]),
)


@settings(max_examples=100)
@given(st.lists(iqs, max_size=30), st.integers(1, 5))
def test_every_frame_comes_out_exactly_once(frames: list[Frame], limit: int) -> None:
    pairs = Pairs(limit=limit)
    told = run(*frames, pairs=pairs)
    told += pairs.overdue(50.0) + pairs.rest()
    shown = [frame for outcome in told for frame in outcome[:2] if isinstance(frame, Frame)]
    assert sorted(map(id, shown)) == sorted(map(id, frames))
