"""The roster (RFC 6121 section 2) and asking for presence subscriptions (section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from xmppctl.session.base import NS_ROSTER, prepared, refuse_errors
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.session.base import Session
    from xmppctl.stanza.frame import Frame


class Contact(NamedTuple):
    """A roster item (section 2.1.2). `subscription` is none, to, from or both; `ask` tells of a request under way."""

    jid: str
    name: str | None = None
    groups: tuple[str, ...] = ()
    subscription: str = "none"
    ask: str | None = None
    approved: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """It as JSON; what is not there is left out, but for the groups."""
        record: dict[str, Any] = {"jid": self.jid}
        if self.name is not None:
            record["name"] = self.name
        record["subscription"] = self.subscription
        if self.ask is not None:
            record["ask"] = self.ask
        if self.approved:
            record["approved"] = True
        record["groups"] = list(self.groups)
        return record


async def fetch(session: Session) -> dict[str, Contact]:
    """The roster, by prepared JID, sorted by it (section 2.2). Raises StanzaRefused, DeadlineExceeded."""
    reply = await session.request(build.iq("get", f"<query xmlns='{NS_ROSTER}'/>"))
    return {contact.jid: contact for contact in sorted(_contacts(reply), key=lambda each: each.jid)}


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


def _contacts(reply: Frame) -> Iterable[Contact]:
    for item in reply.element().iterfind(f"{{{NS_ROSTER}}}query/{{{NS_ROSTER}}}item"):
        if not item.get("jid"):
            continue  # section 2.1.2.3: there is no contact without one
        groups = {group.text or "" for group in item.iterfind(f"{{{NS_ROSTER}}}group")}
        yield Contact(
            prepared(item.get("jid")) or "",
            item.get("name") or None,
            tuple(sorted(groups)),
            item.get("subscription", "none"),
            item.get("ask"),
            item.get("approved") in ("true", "1"),
        )
