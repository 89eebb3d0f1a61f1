"""Namespaces and the specifications that define them. Sans-IO.

The table `xeps.tsv` holds one namespace a line, from the XEPs and RFCs themselves; it is read when first asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from xmppctl.stanza.frame import NS_CLIENT, NS_STANZAS, NS_STREAM

#: Prefixes that are bound in XPath expressions. `c` stands for the stream's own namespace, whichever it is.
PREFIXES: Final[Mapping[str, str]] = {
    "c": NS_CLIENT,
    "stream": NS_STREAM,
    "err": NS_STANZAS,
    "sasl": "urn:ietf:params:xml:ns:xmpp-sasl",
    "sasl2": "urn:xmpp:sasl:2",
    "tls": "urn:ietf:params:xml:ns:xmpp-tls",
    "bind": "urn:ietf:params:xml:ns:xmpp-bind",
    "streams": "urn:ietf:params:xml:ns:xmpp-streams",
    "sm": "urn:xmpp:sm:3",
    "csi": "urn:xmpp:csi:0",
    "roster": "jabber:iq:roster",
    "info": "http://jabber.org/protocol/disco#info",
    "items": "http://jabber.org/protocol/disco#items",
    "caps": "http://jabber.org/protocol/caps",
    "ping": "urn:xmpp:ping",
    "version": "jabber:iq:version",
    "time": "urn:xmpp:time",
    "register": "jabber:iq:register",
    "block": "urn:xmpp:blocking",
    "form": "jabber:x:data",
    "rsm": "http://jabber.org/protocol/rsm",
    "command": "http://jabber.org/protocol/commands",
    "pubsub": "http://jabber.org/protocol/pubsub",
    "event": "http://jabber.org/protocol/pubsub#event",
    "owner": "http://jabber.org/protocol/pubsub#owner",
    "atom": "http://www.w3.org/2005/Atom",
    "muc": "http://jabber.org/protocol/muc",
    "user": "http://jabber.org/protocol/muc#user",
    "admin": "http://jabber.org/protocol/muc#admin",
    "mucowner": "http://jabber.org/protocol/muc#owner",
    "invite": "jabber:x:conference",
    "mam": "urn:xmpp:mam:2",
    "carbons": "urn:xmpp:carbons:2",
    "forward": "urn:xmpp:forward:0",
    "delay": "urn:xmpp:delay",
    "sid": "urn:xmpp:sid:0",
    "receipts": "urn:xmpp:receipts",
    "markers": "urn:xmpp:chat-markers:0",
    "chatstates": "http://jabber.org/protocol/chatstates",
    "correct": "urn:xmpp:message-correct:0",
    "reactions": "urn:xmpp:reactions:0",
    "reply": "urn:xmpp:reply:0",
    "hints": "urn:xmpp:hints",
    "nick": "http://jabber.org/protocol/nick",
    "xhtmlim": "http://jabber.org/protocol/xhtml-im",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "oob": "jabber:x:oob",
    "upload": "urn:xmpp:http:upload:0",
    "vcard": "vcard-temp",
    "vcard4": "urn:ietf:params:xml:ns:vcard-4.0",
    "avatar": "urn:xmpp:avatar:data",
    "metadata": "urn:xmpp:avatar:metadata",
    "omemo": "urn:xmpp:omemo:2",
    "axolotl": "eu.siacs.conversations.axolotl",
    "jingle": "urn:xmpp:jingle:1",
    "bookmarks": "urn:xmpp:bookmarks:1",
    "push": "urn:xmpp:push:0",
}


class Spec(NamedTuple):
    """What defines a namespace: `number` is `XEP-0060` or `RFC 6120`, `status` the one it had when listed."""

    number: str
    status: str
    title: str


#: The longest namespace that is remembered, in characters.
_LONGEST: Final = 256


def spec_of(namespace: str) -> Spec | None:
    """The specification that defines `namespace`, or another version or a part (`#event`) of it."""
    return _known(namespace) if len(namespace) <= _LONGEST else _look_up(namespace)


# Bounded, in number and in length, since the other side chooses the namespaces that are asked for.
@lru_cache(maxsize=4096)
def _known(namespace: str) -> Spec | None:
    return _look_up(namespace)


def _look_up(namespace: str) -> Spec | None:
    exact, loose = _table()
    return exact.get(namespace) or loose.get(_unversioned(namespace))


def xep_of(namespace: str) -> str | None:
    """The XEP that defines `namespace`, as `XEP-0060`; None for an RFC's and for an unknown one."""
    spec = spec_of(namespace)
    return spec.number if spec and spec.number.startswith("XEP-") else None


def title_of(namespace: str) -> str | None:
    """The title of the specification that defines `namespace`."""
    spec = spec_of(namespace)
    return spec.title if spec else None


def xep_title(number: str) -> str | None:
    """The title of a XEP (`XEP-0060`) that defines a namespace; None if none is known."""
    return _titles().get(number)


def _unversioned(namespace: str) -> str:
    """Without `#fragment`, `?query` and the numbers that XEPs count up: `urn:xmpp:omemo:1:devices`."""
    return re.sub(r":\d+(?=:|$)", "", re.split("[#?]", namespace, maxsplit=1)[0])


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, Spec], dict[str, Spec]]:
    from pkgutil import get_data

    data = get_data("xmppctl.stanza", "xeps.tsv")
    if data is None:
        raise FileNotFoundError("xmppctl/stanza/xeps.tsv is missing: xmppctl is not installed whole")
    exact: dict[str, Spec] = {}
    loose: dict[str, Spec] = {}
    for line in data.decode().splitlines()[1:]:
        namespace, number, status, title = line.split("\t")
        spec = exact.setdefault(namespace, Spec(number, status, title))
        # Where several XEPs have a part in a namespace, the oldest is the one that made it.
        known = loose.setdefault(_unversioned(namespace), spec)
        if spec.number < known.number:
            loose[_unversioned(namespace)] = spec
    return exact, loose


@lru_cache(maxsize=1)
def _titles() -> dict[str, str]:
    return {spec.number: spec.title for spec in _table()[0].values() if spec.number.startswith("XEP-")}
