"""Bytes of an XML stream in, whole frames out: hardened and capped. Sans-IO.

RFC 6120 section 4 (streams) and section 11 (XML usage). One expat parser follows the whole stream and tells
where each child of the stream element begins and ends; the bytes between are the frame. What RFC 6120 section
11.1 forbids (DTDs, entities, processing instructions, comments) and what would exhaust memory is a
`StreamViolation` as soon as it is seen. expat and not lxml: it knows byte offsets, and costs a millisecond to
import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from time import time as now
from typing import Final, NoReturn
from xml.parsers import expat

from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_STREAM, Direction, Frame
from xmppctl.stanza.names import SEPARATOR, known_names, spaced, spaced_name

#: A roster of 35,000 contacts is one stanza of about 5 MB.
MAX_STANZA_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 200
MAX_ATTRIBUTES: Final = 500
#: One tag or reference.
MAX_TOKEN_BYTES: Final = 256 * 1024

#: No comment and no processing instruction is waited for that is longer than this.
_FORBIDDEN_BYTES: Final = 1024
#: No more goes to expat at once, so a token that was never held is smaller than MAX_TOKEN_BYTES.
_SLICE_BYTES: Final = 64 * 1024

_STREAM: Final = f"{NS_STREAM} stream"
#: What a header inside of the stream is told with: everything after it would be its content, and come out never.
NESTED_STREAM: Final = "a stream begins inside of the stream"
_AFTER_END: Final = "data after the end of the stream"
_XML_SPACE: Final = b" \t\r\n"
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_QUOTE_OR_END: Final = re.compile(rb"[\"'<>]")
#: What ends a quoted value, by its quote.
_INSIDE: Final = {quote: re.compile(b"[%s<]" % quote) for quote in (b"'", b'"')}
_CDATA: Final = b"<![CDATA["
_REFERENCE_END: Final = re.compile(rb"[^-.:_#A-Za-z0-9\x80-\xff]")
#: A whole start or end tag.
TAG: Final = re.compile(rb"<[^\"'>]*(?:\"[^\"]*\"[^\"'>]*|'[^']*'[^\"'>]*)*>")


class StreamViolation(Exception):
    """The bytes are not what an XMPP stream may hold.

    `condition` is the stream error that answers it (RFC 6120 section 4.9.3), `offset` the byte of the stream
    where it is seen.
    """

    def __init__(self, condition: str, message: str, offset: int) -> None:
        super().__init__(message)
        self.condition = condition
        self.message = message
        self.offset = offset


class Splitter:
    """Follows one direction of one stream.

    `feed()` returns the frames that the bytes complete. After a stream restart (STARTTLS, SASL) call
    `reset()`. After a violation it takes no more: each `feed()` raises the same again.
    `max_bytes` caps a stanza, `max_depth` its nesting, `max_attributes` those of one element.
    """

    def __init__(
        self,
        direction: Direction = "in",
        *,
        max_bytes: int = MAX_STANZA_BYTES,
        max_depth: int = MAX_DEPTH,
        max_attributes: int = MAX_ATTRIBUTES,
    ) -> None:
        self.direction: Direction = direction
        self.max_bytes = max_bytes
        self.max_depth = max_depth
        self.max_attributes = max_attributes
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next byte begins a new stream."""
        self.closed = False
        self.context: Mapping[str, str] = CLIENT_CONTEXT
        self._declared: dict[str, str] = {}
        self._depth = 0
        self._buffer = bytearray()
        self._base = 0  # stream offset of _buffer[0]
        self._start = 0  # stream offset where the frame being read begins
        self._given = 0  # stream offset up to which expat has the bytes
        self._token = -1  # stream offset of the unfinished tag or reference, -1 if there is none
        self._scanned = 0  # stream offset up to which its end was looked for
        self._quote = b""  # the quote that is open there
        self._literal = False  # inside of a CDATA section, where "<" begins no tag
        self._violated: StreamViolation | None = None
        self._frames: list[Frame] = []
        self._names: list[str] = []
        self._payloads: list[str] = []
        self._attributes: dict[str, str] = {}
        self._time = 0.0
        self._empty = False
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.StartElementHandler = self._open_root
        parser.EndElementHandler = self._close
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = self._forbid("a document type declaration")
        parser.EntityDeclHandler = self._forbid("an entity declaration")
        parser.ProcessingInstructionHandler = self._forbid("a processing instruction")
        parser.CommentHandler = self._forbid("a comment")
        parser.StartCdataSectionHandler = partial(setattr, self, "_literal", True)
        parser.EndCdataSectionHandler = partial(setattr, self, "_literal", False)
        self._parser = parser

    def feed(self, data: bytes, time: float | None = None) -> list[Frame]:
        """Take bytes of the wire, return the frames that are now whole.

        `time` is when they came, in seconds since the epoch, default now.
        Raises StreamViolation; frames that were whole before the violation are then in `take_frames()`.
        """
        self._time = now() if time is None else time
        if self._violated is not None:
            raise self._violated
        begin = 0
        try:
            for begin in range(0, len(data), _SLICE_BYTES):
                self._take(data[begin : begin + _SLICE_BYTES])
        except (StreamViolation, expat.ExpatError) as error:
            self._violated = error if isinstance(error, StreamViolation) else self._violation(error)
            self._buffer += data[begin + _SLICE_BYTES :]  # rest() is all that came
            raise self._violated from None
        return self.take_frames()

    def take_frames(self) -> list[Frame]:
        """The frames that are whole and not yet taken."""
        frames, self._frames = self._frames, []
        return frames

    def rest(self) -> Frame | None:
        """The bytes of a frame that never became whole, as a stream part; None if there are none."""
        torn = bytes(self._buffer[self._start - self._base :])
        return self._frame(torn) if torn else None

    def flush(self) -> None:
        """Nothing follows: look at what was kept because its end had not come. Raises StreamViolation."""
        if self._token < 0:
            return
        try:
            self._parser.Parse(bytes(self._buffer[self._given - self._base :]), False)
        except (StreamViolation, expat.ExpatError) as error:
            self._violated = error if isinstance(error, StreamViolation) else self._violation(error)
            raise self._violated from None

    # -- input ----------------------------------------------------------------------------------------------

    # An unfinished tag goes to expat once at most: else dripping bytes cost quadratic work, and many an expat (2.6, or
    # mended by a distribution) looks at what it could do nothing with again only when twice as much is there: the end
    # of a stanza would wait for the next one. Not every Python can switch that off (SetReparseDeferralEnabled).

    def _take(self, data: bytes) -> None:
        self._buffer += data
        if self.closed:
            self._gap(self._base + len(self._buffer))
        else:
            self._give(data)
        self._settle()

    def _give(self, data: bytes) -> None:
        if self._token < 0 and data[:1] in (b"<", b"&") and not TAG.match(data) and self._is_between_tokens():
            self._hold(self._given)
        if self._token >= 0:
            if not self._token_is_whole():
                return
            data = bytes(self._buffer[self._given - self._base :])
            self._token = -1
        self._given += len(data)
        self._parser.Parse(data, False)

    def _is_between_tokens(self) -> bool:
        """Whether the next byte is a token's first. A tag after other bytes may go: those expat can do with."""
        return not self._literal and (not self._given or self._parser.CurrentByteIndex == self._given)

    def _hold(self, token: int) -> None:
        """Keep what comes of the tag or reference at stream offset `token` from expat until all of it is here."""
        if self._buffer[token - self._base] in b"<&":
            self._token, self._scanned, self._quote = token, token + 1, b""

    def _refuse_markup(self, token: int, size: int) -> None:
        if size > _FORBIDDEN_BYTES and self._buffer.startswith((b"<!", b"<?"), token - self._base):
            raise StreamViolation(
                "restricted-xml", "a comment or processing instruction is not allowed in a stream", token
            )

    def _token_is_whole(self) -> bool:
        if self._buffer.startswith(_CDATA, self._token - self._base):
            return True
        end = self._token_end()
        size = (self._base + len(self._buffer) if end < 0 else end + 1) - self._token
        if size > MAX_TOKEN_BYTES:
            raise StreamViolation(
                "policy-violation", f"a tag is larger than {MAX_TOKEN_BYTES} bytes", self._token
            )
        self._refuse_markup(self._token, size)
        return end >= 0

    def _token_end(self) -> int:
        """Stream offset of the held token's last byte, -1 while it has not come. Looks at each byte once."""
        buffer, base = self._buffer, self._base
        at, self._scanned = self._scanned - base, base + len(buffer)
        if buffer[self._token - base] == 0x26:  # "&"
            end = _REFERENCE_END.search(buffer, at)  # where it is not ";", expat says so
            return base + end.start() if end else -1
        while True:
            found = (_INSIDE[self._quote] if self._quote else _QUOTE_OR_END).search(buffer, at)
            if not found:
                return -1
            if found.group() == b"<" or (found.group() == b">" and not self._quote):
                return base + found.start()  # "<" can stand nowhere in a tag: expat says so
            self._quote, at = b"" if self._quote else found.group(), found.end()

    # -- handlers -------------------------------------------------------------------------------------------

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _open_root(self, name: str, attributes: dict[str, str]) -> None:
        self._check_attributes(attributes)
        parser = self._parser
        parser.StartNamespaceDeclHandler = None
        parser.StartElementHandler = self._open
        self._depth = 1
        self.context = self._declared
        begin = parser.CurrentByteIndex - self._base
        match = TAG.match(self._buffer, begin)
        end = self._base + (match.end() if match else len(self._buffer))
        self._empty = self._buffer[end - self._base - 2] == 0x2F  # "/>": the whole stream
        # The XML declaration, if any, is part of the header.
        self._emit(end, [name.replace(SEPARATOR, " ")], [], spaced(attributes))

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        name = known_names.get(name) or spaced_name(name)
        depth = self._depth
        self._depth = depth + 1
        if attributes and len(attributes) > self.max_attributes:
            self._check_attributes(attributes)
        if depth > 1:
            self._names.append(name)
            if depth == 2:
                self._payloads.append(name)
            elif depth > self.max_depth:
                raise StreamViolation(
                    "policy-violation",
                    f"elements are nested more than {self.max_depth} deep",
                    self._parser.CurrentByteIndex,
                )
            return
        index = self._parser.CurrentByteIndex
        if index != self._start:
            self._gap(index)
        if name == _STREAM:
            raise StreamViolation("bad-format", NESTED_STREAM, index)
        self._names = [name]
        self._payloads = []
        self._attributes = spaced(attributes)

    def _close(self, name: str) -> None:
        self._depth = depth = self._depth - 1
        if depth > 1:
            return
        index = self._parser.CurrentByteIndex
        buffer, base = self._buffer, self._base
        if depth == 0:
            self.closed = True
            if self._empty:
                return
            self._gap(index)
            self._emit(base + buffer.index(b">", index - base) + 1, [name.replace(SEPARATOR, " ")], [], {})
            return
        # expat's index is where the end tag begins; or, for an empty-element tag, already behind it.
        end = buffer.find(b">", index - base) + 1
        if len(self._names) == 1:
            match = TAG.match(buffer, self._start - base)
            if match and buffer[match.end() - 2] == 0x2F:  # "/>"
                end = match.end()
        self._emit(base + end, self._names, self._payloads, self._attributes)

    def _forbid(self, what: str) -> Callable[..., NoReturn]:
        def refuse(*_: object) -> NoReturn:
            at = self._parser.CurrentByteIndex
            raise StreamViolation("restricted-xml", f"{what} is not allowed in a stream", at)

        return refuse

    def _check_attributes(self, attributes: Mapping[str, str]) -> None:
        if len(attributes) > self.max_attributes:
            raise StreamViolation(
                "policy-violation",
                f"an element has more than {self.max_attributes} attributes",
                self._parser.CurrentByteIndex,
            )

    # -- frames ---------------------------------------------------------------------------------------------

    def _frame(
        self,
        raw: bytes,
        names: list[str] | tuple[str, ...] = (),
        payloads: list[str] | tuple[str, ...] = (),
        attributes: dict[str, str] | None = None,
    ) -> Frame:
        return Frame(
            raw,
            names,
            payloads,
            attributes,
            direction=self.direction,
            time=self._time,
            context=self.context,
        )

    def _emit(self, end: int, names: list[str], payloads: list[str], attributes: dict[str, str]) -> None:
        start, base = self._start, self._base
        if end - start > self.max_bytes:
            self._too_big()
        raw = bytes(self._buffer[start - base : end - base])
        self._start = end
        # Not through _frame(), and without keywords: this is the hot path.
        self._frames.append(Frame(raw, names, payloads, attributes, self.direction, self._time, self.context))

    def _gap(self, until: int) -> None:
        """What stands between two children of the stream: white space, or a violation."""
        if until == self._start:
            return
        text = bytes(self._buffer[self._start - self._base : until - self._base])
        if text.strip(_XML_SPACE):
            self._refuse_text(self._start + len(text) - len(text.lstrip(_XML_SPACE)))
        self._start = until
        self._frames.append(self._frame(text))

    def _settle(self) -> None:
        """After a read: pass on white space (keep-alives are seen when they come), check caps, tidy up."""
        here = self._start - self._base
        if (self._depth == 1 or self.closed) and here < len(self._buffer) and self._buffer[here] != 0x3C:
            self._gap(self._base + self._space_end(here))
        end = self._base + len(self._buffer)
        if end - self._start > self.max_bytes:
            self._too_big()
        if self._token < 0 and not self.closed:
            pending = self._parser.CurrentByteIndex
            if pending < end:
                self._refuse_markup(pending, end - pending)
                self._hold(pending)
        done = self._start - self._base
        if done:
            del self._buffer[:done]
            self._base = self._start

    def _space_end(self, here: int) -> int:
        match = _SPACE.match(self._buffer, here)
        end = match.end() if match else here
        if end < len(self._buffer) and self._buffer[end] != 0x3C:
            self._refuse_text(self._base + end)
        return end

    def _refuse_text(self, offset: int) -> NoReturn:
        if self.closed:
            raise StreamViolation("not-well-formed", _AFTER_END, offset)
        raise StreamViolation("bad-format", "text between stanzas", offset)

    def _too_big(self) -> NoReturn:
        raise StreamViolation(
            "policy-violation", f"a stanza is larger than {self.max_bytes} bytes", self._start
        )

    def _violation(self, error: expat.ExpatError) -> StreamViolation:
        reason = _AFTER_END if self.closed else expat.ErrorString(error.code) or "not well-formed"
        condition = {
            expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]: "bad-namespace-prefix",
            expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]: "unsupported-encoding",
            expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING]: "unsupported-encoding",
            expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: "restricted-xml",
        }.get(error.code, "not-well-formed")
        at = max(self._parser.ErrorByteIndex, 0)
        if self._buffer[max(at - 2 - self._base, 0) :].startswith(b"<!D"):
            condition, at = "restricted-xml", at - 2
            reason = "a document type declaration is not allowed in a stream"
        return StreamViolation(condition, reason, at)
