"""The roster (RFC 6121 section 2) and asking for presence subscriptions (section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from xmppctl.protocols.contacts import Contact, Resource, RosterReader
from xmppctl.session.base import NS_ROSTER, prepared, refuse_errors
from xmppctl.session.local import NS_DAEMON, ask, payload
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.session.base import Session

_GROUP, _RESOURCE, _SHOW, _STATUS = (
    f"{{{NS_DAEMON}}}{name}" for name in ("group", "resource", "show", "status")
)

#: Hears how far something is that can take long, in words.
Progress = Callable[[str], None]


class Listing(NamedTuple):
    """The roster, sorted by JID; and where its contacts are online, by JID, None where nobody knows that."""

    contacts: list[Contact]
    resources: dict[str, tuple[Resource, ...]] | None = None


async def fetch(session: Session, progress: Progress = lambda _: None) -> dict[str, Contact]:
    """The roster, by prepared JID, sorted by it (section 2.2). Raises StanzaRefused, DeadlineExceeded."""

    def meanwhile() -> None:
        if session.unfinished:
            progress(f"{session.unfinished // 1024:,} KiB")

    reply = await session.request(build.iq("get", f"<query xmlns='{NS_ROSTER}'/>"), meanwhile=meanwhile)
    reader = RosterReader(reply)
    reader.read()
    return dict(sorted(reader.contacts.items()))


async def listing(session: Session, progress: Progress = lambda _: None) -> Listing:
    """The roster, and who is online where a daemon keeps track of that; from its memory, if there is one.

    Raises StanzaRefused, DeadlineExceeded, the daemon's errors.
    """
    if not session.attached:
        return Listing(list((await fetch(session, progress)).values()))
    contacts: list[Contact] = []
    resources: dict[str, tuple[Resource, ...]] = {}
    after = None
    while True:
        page = await ask(session, "get", payload("contacts", attributes={"after": after}))
        if page.get("known") != "true":
            return Listing(
                list((await fetch(session, progress)).values())
            )  # the server's own answer says why
        for item in page:
            contact = _contact(item)
            contacts.append(contact)
            here = tuple(_resource(child) for child in item if child.tag == _RESOURCE)
            if here:
                resources[contact.jid] = here
        progress(f"{len(contacts):,} of {int(page.get('total', '0')):,} contacts")
        if page.get("more") != "true" or not len(page):
            return Listing(contacts, resources if page.get("presence") == "true" else None)
        after = contacts[-1].jid


async def put(session: Session, jid: str, name: str | None, groups: Iterable[str]) -> None:
    """Add or change an item (sections 2.3 and 2.4): its name and groups are what is given, and no other."""
    inside = "".join(f"<group>{build.escape(group)}</group>" for group in dict.fromkeys(groups))
    item = f"<item{build.attributes({'jid': jid, 'name': name})}>{inside}</item>"
    await session.request(build.iq("set", f"<query xmlns='{NS_ROSTER}'>{item}</query>"))


async def remove(session: Session, jid: str) -> None:
    """Remove an item, which ends its subscriptions both ways (section 2.5)."""
    item = f"<item{build.attributes({'jid': jid, 'subscription': 'remove'})}/>"
    await session.request(build.iq("set", f"<query xmlns='{NS_ROSTER}'>{item}</query>"))


async def subscribe(session: Session, jid: str) -> None:
    """Ask for `jid`'s presence (section 3.1). Raises StanzaRefused where it is said at once that it cannot be had."""
    errors = session.stanzas(
        lambda frame: frame.kind == "presence" and frame.type == "error" and prepared(frame.sender) == jid
    )
    try:
        await session.send(build.presence(type="subscribe", to=jid))
        await session.barrier()
        if errors.queue:
            refuse_errors(errors.queue[0])
    finally:
        errors.close()


def _contact(item: Element) -> Contact:
    """An item of the daemon's answer, which is prepared."""
    groups = tuple([child.text or "" for child in item if child.tag == _GROUP])
    return Contact(
        item.get("jid", ""),
        item.get("name"),
        groups,
        item.get("subscription", "none"),
        item.get("ask"),
        item.get("approved") == "true",
    )


def _resource(element: Element) -> Resource:
    priority = int(element.get("priority", "0"))
    return Resource(element.get("name", ""), element.findtext(_SHOW), element.findtext(_STATUS), priority)
