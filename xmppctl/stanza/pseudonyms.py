"""Frames fit to be shown to anybody, as in a bug report: texts are gone, and nobody is named. Sans-IO.

Every JID, wherever it stands, becomes a pseudonym that stays the same as long as the key does: who talks to whom can
still be followed. All other text goes, but for what is known to be the protocol's own: elements whose text is a word, a
number or a time of a specification, and attributes of the same kind. Names, namespaces, ids and the layout stay as on
the wire. What does not parse loses everything.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping
from hashlib import sha256
from html import unescape
from typing import Final
from xml.parsers import expat

from xmppctl.stanza.build import declarations, escape_attribute
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import prepared
from xmppctl.stanza.names import SEPARATOR, spaced
from xmppctl.stanza.spans import Edit, marker, replaced
from xmppctl.stanza.splitter import TAG

#: Attributes whose values are the protocol's own, or were made up by a program.
_KEPT: Final = frozenset((
    "id", "type", "xmlns", "xml:lang", "version", "code", "var", "stamp", "action", "status", "role",
    "affiliation", "subscription", "ask", "approved", "category", "ver", "hash", "algo", "h", "max", "resume",
    "resumption", "mechanism", "count", "index", "queryid", "complete", "stable", "sid", "rid", "size",
    "content-type", "priority", "seq", "block-size", "stanza", "creator", "senders", "media", "profile",
    "ssrc", "port", "component", "foundation", "generation", "protocol", "network", "condition", "xep",
    "subid", "access", "access-model", "instructions", "ratio", "location-type", "xml:space",
))  # fmt: skip
#: Elements whose text is a word, number or time that a specification defines, or an id.
_PLAIN: Final = frozenset((
    "show", "priority", "mechanism", "method", "utc", "tzo", "max", "before", "after", "index", "count",
    "first", "last", "hash", "algorithm", "max-file-size", "required", "optional", "bind", "session", "os",
    "version", "stanza-id", "fin", "set",
))  # fmt: skip
#: Such a text is kept, also in values of forms: numbers, times, truth, names of features and namespaces.
_HARMLESS: Final = re.compile(
    r"-?\d{1,15}(?:\.\d{1,15})?|\d{4}-\d\d-\d\dT[\d:.]{5,20}(?:Z|[+-]\d\d:\d\d)?|true|false|"
    r"(?:urn:(?:xmpp|ietf)|jabber:|https?://(?:jabber\.org|xmpp\.org|www\.w3\.org)/)[\w:./#-]*"
)
_KEPT_TEXT: Final = re.compile(r"[\w.:+/=#-]{0,200}")
_SERVICES: Final = frozenset((
    "conference", "muc", "rooms", "chat", "groups", "pubsub", "upload", "share", "proxy", "xmpp", "component",
    "irc", "echo", "push",
))  # fmt: skip
_BREAKS: Final = r"\s\"'<>/:;,()\[\]@"
#: Anything with an @ between two words is taken for a JID, its resource included. It begins where a word does, so that
#: a long text is looked through once.
_JID: Final = re.compile(rf"(?<![^{_BREAKS}])[^{_BREAKS}]++@[^{_BREAKS}?]++(?::\d+)?(?:/[^\s\"'<>]*+)?")
#: Behind white space, so that a long name is looked through once.
_ATTRIBUTE: Final = re.compile(rb"\s([^\s=<>\"'/]++)\s*+=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ADDRESSES: Final = frozenset((
    "from", "to", "jid", "by", "owner", "publisher", "uri", "node", "nodeid", "invitee", "initiator",
    "responder",
))  # fmt: skip
#: How many hexadecimal digits tell two names apart: forty bits, enough for any roster.
_DIGITS: Final = 10


class Pseudonyms:
    """Replaces texts and JIDs in frames. With the same `key` the same JIDs get the same pseudonyms."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(16) if key is None else key

    def __call__(self, frame: Frame) -> Frame:
        """The frame without texts, its JIDs replaced; the very same object where there is nothing to replace."""
        if not frame.names:
            return self._torn(frame)
        if frame.raw.startswith(b"</"):
            return frame
        walk = _Walk(self, frame)
        if not walk.whole:
            return self._torn(frame)
        if not walk.edits:
            return frame
        raw = replaced(frame.raw, walk.edits)
        return frame.with_raw(raw, frame.names, frame.payloads, _attributes(raw, walk.head))

    def jid(self, address: str) -> str:
        """The pseudonym of a JID: of its parts, so that a full JID is seen to be of the account that it is of."""
        full, bare = prepared(address)
        _, at, domain = bare.rpartition("@")
        made = self._domain(domain)
        if at:
            made = f"u{self._token(bare)}@{made}"
        return f"{made}/r{self._token(full)}" if full != bare else made

    def _domain(self, domain: str) -> str:
        service, _, parent = domain.partition(".")
        if parent and service in _SERVICES:
            return f"{service}.{self._domain(parent)}"
        return f"d{self._token(domain)}.example"

    def _token(self, text: str) -> str:
        made = hmac.new(self._key, text.encode("utf-8", "replace"), sha256).hexdigest()
        return made[:_DIGITS]

    def value(self, name: str, text: str) -> str | None:
        """What an attribute's value becomes; None where it stays."""
        if not text or name.startswith("xmlns"):
            return None
        if name in _ADDRESSES:
            if name in ("node", "nodeid", "uri"):
                return self._inside(text)
            return self.jid(text)
        if name in _KEPT or _HARMLESS.fullmatch(text):
            return self._inside(text)
        return marker(len(text.encode())).decode()

    def text(self, name: str, text: str) -> str | None:
        """What the text in an element becomes; None where it stays."""
        if not text.strip():
            return None
        if name == "jid":
            return self.jid(text.strip())
        if _HARMLESS.fullmatch(text.strip()) or (name in _PLAIN and _KEPT_TEXT.fullmatch(text.strip())):
            return self._inside(text)
        return marker(len(text.encode())).decode()

    def _inside(self, text: str) -> str | None:
        """A text that stays but for the JIDs in it."""
        made = text if "@" not in text else _JID.sub(lambda match: self.jid(match.group()), text)
        return None if made == text else made

    def _torn(self, frame: Frame) -> Frame:
        if not frame.raw.strip():
            return frame
        name = re.match(rb"\s*<[^\s/>\"'=]{0,100}", frame.raw)
        head = name.group() if name else b""
        return frame.with_raw(head + marker(len(frame.raw) - len(head)))


class _Walk:
    """What to replace in the bytes of a frame: `edits`. `head` is what they stand in."""

    def __init__(self, names: Pseudonyms, frame: Frame) -> None:
        self.edits: list[Edit] = []
        self.whole = False
        self._names = names
        self._raw = frame.raw
        self._open: list[str] = []
        self._inside = -1  # where the text begins that is being read, -1 outside of every element
        self._empty = -1  # where the empty-element tag ends that is being read: its end comes at once
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        # A header opens the stream itself; all else stands in one.
        is_header = frame.kind == "stream"
        self.head = b"" if is_header else f"<w{declarations(frame.context)}>".encode()
        parser.Parse(self.head, False)
        self._head = len(self.head)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        self._parser = parser
        try:
            parser.Parse(self._raw, False)
            self.whole = is_header or not self._open
        except expat.ExpatError:
            self.whole = False

    def _start(self, name: str, _: Mapping[str, str]) -> None:
        begin = self._parser.CurrentByteIndex - self._head
        self._flush(begin)
        tag = TAG.match(self._raw, begin)
        end = tag.end() if tag else len(self._raw)
        for match in _ATTRIBUTE.finditer(self._raw, begin, end):
            key = match.group(1).decode("utf-8", "replace")
            span = match.span(2) if match.group(2) is not None else match.span(3)
            value = unescape(self._raw[span[0] : span[1]].decode("utf-8", "replace"))
            made = self._names.value(key, value)
            if made is not None:
                self.edits.append((*span, escape_attribute(made).encode()))
        self._open.append(name.rpartition(SEPARATOR)[2])
        empty = self._raw[end - 2 : end] == b"/>"
        self._inside, self._empty = (-1, end) if empty else (end, -1)

    def _end(self, _: str) -> None:
        if not self._open:
            raise expat.ExpatError("closed")
        after = self._empty
        if after < 0:
            at = self._parser.CurrentByteIndex - self._head
            self._flush(at)
            after = self._raw.find(b">", at) + 1
        self._open.pop()
        self._inside, self._empty = (after if self._open else -1), -1

    def _flush(self, until: int) -> None:
        """The text up to here, of the innermost open element, has ended."""
        begin, self._inside = self._inside, -1
        if begin < 0 or not self._open or until <= begin:
            return
        piece = self._raw[begin:until]
        plain = piece.decode("utf-8", "replace")
        text = plain if "<![CDATA[" in plain else unescape(plain)
        made = self._names.text(self._open[-1], text)
        if made is not None:
            self.edits.append((begin, until, made.encode()))


def _attributes(raw: bytes, head: bytes) -> Mapping[str, str]:
    """Those of the element that `raw` begins with."""
    found: list[dict[str, str]] = []
    parser = expat.ParserCreate("UTF-8", SEPARATOR)
    parser.Parse(head, False)
    parser.StartElementHandler = lambda _, attributes: found.append(attributes)
    tag = TAG.search(raw, raw.index(b"?>") + 2 if raw.startswith(b"<?") else 0)
    parser.Parse(raw[: tag.end()] if tag else raw, False)
    return spaced(found[0]) if found else {}
