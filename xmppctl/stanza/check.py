"""What a user typed, checked before any of it is sent. Sans-IO.

Errors tell the place of what is wrong, and quote none of the text there: it may be a piece of a secret.

The input is one or more elements that may stand in a client's stream (RFC 6120 section 4.8), with white space
between them; what section 11.1 forbids there is refused here. Each frame keeps its bytes exactly as typed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from xmppctl.errors import IncompleteInput, MalformedInput
from xmppctl.stanza.build import check_text, declarations, escape_attribute, new_id
from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_STREAM, Frame
from xmppctl.stanza.splitter import NESTED_STREAM, Splitter, StreamViolation

_HEADER: Final = f"<stream:stream{declarations(CLIENT_CONTEXT)}>".encode()
_STREAM: Final = f"{NS_STREAM} stream"
_UTF8_HINT: Final = "XMPP is UTF-8 only; convert the input, for example with iconv"
#: So many open elements are named, the innermost ones.
_SHOWN: Final = 8
_DECLARATION: Final = (
    rb"(?:\xef\xbb\xbf)?[ \t\r\n]*"
    rb"(?:<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'1\.0'|\"1\.0\")"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:'([\w.-]+)'|\"([\w.-]+)\"))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(?:yes|no)'|\"(?:yes|no)\"))?[ \t\r\n]*\?>)?"
)


def split_input(text: str | bytes, *, source: str = "input", begin: tuple[int, int] = (1, 1)) -> list[Frame]:
    """The stanzas and nonzas in `text`, as frames going out, their bytes as typed. `source` names it in errors,
    `begin` is the line and the column in it where the text begins.

    Raises MalformedInput with line and column; IncompleteInput where more text could make it right.
    """
    typed = _Typed(text, source, begin)
    splitter = Splitter("out")
    splitter.feed(_HEADER)
    violation = None
    frames: list[Frame] = []
    try:
        frames += splitter.feed(typed.stanzas)
        splitter.flush()
    except StreamViolation as error:
        violation = error
        frames += splitter.take_frames()
    _refuse_end(typed, frames)
    if violation is not None:
        raise _explain(typed, violation, violation.offset - len(_HEADER))
    if splitter.rest() is not None:
        raise _incomplete(typed)
    found = [frame for frame in frames if frame.names]
    if not found:
        raise IncompleteInput(f"{source}: there is no stanza in it", hint="type one, as <presence/>")
    return found


def ensure_id(frame: Frame) -> Frame:
    """The frame with an `id` where it is an iq request without one (RFC 6120 section 8.2.3), else itself."""
    if frame.kind != "iq" or frame.id is not None or frame.type not in ("get", "set"):
        return frame
    name = re.match(rb"<[^\s/>]+", frame.raw)
    assert name
    id = new_id()
    raw = b"%s id='%s'%s" % (name.group(), escape_attribute(id).encode(), frame.raw[name.end() :])
    return frame.with_raw(raw, frame.names, frame.payloads, {**frame.attributes, "id": id})


class _Typed:
    """The input: `text` and `data` as typed, `stanzas` with byte order mark and XML declaration blanked out."""

    def __init__(self, text: str | bytes, source: str, begin: tuple[int, int]) -> None:
        self.source = source
        self._begin = begin
        if isinstance(text, bytes):
            self.data = text
            self.text = self._decode(text)
        else:
            self.text = self._checked(text)
            self.data = text.encode()
        self.stanzas = self._blank_declaration()

    def error(self, offset: int, what: str, hint: str = "", *, incomplete: bool = False) -> MalformedInput:
        """What is wrong at a byte offset, as an error that tells line and column."""
        line, column = self.place(offset)
        kind = IncompleteInput if incomplete else MalformedInput
        return kind(
            f"{self.source}, line {line}, column {column}: {what}", line=line, column=column, hint=hint
        )

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a byte offset, both from 1; columns count characters."""
        before = self.data[: max(offset, 0)].decode("utf-8", "ignore").removeprefix("\ufeff")
        return self._placed(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)

    def _placed(self, line: int, column: int) -> tuple[int, int]:
        """Where in the source a line and column of the text are."""
        first, before = self._begin
        return line + first - 1, column + (before - 1 if line == 1 else 0)

    def _decode(self, data: bytes) -> str:
        try:
            return self._checked(data.decode())
        except UnicodeDecodeError as error:
            raise self.error(
                error.start,
                f"the byte 0x{data[error.start]:02X} is not UTF-8",
                _UTF8_HINT,
            ) from None

    def _checked(self, text: str) -> str:
        try:
            return check_text(text)
        except MalformedInput as error:
            what = error.message.partition(": ")[2]
            stray = re.search("[\udc80-\udcff]", text)
            if stray:  # how Python shows bytes of an argument that are not UTF-8
                what = f"the byte 0x{ord(stray.group()) - 0xDC00:02X} is not UTF-8"
            line, column = self._placed(error.line, error.column)
            raise MalformedInput(
                f"{self.source}, line {line}, column {column}: {what}",
                line=line,
                column=column,
                hint=_UTF8_HINT if stray else error.hint,
            ) from None

    def _blank_declaration(self) -> bytes:
        found = re.match(_DECLARATION, self.data)
        assert found  # it matches nothing, too
        encoding = (found.group(1) or found.group(2) or b"utf-8").decode()
        if encoding.lower() not in ("utf-8", "us-ascii"):
            at = found.start(1) if found.group(1) else found.start(2)
            raise self.error(at, f"the encoding {encoding} is not allowed: XMPP is UTF-8 only")
        return re.sub(rb"[^\r\n]", b" ", found.group()) + self.data[found.end() :]


class _Tag(NamedTuple):
    """An element as typed, with the byte offset of its start tag and the prefixes that are bound in it."""

    name: str
    offset: int
    prefixes: frozenset[str]


class _Outline:
    """What is open at the end of `data`: elements, perhaps a CDATA section, perhaps a torn tag or reference."""

    def __init__(self, data: bytes) -> None:
        from xml.parsers import expat

        self.open: list[_Tag] = []
        self.cdata = False
        self._parser = parser = expat.ParserCreate("UTF-8")
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        parser.Parse(_HEADER, False)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._stop
        parser.StartCdataSectionHandler = lambda: self._set_cdata(True)
        parser.EndCdataSectionHandler = lambda: self._set_cdata(False)
        parser.Parse(data, False)
        self.end = parser.CurrentByteIndex - len(_HEADER)
        self.torn = data[self.end :]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        bound = self.open[-1].prefixes if self.open else frozenset({"xml", *CLIENT_CONTEXT})
        new = {name.removeprefix("xmlns:") for name in attributes if name.startswith("xmlns:")}
        offset = self._parser.CurrentByteIndex - len(_HEADER)
        self.open.append(_Tag(name, offset, bound | new))

    def _stop(self, _name: str) -> None:
        self.open.pop()

    def _set_cdata(self, inside: bool) -> None:
        self.cdata = inside


def _refuse_end(typed: _Typed, frames: list[Frame]) -> None:
    offset = 0
    for frame in frames:
        if frame.names and frame.names[0] == _STREAM:
            raise _stream_tag(typed, offset)
        offset += len(frame.raw)


def _stream_tag(typed: _Typed, offset: int) -> MalformedInput:
    return typed.error(
        offset,
        "the stream itself cannot be typed here",
        "xmppctl opens and closes the stream; type only the stanzas that stand in it",
    )


def _incomplete(typed: _Typed) -> MalformedInput:
    outline = _Outline(typed.stanzas)
    parts = []
    if outline.cdata:
        parts.append("in a CDATA section")
    elif outline.torn.startswith(b"&"):
        parts.append("in the middle of a reference")
    elif outline.torn.startswith(b"<"):
        parts.append("in the middle of a tag")
    if outline.open:
        shown = outline.open[-_SHOWN:]
        tags = ", ".join(f"<{tag.name}> (line {typed.place(tag.offset)[0]})" for tag in shown)
        more = f"{len(outline.open) - len(shown)} elements, " if len(shown) < len(outline.open) else ""
        parts.append(f"while still open: {more}{tags}" if len(outline.open) > 1 else f"in {tags}")
    closing = "".join(f"</{tag.name}>" for tag in reversed(outline.open[-_SHOWN:]))
    simple = closing and not outline.torn and not outline.cdata and len(outline.open) <= _SHOWN
    hint = f"missing at the end: {closing}" if simple else ""
    return typed.error(len(typed.data), f"the input ends {' '.join(parts)}".rstrip(), hint, incomplete=True)


def _explain(typed: _Typed, violation: StreamViolation, offset: int) -> MalformedInput:
    from xml.parsers.expat import errors

    message = violation.message
    if message == NESTED_STREAM:
        return _stream_tag(typed, offset)
    if violation.condition == "bad-format":
        return typed.error(offset, "text between stanzas", "text belongs into the <body/> of a message")
    if message == errors.XML_ERROR_TAG_MISMATCH:
        return _mismatch(typed, offset)
    if message == errors.XML_ERROR_UNBOUND_PREFIX:
        return _unbound(typed, offset)
    if message == errors.XML_ERROR_UNDEFINED_ENTITY:
        # In an attribute expat points at its tag.
        name = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\w+);)[^;\s]*;?").search(typed.stanzas, offset)
        offset = name.start() if name else offset
        entity = _known_entity(name.group().decode("utf-8", "ignore") if name else "")
        hint = "XML knows &amp; &lt; &gt; &quot; &apos;; write other characters as they are"
        return typed.error(offset, f"{entity} is not defined", hint)
    if message == errors.XML_ERROR_MISPLACED_XML_PI:
        hint = "it can stand only at the very start, with version 1.0 and, if any, encoding UTF-8"
        return typed.error(offset, "an XML declaration is not allowed here", hint)
    if message == errors.XML_ERROR_INVALID_TOKEN:
        return _bad_token(typed, offset)
    return typed.error(offset, message)


def _known_entity(reference: str) -> str:
    """An entity by its name where HTML has it: any other may be a piece of a password with an & in it."""
    from html.entities import html5

    return reference if reference.removeprefix("&") in html5 else "an entity"


def _bad_token(typed: _Typed, offset: int) -> MalformedInput:
    data = typed.stanzas
    if data[max(offset - 2, 0) : offset + 1] == b"]]>":
        return typed.error(offset - 2, "]]> cannot stand in text", "write it ]]&gt;")
    if data[max(offset - 1, 0) : offset] in (b"&", b"<"):  # expat points at what cannot follow it
        offset -= 1
    shown = data[offset : offset + 4].decode("utf-8", "ignore")[:1]
    hint = {"&": "a plain & is written &amp;", "<": "a plain < is written &lt;"}.get(shown, "")
    return typed.error(offset, f"not well-formed at {shown!r}", hint)


def _mismatch(typed: _Typed, offset: int) -> MalformedInput:
    offset -= 2 * (typed.stanzas[offset - 2 : offset] == b"</")
    found = re.match(rb"</[^\s<>]*", typed.stanzas[offset:])
    closing = f"{found.group().decode()}>" if found else "this tag"
    still_open = _Outline(typed.stanzas[:offset]).open
    if not still_open:
        return typed.error(offset, f"{closing} closes nothing")
    line, column = typed.place(still_open[-1].offset)
    name = still_open[-1].name
    return typed.error(
        offset,
        f"{closing} does not close <{name}>, which was opened in line {line}, column {column}",
        f"close it first: </{name}>",
    )


def _unbound(typed: _Typed, offset: int) -> MalformedInput:
    tag = _Outline(typed.stanzas[:offset]).open
    bound = tag[-1].prefixes if tag else frozenset({"xml", *CLIENT_CONTEXT})
    bare = re.sub(rb"\"[^\"]*\"|'[^']*'", b"''", typed.stanzas[offset:]).partition(b">")[0].decode()
    declared = set(re.findall(r"\sxmlns:([^\s=:]+)\s*=", bare))
    used = re.findall(r"(?:^<|\s)([^\s=:<>/]+):[^\s=]", bare)
    missing = [prefix for prefix in used if prefix not in bound | declared and prefix != "xmlns"]
    prefix = missing[0] if missing else ""
    what = f"the prefix {prefix}: is not bound to a namespace" if prefix else "a prefix is not bound"
    return typed.error(offset, what, f"declare it: xmlns:{prefix or 'prefix'}='…'")
