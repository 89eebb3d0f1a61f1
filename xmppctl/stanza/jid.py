"""JIDs: parsing and preparation. Sans-IO.

RFC 7622 (address format), prepared as RFC 6122 says (nodeprep, nameprep, resourceprep), since that is what
Prosody and ejabberd apply. ASCII, nearly every JID, takes the fast path. slixmpp has a JID class, but
importing it costs the whole library.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from xmppctl.errors import BadJid

MAX_PART_BYTES: Final = 1023
#: What is longer is no JID (section 3.1), and would fill the memory if it was remembered.
_LONGEST: Final = 3 * MAX_PART_BYTES + 2

_LOCAL_FORBIDDEN: Final = re.compile(r"""["&'/:<>@\s\x00-\x1f\x7f]""")
_DOMAIN_ASCII: Final = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\Z"
)
_LABEL: Final = r"(?!-)(?:[a-z0-9_-]|[^\x00-\x7f])+(?<!-)"
_RESOURCE_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f]")


class Jid(NamedTuple):
    """A prepared JID. Make one with `Jid.parse`; `local` and `resource` are empty where there is none."""

    local: str
    domain: str
    resource: str = ""

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Parse and prepare `[local@]domain[/resource]` (RFC 7622 section 3).

        Raises BadJid, which says what is wrong.
        """
        rest, slash, resource = text.partition("/")
        local, at, domain = rest.rpartition("@")
        if at and not local:
            raise _bad(text, "nothing stands before the @")
        if slash and not resource:
            raise _bad(text, "nothing stands after the /")
        jid = cls(_local(text, local), _domain(text, domain), _resource(text, resource))
        for name, part in (("localpart", jid.local), ("domain", jid.domain), ("resource", jid.resource)):
            if len(part.encode()) > MAX_PART_BYTES:
                raise _bad(text, f"its {name} is longer than {MAX_PART_BYTES} bytes")
        return jid

    @property
    def bare(self) -> str:
        """Without the resource."""
        return f"{self.local}@{self.domain}" if self.local else self.domain

    def __str__(self) -> str:
        return f"{self.bare}/{self.resource}" if self.resource else self.bare


def remembered(test: Callable[[str], bool]) -> Callable[[str | None], bool]:
    """The test of an address, false without one. What it gave is remembered for the latest, unless they are long."""
    again = lru_cache(maxsize=1024)(test)

    def remembering(address: str | None) -> bool:
        if address is None:
            return False
        return again(address) if len(address) <= _LONGEST else test(address)

    return remembering


def prepared(address: str) -> tuple[str, str]:
    """An address that came from the network, prepared for comparison: full, and bare; as it came if it is no JID."""
    return _prepared(address) if len(address) <= _LONGEST else _apart(address)


@lru_cache(maxsize=1024)
def _prepared(address: str) -> tuple[str, str]:
    return _apart(address)


def _apart(address: str) -> tuple[str, str]:
    try:
        jid = Jid.parse(address)
    except BadJid:
        return address, address.partition("/")[0]
    return str(jid), jid.bare


def _bad(text: str, why: str) -> BadJid:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return BadJid(
        f"not a JID: {shown!r}: {why}",
        hint="a JID looks like juliet@capulet.example or juliet@capulet.example/balcony",
    )


def _local(text: str, local: str) -> str:
    if not local:
        return ""
    if not local.isascii():
        local = _prepare(text, local, "localpart")
    found = _LOCAL_FORBIDDEN.search(local)
    if found:
        raise _bad(text, f"{found.group()!r} cannot stand in a localpart (XEP-0106 escapes it)")
    return local.lower() if local.isascii() else local


def _domain(text: str, domain: str) -> str:
    domain = domain.removesuffix(".")
    if not domain:
        raise _bad(text, "it has no domain")
    if domain.startswith("[") and domain.endswith("]"):
        return _ipv6(text, domain)
    if not domain.isascii():
        return _international(text, domain)
    lowered = domain.lower()
    if not _DOMAIN_ASCII.match(lowered):
        raise _bad(text, f"{domain!r} is not a domain name")
    if any(len(label) > 63 for label in lowered.split(".")):
        raise _bad(text, "a label of its domain is longer than 63 characters")
    return lowered


def _resource(text: str, resource: str) -> str:
    if not resource.isascii():
        resource = _prepare(text, resource, "resource")
    if _RESOURCE_FORBIDDEN.search(resource):
        raise _bad(text, "a control character cannot stand in a resource")
    return resource


def _ipv6(text: str, domain: str) -> str:
    from ipaddress import AddressValueError, IPv6Address

    if "%" in domain:
        raise _bad(text, "a zone cannot stand in it (RFC 3986 section 3.2.2)")
    try:
        return f"[{IPv6Address(domain[1:-1])}]"
    except AddressValueError as error:
        raise _bad(text, f"not an IPv6 address: {error}") from None


def _international(text: str, domain: str) -> str:
    from encodings.idna import nameprep

    try:
        labels = [nameprep(label) for label in re.split("[.。．｡]", domain)]
        prepared = ".".join(labels)
        prepared.encode("idna")
    except UnicodeError as error:
        raise _bad(text, f"{domain!r} is not a domain name: {error}") from None
    # Compatibility forms turn into ASCII, some of it with a meaning: U+FF0F becomes the / before a resource.
    if not all(re.fullmatch(_LABEL, label) for label in labels):
        raise _bad(text, f"{domain!r} is not a domain name")
    return prepared


def _prepare(text: str, part: str, what: str) -> str:
    """Nodeprep or resourceprep (RFC 6122 appendices A and B)."""
    from xmppctl.stanza.preparation import Unpreparable, prepare

    local = what == "localpart"
    try:
        return prepare(part, fold=local, forbidden="\"&'/:<>@ " if local else "")
    except Unpreparable as error:
        if error.character:
            raise _bad(text, f"U+{ord(error.character):04X} cannot stand in a {what}") from None
        raise _bad(text, f"its {what} is not acceptable: {error.reason}") from None
