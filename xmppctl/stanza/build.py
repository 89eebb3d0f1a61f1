"""Stanzas as text, for the commands that must start fast. Sans-IO.

Only the stanzas of RFC 6120 and 6121 themselves; the payloads of XEPs come from slixmpp's plugins. Every
value is escaped here, and a character that XML 1.0 cannot hold is a MalformedInput, never silently dropped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from xmppctl.errors import MalformedInput

_NOT_XML: Final = "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE: Final = _TEXT | str.maketrans({"'": "&apos;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def new_id() -> str:
    """An id no one else uses: 96 random bits, as RFC 6120 section 8.1.3 asks."""
    return os.urandom(12).hex()


def check_text(text: str) -> str:
    """`text`, if XML 1.0 can hold it (section 2.2); else MalformedInput with line and column."""
    if text.replace("\n", "").isprintable():
        return text
    found = re.search(_NOT_XML, text)  # compiled only here: it takes longer than building a stanza
    if found:
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        raise MalformedInput(
            f"line {line}, column {column}: the character U+{ord(found.group()):04X} cannot stand in XML",
            line=line,
            column=column,
            hint="remove the control character; input must be UTF-8 text",
        )
    return text


def legal(text: str) -> str:
    """`text` with U+FFFD for each character that XML 1.0 cannot hold: for what is only told."""
    return text if text.isprintable() else re.sub(_NOT_XML, "\ufffd", text)


def escape(text: str) -> str:
    """Character data (XML 1.0 section 2.4). Raises MalformedInput."""
    return check_text(text).translate(_TEXT)


def escape_attribute(text: str) -> str:
    """An attribute's value, for either kind of quote. Raises MalformedInput."""
    return check_text(text).translate(_ATTRIBUTE)


def attributes(values: Mapping[str, str | None]) -> str:
    """` name='value'` for each value that is not None."""
    return "".join(
        f" {name}='{escape_attribute(value)}'" for name, value in values.items() if value is not None
    )


def declarations(context: Mapping[str, str]) -> str:
    """The namespace declarations that bind the prefixes of `context`, as attributes of a start tag."""
    return attributes({f"xmlns:{prefix}" if prefix else "xmlns": uri for prefix, uri in context.items()})


def message(
    to: str,
    body: str | None = None,
    *,
    type: str | None = "chat",
    id: str | None = None,
    subject: str | None = None,
    thread: str | None = None,
    payload: str = "",
) -> str:
    """A <message/> (RFC 6121 section 5.2).

    `payload` is XML, put in as it is; `type` None leaves the attribute out. Raises MalformedInput.
    """
    parts = [f"<message{attributes({'to': to, 'type': type, 'id': id or new_id()})}>"]
    for name, text in (("subject", subject), ("body", body), ("thread", thread)):
        if text is not None:
            parts.append(f"<{name}>{escape(text)}</{name}>")
    parts.append(payload)
    parts.append("</message>")
    return "".join(parts)


def presence(
    show: str | None = None,
    status: str | None = None,
    *,
    type: str | None = None,
    to: str | None = None,
    priority: int | None = None,
    payload: str = "",
) -> str:
    """A <presence/> (RFC 6121 section 4.7): `show` is chat, away, xa or dnd; `priority` from -128 to 127."""
    inner = "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in (("show", show), ("status", status), ("priority", priority))
        if value is not None
    )
    head = f"<presence{attributes({'to': to, 'type': type})}"
    return f"{head}>{inner}{payload}</presence>" if inner or payload else f"{head}/>"


def iq(type: str, payload: str = "", *, to: str | None = None, id: str | None = None) -> str:
    """An <iq/> (RFC 6120 section 8.2.3): `type` is get, set, result or error; `payload` is XML."""
    return f"<iq{attributes({'type': type, 'id': id or new_id(), 'to': to})}>{payload}</iq>"
