"""Frames of the account's stream, told through the daemon's socket and taken from there again. Sans-IO.

The daemon writes each frame as a `<frame/>` (see `session.local`) with `encode`; `Relayed` makes the frames again,
equal to those that the daemon's own tap saw. The text is escaped with `&amp;`, `&lt;`, `&gt;` and `&#13;` and nothing
else, so that taking it is no second parse.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from xmppctl.errors import DaemonError, MalformedInput
from xmppctl.session.local import NS_DAEMON
from xmppctl.stanza.build import check_text
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.resplit import Way, part_of

#: Text that grows by more than base64 would is sent as that from this size on: what carries a stanza of the largest
#: size must stay small enough to be taken.
_LARGE: Final = 256 * 1024
#: A frame as large as a stanza may be, in base64, with its tags.
MAX_RELAYED_BYTES: Final = 24 * 1024 * 1024

_HEAD: Final = f"<frame xmlns='{NS_DAEMON}'".encode()


def encode(frame: Frame, *, known: bool = False) -> bytes:
    """The `<frame/>` that tells of `frame`. `known`: a stream header that was sent before, for its prefixes' sake."""
    marks = b" known='true'" if known else b""
    raw = frame.raw
    if frame.kind == "stream":
        part = part_of(frame)
        marks += b" part='%s'" % part.encode()
        plain = part != "rest" or _is_text(raw)
    else:
        plain = True  # an XML parser has read it
    text = _escaped(raw) if plain else None
    if text is None or (len(text) > _LARGE and len(text) > 4 * len(raw) // 3):
        text = b64encode(raw)
        marks += b" encoding='base64'"
    return b"%s dir='%s' time='%r'%s>%s</frame>" % (_HEAD, frame.direction.encode(), frame.time, marks, text)


def _is_text(raw: bytes) -> bool:
    """Whether XML can hold the bytes as text."""
    try:
        check_text(raw.decode())
    except (UnicodeDecodeError, MalformedInput):
        return False
    return True


def _escaped(raw: bytes) -> bytes:
    # As fast as it gets: each frame of the wire comes here while anybody watches.
    text = raw.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    if b"\r" in text:
        text = text.replace(b"\r", b"&#13;")  # a parser would make a line feed of it
    return text.replace(b"]]>", b"]]&gt;") if b"]]>" in text else text


def _unescaped(text: bytes) -> bytes:
    if b"&#13;" in text:
        text = text.replace(b"&#13;", b"\r")
    return text.replace(b"&lt;", b"<").replace(b"&gt;", b">").replace(b"&amp;", b"&")


class Relayed:
    """Makes frames of the `<frame/>`s of one attached stream."""

    def __init__(self) -> None:
        self._ways = {"in": Way("in"), "out": Way("out")}

    def take(self, told: Frame) -> Frame | None:
        """The frame that a `<frame/>` tells of; None for a stream header that was known, which is not to be shown.

        Raises DaemonError for one that no daemon of this release writes.
        """
        attributes = told.attributes
        try:
            way, time = self._ways[attributes["dir"]], float(attributes["time"])
            raw = _content(told.raw, attributes.get("encoding"))
        except (KeyError, ValueError) as error:
            raise DaemonError(
                f"the daemon tells of a frame in a way that is not known here ({error!r})",
                hint="restart it: xmppctl daemon stop",
            ) from None
        part = attributes.get("part")
        if part == "header":
            frame = way.header(raw, time)
        elif part == "rest":
            frame = way.rest(raw, time)
        else:
            frame = way.take(raw, time)
        return None if attributes.get("known") == "true" else frame


def _content(raw: bytes, encoding: str | None) -> bytes:
    """What a `<frame/>` holds. No ">" stands in its attributes."""
    end = raw.rfind(b"</")
    text = raw[raw.index(b">") + 1 : end] if end > 0 else b""
    if encoding is None:
        return _unescaped(text)
    if encoding != "base64":
        raise ValueError(f"encoding {encoding}")
    return b64decode(text, validate=True)
