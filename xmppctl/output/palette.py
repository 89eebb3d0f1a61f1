"""Colours by role, as the SGR sequences that a terminal takes (ECMA-48 section 8.3.117).

Only the sixteen colours that a user's theme defines, so that both light and dark backgrounds stay readable. Without
colour every role is the empty string: the same code renders both. These sequences are the only escape characters
that the renderers ever write.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Palette(NamedTuple):
    """An SGR sequence a role; `reset` ends each of them."""

    reset: str = ""
    dim: str = ""
    bold: str = ""
    arrow_in: str = ""
    arrow_out: str = ""
    jid: str = ""
    xep: str = ""
    punctuation: str = ""
    element: str = ""
    attribute: str = ""
    value: str = ""
    namespace: str = ""
    text: str = ""
    error: str = ""

    @property
    def colored(self) -> bool:
        """Whether it has any colour at all."""
        return bool(self.reset)


PLAIN: Final = Palette()
COLORS: Final = Palette(
    reset="\x1b[0m",
    dim="\x1b[2m",
    bold="\x1b[1m",
    arrow_in="\x1b[1;36m",
    arrow_out="\x1b[1;33m",
    jid="\x1b[35m",
    xep="\x1b[34m",
    punctuation="\x1b[2m",
    element="\x1b[36m",
    attribute="\x1b[33m",
    value="\x1b[32m",
    namespace="\x1b[34m",
    text="\x1b[1m",
    error="\x1b[1;31m",
)
