"""What stands above a frame: time, direction, kind, type, addresses, id, XEPs, size. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from time import localtime
from typing import Final, NamedTuple

from xmppctl.output.palette import Palette
from xmppctl.output.safe import safe
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import NS_COMPONENT, NS_STREAM, Frame

#: Addresses, ids and types are shown whole in the XML below; in the head they must not push the rest away.
MAX_VALUE: Final = 120
_MAX_EVENT: Final = 400
_TITLED: Final = 2  # more XEPs than this are shown by number only
_CACHE_LIMIT: Final = 4096  # names come from the network
_specs: dict[str, tuple[str, str] | None] = {}
_last_second: tuple[int, str] = (-1, "")


class Signs(NamedTuple):
    """The signs that not every encoding has."""

    incoming: str
    outgoing: str
    towards: str
    line_break: str
    ellipsis: str
    event: str


UNICODE: Final = Signs("←", "→", "→", "↵", "…", "•")
ASCII: Final = Signs("<-", "->", "->", "\\n", "...", "**")


def local_time(time: float) -> str:
    """`time`, in seconds since the epoch, as the wall clock's HH:MM:SS.mmm."""
    global _last_second
    second, milli = divmod(round(time * 1000), 1000)
    known, text = _last_second
    if known != second:
        now = localtime(second)
        text = f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
        _last_second = (second, text)
    return f"{text}.{milli:03d}"


def is_failure(frame: Frame) -> bool:
    """Whether it tells of an error: an error stanza, a stream error, a SASL or XEP-0198 failure."""
    if frame.type == "error":
        return True
    name = frame.name
    return frame.kind == "nonza" and (
        (name == "error" and frame.namespace == NS_STREAM) or name in ("failure", "failed")
    )


def label(frame: Frame) -> str:
    """What it is, in a word or two: `iq result`, `presence`, `stream features`, `stream header`, `keep-alive`."""
    kind = frame.kind
    if kind == "stream":
        return _stream_label(frame)
    if kind == "nonza":
        name = safe(frame.name, limit=MAX_VALUE)
        return f"stream {name}" if frame.namespace == NS_STREAM else name
    return f"{kind} {value(frame.type)}" if frame.type else kind


def _stream_label(frame: Frame) -> str:
    if frame.names:
        return "stream footer" if frame.raw.startswith(b"</") else "stream header"
    return "torn" if frame.raw.strip(b" \t\r\n") else "keep-alive"


def head(frame: Frame, palette: Palette, signs: Signs) -> str:
    """The head line, up to and without the XEPs and the size."""
    parts = [_opening(frame, palette, signs)]
    style = palette.error if is_failure(frame) else palette.bold
    parts.append(f"{style}{label(frame)}{palette.reset}")
    sender, to = frame.sender, frame.to
    if sender is not None or to is not None:
        ends = [
            f"{palette.jid}{value(end)}{palette.reset}" if end is not None else "" for end in (sender, to)
        ]
        parts.append(f" {ends[0]} {signs.towards} {ends[1]}".replace("  ", " ").rstrip())
    if frame.id is not None:
        parts.append(f" {palette.dim}id={value(frame.id)}{palette.reset}")
    return " ".join(parts)


def _opening(frame: Frame, palette: Palette, signs: Signs) -> str:
    incoming = frame.direction == "in"
    arrow = signs.incoming if incoming else signs.outgoing
    style = palette.arrow_in if incoming else palette.arrow_out
    return f"{palette.dim}{local_time(frame.time)}{palette.reset} {style}{arrow}{palette.reset}"


def event_line(event: Event, palette: Palette, signs: Signs) -> str:
    """What happened to the stream, in one line that no frame's head looks like."""
    said = safe(event.text, limit=_MAX_EVENT)
    what = {
        "offline": f"connection lost: {said}" if said else "connection lost",
        "online": f"connected as {said}" if said else "connected",
        "lost": f"{event.frames:,} lost here: they come faster than the output is read",
        "torn": said,
    }[event.name]
    style = palette.dim if event.name == "online" else palette.error
    return f"{palette.dim}{local_time(event.time)}{palette.reset} {style}{signs.event} {what}{palette.reset}"


def value(text: str) -> str:
    """A value of the wire in one word: quoted where it is empty or holds a space or a quote, lest it pose as two."""
    shown = safe(text, limit=MAX_VALUE)
    if shown and '"' not in shown and shown.split(None, 1) == [shown]:
        return shown
    escaped = shown.replace('"', '\\"')
    return f'"{escaped}"'


def size(frame: Frame) -> str:
    """How many bytes it took on the wire."""
    return f"{len(frame.raw):,}B"


def specs(frame: Frame, *, titles: bool = True) -> str:
    """The XEPs whose namespaces are found anywhere in it, with their `titles` where they are few."""
    found: dict[str, str] = {}
    for name in frame.names:
        spec = _specs[name] if name in _specs else _spec(name)
        if spec is not None:
            found.setdefault(*spec)
    if not titles or len(found) > _TITLED:
        return ", ".join(found)
    return ", ".join(f"{xep} {title}".rstrip() for xep, title in found.items())


def _spec(name: str) -> tuple[str, str] | None:
    from xmppctl.stanza.namespaces import title_of, xep_of

    namespace, _, local = name.rpartition(" ")
    # What a component's stanzas are in, all of them (XEP-0114), says nothing about any; its handshake is the XEP's own.
    told = namespace != NS_COMPONENT or local == "handshake"
    xep = xep_of(namespace) if told else None
    spec = None if xep is None else (xep, title_of(namespace) or "")
    if len(_specs) < _CACHE_LIMIT:
        _specs[name] = spec
    return spec


def summary_names(names: Sequence[str]) -> str:
    """Local names of payloads, in order, each once."""
    return " ".join(dict.fromkeys(safe(name.rpartition(" ")[2], limit=MAX_VALUE) for name in names))
