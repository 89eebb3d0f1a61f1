"""Frames as one well-formed XML document, streamed: `-o xml`.

The root element binds what the stream header bound, so each stanza stands in it as it was on the wire. Three things
may be written otherwise, all without changing what the XML says (Exclusive C14N of each stanza is the same): a
character that the sanitiser would show becomes a character reference, so that the document is harmless on a terminal;
a carriage return on its own, with which a text could write over its line there, becomes the line break that parsers
take it for (XML 1.0 section 2.11); and a declaration that the stanza's own stream made, and the root does not, is
written into its start tag.

A processing instruction before each stanza tells its direction and time; parts of the stream that are no element of
their own (header, footer, keep-alive, torn rest) are processing instructions only, their text in `xml`, and so is what
happened to the stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from xmppctl.errors import UsageError
from xmppctl.output.base import Note, Renderer
from xmppctl.output.records import event_record, utc_time
from xmppctl.output.safe import substitute
from xmppctl.output.sink import Sink
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import CLIENT_CONTEXT, Frame
from xmppctl.stanza.log_document import BEGIN, NS_LOG, ROOT

_START_NAME: Final = re.compile(r"<[^\s/>]+")
_START_TAG: Final = re.compile(r"""<[^"'>]*+(?:"[^"]*+"[^"'>]*+|'[^']*+'[^"'>]*+)*+>""")
_ATTRIBUTE: Final = re.compile(r"""([^\s=<>"'/]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_CDATA: Final = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_TEXT_OR_VALUE: Final = re.compile(r"""(?:\A|>)[^<]*|"[^"]*"|'[^']*'""")
_NOT_ASCII: Final = re.compile("[^\0-\x7f]")
_LONE_CR: Final = re.compile("\r(?!\n)")
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlDocument(Renderer):
    """Writes the document's head with the first frame, its end at `close()`. Records have no XML form."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._context: Mapping[str, str] | None = None

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Append a frame, with what is said of it in the instruction before it."""
        text = ""
        if self._context is None:
            self._context = {prefix: uri for prefix, uri in frame.context.items() if prefix != "xmppctl"}
            text = _document_head(self._context)
        where = f"direction={quoteattr(frame.direction)} time={quoteattr(utc_time(frame.time))}"
        if note is not None:
            where += "".join(f" {name}={_quoted(str(value))}" for name, value in note.record.items())
        if frame.kind == "stream":
            text += f"<?stream {where} xml={self._ascii(_quoted(frame.text), _all_references)}?>\n"
        else:
            text += f"<?frame {where}?>\n{self._element(frame)}\n"
        self.sink.write_bytes(text.encode("utf-8", "replace"))

    def event(self, event: Event) -> None:
        """Append what happened."""
        self.begin_list()
        facts = {"name": event.name} | {
            name: str(value) for name, value in event_record(event).items() if name not in ("schema", "event")
        }
        said = "".join(
            f" {name}={self._ascii(_quoted(value), _all_references)}" for name, value in facts.items()
        )
        self.sink.write_bytes(f"<?event{said}?>\n".encode("utf-8", "replace"))

    def _element(self, frame: Frame) -> str:
        text = element_text(frame, self._context or {})
        return self._ascii(text, lambda text: _by_piece(text, _all_references))

    def _ascii(self, text: str, to_ascii: Callable[[str], str]) -> str:
        """`text`, without letters that a terminal which does not expect UTF-8 could take for control characters."""
        return text if self.sink.is_utf8 or text.isascii() else to_ascii(text)

    def begin_list(self) -> None:
        """The document is always a list: it gets its root element even if nothing follows."""
        if self._context is None:
            self._context = CLIENT_CONTEXT
            self.sink.write_bytes(_document_head(CLIENT_CONTEXT).encode())

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:  # noqa: ARG002 (one interface)
        """Refused: a record has no XML form."""
        raise no_xml_form()

    def table(
        self,
        columns: Sequence[str],  # noqa: ARG002 (one interface)
        rows: Sequence[Sequence[object]],  # noqa: ARG002
        records: Sequence[Mapping[str, Any]] | None = None,  # noqa: ARG002
    ) -> None:
        """Refused, as `record`."""
        raise no_xml_form()

    def close(self) -> None:
        """Close the root element."""
        if self._context is not None and not self.sink.failed:
            self._context = None
            self.sink.write_bytes(f"</{ROOT}>\n".encode())


def _document_head(context: Mapping[str, str]) -> str:
    declarations = "".join(
        _declaration(prefix, uri) for prefix, uri in {"xmppctl": NS_LOG, **context}.items()
    )
    return f"{BEGIN.decode()}{declarations[1:]}>\n"


def no_xml_form() -> UsageError:
    """The refusal of `-o xml` by a command whose results are no stanzas."""
    return UsageError("these results have no XML form", hint="use -o json or -o jsonl")


def element_text(frame: Frame, context: Mapping[str, str]) -> str:
    """The frame's bytes as text that means the same where `context` is in force, and that a terminal can show."""
    text = frame.text
    if not (text.isascii() and text.isprintable()):
        text = _LONE_CR.sub("\n", _by_piece(text, _unsafe_references))
    if frame.context is not context and frame.context != context:
        text = _with_declarations(text, frame.context, context)
    return text


def _by_piece(text: str, to_references: Callable[[str], str]) -> str:
    """`to_references` over text and attribute values. References mean nothing in a CDATA section: they interrupt it."""
    pieces = []
    position = 0
    for match in _CDATA.finditer(text):
        pieces.append(_outside_cdata(text[position : match.start()], to_references))
        pieces.append("<![CDATA[")
        pieces.extend(
            inner if to_references(inner) == inner else f"]]>{to_references(inner)}<![CDATA["
            for inner in _runs(match.group(1))
        )
        pieces.append("]]>")
        position = match.end()
    pieces.append(_outside_cdata(text[position:], to_references))
    return "".join(pieces)


def _outside_cdata(text: str, to_references: Callable[[str], str]) -> str:
    return _TEXT_OR_VALUE.sub(lambda match: to_references(match.group()), text)


def _runs(text: str) -> list[str]:
    """`text` as runs of ASCII and single characters of other kinds, control characters among them."""
    return re.findall(r"[\t\n\r -~]+|[^\t\n\r -~]", text)


def _unsafe_references(text: str) -> str:
    return substitute(text, _reference, keep="\t\n\r")


def _all_references(text: str) -> str:
    return _NOT_ASCII.sub(lambda match: _reference(match.group()), text)


def _with_declarations(text: str, inner: Mapping[str, str], outer: Mapping[str, str]) -> str:
    """Declare in the start tag what `inner` binds otherwise than `outer`, unless the tag declares it itself."""
    tag = _START_TAG.match(text)
    name = _START_NAME.match(text)
    if tag is None or name is None:
        return text
    own = {key.partition(":")[2] for key in _ATTRIBUTE.findall(tag.group()) if key.split(":")[0] == "xmlns"}
    wanted = {prefix: uri for prefix, uri in inner.items() if outer.get(prefix, "") != uri}
    if "" in outer and "" not in inner:
        wanted[""] = ""
    missing = "".join(_declaration(prefix, uri) for prefix, uri in wanted.items() if prefix not in own)
    return text[: name.end()] + missing + text[name.end() :]


def _declaration(prefix: str, uri: str) -> str:
    return f" xmlns{':' + prefix if prefix else ''}={_quoted(uri)}"


def _quoted(text: str) -> str:
    """Any text as a quoted value: white space and unsafe characters as references, impossible ones as U+FFFD."""
    return substitute(quoteattr(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"}), _reference)


def _reference(char: str) -> str:
    return f"&#x{ord(char):X};"
