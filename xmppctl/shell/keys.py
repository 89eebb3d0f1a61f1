"""The keys of a shell, besides those of the line editor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completion
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, emacs_mode, has_completions, has_selection, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.selection import SelectionState

from xmppctl.errors import IncompleteInput, MalformedInput
from xmppctl.shell.place import margin
from xmppctl.shell.scan import closing_after, closing_tag, indent_of

if TYPE_CHECKING:
    from xmppctl.shell.stops import Stops

_END_TAGS: Final = re.compile(r"(?:\s*</[^<>]*>)+\s*")


class Editor(Protocol):
    """What the keys act on."""

    stops: Stops | None

    @property
    def plain(self) -> bool:
        """Whether text is typed as it stands: no end tags are put in."""

    def read(self, text: str) -> object:
        """Raise IncompleteInput where more must be typed, MalformedInput where it is wrong."""

    def interrupt(self) -> bool:
        """Ctrl-C with nothing on the line; whether there was something to stop."""

    def hint(self, text: str) -> None:
        """Say something about the keys."""


def bindings(editor: Editor) -> KeyBindings:
    """The bindings."""
    keys = KeyBindings()
    typing = ~is_searching

    @keys.add("enter", filter=typing & ~has_completions)
    @keys.add("enter", filter=typing & has_completions & Condition(lambda: not _chosen()))
    def _(event: KeyPressEvent) -> None:
        _enter(editor, event.current_buffer)

    @keys.add("enter", filter=typing & has_completions & Condition(_chosen))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None  # what was chosen stays on the line

    # In vi's keys that is the end of what is put in, and Enter, and each Escape would wait for what follows.
    @keys.add("escape", "enter", filter=typing & emacs_mode)
    def _(event: KeyPressEvent) -> None:
        newline(event.current_buffer)

    @keys.add("tab", filter=typing & ~has_completions)
    def _(event: KeyPressEvent) -> None:
        if not next_stop(editor, event.current_buffer):
            event.current_buffer.start_completion(insert_common_part=True)

    @keys.add("tab", filter=typing & Condition(lambda: _only() is not None))
    def _(event: KeyPressEvent) -> None:
        only = _only()
        if only is not None:  # there is nothing to choose: go on with what can follow it
            event.current_buffer.apply_completion(only)
            event.current_buffer.start_completion()

    @keys.add("tab", filter=typing & has_completions & Condition(lambda: bool(editor.stops) and _settled()))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None
        next_stop(editor, event.current_buffer)

    ahead = Ahead()
    tagging = typing & ~has_selection & _inserting & Condition(lambda: not editor.plain)

    @keys.add("/", filter=tagging)
    def _(event: KeyPressEvent) -> None:
        close_tag(event.current_buffer, ahead)

    @keys.add(">", filter=tagging)
    def _(event: KeyPressEvent) -> None:
        if not ahead.has(event.current_buffer, ">"):
            end_tag(event.current_buffer)

    @keys.add(Keys.Any, filter=tagging & Condition(lambda: ahead.waits))
    def _(event: KeyPressEvent) -> None:
        if not ahead.has(event.current_buffer, event.data):
            event.current_buffer.insert_text(event.data)

    @keys.add("c-c", filter=typing)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        editor.stops = None
        if buffer.text:
            buffer.append_to_history()  # a stanza that was nearly ready can be had again
            buffer.reset()
        elif not editor.interrupt():
            editor.hint("Ctrl-D leaves")

    return keys


def _chosen() -> bool:
    state = get_app().current_buffer.complete_state
    return state is not None and state.current_completion is not None


def _only() -> Completion | None:
    """What the menu offers, where that is one thing."""
    state = get_app().current_buffer.complete_state
    return state.completions[0] if state is not None and len(state.completions) == 1 else None


def _settled() -> bool:
    """Whether one of what the menu offers stands on the line already: chosen from it, or typed."""
    buffer = get_app().current_buffer
    before, state = buffer.document.text_before_cursor, buffer.complete_state
    return _chosen() or any(
        each.start_position < 0 and before[each.start_position :] == each.text
        for each in (state.completions if state is not None else ())
    )


@Condition
def _inserting() -> bool:
    app = get_app()
    return app.editing_mode == EditingMode.EMACS or app.vi_state.input_mode in (
        "vi-insert",
        "vi-insert-multiple",
    )


def _enter(editor: Editor, buffer: Buffer) -> None:
    """Send what is whole; go on with what is not. What is wrong is told by the validator."""
    try:
        editor.read(buffer.text)
    except IncompleteInput:
        newline(buffer)
    except MalformedInput:
        buffer.validate(set_cursor=True)
    else:
        if editor.stops is None and _goes_on(buffer):
            newline(buffer)
            return
        editor.stops = None
        buffer.validate_and_handle()


def _goes_on(buffer: Buffer) -> bool:
    """Whether more may well be typed though the text is whole: only end tags follow, which the editor has put there.

    So it is in an element that is still empty, and on a line of one that has its end tag on another line. On an empty
    line nothing more is typed.
    """
    before, after = buffer.document.text_before_cursor, buffer.document.text_after_cursor
    if not before.endswith(">") or not _END_TAGS.fullmatch(after):
        return False
    return bool(closing_after(before)) or after.lstrip(" \t").startswith("\n")


def newline(buffer: Buffer) -> None:
    """Begin another line, as far in as its elements are; an end tag that follows its start tag gets its own."""
    before, after = buffer.document.text_before_cursor, buffer.document.text_after_cursor
    ending = closing_after(before)
    buffer.insert_text("\n" + indent_of(before))
    if ending and after.startswith(ending):
        buffer.insert_text("\n" + margin(before[before.rfind("\n") + 1 :]), move_cursor=False)


class Ahead:
    """Text that the editor has put in, and that whoever types may well go on to type."""

    def __init__(self) -> None:
        self._text = ""
        self._where = ("", 0)

    @property
    def waits(self) -> bool:
        """Whether there is some."""
        return bool(self._text)

    def put(self, buffer: Buffer, text: str) -> None:
        """It stands before the cursor now."""
        self._text, self._where = text, (buffer.text, buffer.cursor_position)

    def has(self, buffer: Buffer, typed: str) -> bool:
        """Whether what is typed stands there already: then it is passed over. Anything else ends it."""
        here = self._where == (buffer.text, buffer.cursor_position)
        known = here and bool(typed) and self._text.startswith(typed)
        self._text = self._text[len(typed) :] if known else ""
        return known


def close_tag(buffer: Buffer, ahead: Ahead) -> None:
    """A slash; behind `<` the end tag of what is open with it, or the one that stands there already."""
    before, after = buffer.document.text_before_cursor, buffer.document.text_after_cursor
    ending = closing_tag(before + "/") if before.endswith("<") else ""
    gap = len(after) - len(after.lstrip())
    if ending and after.startswith(f"</{ending}", gap):
        kept = before[:-1].rstrip() if "\n" in after[:gap] else before[:-1]
        buffer.delete_before_cursor(len(before) - len(kept))
        buffer.cursor_position += gap + len(ending) + 2
    else:
        buffer.insert_text("/" + ending)
    if ending:
        ahead.put(buffer, ending)


def end_tag(buffer: Buffer) -> None:
    """The end of a start tag, and its end tag behind the cursor where nothing else follows."""
    follows = buffer.document.text_after_cursor
    buffer.insert_text(">")
    ending = closing_after(buffer.document.text_before_cursor)
    if ending and (not follows.strip() or follows.lstrip().startswith("</")):
        buffer.insert_text(ending, move_cursor=False)


def next_stop(editor: Editor, buffer: Buffer) -> bool:
    """Go to the next gap of a template, if there is one; its default is replaced by what is typed."""
    if editor.stops is None:
        return False
    gap = editor.stops.next()
    if gap is None:
        editor.stops = None
        return False
    select(buffer, *gap)
    return True


def select(buffer: Buffer, begin: int, end: int) -> None:
    """Put the cursor behind a piece of text, and select it where the editor replaces what is selected."""
    buffer.cursor_position = end
    if end > begin and get_app().editing_mode == EditingMode.EMACS:
        buffer.selection_state = SelectionState(original_cursor_position=begin)
        buffer.selection_state.enter_shift_mode()
