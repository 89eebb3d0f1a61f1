"""THE sanitiser: text from the network, made harmless for a terminal and for whoever reads it. Sans-IO.

Made visible: C0 and C1 control characters and DEL (terminals act on them), the bidi controls (they reorder what is
read), all else that Unicode calls Default_Ignorable_Code_Point (zero-width, soft hyphen, fillers, tags, variation
selectors: they hide text or tell two equal-looking names apart), the line and paragraph separators, annotation and
format controls of a few scripts, lone surrogates and noncharacters. Kept: a variation selector 15 or 16 right behind
a symbol that can be an emoji, because `❤️` is ordinary text and the selector hides nothing there. A zero-width
joiner is never kept: it makes two JIDs look the same, so a family emoji comes apart.

The notation is Python's: `\\n \\r \\t`, `\\x1b`, `\\u202e`, `\\U000e0041`. A backslash of the text itself stays one, so
it is for reading, not for parsing back; JSON output is for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

#: What is never shown as it is, as the inside of a character class.
_RANGES: Final = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U00013440\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
) + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
Keep = Literal["", "\n", "\t\n\r"]

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_EMOJI_BASES: Final = (("\xa9", "\xa9"), ("\xae", "\xae"), ("\u203c", "\u3299"), ("\U0001f000", "\U0001faff"))
_KEYCAP: Final = "\u20e3"
_ELLIPSIS: Final = "…"
_TAB_WIDTH: Final = 8


def safe(text: str, *, newlines: Literal["escape", "keep"] = "escape", limit: int | None = None) -> str:
    """`text` with everything that could act on a terminal, hide or reorder made visible.

    With `newlines="escape"`, for one-line contexts, line breaks and tabs are escaped, so no text can begin a line
    of its own. With `"keep"` line feeds stay and tabs become spaces; whoever prints it then indents the lines that
    follow the first (`block()` does). More than `limit` characters are cut, and an ellipsis says so.
    """
    if limit is not None and len(text) > limit:
        return safe(text[:limit], newlines=newlines) + _ELLIPSIS
    if text.isprintable() and text.isascii():
        return text
    if newlines == "keep":
        return substitute(text.expandtabs(_TAB_WIDTH), notation, keep="\n")
    return substitute(text, notation)


def block(text: str, indent: str = "  ") -> str:
    """`text` made safe over more than one line: every line but the first begins with `indent`."""
    return safe(text, newlines="keep").replace("\n", "\n" + indent)


def notation(char: str) -> str:
    """How one unsafe character is shown."""
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def substitute(text: str, show: Callable[[str], str], *, keep: Keep = "") -> str:
    """`text` with each unsafe character replaced by `show(character)`: for other notations of the one rule.

    The white space in `keep` is left to the caller.
    """
    pattern = _unsafe(keep)
    if pattern.search(text) is None:
        return text

    def replace(match: re.Match[str]) -> str:
        char = match.group()
        return char if char in "\ufe0e\ufe0f" and _presents_emoji(text, match.start()) else show(char)

    return pattern.sub(replace, text)


@lru_cache(maxsize=3)
def _unsafe(keep: Keep) -> re.Pattern[str]:
    """Compiled when first needed: most runs show only printable ASCII."""
    return re.compile(f"(?![{keep}])[{_RANGES}]" if keep else f"[{_RANGES}]")


def _presents_emoji(text: str, index: int) -> bool:
    """Whether the variation selector at `index` chooses how the symbol before it looks (UTS #51 section 1.4)."""
    if text[index + 1 : index + 2] == _KEYCAP:
        return text[index - 1 : index] in tuple("0123456789#*")
    return index > 0 and any(first <= text[index - 1] <= last for first, last in _EMOJI_BASES)
