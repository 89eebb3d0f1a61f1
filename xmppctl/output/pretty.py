"""A frame for human eyes: a head line, the XML of the wire laid out below it, and what an error means.

Strings are built by hand: a rich Text for each stanza would cost ten times as much, and text from the network must
never be read as markup. Everything of a frame but its head is indented, so nothing in it can look like another frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xmppctl.errors import StanzaCondition
from xmppctl.output import heading
from xmppctl.output.heading import Signs, is_failure
from xmppctl.output.markup import Markup
from xmppctl.output.palette import PLAIN, Palette
from xmppctl.output.safe import notation, safe, substitute
from xmppctl.output.wrap import fold
from xmppctl.stanza.frame import NS_STREAM, Frame

_MARGIN: Final = "  "
_MAX_INDENT: Final = (
    64  # deeper elements are not moved further right: 200 levels would fill a screen with margin
)
_HANG: Final = "    "
_MAX_TEXT: Final = 500
_SPACES: Final = tuple("  " * depth for depth in range(_MAX_INDENT // 2 + 1))


class Pretty:
    """Renders frames as text in the colours of `palette`; `full` unfolds long text.

    `encodable` turns text into what the stream's encoding can hold, so that lines are measured as they will be shown.
    """

    def __init__(
        self,
        palette: Palette = PLAIN,
        *,
        signs: Signs = heading.UNICODE,
        full: bool = False,
        encodable: Callable[[str], str] | None = None,
    ) -> None:
        self.palette = palette
        self.signs = signs
        self._encodable = encodable
        self._markup = Markup(palette, line_break=signs.line_break, ellipsis=signs.ellipsis, full=full)

    def frame(self, frame: Frame, width: int | None = None, note: str = "") -> str:
        """The frame over as many lines as it takes, the last one ended with a line break; `note` ends its head.

        `width` is the terminal's, in cells; without one lines are not folded.
        """
        kind = frame.kind
        lines = [self._head(frame, width, note)]
        if kind != "stream" or frame.names or frame.raw.strip(b" \t\r\n"):
            self._xml(frame, width, lines)
        if is_failure(frame):
            lines.extend(self._explanation(frame, width))
        lines.append("")
        return "\n".join(lines)

    def _head(self, frame: Frame, width: int | None, note: str) -> str:
        palette = self.palette
        if frame.kind == "stream" and not frame.names and not frame.raw.strip(b" \t\r\n"):
            plain = heading.head(frame, PLAIN, self.signs)
            line = f"{palette.dim}{plain}  {heading.value(frame.text)}{palette.reset}"
        else:
            line = heading.head(frame, palette, self.signs)
            specs = heading.specs(frame)
            if specs:
                line += f"  {palette.xep}{specs}{palette.reset}"
            line += f"  {palette.dim}{heading.size(frame)}{palette.reset}"
        if note:
            line += f"  {palette.bold}{note}{palette.reset}"
        if self._encodable is not None:
            line = self._encodable(line)
        return line if width is None else fold(line, width, indent="", hang=_HANG)

    def _xml(self, frame: Frame, width: int | None, lines: list[str]) -> None:
        text = frame.text
        if not (text.isascii() and text.isprintable()):
            text = substitute(text, notation, keep="\t\n\r")
            if self._encodable is not None:
                text = self._encodable(text)
        limit = _MAX_INDENT if width is None else min(_MAX_INDENT, width // 2)
        deepest = limit // 2 - 1
        error = is_failure(frame) and frame.kind == "nonza"
        # What a stream header declares is in force only inside of it.
        namespace = "" if frame.kind == "stream" else frame.context.get("", "")
        for depth, line in self._markup.lines(text, namespace, error=error):
            margin = _SPACES[min(depth, deepest) + 1 if deepest > 0 else 0]
            if width is None and "\n" not in line:
                lines.append(margin + line)
                continue
            self._wrapped(line, margin, width, lines)

    def _wrapped(self, line: str, margin: str, width: int | None, lines: list[str]) -> None:
        """A line of XML whose text may hold line breaks: all rows but the first hang deeper than it."""
        hang = margin + _HANG
        indent = margin
        for row in line.split("\n"):
            lines.append(indent + row if width is None else fold(row, width, indent=indent, hang=hang))
            indent = hang

    def _explanation(self, frame: Frame, width: int | None) -> list[str]:
        """What the error says; of one that came in also what it commonly means, and what to try."""
        condition = condition_of(frame)
        if condition is None:
            return []
        palette = self.palette
        said = " ".join(filter(None, (condition.condition, condition.application.rpartition("}")[2])))
        if condition.type:
            said += f" ({condition.type})"
        line = f"{palette.error}! {safe(said, limit=heading.MAX_VALUE)}{palette.reset}"
        if condition.text:
            line += f": {safe(condition.text, limit=_MAX_TEXT)}"
        rows = [line]
        if frame.direction == "in":
            meaning, advice = (
                safe(text, limit=_MAX_TEXT) for text in _explain(frame, condition)
            )  # a JID is in it
            rows += [f"  {meaning}", f"  try: {advice}"]
        if self._encodable is not None:
            rows = list(map(self._encodable, rows))
        if width is None:
            return [_MARGIN + row for row in rows]
        return [fold(row, width, indent=_MARGIN, hang=_MARGIN + _HANG) for row in rows]


def _explain(frame: Frame, condition: StanzaCondition) -> tuple[str, str]:
    from xmppctl.stanza import explain

    if frame.type == "error":
        return explain.explain(condition, frame.sender, frame.payloads)
    if frame.namespace == NS_STREAM:
        return explain.explain_stream(condition.condition)
    if frame.name == "failure":
        return explain.explain_sasl(condition.condition)
    return explain.explain(condition)


def condition_of(frame: Frame) -> StanzaCondition | None:
    """What an error stanza, a stream error or a SASL failure says; None if its bytes do not parse."""
    try:
        if frame.type == "error":
            return frame.condition()
        text = next((child for child in frame.element() if str(child.tag).endswith("}text")), None)
    except ValueError:
        return None
    name = next((name for name in frame.payloads if not name.endswith(" text")), "")
    if not name:
        return None
    said = "" if text is None else "".join(text.itertext()).strip()
    return StanzaCondition(name.rpartition(" ")[2], text=said)
