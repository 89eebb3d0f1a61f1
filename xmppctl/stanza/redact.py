"""Secrets taken out of frames, everything else left byte for byte. Sans-IO.

What is watched, traced or recorded passes here first. A secret is replaced by `[redacted:N]`, which tells
only how many bytes it had on the wire: SASL (RFC 6120 section 6, XEP-0388, XEP-0480, XEP-0484), component
handshakes (XEP-0114), passwords of accounts (XEP-0077, XEP-0078), of rooms (XEP-0045, XEP-0249) and of
bookmarks (XEP-0048, XEP-0402), private fields of data forms (XEP-0004), HTTP upload headers (XEP-0363), TURN
passwords (XEP-0215), invitation tokens (XEP-0379).

It fails closed: bytes that cannot be parsed lose whatever could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from xml.parsers import expat

from xmppctl.stanza.build import declarations
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.names import SEPARATOR, spaced
from xmppctl.stanza.spans import MARKED, marker, replaced
from xmppctl.stanza.splitter import TAG

_SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
_SASL2: Final = "urn:xmpp:sasl:2"
_MUC: Final = "http://jabber.org/protocol/muc"

#: Elements whose whole content is secret.
_CONTENT: Final = frozenset(
    f"{namespace} {name}"
    for namespace, names in {
        _SASL: "auth response challenge success",
        _SASL2: "initial-response response challenge additional-data task-data",
        "urn:xmpp:scram-upgrade:0": "salt hash",
        "jabber:component:accept": "handshake",
        "jabber:iq:register": "password key",
        "jabber:iq:auth": "password digest hash token",
        _MUC: "password",
        f"{_MUC}#user": "password",
        f"{_MUC}#owner": "password",
        f"{_MUC}#admin": "password",
        "storage:bookmarks": "password",
        "urn:xmpp:bookmarks:0": "password",
        "urn:xmpp:bookmarks:1": "password",
        "urn:xmpp:http:upload:0": "header",
    }.items()
    for name in names.split()
)

#: Elements with one attribute that is secret.
_ATTRIBUTE: Final[Mapping[str, str]] = {
    "urn:xmpp:fast:0 token": "token",
    "urn:xmpp:pars:0 preauth": "token",
    "jabber:x:conference x": "password",
    "urn:xmpp:extdisco:1 service": "password",
    "urn:xmpp:extdisco:2 service": "password",
}

_FORM: Final = "jabber:x:data"
_FIELD: Final = f"{_FORM} field"
_VALUE: Final = f"{_FORM} value"
_REGISTER: Final = "jabber:iq:register query"
# The patterns are compiled when first used: every login passes here, and few need one.
_PRIVATE_VAR: Final = (
    r"(?i)(?:password|passwd|passphrase|secret)(?:[-_ ]?(?:verify|confirm|confirmation|repeat|old|new|2))?\Z"
)

_SENSITIVE: Final = _CONTENT | _ATTRIBUTE.keys() | {_FIELD}

#: In bytes that do not parse, anything that looks like one of the above.
_SUSPICIOUS: Final = rb"<[^<>]*\b(?:%s)\b|\b(?:password|token)\s*=" % b"|".join(
    sorted({name.rpartition(" ")[2].encode() for name in _CONTENT | {_FIELD, _VALUE}})
)
_TAG_ATTRIBUTE: Final = rb"([^\s=<>\"']+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')"

Span = tuple[int, int]


def redact(frame: Frame) -> Frame:
    """The frame without its secrets; the very same object where it holds none."""
    if not frame.names:
        return _redact_torn(frame) if frame.raw.strip() else frame
    if _SENSITIVE.isdisjoint(frame.names):
        return frame
    scan = _Scan(frame.raw, frame.context)
    if not scan.whole:
        return _blank(frame)
    spans = scan.spans()
    if not spans:
        return frame
    raw = _replace(frame.raw, spans)
    after = _Scan(raw, frame.context)
    return frame.with_raw(raw, after.names, after.payloads, after.attributes)


class _Open:
    """An element that is open in a scan. `inside` is the offset where its content begins."""

    __slots__ = ("inside", "name", "var")

    def __init__(self, name: str, inside: int) -> None:
        self.name = name
        self.inside = inside
        self.var = ""


class _Scan:
    """Where the secrets are in bytes that begin at a child of the stream.

    `whole` says whether the bytes are well-formed elements; if not, `end` is how far they were understood.
    """

    def __init__(self, raw: bytes, context: Mapping[str, str]) -> None:
        self.raw = raw
        self.names: list[str] = []
        self.payloads: list[str] = []
        self.attributes: Mapping[str, str] = {}
        self.whole = False
        self.end = len(raw)
        self._stack: list[_Open] = []
        self._spans: list[Span] = []
        self._values: list[tuple[str, Span]] = []
        self._private: set[str] = set()
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        head = f"<w{declarations(context)}>".encode()
        self._head = len(head)
        parser.Parse(head, False)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        self._parser = parser
        self._parse()

    def _parse(self) -> None:
        try:
            self._parser.Parse(self.raw, False)
            self.end = self._parser.CurrentByteIndex - self._head
            self.whole = not self._stack and self.end == len(self.raw)
        except expat.ExpatError:
            self.end = self._tag_around(max(self._parser.CurrentByteIndex - self._head, 0))

    def _tag_around(self, offset: int) -> int:
        """Where the tag begins that an error at `offset` is in; `offset` if it is in none."""
        begin = self.raw.rfind(b"<", 0, offset)
        tag = TAG.match(self.raw, begin) if begin >= 0 else None
        return begin if begin >= 0 and (tag is None or tag.end() > offset) else offset

    def spans(self) -> list[Span]:
        """The bytes to replace, in order; content that is still open reaches to the end."""
        found = list(self._spans)
        for element in self._stack:
            if element.name in _CONTENT:
                found.append((element.inside, len(self.raw)))
            elif element.name == _VALUE:
                self._values.append((self._var(), (element.inside, len(self.raw))))
        registering = _REGISTER in self.names
        found += [span for var, span in self._values if self._is_private(var, registering)]
        return [(begin, end) for begin, end in found if not re.fullmatch(MARKED, self.raw[begin:end])]

    def _is_private(self, var: str, registering: bool) -> bool:
        if var in self._private or (var == "key" and registering):
            return True
        return re.search(_PRIVATE_VAR, var) is not None

    def _var(self) -> str:
        fields = [element.var for element in self._stack if element.name == _FIELD]
        return fields[-1] if fields else ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name, attributes = name.replace(SEPARATOR, " "), spaced(attributes)
        begin = self._parser.CurrentByteIndex - self._head
        match = TAG.match(self.raw, begin)
        inside = match.end() if match else len(self.raw)
        if not self._stack:
            self.attributes = attributes
        elif len(self._stack) == 1:
            self.payloads.append(name)
        self.names.append(name)
        element = _Open(name, inside)
        if name == _FIELD:
            element.var = attributes.get("var", "")
            if attributes.get("type") == "text-private":
                # A form of search results says the type once and then repeats only the name.
                self._private.add(element.var)
        secret = _ATTRIBUTE.get(name)
        if secret in attributes:
            self._spans.append(self._attribute(begin, inside, secret))
        self._stack.append(element)

    def _attribute(self, begin: int, end: int, name: str | None) -> Span:
        for match in re.compile(_TAG_ATTRIBUTE).finditer(self.raw, begin, end):
            if match.group(1).decode("utf-8", "replace") == name:
                return match.span(2) if match.group(2) is not None else match.span(3)
        return begin + 1, end  # cannot be: expat has just seen it

    def _stop(self, _: str) -> None:
        if not self._stack:
            return  # torn bytes closed the wrapper: what follows is an error
        element = self._stack.pop()
        # For an empty-element tag expat may point behind it: then there is no content.
        end = self._parser.CurrentByteIndex - self._head
        if self.raw[element.inside - 2 : element.inside] == b"/>":
            return
        span = (element.inside, end)
        name = element.name
        if name in _CONTENT:
            self._spans.append(span)
        elif name == _VALUE:
            self._values.append((self._var(), span))


def _replace(raw: bytes, spans: Sequence[Span]) -> bytes:
    """`raw` with each outermost span replaced by a marker that tells its length."""
    return replaced(raw, [(begin, end, marker(end - begin)) for begin, end in spans])


def _redact_torn(frame: Frame) -> Frame:
    """The torn rest of a broken stream: as far as it parses as usual; the tail if a secret may be there."""
    scan = _Scan(frame.raw, frame.context)
    spans = scan.spans()
    tail = frame.raw[scan.end :]
    if tail and re.search(_SUSPICIOUS, tail):
        name = re.match(rb"<[^\s/>\"'=]*", tail)
        spans.append((scan.end + (name.end() if name else 0), len(frame.raw)))
    return frame.with_raw(_replace(frame.raw, spans)) if spans else frame


def _blank(frame: Frame) -> Frame:
    """A frame that does not parse although it is said to hold a secret: only its name and namespaces stay."""
    name = re.match(rb"\s*<([^\s/>\"'=]+)", frame.raw)
    tag = name.group(1) if name else b"unparsed"
    return frame.with_raw(b"<%s>%s</%s>" % (tag, marker(len(frame.raw)), tag), frame.names[:1])
