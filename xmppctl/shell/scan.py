"""What is typed in the shell, read line by line while it is still wrong and unfinished: tokens and a state. Sans-IO.

The text is stanzas (RFC 6120 section 8) with white space between them, and between them also lines that are
a `/command` or a `# comment`, and `<!-- comments -->`. Nothing here raises: what cannot be right (XML 1.0,
RFC 6120 section 11.1) is a token of the style "error", and the scan goes on behind it with the likeliest meaning.
What may only be unfinished at the end of a line is not marked.
A line's scan takes time linear in its length, and depends only on the line and the state before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from xmppctl.shell.place import (
    MAX_ATTRIBUTES,
    MAX_VALUE,
    MAX_WORD,
    TAG_MODES,
    Open,
    Place,
    Stack,
    State,
    character_data,
    is_name,
    margin,
    place_at,
    unescaped,
)

#: So many lines that were scanned are remembered, no longer than that.
_REMEMBERED: Final = 4096
_MAX_REMEMBERED: Final = 4096
#: The modes in which what is being typed is carried on.
_KEEPING: Final = TAG_MODES | {"closing", "closed", "command", "argument"}
_NEXT_LINE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("name", "ended", "slash"), "tag"),
    **dict.fromkeys(("markup", "command", "argument", "note"), "content"),
    "attribute": "named",
    "closing": "closed",
}
#: How it begins -> its mode, its style, how it ends.
_SECTIONS: Final[Mapping[str, tuple[str, str, str]]] = {
    "<!--": ("comment", "comment", "-->"),
    "<![CDATA[": ("cdata", "cdata", "]]>"),
    "<?": ("declaration", "declaration", "?>"),
    "<!": ("doctype", "error", ">"),
}
_LONGEST: Final = max(map(len, _SECTIONS))
_ENDS: Final = {mode: (style, end) for mode, style, end in _SECTIONS.values()}

_SPACE: Final = " \t\r\n"
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_COMMAND: Final = re.compile(r"([ \t\r]*)(?:(/[^ \t\r\n]*)(?:[ \t\r\n](.*))?|#.*)\Z", re.DOTALL)
_STRAY: Final = re.compile(r"[^ \t\r\n<]+")
_NAME: Final = re.compile(r"[^ \t\r\n<>/='\"&]+")
_ATTRIBUTE: Final = re.compile(r"([^ \t\r\n<>/='\"&]+)[ \t\r\n]*(=|\Z)?")
_UNQUOTED: Final = re.compile(r"(?:[^ \t\r\n<>/'\"]|/(?!>))+")
_NOT_CLOSING: Final = re.compile(r"[^ \t\r\n<>]+")


class Token(NamedTuple):
    """A piece of a line, and how it looks.

    The styles are "punctuation", "name", "attribute", "value", "namespace", "text", "entity", "cdata",
    "comment", "command", "argument", "declaration" and "error".
    """

    style: str
    text: str


Scan = tuple[tuple[Token, ...], State]
START: Final = State()


def scan_line(state: State, line: str) -> Scan:
    """The tokens of a line (together they are the line), and the state at the beginning of the next one.

    Remembers what it gave, for the lines of a size that a person types.
    """
    return (_remembered if len(line) <= _MAX_REMEMBERED else _scan)(state, line)


def states(text: str) -> list[State]:
    """The state at the beginning of each line of the text."""
    found = [START]
    for line in text.split("\n")[:-1]:
        found.append(scan_line(found[-1], line)[1])
    return found


def open_elements(state: State) -> tuple[Open, ...]:
    """The elements that are open, outermost first, at most 256; not the one whose tag is being typed."""
    return state.open


def is_between(state: State) -> bool:
    """Whether a stanza or a command may begin there: outside of all elements, tags and comments."""
    return state.mode == "content" and not state.inside


def place(text: str) -> Place:
    """What is at the cursor, when `text` is all that is left of it."""
    tokens, state = _end(text)
    words = [token for token in tokens if token.style != "text"]
    stray = bool(words) and words[-1].style == "error"
    behind = _since_tag(text) if state.mode == "content" and state.inside else text[-MAX_WORD:]
    return place_at(state, behind, stray=stray)


def closing_tag(text: str) -> str:
    """What to insert after `text` to close the innermost open element: all of "</name>", or what is missing of it.

    Empty where nothing is open, and in other tags, comments and CDATA.
    """
    return _end(text)[1].closing()


def closing_after(text: str) -> str:
    """The end tag for the element that a ">" has just opened at the end of `text`; else empty."""
    if not text.endswith(">"):
        return ""
    before, after = _end(text[:-1])[1], _end(text)[1]
    return after.closing() if len(after.open) > len(before.open) else ""


def indent_of(text: str) -> str:
    """The white space that a new line after `text` begins with: two spaces for each open element.

    Empty where it would become part of a value, or of the text of an element that has some already.
    """
    return _end(text)[1].indent(text[text.rfind("\n") + 1 :])


def _scan(state: State, line: str) -> Scan:
    tokens, end = _scan_part(state, line)
    mode = _NEXT_LINE.get(end.mode, end.mode)
    if mode == "content" or (end.mode in ("name", "closing") and not end.name):
        return tokens, State("content", *end[1:4])
    word = f"{end.word}\n"[:MAX_VALUE] if mode == "value" else end.word
    return tokens, end._replace(mode=mode, word=word)


_remembered = lru_cache(maxsize=_REMEMBERED)(_scan)


def _scan_part(state: State, line: str) -> Scan:
    """As `_scan`, but the line goes on: the state is that directly behind its last character."""
    scanner = _Scanner(state, line)
    scanner.run()
    return scanner.tokens(), scanner.state()


@lru_cache(maxsize=4)
def _end(text: str) -> Scan:
    """The tokens of the last line, and the state directly behind it. A key pressed asks for it several times."""
    return _scan_part(states(text)[-1], text[text.rfind("\n") + 1 :])


def _since_tag(text: str) -> str:
    """The text since the last tag, if that is not too long."""
    lines, before = text.split("\n"), states(text)
    found = ""
    for state, line in zip(reversed(before), reversed(lines), strict=True):
        tokens = scan_line(state, line)[0]
        at = len(line)
        for token in reversed(tokens):
            if token.style not in ("text", "entity", "error"):
                return line[at:] + found
            at -= len(token.text)
        found = f"\n{line}{found}"
        if len(found) > MAX_WORD:
            break
    return found[1:]


class _Scanner:
    """Runs over one line: `at` is how far, `marks` the styles so far and where each ends. Each step goes on."""

    def __init__(self, state: State, line: str) -> None:
        self.line = line
        self.at = 0
        self.marks: list[tuple[str, int]] = []
        self.stack = Stack(state)
        self.mode, self.name, self.attributes = state.mode, state.name, state.attributes
        self.lead, self.attribute, self.word, self.quote = state[6:]

    def run(self) -> None:
        if self.mode == "content" and not self.stack.inside:
            self.command()
        while self.at < len(self.line):
            _STEPS[self.mode](self)

    def state(self) -> State:
        opened = State(self.mode, self.stack.open, self.stack.deeper, self.stack.texts)
        if self.mode not in _KEEPING:
            return opened
        opened = opened._replace(name=self.name, attributes=self.attributes, lead=self.lead)
        return opened._replace(attribute=self.attribute, word=self.word, quote=self.quote)

    def tokens(self) -> tuple[Token, ...]:
        begins = [0, *(end for _, end in self.marks)]
        both = zip(begins, self.marks, strict=False)
        return tuple(Token(style, self.line[begin:end]) for begin, (style, end) in both)

    def mark(self, style: str, end: int) -> None:
        if end > self.at:
            if self.marks and self.marks[-1][0] == style:
                self.marks.pop()
            self.marks.append((style, end))
            self.at = end

    def match(self, pattern: re.Pattern[str], style: str) -> str:
        found = pattern.match(self.line, self.at)
        if found:
            self.mark(style, found.end())
        return found.group() if found else ""

    def command(self) -> None:
        found = _COMMAND.match(self.line)
        if not found:
            return
        self.mark("text", found.end(1))
        self.mode = "note"
        if found.group(2):
            self.mark("command", found.end(2))
            self.mode = "command" if found.group(3) is None else "argument"
            self.name, self.word = found.group(2), (found.group(3) or "").lstrip(_SPACE)
        self.mark("comment" if self.mode == "note" else "argument", len(self.line))

    def content(self) -> None:
        if self.line[self.at] == "<":
            self.markup()
        elif self.stack.inside:
            self.text()
        elif not self.match(_SPACES, "text"):
            self.match(_STRAY, "error")

    def text(self) -> None:
        begin, end = self.at, self.line.find("<", self.at)
        end = len(self.line) if end < 0 else end
        while self.at < end:
            wrong = self.line.find("]]>", self.at, end)
            self.characters("text", end if wrong < 0 else wrong)
            if wrong >= 0:
                self.mark("error", wrong + 3)
        if self.line[begin:end].strip(_SPACE):
            self.stack.has_text()

    def characters(self, style: str, end: int) -> None:
        while self.at < end:
            known, stop = character_data(self.line, self.at, end)
            self.mark(known or style, stop)

    def section(self) -> None:
        style, closing = _ENDS[self.mode]
        end = self.line.find(closing, self.at)
        self.mark(style, len(self.line) if end < 0 else end + len(closing))
        if end >= 0:
            self.mode = "content"

    def markup(self, style: str = "punctuation") -> None:
        """At a "<", which looks like `style` if it is right in itself."""
        ahead = self.line[self.at : self.at + _LONGEST]
        if ahead[1:2] in ("!", "?"):
            self.open_section(ahead)
        elif ahead[1:2] == "/":
            self.end_tag(style)
        elif len(ahead) == 1 or is_name(ahead[1], typing=True):
            self.start_tag(style)
        else:
            self.mode = "content"
            self.mark("error", self.at + 1)
            self.stack.has_text()

    def open_section(self, ahead: str) -> None:
        torn = any(len(whole) > len(ahead) and whole.startswith(ahead) for whole in _SECTIONS)
        if torn and self.at + len(ahead) == len(self.line):
            self.mode = "markup"
            self.mark("punctuation", len(self.line))
            return
        begin = next(begin for begin in _SECTIONS if ahead.startswith(begin))
        self.mode, style, _ = _SECTIONS[begin]
        if self.mode == "cdata":
            self.stack.has_text()
        self.mark(style if (self.mode == "cdata") == self.stack.inside else "error", self.at + len(begin))

    def start_tag(self, style: str) -> None:
        self.mark(style, self.at + 1)
        name = _NAME.match(self.line, self.at)
        self.name, self.attributes, self.lead = name.group() if name else "", (), margin(self.line)
        end = self.at + len(self.name)
        typing = end == len(self.line)
        right = not self.name or is_name(self.name, typing=typing)
        self.mark("name" if right else "error", end)
        self.mode = "name" if typing else "ended"

    def end_tag(self, style: str) -> None:
        begin = self.at + 2
        name = _NAME.match(self.line, begin)
        self.name, self.attributes, self.lead = name.group() if name else "", (), ""
        typing = begin + len(self.name) == len(self.line)
        right = self.stack.may_close(self.name, typing=typing)
        self.mark(style if self.name or typing else "error", begin)
        self.mark("name" if right else "error", begin + len(self.name))
        self.mode = "closing" if typing else "closed"

    def tag(self, style: str = "punctuation") -> None:
        """In a start tag, whose end looks like `style`."""
        char = self.line[self.at]
        if self.match(_SPACES, "text"):
            self.mode = "tag"
        elif char in "<>":
            self.stack.push(self.name, self.attributes)
            self.end_of_tag(char, style)
        elif self.line[self.at : self.at + 2] in ("/", "/>"):
            self.mode = "slash" if self.at + 1 == len(self.line) else "content"
            self.mark(style, min(self.at + 2, len(self.line)))
        elif found := _ATTRIBUTE.match(self.line, self.at):
            self.attribute_name(*found.span(1), has_value=found.group(2) is not None)
        else:
            self.mark("error", self.at + 1)
            self.mode = "ended"

    def end_of_tag(self, char: str, style: str = "punctuation") -> None:
        """At the ">" of a tag, or at the "<" of the next where it is missing."""
        self.mode = "content"
        if char == ">":
            self.mark(style, self.at + 1)
        else:
            self.markup("error")

    def attribute_name(self, begin: int, end: int, *, has_value: bool) -> None:
        name = self.line[begin:end]
        typing = end == len(self.line)
        right = self.mode == "tag" and has_value and is_name(name, typing=typing)
        twice = not typing and name in dict(self.attributes)
        self.mark("attribute" if right and not twice else "error", end)
        self.attribute = name if has_value else ""
        self.mode = "attribute" if typing else "named" if has_value else "ended"

    def named(self) -> None:
        if self.line[self.at] == "=":
            self.mark("punctuation", self.at + 1)
            self.mode = "assigned"
        elif not self.match(_SPACES, "text"):
            self.without_value()

    def without_value(self) -> None:
        self.mode, self.attribute = "ended", ""
        self.tag("error")

    def assigned(self) -> None:
        char = self.line[self.at]
        if char in "'\"":
            self.mark("punctuation", self.at + 1)
            self.mode, self.quote, self.word = "value", char, ""
        elif char in "<>" or self.line.startswith("/>", self.at):
            self.without_value()
        elif not self.match(_SPACES, "text"):
            self.word = self.match(_UNQUOTED, "error")[:MAX_VALUE]
            self.keep()

    def value(self) -> None:
        end = self.line.find(self.quote, self.at)
        stop = len(self.line) if end < 0 else end
        self.word = (self.word + self.line[self.at : min(stop, self.at + MAX_VALUE)])[:MAX_VALUE]
        declares = self.attribute == "xmlns" or self.attribute.startswith("xmlns:")
        self.characters("namespace" if declares else "value", stop)
        if end >= 0:
            self.mark("punctuation", end + 1)
            self.keep()

    def keep(self) -> None:
        if len(self.attributes) < MAX_ATTRIBUTES:
            self.attributes = (*self.attributes, (self.attribute, unescaped(self.word)))
        self.mode, self.attribute, self.word, self.quote = "ended", "", "", ""

    def closed(self) -> None:
        char = self.line[self.at]
        if char in "<>":
            self.stack.pop(self.name)
            self.end_of_tag(char)
        elif not self.match(_SPACES, "text"):
            self.match(_NOT_CLOSING, "error")


_STEPS: Final[Mapping[str, Callable[[_Scanner], None]]] = {
    "content": _Scanner.content,
    **dict.fromkeys(("tag", "ended"), _Scanner.tag),
    "named": _Scanner.named,
    "assigned": _Scanner.assigned,
    "value": _Scanner.value,
    "closed": _Scanner.closed,
    **dict.fromkeys(_ENDS, _Scanner.section),
}
