"""What completion offers, for the line editor: see `completion` for what that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from xmppctl.shell.completion import Lookup, Sources, candidates, lookup

#: More text than this has no completions.
_MAX_TEXT: Final = 64 * 1024


class Menu(Completer):
    """`want` is told what the network could be asked for, while something is completed."""

    def __init__(self, sources: Sources, want: Callable[[Lookup], None] | None) -> None:
        self._sources = sources
        self._want = want

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What can stand at the cursor. While typing only where something has begun."""
        text = document.text_before_cursor
        if len(text) > _MAX_TEXT:
            return
        if not complete_event.completion_requested and not _has_begun(text):
            return
        if self._want is not None:
            wish = lookup(text, self._sources)
            if wish is not None:
                self._want(wish)
        for each in candidates(text, self._sources):
            yield Completion(
                each.text, start_position=-each.replaces, display=each.display, display_meta=each.help
            )


def _has_begun(text: str) -> bool:
    """Whether what stands before the cursor asks for a menu by itself: a tag, a value, a command."""
    last = text[-1:]
    return bool(last) and not last.isspace() and last not in ">;"
