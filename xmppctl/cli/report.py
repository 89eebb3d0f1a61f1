"""How an error is told on standard error: one to three lines, or one JSON object."""

from __future__ import annotations

from typing import TextIO

from xmppctl.errors import MalformedInput, XmppctlError


def tell(error: XmppctlError, stream: TextIO, *, as_json: bool) -> None:
    """Write the error, sanitised. Raises OSError and ValueError where `stream` cannot be written."""
    if as_json:
        from xmppctl.output.records import error_record, json_line

        stream.write(json_line(error_record(error)) + "\n")
    else:
        from xmppctl.output.safe import safe

        stream.write(f"xmppctl: {safe(error.message)}{_place(error)}\n")
        if error.hint:
            stream.write(f"  try: {safe(error.hint)}\n")
    stream.flush()


def _place(error: XmppctlError) -> str:
    """Where in the input it is, if the message does not say so itself."""
    if not isinstance(error, MalformedInput) or error.line <= 0 or f"line {error.line}" in error.message:
        return ""
    return f" (line {error.line}, column {error.column})"
