"""Expanded names as expat gives them, and as the rest of the program writes them. Sans-IO.

expat joins a namespace and a local name with a separator and refuses namespaces that hold it. A space would do
for every namespace that exists, but anybody may write `xmlns='a b'` into a message, and the stream must outlive
it: so the separator is a character that XML cannot hold, and becomes a space here.
"""

from __future__ import annotations

from typing import Final

#: For `expat.ParserCreate`.
SEPARATOR: Final = "\x01"


#: Names as expat gives them -> as we write them. They come from the network: so many, of such a length, are remembered.
known_names: dict[str, str] = {}
_MAX_KNOWN: Final = 4096
_MAX_LENGTH: Final = 200


def spaced_name(name: str) -> str:
    """An element's name as `"namespace name"`. For streams: look into `known_names` first, a call costs as much."""
    made = name.replace(SEPARATOR, " ")
    if len(name) <= _MAX_LENGTH:
        if len(known_names) >= _MAX_KNOWN:
            known_names.clear()
        known_names[name] = made
    return made


def spaced(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes by name, prefixed ones as `"namespace name"`."""
    if SEPARATOR not in "".join(attributes):
        return attributes
    return {name.replace(SEPARATOR, " "): value for name, value in attributes.items()}
