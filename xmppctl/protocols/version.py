"""Software version (XEP-0092), through slixmpp's plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from xmppctl.session.base import Session

NS_VERSION: Final = "jabber:iq:version"


async def version(session: Session, jid: str) -> dict[str, str]:
    """Ask `jid` for its software: `name`, `version` and `os`, as far as it tells them.

    Raises StanzaRefused, DeadlineExceeded. The session must run on an event loop.
    """
    client = await session.client()
    client.only_replies = True
    client.register_plugin("xep_0092")
    plugin: Any = client.plugin["xep_0092"]
    reply = await client.result(plugin.get_version(jid), f"asking {jid} for its version")
    found = {}
    for name in ("name", "version", "os"):
        text = reply.xml.findtext(f"{{{NS_VERSION}}}query/{{{NS_VERSION}}}{name}")
        if text:
            found[name] = text
    return found
