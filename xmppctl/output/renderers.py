"""THE choice of a renderer, by `-o`, `--color`, `--format`, the environment and what the stream is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal

from xmppctl.output import heading
from xmppctl.output.base import Note, Renderer
from xmppctl.output.palette import COLORS, PLAIN, Palette
from xmppctl.output.safe import safe
from xmppctl.output.sink import Sink
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import Frame

if TYPE_CHECKING:
    from xmppctl.output.pretty import Pretty
    from xmppctl.stanza.statistics import Summary

Form = Literal["pretty", "line", "raw"]

__all__ = ["Renderer", "TextRenderer", "make_renderer", "wants_color"]


def make_renderer(
    output: str = "text",
    *,
    stream: IO[Any] | None,
    color: str = "auto",
    width: int | None = None,
    form: Form = "pretty",
    full: bool = False,
    has_xml: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Renderer:
    """The renderer for `output` (text, json, jsonl, xml) on `stream`, a text or binary stream (None: closed).

    `width` in cells overrides the terminal's; lines are only folded where one of the two is known. `form` chooses how
    text shows a frame: laid out, in one line, or as its bytes and nothing else. `full` unfolds long text. `has_xml`
    says that the command's results are stanzas; without it `-o xml` is a UsageError, here, before anything is sent.
    """
    sink = Sink(stream)
    if output == "jsonl" or output == "json":
        from xmppctl.output.jsonl import JsonDocument, JsonLines

        return JsonLines(sink) if output == "jsonl" else JsonDocument(sink)
    if output == "xml":
        from xmppctl.output.xmlout import XmlDocument, no_xml_form

        if not has_xml:
            raise no_xml_form()
        return XmlDocument(sink)
    palette = COLORS if wants_color(color, sink, environ) else PLAIN
    if width is None and sink.is_terminal:
        width = _columns(environ)
    return TextRenderer(sink, palette, width=width, form=form, full=full)


def wants_color(color: str, sink: Sink, environ: Mapping[str, str]) -> bool:
    """Whether to colour: as `--color` says; `auto`: on a terminal that can, unless NO_COLOR is set (no-color.org)."""
    if color != "auto":
        return color == "always"
    return sink.is_terminal and not environ.get("NO_COLOR") and environ.get("TERM", "") not in ("", "dumb")


def _columns(environ: Mapping[str, str]) -> int | None:
    """The width that the user set by hand."""
    wanted = environ.get("COLUMNS", "")
    return int(wanted) if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 100_000 else None


class TextRenderer(Renderer):
    """For people: frames laid out or in a line each, results as the command's own text, lists as tables."""

    def __init__(
        self,
        sink: Sink,
        palette: Palette = PLAIN,
        *,
        width: int | None = None,
        form: Form = "pretty",
        full: bool = False,
    ) -> None:
        super().__init__(sink)
        self._palette = palette
        self._given_width = width
        self._signs = heading.UNICODE if sink.holds_unicode else heading.ASCII
        self._form = form
        self._full = full
        self._encodable = None if sink.is_utf8 else sink.encodable
        self._on_terminal = sink.is_terminal
        self._pretty: Pretty | None = None

    @property
    def colored(self) -> bool:
        """Whether it writes colours."""
        return self._palette.colored

    def frame(self, frame: Frame, note: Note | None = None) -> None:
        """Show a frame."""
        said = "" if note is None else note.text
        if self._form == "pretty":
            if self._pretty is None:
                self._pretty = self._make_pretty()
            self.sink.write(self._pretty.frame(frame, self._width(), said))
            return
        if self._form == "raw":
            self._raw(frame)
            return
        from xmppctl.output.line import one_line

        line = one_line(
            frame, self._palette, signs=self._signs, width=self._width(), encodable=self._encodable, note=said
        )
        self.sink.write(line + "\n")

    def _raw(self, frame: Frame) -> None:
        """The bytes of the wire; on a terminal only what it can show and does not act on."""
        if self._on_terminal:
            self.sink.write(safe(frame.text, newlines="keep"))
        else:
            self.sink.write_bytes(frame.raw)

    def event(self, event: Event) -> None:
        """Show what happened; raw bytes have no place for it."""
        if self._form == "raw":
            return
        line = heading.event_line(event, self._palette, self._signs)
        if self._encodable is not None:
            line = self._encodable(line)
        width = self._width()
        if width is not None:
            from xmppctl.output.wrap import fold

            line = fold(line, width, indent="", hang="    ")
        self.sink.write(line + "\n")

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:
        """Show a result: its text, or else its values, a line each.

        `text` passes the sanitiser once more, for the piece that a command forgot; its line breaks are the command's.
        """
        if text is None:
            from xmppctl.output.table import cell_text

            shown = "\n".join(f"{safe(name)}: {cell_text(value)}" for name, value in record.items())
        else:
            shown = safe(text, newlines="keep")
        self.sink.write(shown + "\n")

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        records: Sequence[Mapping[str, Any]] | None = None,  # noqa: ARG002 (for machines)
    ) -> None:
        """Show a list in aligned columns; nothing for an empty one."""
        from xmppctl.output.table import table

        shown = table(
            columns,
            rows,
            palette=self._palette,
            width=self._width(),
            ellipsis=self._signs.ellipsis,
            encodable=self.sink.encodable,
        )
        if shown:
            self.sink.write(shown)

    def statistics(self, summary: Summary) -> None:
        """Show a stream in numbers: a few lines, and tables."""
        from xmppctl.output.stats import text

        shown = text(summary, self._palette, width=self._width(), encodable=self.sink.encodable)
        self.sink.write(shown)

    def _width(self) -> int | None:
        """Asked for each time, since a window can be resized."""
        if self._given_width is not None or not self._on_terminal:
            return self._given_width
        return self.sink.columns

    def _make_pretty(self) -> Pretty:
        from xmppctl.output.pretty import Pretty

        return Pretty(self._palette, signs=self._signs, full=self._full, encodable=self._encodable)
