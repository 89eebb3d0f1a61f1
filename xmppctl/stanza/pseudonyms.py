"""Frames fit to be shown to anybody, as in a bug report: texts are gone, and nobody is named. Sans-IO.

Every JID, wherever it stands, becomes a pseudonym that stays the same as long as the key does: who talks to whom can
still be followed. All other text goes, but for what `structure` knows to be the protocol's own. Names, namespaces, ids
and the layout stay as on the wire. What does not parse loses everything.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from xmppctl.stanza import structure
from xmppctl.stanza.build import escape, escape_attribute
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import prepared
from xmppctl.stanza.pieces import Piece, pieces
from xmppctl.stanza.spans import MARKED, Edit, marker, replaced

#: What stands first in the name of a service's domain, and tells more of the service than of who runs it.
_SERVICES: Final = frozenset(
    (
        "conference",
        "muc",
        "rooms",
        "chat",
        "groups",
        "pubsub",
        "upload",
        "share",
        "proxy",
        "xmpp",
        "component",
        "irc",
        "echo",
        "push",
    )
)
_BREAKS: Final = r"\s\"'<>/:;,()\[\]@"
#: Anything with an @ between two words is taken for a JID, its resource included. It begins where a word does, so that
#: a long text is looked through once.
_JID: Final = re.compile(rf"(?<![^{_BREAKS}])[^{_BREAKS}]++@[^{_BREAKS}?]++(?::\d+)?(?:/[^\s\"'<>]*+)?")
#: What may be a domain within a text.
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)+")
#: Where one may begin or end in such a word, and how many of these a word may have.
_BREAK: Final = re.compile(r"[-_.]")
_PARTS: Final = 16
#: Nodes that are named after an account: the hometree of old pubsub services.
_HOME: Final = re.compile(r"/home/([^/]+)/([^/]+)(/.*)?")
_PORT: Final = re.compile(r"(.*?\]|[^:]*)(:\d{1,5})")
_FOOTER: Final = re.compile(rb"</[\w.:-]+\s*>")
_TORN: Final = re.compile(rb"\s*+(?:<[A-Za-z_][\w.:-]{0,100}+(?=[\s/>]|\Z))?")
#: How many hexadecimal digits tell two names apart: forty bits, enough for any roster.
_DIGITS: Final = 10


class Pseudonyms:
    """Replaces texts and JIDs in frames. With the same `key` the same JIDs get the same pseudonyms.

    Without one there is a new key, which is kept nowhere else: nobody can try names until one fits.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(32) if key is None else key

    def __call__(self, frame: Frame) -> Frame:
        """The frame without texts, its JIDs replaced; the very same object where there is nothing to replace."""
        if not frame.names:
            return _torn(frame)
        if frame.kind == "stream" and _FOOTER.fullmatch(frame.raw):
            return frame
        try:
            found = pieces(frame)
        except ValueError:
            return _torn(frame)
        scribe = _Scribe(self, found)
        edits: list[Edit] = []
        attributes = dict(frame.attributes)
        for piece in found:
            new = scribe.instead(piece)
            if new == piece.value or re.fullmatch(MARKED, frame.raw[piece.begin : piece.end]):
                continue
            if new is None:
                new = marker(piece.end - piece.begin).decode()
            if piece.attribute and piece.element.parent is None:
                attributes[piece.attribute] = new
            escaped = escape_attribute(new) if piece.attribute else escape(new)
            edits.append((piece.begin, piece.end, escaped.encode()))
        if not edits:
            return frame
        return frame.with_raw(replaced(frame.raw, edits), frame.names, frame.payloads, attributes)

    def jid(self, address: str) -> str:
        """The pseudonym of a JID: of its parts, so that a full JID is seen to be of the account that it is of."""
        full, bare = prepared(address)
        _, at, domain = bare.rpartition("@")
        made = self.domain(domain)
        if at:
            made = f"u{self.token(bare)}@{made}"
        return f"{made}/r{self.token(full)}" if full != bare else made

    def domain(self, name: str) -> str:
        """The pseudonym of a prepared domain; up to two words in front of it that name a service stay."""
        kept = ""
        while kept.count(".") < 2:
            service, _, parent = name.partition(".")
            # Of "chat.example" it would tell half of the name.
            if service not in _SERVICES or ("." not in parent and parent != "localhost"):
                break
            kept, name = f"{kept}{service}.", parent
        return f"{kept}d{self.token(name)}.example"

    def token(self, text: str) -> str:
        """What stands for `text`: always the same, and nothing of it can be told from it."""
        return hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256").hex()[:_DIGITS]


class _Scribe:
    """Knows what is written instead of each piece of one frame, and the domains of the JIDs in it."""

    def __init__(self, names: Pseudonyms, found: Iterable[Piece]) -> None:
        self._names = names
        self._found = found

    @cached_property
    def _domains(self) -> frozenset[str]:
        """Those of the frame's JIDs, of services also the one that they are of. Few frames have a use for them."""
        known = set()
        for piece in self._found:
            if structure.is_address(piece):
                domain = prepared(piece.value)[1].rpartition("@")[2]
                service, _, parent = domain.partition(".")
                known |= {domain, parent if service in _SERVICES else domain}
        return frozenset(name for name in known if "." in name)

    def instead(self, piece: Piece) -> str | None:
        """What is written for a piece, itself where it stays; None for a marker."""
        value = piece.value
        if not value:
            return value if piece.attribute else None  # the text is an empty CDATA section
        if structure.is_address(piece):
            return self._names.jid(value)
        if structure.is_host(piece):
            return self._host(value)
        if structure.is_reference(piece):
            return self._reference(value)
        if structure.is_harmless(piece):
            return value
        if structure.is_kept(piece):
            return self._inside(value, is_id=piece.attribute == "id")
        return None

    def _host(self, value: str) -> str:
        """A host name or IP address, perhaps with a port."""
        found = _PORT.fullmatch(value)
        host, port = found.groups() if found else (value, "")
        return self._names.domain(prepared(host)[1]) + port

    def _reference(self, value: str) -> str | None:
        """An URI: of `xmpp:` ones (RFC 5122) the JID and what is to be done with it, of others nothing."""
        if structure.is_namespace(value):
            return value
        if _JID.fullmatch(value):
            return self._names.jid(value)
        scheme, colon, rest = value.partition(":")
        if not colon or scheme.lower() != "xmpp" or rest.startswith("/"):
            return None
        from urllib.parse import unquote

        path, _, query = rest.partition("#")[0].partition("?")
        action, more, _ = query.partition(";")
        made = f"{scheme}:{self._names.jid(unquote(path))}"
        if re.fullmatch(r"[a-z-]{1,20}", action):
            made += f"?{action}{more}"
        return made

    def _inside(self, value: str, *, is_id: bool) -> str | None:
        """A word that stays but for the JIDs in it."""
        # An @ that is in no JID may be in something like one.
        if not structure.is_word(value) or "@" in _JID.sub("", value):
            return f"id{self._names.token(value)}" if is_id else None
        if value.lower().startswith("xmpp:"):
            return self._reference(value)
        home = _HOME.fullmatch(value)
        if home:
            domain, local, rest = home.groups("")
            user, _, shown = self._names.jid(f"{local}@{domain}").partition("@")
            return f"/home/{shown}/{user}{self._known_replaced(rest)}"
        return self._known_replaced(value)

    def _known_replaced(self, value: str) -> str:
        if "@" in value:
            value = _JID.sub(lambda match: self._names.jid(match.group()), value)
        return _DOMAIN.sub(lambda match: self._named(match.group()), value)

    def _named(self, word: str) -> str:
        """The pseudonym of a word with a domain in it that the frame's JIDs have, or one below it; else the word."""
        name = word.lower()
        breaks = [match.start() for match in _BREAK.finditer(name)]
        begins = [0, *(at + 1 for at in breaks)]
        ends = [*(at for at in breaks if name[at] != "."), len(name)]
        # A word of so many parts is no name that somebody reads, and not worth so many looks.
        is_known = len(breaks) > _PARTS or any(
            name[begin:end] in self._domains for begin in begins for end in ends if begin < end
        )
        return self._names.domain(name) if is_known else word


def _torn(frame: Frame) -> Frame:
    """Bytes that are no element: what they begin with may be a tag's name, all else goes."""
    found = _TORN.match(frame.raw)
    head = found.group() if found else b""
    if re.fullmatch(MARKED, frame.raw[len(head) :]):
        return frame
    return frame.with_raw(head + marker(len(frame.raw) - len(head)))
