"""From what was typed to what is to be done: stanzas, slash commands, the parts of a stream by hand. Sans-IO.

The input is stanzas with white space between them. Between two of them a line can be a command (`/name words`) or a
comment (`# words`), and `<!-- ... -->` is passed over; none of it is ever sent. The same for what is typed at a
prompt, pasted, or read from a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.errors import IncompleteInput, MalformedInput
from xmppctl.stanza.build import declarations
from xmppctl.stanza.check import ensure_id, split_input
from xmppctl.stanza.frame import CLIENT_CONTEXT
from xmppctl.stanza.splitter import MAX_STANZA_BYTES, Splitter, StreamViolation

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame

_HEADER: Final = f"<stream:stream{declarations(CLIENT_CONTEXT)}>".encode()
_DECLARATION: Final = re.compile(r"<\?xml(?=\s)[^>]*\?>")
#: A stream's header or footer, whole; a value may hold ">".
_STREAM: Final = re.compile(r"</?stream:stream(?=[\s>/])(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_STREAM_START: Final = re.compile(r"</?stream:stream(?=[\s>/]|\Z)")
_COMMENT: Final = "<!--"
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class Stanza(NamedTuple):
    """A stanza or nonza to send; `line` is where it begins, `text` how it was typed (its id may be ours)."""

    frame: Frame
    text: str
    line: int


class Slash(NamedTuple):
    """A command: its name, and the words behind it as they stand."""

    name: str
    rest: str
    line: int

    @property
    def text(self) -> str:
        """The command as it was typed."""
        return f"/{self.name} {self.rest}".rstrip()


class Raw(NamedTuple):
    """Text to send exactly as it is."""

    text: str
    line: int


Item = Stanza | Slash | Raw


class Reader:
    """Takes text in pieces; gives what is whole. `source` names the input in errors.

    `by_hand`: the stream itself may be typed, too: its header, its footer (RFC 6120 section 4). After an error it is
    of no use.
    """

    def __init__(self, source: str = "input", *, by_hand: bool = False) -> None:
        self._source = source
        self._by_hand = by_hand
        self._text = ""
        self._at = 0  # what is before it is done with
        self._line = self._column = 1  # where that is
        self._fresh = True  # whether nothing but white space is before it in its line
        self._given: int | None = (
            None  # up to where the splitter has the stanza that begins there; None between two
        )
        self._splitter = Splitter("out")

    @property
    def pending(self) -> bool:
        """Whether something has begun and is not whole."""
        return self._given is not None or _SPACE.match(self._text, self._at).end() < len(self._text)  # type: ignore[union-attr]

    def feed(self, text: str) -> list[Item]:
        """Take more text; return what is whole now. Raises MalformedInput with line and column.

        What was whole before the error is lost with it: whoever wants that asks for `items`.
        """
        return list(self.items(text))

    def items(self, text: str) -> Iterator[Item]:
        """As `feed`, one after the other: what is whole before an error is given before that is raised."""
        self._text += text
        while (item := self._next()) is not None:
            if not isinstance(item, bool):
                yield item
        if len(self._text) - self._at > MAX_STANZA_BYTES:
            raise self._error(f"the line is larger than {MAX_STANZA_BYTES} bytes; is its end missing?")
        self._text, self._at, self._given = (
            self._text[self._at :],
            0,
            None if self._given is None else self._given - self._at,
        )

    def finish(self) -> list[Item]:
        """Nothing follows. Raises IncompleteInput where something is not whole, MalformedInput."""
        begun = _SPACE.match(self._text).end()  # type: ignore[union-attr]
        items = [] if self._text.startswith("<", begun) else self.feed("\n")
        if self.pending:
            split_input(self._text, source=self._source, begin=self._place())
            raise IncompleteInput(f"{self._source}: the input ends in the middle", line=self._line)
        return items

    def _next(self) -> Item | bool | None:
        """The next item; True where something was passed over, None where more text is needed."""
        if self._given is not None:
            return self._stanza()
        begin, line = self._at, self._line
        self._pass(_SPACE.match(self._text, begin).end())  # type: ignore[union-attr]
        self._fresh = self._fresh or self._line > line
        first = self._text[self._at : self._at + 1]
        if not first:
            return None
        if first in "/#" and self._fresh:
            return self._line_of_words()
        if first != "<":
            self._refuse_words()
            return None
        return self._markup()

    def _line_of_words(self) -> Item | bool | None:
        end = self._text.find("\n", self._at)
        if end < 0:
            return None
        line, number = self._text[self._at : end], self._line
        self._pass(end)
        if line[0] == "#":
            return True
        name, _, rest = line[1:].strip().partition(" ")
        return Slash(name, rest.strip(), number)

    def _refuse_words(self) -> None:
        end = self._text.find("\n", self._at)
        if end >= 0:
            split_input(self._text[self._at : end], source=self._source, begin=self._place())

    def _markup(self) -> Item | bool | None:
        text, at = self._text, self._at
        if text.startswith(_COMMENT, at):
            end = text.find("-->", at + len(_COMMENT))
            if end < 0:
                return None
            self._pass(end + 3)
            self._fresh = False
            return True
        # What is only its beginning, and could still become one of these.
        if len(text) - at < len(_COMMENT) and _COMMENT.startswith(text[at:]):
            return None
        declared = _DECLARATION.match(text, at)
        if not declared and text.startswith("<?", at) and text.find(">", at) < 0:
            return None
        begin = _SPACE.match(text, declared.end() if declared else at).end()  # type: ignore[union-attr]
        if declared and text.startswith(_COMMENT, begin):
            self._pass(begin)
            return True
        if begin == len(text) or (declared and _COMMENT.startswith(text[begin:])):
            return None
        if self._by_hand and _STREAM_START.match(text, begin):
            stream = _STREAM.match(text, begin)
            if not stream:
                return None
            raw = Raw(text[at : stream.end()], self._line)
            self._pass(stream.end())
            self._fresh = False
            return raw
        self._given = begin
        self._splitter = Splitter("out")
        self._splitter.feed(_HEADER)
        return True

    def _stanza(self) -> Item | None:
        """Go on with the stanza under way: to each `>`, for what follows its end is none of it."""
        assert self._given is not None
        while (end := self._text.find(">", self._given)) >= 0:
            piece = self._text[self._given : end + 1]
            self._given = end + 1
            try:
                frames = self._splitter.feed(piece.encode("utf-8", "surrogatepass"))
            except StreamViolation as violation:
                split_input(self._text[self._at : self._given], source=self._source, begin=self._place())
                raise self._error(violation.message) from None
            if any(frame.names for frame in frames):
                return self._whole(self._text[self._at : self._given])
        if len(self._text) - self._at > MAX_STANZA_BYTES:
            raise self._error(f"the stanza is larger than {MAX_STANZA_BYTES} bytes; is its end missing?")
        return None

    def _whole(self, text: str) -> Stanza:
        (frame,) = split_input(text, source=self._source, begin=self._place())
        stanza = Stanza(ensure_id(frame), text, self._line)
        self._given = None
        self._pass(self._at + len(text))
        self._fresh = False
        return stanza

    def _place(self) -> tuple[int, int]:
        """Line and column of what comes next."""
        return self._line, self._column

    def _error(self, what: str) -> MalformedInput:
        line, column = self._place()
        return MalformedInput(
            f"{self._source}, line {line}, column {column}: {what}", line=line, column=column
        )

    def _pass(self, end: int) -> None:
        breaks = self._text.count("\n", self._at, end)
        self._line += breaks
        last = self._text.rfind("\n", self._at, end) if breaks else self._at - self._column
        self._column = end - last
        self._at = end


def read(text: str, *, source: str = "input", by_hand: bool = False) -> list[Item]:
    """All items of a whole text. Raises MalformedInput; IncompleteInput where more text could make it right."""
    reader = Reader(source, by_hand=by_hand)
    return [*reader.feed(text), *reader.finish()]


def place_of(text: str, error: MalformedInput) -> int:
    """The offset in `text` that an error's line and column tell."""
    lines = text.split("\n")
    if not 1 <= error.line <= len(lines):
        return len(text)
    before = sum(len(line) + 1 for line in lines[: error.line - 1])
    return min(before + max(error.column - 1, 0), len(text))
