"""Events read off the wire, and subscriptions that are undone; the commands' tests play whole runs."""

from __future__ import annotations

import asyncio

import pytest

from xmppctl.errors import DeadlineExceeded
from xmppctl.protocols.pubsub import NS_EVENT, NS_PUBSUB, Event, Follower, Node
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.tree import parse

NODE = Node("pubsub.example", "n & m")
QUOTED = "n &amp; m"


def events(*insides: str) -> list[Event]:
    """What these messages of the service become."""

    async def main() -> list[Event]:
        session = MemorySession()
        follower = Follower(session, NODE)
        for inside in insides:
            session.deliver(
                f"<message from='Pubsub.Example'><event xmlns='{NS_EVENT}'>{inside}</event></message>"
            )
        found: list[Event] = []
        try:
            while True:
                found.append(await follower.next())
        except DeadlineExceeded:
            return found

    return asyncio.run(main())


def test_every_items_element_of_our_node_counts_and_no_other():
    found = events(
        f"<items node='{QUOTED}'><item id='1'/></items><items node='other'><item id='2'/></items>"
        f"<items node='{QUOTED}'><item id='3'/></items>"
    )
    assert [event.id for event in found] == ["1", "3"]


@pytest.mark.parametrize(
    "inside",
    [
        f"<items xmlns='urn:other' node='{QUOTED}'><item id='1'/></items>",
        f"<items node='{QUOTED}'><item xmlns='urn:other' id='1'/></items>",
        f"<items node='{QUOTED}'><other id='1'/></items>",
        "<items><item id='1'/></items>",
        f"<collection node='{QUOTED}'/>",
        "",
    ],
)
def test_what_is_no_event_of_xep_0060_is_none(inside):
    assert events(inside) == []


def test_an_item_without_id_or_payload():
    (event,) = events(f"<items node='{QUOTED}'><item/></items>")
    assert event.id is None and "payload" not in event.record


def test_a_payload_whose_prefix_is_declared_outside_stands_alone():
    (event,) = events(f"<items node='{QUOTED}' xmlns:p='urn:p'><item id='1'><p:x/></item></items>")
    assert parse(event.record["payload"], {}).tag == "{urn:p}x"


def test_an_atom_entry_with_a_borrowed_prefix_is_read():
    (event,) = events(
        f"<items node='{QUOTED}' xmlns:a='http://www.w3.org/2005/Atom'>"
        "<item id='1'><a:entry><a:title>T</a:title></a:entry></item></items>"
    )
    assert event.record["atom"] == {"title": "T"}


@pytest.mark.parametrize(
    ("jid", "state", "over"),
    [
        ("romeo@montague.example", "none", True),
        ("Romeo@montague.example", "none", True),
        ("romeo@montague.example", "subscribed", False),
        ("juliet@capulet.example", "none", False),
    ],
)
def test_the_end_of_our_own_subscription_is_the_end(jid, state, over):
    async def main() -> bool:
        session = MemorySession()
        follower = Follower(session, NODE)
        inside = f"<subscription node='{QUOTED}' jid='{jid}' subscription='{state}'/>"
        session.deliver(
            f"<message from='pubsub.example'><event xmlns='{NS_EVENT}'>{inside}</event></message>"
        )
        await follower.next()
        return follower.over

    assert asyncio.run(main()) is over


def test_leaving_without_a_subscription_asks_nothing():
    async def main() -> list[str]:
        session = MemorySession()
        await Follower(session, NODE).leave()
        return [frame.name for frame in session.sent]

    assert asyncio.run(main()) == []


def test_leaving_twice_unsubscribes_once():
    def respond(frame):
        return [f"<iq type='result' id='{frame.id}' from='{frame.to}'/>"]

    async def main() -> list[str]:
        session = MemorySession(respond)
        follower = Follower(session, NODE)
        subscribed = await follower.subscribe()
        assert subscribed == ("subscribed", None, True)  # an answer need not say more
        await follower.leave()
        await follower.leave()
        await session.close()
        return [frame.element()[0][0].tag.removeprefix(f"{{{NS_PUBSUB}}}") for frame in session.sent]

    assert asyncio.run(main()) == ["subscriptions", "subscribe", "unsubscribe"]
