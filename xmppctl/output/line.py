"""A frame in one line: its head, its XEPs and size, and a summary of what it says. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xmppctl.output import heading
from xmppctl.output.heading import Signs, is_failure
from xmppctl.output.palette import PLAIN, Palette
from xmppctl.output.pretty import condition_of
from xmppctl.output.records import body_of
from xmppctl.output.safe import safe
from xmppctl.output.wrap import crop
from xmppctl.stanza.frame import Frame

_MAX_SUMMARY: Final = 400


def one_line(
    frame: Frame,
    palette: Palette = PLAIN,
    *,
    signs: Signs = heading.UNICODE,
    width: int | None = None,
    encodable: Callable[[str], str] | None = None,
    note: str = "",
) -> str:
    """The frame as one line without its line break, cut to `width` cells where a terminal says so.

    `note` stands before what the frame says.

    `encodable` turns text into what the stream's encoding can hold, before it is measured.
    """
    parts = [heading.head(frame, palette, signs)]
    specs = heading.specs(frame, titles=False)
    if specs:
        parts.append(f"{palette.xep}{specs}{palette.reset}")
    parts.append(f"{palette.dim}{heading.size(frame)}{palette.reset}")
    if note:
        parts.append(f"{palette.bold}{note}{palette.reset}")
    said = summary(frame)
    if said:
        parts.append(f"{palette.error if is_failure(frame) else palette.text}{said}{palette.reset}")
    line = "  ".join(parts)
    if encodable is not None:
        line = encodable(line)
    return line if width is None else crop(line, width, ellipsis=signs.ellipsis)


def summary(frame: Frame) -> str:
    """What the frame says: an error's condition, a body, a presence's show and status, else its payloads' names."""
    if is_failure(frame):
        condition = condition_of(frame)
        if condition is not None:
            text = condition.condition + (f": {condition.text}" if condition.text else "")
            return safe(text, limit=_MAX_SUMMARY)
    if frame.kind == "message":
        body = body_of(frame, frame.text)
        if body is not None:
            return f'"{safe(body, limit=_MAX_SUMMARY)}"'
    if frame.kind == "presence":
        return _presence(frame)
    if not frame.names:
        return heading.value(frame.text)
    return heading.summary_names(frame.payloads)


def _presence(frame: Frame) -> str:
    said = []
    for name in ("show", "status"):
        tag = f"{frame.namespace} {name}"
        if tag in frame.payloads:
            said.append(safe(_child_text(frame, name), limit=_MAX_SUMMARY))
    others = [
        name for name in frame.payloads if name.rpartition(" ")[2] not in ("show", "status", "priority")
    ]
    return " ".join([*said, heading.summary_names(others)]).strip()


def _child_text(frame: Frame, name: str) -> str:
    try:
        element = frame.element().find(f"{{{frame.namespace}}}{name}")
    except ValueError:  # a frame made by hand, of bytes that are no XML
        return ""
    return "" if element is None else "".join(element.itertext())
