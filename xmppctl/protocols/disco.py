"""Service discovery (XEP-0030) with extended information (XEP-0128), through slixmpp's plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xmppctl.stanza.frame import NS_XML

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.session.base import Session

NS_INFO: Final = "http://jabber.org/protocol/disco#info"
NS_ITEMS: Final = "http://jabber.org/protocol/disco#items"
NS_FORM: Final = "jabber:x:data"
_LANG: Final = f"{{{NS_XML}}}lang"


class Identity(NamedTuple):
    """What an entity says it is (section 3.1)."""

    category: str
    type: str
    name: str | None = None
    lang: str | None = None


class Form(NamedTuple):
    """More information: the form's FORM_TYPE, and each field's values, labels left out."""

    type: str | None
    fields: dict[str, list[str]]


class Info(NamedTuple):
    """What an entity is and supports. Features sorted, each once."""

    identities: list[Identity]
    features: list[str]
    forms: list[Form]


class Item(NamedTuple):
    """Something that an entity has (section 4.1)."""

    jid: str
    node: str | None = None
    name: str | None = None


async def info(session: Session, jid: str, node: str | None = None) -> Info:
    """Ask `jid` what it is. Raises StanzaRefused, DeadlineExceeded. The session must run on an event loop."""
    client, plugin = await _plugin(session)
    call = plugin.get_info(jid=jid, node=node, local=False, cached=False)
    reply = await client.result(call, f"asking {jid} what it is")
    return _info(reply.xml.find(f"{{{NS_INFO}}}query"))


async def items(session: Session, jid: str, node: str | None = None) -> list[Item]:
    """Ask `jid` what it has. Raises as `info`."""
    client, plugin = await _plugin(session)
    reply = await client.result(
        plugin.get_items(jid=jid, node=node, local=False), f"asking {jid} what it has"
    )
    found = reply.xml.iterfind(f"{{{NS_ITEMS}}}query/{{{NS_ITEMS}}}item")
    return [Item(each.get("jid", ""), each.get("node"), each.get("name")) for each in found]


async def _plugin(session: Session) -> tuple[Any, Any]:
    client = await session.client()
    client.only_replies = True
    client.register_plugin("xep_0030")
    return client, client.plugin["xep_0030"]


def _info(query: Element | None) -> Info:
    if query is None:
        return Info([], [], [])
    identities = [
        Identity(each.get("category", ""), each.get("type", ""), each.get("name"), each.get(_LANG))
        for each in query.iterfind(f"{{{NS_INFO}}}identity")
    ]
    features = {each.get("var", "") for each in query.iterfind(f"{{{NS_INFO}}}feature")}
    return Info(
        identities, sorted(features - {""}), [_form(each) for each in query.iterfind(f"{{{NS_FORM}}}x")]
    )


def _form(x: Element) -> Form:
    fields: dict[str, list[str]] = {}
    for field in x.iterfind(f"{{{NS_FORM}}}field"):
        values = ["".join(value.itertext()) for value in field.iterfind(f"{{{NS_FORM}}}value")]
        fields.setdefault(field.get("var", ""), []).extend(values)
    kind = fields.pop("FORM_TYPE", [])
    return Form(kind[0] if kind else None, fields)
