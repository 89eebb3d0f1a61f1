"""What of a typed text may be kept: the text without its secrets. Sans-IO.

What `redact` takes out of stanzas (RFC 6120 section 6, XEP-0077, XEP-0045 and others) is taken out here, too, and so is
what looks like a password elsewhere: in slash commands, in comments, in text that is no XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from xmppctl.stanza.build import declarations
from xmppctl.stanza.frame import CLIENT_CONTEXT, Frame
from xmppctl.stanza.redact import redact
from xmppctl.stanza.spans import MARKED, Edit, marker, replaced
from xmppctl.stanza.splitter import MAX_DEPTH, TAG

_HEAD: Final = f"<w{declarations(CLIENT_CONTEXT)}>".encode()
_WORDS: Final = rb"passwords?|passwd|passphrases?|passcode|pwd|secret|credentials?|token|preauth"
#: In text that is no XML, what a secret could be near. SASL and registration are known by their namespaces, too.
_SUSPICIOUS: Final = re.compile(
    rb"(?i)%s|\bauth\b|\bresponse\b|initial-response|handshake|digest|text-private|authorization|cookie"
    rb"|xmpp-sasl|xmpp:sasl|scram-upgrade|jabber:iq:auth|jabber:iq:register|/sasl[ \t]+\S+[ \t]+\S" % _WORDS
)
#: What is no markup to a parser, but may have been meant as it.
_UNREAD: Final = re.compile(rb"(?s)<!--(.*?)-->|<!\[CDATA\[(.*?)\]\]>")
#: Elements whose content is a secret whatever their namespace: it may be misspelt.
_ELEMENT: Final = re.compile(
    rb"(?i)<((?:[^\s<>/='\":]{1,64}:)?(?:auth|response|initial-response|handshake|digest|%s"
    rb"|header(?=[^<>]{1,200}\b(?:authorization|cookie)\b)))(?=[\s/>])" % _WORDS
)
#: As an attribute, in words or in JSON. A value without a quote at its end reaches to the end of the text.
_ASSIGNED: Final = re.compile(
    rb"(?is)(?:%s)(?:\s*=|(?:&quot;|[\"'])\s*:)\s*"
    rb"(?:\"([^\"]*)(?:\"|\Z)|'([^']*)(?:'|\Z)|&quot;(.*?)(?:&quot;|\Z)|([^\s<>\"']+))" % _WORDS
)
#: Where a slash command or a comment begins in a line, and what a secret follows there.
_COMMAND: Final = re.compile(rb"(?:\A|>)[ \t]*[/#]")
_HEX: Final = re.compile(rb"(?mi)^[ \t]*/send-raw[ \t]+--hex([ \t0-9a-f]*)")
_OPTION: Final = re.compile(
    rb"(?i)(?:(?:%s)(?:-(?:file|command))?[ \t]*[=:]?[ \t]*|(?<=/)sasl[ \t]+\S+[ \t]+)" % _WORDS
)


def scrub(text: str) -> str | None:
    """What of an entry may be kept: secrets are replaced by `[redacted:N]`; None where nothing may.

    That is so for text that begins with a space, as in other shells, and for text that is not well-formed or not whole
    and could hold a secret. Never raises.
    """
    if text.startswith(" ") or not text.strip():
        return None
    data = text.encode("utf-8", "surrogatepass")
    shape = _Shape(data)
    if shape.too_deep or (not shape.whole and _SUSPICIOUS.search(data)):
        return None
    data = redact(Frame(data)).raw
    if shape.whole:  # in other text there is nothing suspicious, and much of it could cost much
        # One after the other: what a line hides would otherwise depend on what was hidden in it before.
        for find in (_unread, _elements, _assigned, _lines, _bytes):
            data = replaced(data, find(data))
    return data.decode("utf-8", "surrogatepass")


class _Shape:
    """Whether text is whole elements, perhaps with other text between them, and nested as no stanza may be."""

    def __init__(self, data: bytes) -> None:
        self.too_deep = False
        self._depth = 0
        parser = expat.ParserCreate("UTF-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        try:
            parser.Parse(_HEAD + data + b"</w>", True)
            self.whole = True
        except expat.ExpatError:
            self.whole = False

    def _start(self, _name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        self.too_deep = self.too_deep or self._depth > MAX_DEPTH + 1

    def _stop(self, _name: str) -> None:
        self._depth -= 1


def _hidden(data: bytes, begin: int, end: int) -> Iterator[Edit]:
    if not re.fullmatch(MARKED, data[begin:end]):
        yield begin, end, marker(end - begin)


def _unread(data: bytes) -> Iterator[Edit]:
    for found in _UNREAD.finditer(data):
        if _SUSPICIOUS.search(found.group()):
            yield from _hidden(data, *found.span(found.lastindex or 0))


def _elements(data: bytes) -> Iterator[Edit]:
    done = 0
    for element in _ELEMENT.finditer(data):
        if element.start() < done:
            continue
        tag = TAG.match(data, element.start())
        inside = tag.end() if tag else element.end()
        if data.startswith(b"/>", inside - 2):
            continue
        close = re.compile(rb"</%s\s*>" % re.escape(element.group(1))).search(data, inside)
        done = close.start() if close else len(data)
        yield from _hidden(data, inside, done)


def _assigned(data: bytes) -> Iterator[Edit]:
    for found in _ASSIGNED.finditer(data):
        yield from _hidden(data, *found.span(found.lastindex or 0))


def _bytes(data: bytes) -> Iterator[Edit]:
    for found in _HEX.finditer(data):
        digits = re.sub(rb"[ \t]", b"", found.group(1)).decode()
        sent = bytes.fromhex(digits[: len(digits) // 2 * 2])
        if _SUSPICIOUS.search(sent) or redact(Frame(sent)).raw != sent:
            yield from _hidden(data, *found.span(1))


def _lines(data: bytes) -> Iterator[Edit]:
    begin = 0
    for line in data.split(b"\n"):
        command = _COMMAND.search(line)
        option = _OPTION.search(line, command.end()) if command else None
        if option:
            yield from _hidden(data, begin + option.end(), begin + len(line))
        begin += len(line) + 1
