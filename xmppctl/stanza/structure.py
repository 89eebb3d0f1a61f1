"""What in a stanza is the protocol's own, and not what somebody wrote: tables of what is kept. Sans-IO.

For `pseudonyms`: what stands in none of them is taken for somebody's text.
"""

from __future__ import annotations

import re
from typing import Final

from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, NS_SERVER, NS_STANZAS, NS_XML
from xmppctl.stanza.pieces import Piece


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Attributes that hold a JID, in every namespace.
_ADDRESSES: Final = _words("from to jid by with owner publisher inviter invitee initiator responder authzid")
#: Attributes that hold a host name or an IP address: XEP-0065, XEP-0176, XEP-0198, XEP-0215.
_HOSTS: Final = _words("host ip rel-addr location")
#: Attributes whose values are words and numbers of a specification, or ids, if they have no white space.
_KEPT: Final = _words(
    "id type var node ver version hash algo action status sessionid code event for namespace"
    " role affiliation subscription ask category access subid queryid parent nodeid execute mode"
    " h max resume mechanism task count index bytes seconds size width height max-age content-type"
    " sid rid seq block-size stanza creator senders media profile condition disposition"
    " ssrc port component foundation generation protocol network priority transport clockrate"
) | {f"{NS_XML} lang", f"{NS_XML} space"}
#: As these, of one element only.
_KEPT_OF: Final = frozenset((
    "urn:xmpp:jingle:1 content@name",
    "urn:xmpp:jingle:apps:rtp:1 payload-type@name",
    "urn:xmpp:jingle:apps:rtp:1 parameter@name",
    "urn:xmpp:eme:0 encryption@name",
    "http://jabber.org/protocol/shim header@name",
    "urn:xmpp:http:upload:0 header@name",
))  # fmt: skip
#: Attributes that people fill in, be it with a number.
_WRITTEN: Final = _words(
    "name nick title label desc description reason text alt phone tel pin pass password pwd secret token key lat lon"
    " username user first last summary"
)

_STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"
_BIND: Final = "urn:ietf:params:xml:ns:xmpp-bind"
#: Elements with words and numbers of a specification, or ids, as their text.
_TEXTS: Final = frozenset(
    f"{namespace} {name}"
    for namespace, names in {
        NS_CLIENT: "show priority thread",
        NS_SERVER: "show priority thread",
        NS_COMPONENT: "show priority thread",
        "urn:ietf:params:xml:ns:xmpp-sasl": "mechanism",
        "urn:xmpp:sasl:2": "mechanism upgrade",
        "urn:xmpp:fast:0": "mechanism",
        "http://jabber.org/features/compress": "method",
        "http://jabber.org/protocol/compress": "method",
        "http://jabber.org/protocol/rsm": "max before after index count first last",
        "urn:xmpp:time": "utc tzo",
        "jabber:iq:version": "name version",
        "urn:xmpp:http:upload:0": "max-file-size",
    }.items()
    for name in names.split()
)
#: Elements with a JID, a host, or an URI of a JID as their text; <jid/> does in every namespace.
_ADDRESS_TEXTS: Final = frozenset(("urn:xmpp:sasl:2 authorization-identifier", f"{_BIND} jid"))
_HOST_TEXTS: Final = frozenset((f"{_STREAM_ERRORS} see-other-host",))
_REFERENCE_TEXTS: Final = frozenset((f"{NS_STANZAS} gone", f"{NS_STANZAS} redirect"))

_FORM: Final = "jabber:x:data"
_VALUE: Final = f"{_FORM} value"
_FIELD: Final = f"{_FORM} field"
#: Fields of forms that hold JIDs although they may not say so.
_ADDRESS_FIELDS: Final = _words("with pubsub#owner pubsub#publisher muc#roomconfig_roomadmins")
#: Fields with numbers, times and ids of a protocol, besides those whose names have a # in them (XEP-0068).
_FIELDS: Final = _words("start end before-id after-id ids")
#: Fields with a # that people fill in nevertheless.
_WRITTEN_FIELD: Final = re.compile(
    r".*(?:register_|title|description|desc|name|subject|contact|phone|secret)"
)
#: What such fields can choose from: XEP-0045, XEP-0060.
_CHOICES: Final = _words(
    "open presence roster authorize whitelist publishers subscribers never on_sub on_sub_and_presence leaf collection"
    " normal headline chat all owners moderators participants moderator participant visitor anyone none current"
    " available away dnd xa max"
)

_TRUTH: Final = frozenset(("0", "1", "true", "false"))
_NUMBER: Final = re.compile(r"-?\d{1,6}", re.ASCII)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?|\d{8}T\d\d:\d\d:\d\d", re.ASCII
)
_NAMESPACE: Final = re.compile(
    r"(?:urn:(?:xmpp|ietf):|jabber:|vcard-temp|https?://(?:jabber\.org/(?:protocol|features)|(?:www\.)?xmpp\.org"
    r"|etherx\.jabber\.org|www\.w3\.org)/)[\w:./#+-]*",
    re.ASCII,
)
#: Printable ASCII; an @ that is written as in URIs would hide a JID.
_WORD: Final = re.compile(r"(?!.*%40)[!-~]{1,256}")


def is_namespace(value: str) -> bool:
    """Whether it is a namespace or feature of the specifications, or a node named after one."""
    return _NAMESPACE.fullmatch(value) is not None


def is_word(value: str) -> bool:
    """Whether it is such as programs write: ASCII in one piece, and not long."""
    return _WORD.fullmatch(value) is not None


def is_address(piece: Piece) -> bool:
    """Whether the piece stands where a JID does."""
    if piece.attribute:
        return piece.attribute in _ADDRESSES
    name = piece.element.name
    if name == _VALUE:
        var, type = _field(piece)
        return type in ("jid-single", "jid-multi") or var in _ADDRESS_FIELDS
    return name.endswith(" jid") or name == "jid" or name in _ADDRESS_TEXTS


def is_host(piece: Piece) -> bool:
    """Whether the piece stands where a host name or an IP address does."""
    return piece.attribute in _HOSTS or (not piece.attribute and piece.element.name in _HOST_TEXTS)


def is_reference(piece: Piece) -> bool:
    """Whether the piece stands where the URI of a JID does."""
    return piece.attribute == "uri" or (not piece.attribute and piece.element.name in _REFERENCE_TEXTS)


def is_harmless(piece: Piece) -> bool:
    """Whether the piece is a number, a time, yes or no, or a namespace, where a protocol has such."""
    value = piece.value
    if piece.attribute:
        if piece.attribute in _WRITTEN:
            return False
        return _NUMBER.fullmatch(value) is not None or value in _TRUTH or _is_plain(value)
    if piece.element.name == _VALUE:
        return value in _TRUTH or is_namespace(value) or (_is_of_protocol(piece) and _is_choice(value))
    return piece.element.name in _TEXTS and _is_plain(value)


def is_kept(piece: Piece) -> bool:
    """Whether the piece stays if it is a word, but for the JIDs in it."""
    name = piece.element.name
    if piece.attribute:
        return piece.attribute in _KEPT or f"{name}@{piece.attribute}" in _KEPT_OF
    if name == _VALUE:
        var = _field(piece)[0]
        return var == "FORM_TYPE" or var in _FIELDS
    return name in _TEXTS


def _is_plain(value: str) -> bool:
    return _TIME.fullmatch(value) is not None or is_namespace(value)


def _is_choice(value: str) -> bool:
    return value in _CHOICES or _NUMBER.fullmatch(value) is not None or _is_plain(value)


def _is_of_protocol(piece: Piece) -> bool:
    var = _field(piece)[0]
    return ("#" in var and not _WRITTEN_FIELD.match(var)) or var in _FIELDS


def _field(piece: Piece) -> tuple[str, str]:
    """Name and type of the field that a value of a form (XEP-0004) is of."""
    element = piece.element.parent
    if element is not None and element.name == f"{_FORM} option":
        element = element.parent
    if element is None or element.name != _FIELD:
        return "", ""
    return element.attributes.get("var", ""), element.attributes.get("type", "")
