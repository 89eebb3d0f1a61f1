"""What readline's own configuration says of the keys of line editors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_VI: Final = re.compile(r"^\s*set\s+editing-mode\s+vi\b", re.MULTILINE | re.IGNORECASE)
_MAX_CHARACTERS: Final = 64 * 1024


def prefers_vi(environ: Mapping[str, str]) -> bool:
    """Whether line editors are to have vi's keys, by $INPUTRC or ~/.inputrc."""
    path = Path(environ.get("INPUTRC") or Path(environ.get("HOME") or "/") / ".inputrc")
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MAX_CHARACTERS)
    except OSError:
        return False
    return bool(_VI.search(text))
