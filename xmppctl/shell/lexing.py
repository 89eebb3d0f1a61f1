"""How the line that is typed looks: its colours, the prompt before it, and before each line that follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from xmppctl.output.safe import safe
from xmppctl.shell.place import State
from xmppctl.shell.scan import open_elements, scan_line, states

#: More text than this is shown as it is: nobody reads it in a line editor, and each key would cost its length.
MAX_COLOURED: Final = 256 * 1024
#: Style of a token -> how it looks. Colours of the terminal's own palette, as in `output.palette`.
STYLE: Final = Style.from_dict(
    {
        "xml.punctuation": "ansibrightblack",
        "xml.name": "ansicyan",
        "xml.attribute": "ansiyellow",
        "xml.value": "ansigreen",
        "xml.namespace": "ansiblue",
        "xml.text": "bold",
        "xml.entity": "ansimagenta",
        "xml.cdata": "ansimagenta",
        "xml.comment": "ansibrightblack",
        "xml.declaration": "ansibrightblack",
        "xml.command": "bold ansiyellow",
        "xml.argument": "",
        "xml.error": "bold ansired",
        "prompt": "ansibrightblack",
        "prompt.offline": "bold ansired",
        "bottom-toolbar": "noreverse ansibrightblack",
        "bottom-toolbar.text": "noreverse ansibrightblack",
        "validation-toolbar": "bg:default bold ansired",
    }
)
#: What stands for a character that could not be seen, or would act on the terminal.
_HIDDEN: Final = "\ufffd"
_ELLIPSIS: Final = "…"
_SLASH: Final = "/"


class Lines:
    """The states of the lines of a text, worked out once for each text."""

    def __init__(self) -> None:
        self._text = ""
        self._states: list[State] = states("")

    def of(self, text: str) -> list[State]:
        """The state at the beginning of each line."""
        if text != self._text:
            self._text, self._states = text, states(text)
        return self._states


class XmlLexer(Lexer):
    """Colours stanzas and commands; `plain` shows text that is no XML as it is."""

    def __init__(self, lines: Lines, *, plain: bool) -> None:
        self._lines = lines
        self._plain = plain

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """A function from a line's number to its parts."""
        lines = document.lines
        if self._plain or len(document.text) > MAX_COLOURED:
            return lambda number: [("", visible(lines[number]))] if number < len(lines) else []
        begins = self._lines.of(document.text)

        def line(number: int) -> StyleAndTextTuples:
            if number >= len(lines):
                return []
            tokens, _ = scan_line(begins[number], lines[number])
            return [(f"class:xml.{token.style}", visible(token.text)) for token in tokens]

        return line


def visible(text: str) -> str:
    """`text` in as many characters, each of which can be seen, for the editor counts them."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(char if char == "\t" or safe(char) == char else _HIDDEN for char in text)


def continuation(state: State, width: int) -> str:
    """What stands before a line that goes on: the elements that are open, in `width` cells."""
    path = _SLASH.join(visible(each.name) for each in open_elements(state))
    room = max(width - 2, 1)
    if len(path) > room:
        path = _ELLIPSIS + path[len(path) - room + 1 :]
    return f"{path}> ".rjust(width) if path else "> ".rjust(width)
