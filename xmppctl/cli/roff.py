"""Man pages as roff (man(7)), for groff and mandoc alike. Sans-IO."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from xmppctl.cli.blocks import Block, Heading, Lines, Page, Terms, Text

#: What roff would take for something else, or print as typographic signs that cannot be copied back.
_SIGNS: Final = str.maketrans(
    {"\\": "\\e", "-": "\\-", "'": "\\(aq", '"': "\\(dq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
)
_NOT_ASCII: Final = re.compile("[^\n\x20-\x7e]")
_VALUE: Final = re.compile(r"[A-Z][A-Z0-9_-]*\Z")
_HEADING: Final = re.compile(r"[A-Z][A-Z ]+\Z")


class Document:
    """A page that is put together from the top to the bottom; `str()` gives it."""

    def __init__(self, title: str, section: int, date: str, source: str) -> None:
        self._lines = [
            '.\\" Made by python -m xmppctl.cli.docs. Do not edit.',
            f'.TH "{escape(title)}" {section} "{date}" "{escape(source)}" "xmppctl manual"',
            ".nh",
            ".ad l",
        ]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def section(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f".SH {_argument(title)}")

    def subsection(self, title: str) -> None:
        """Begin a subsection."""
        self._lines.append(f".SS {_argument(title)}")

    def name(self, name: str, text: str) -> None:
        """The line that `whatis` indexes."""
        self._lines += [".SH NAME", f"{escape(name)} \\- {escape(text)}"]

    def synopsis(self, words: str) -> None:
        """A usage line: its first words, the program's and the command's, are bold."""
        name, _, rest = words.partition(" [")
        self._begin(".br" if self._lines[-1].startswith("\\fB") else ".PP")
        self._lines += [f"\\fB{escape(name)}\\fR" + (f" {_values(f'[{rest}')}" if rest else "")]

    def blocks(self, blocks: Iterable[Block]) -> None:
        """Paragraphs, terms and examples."""
        for block in blocks:
            match block:
                case Text(text):
                    self._begin(".PP")
                    self._lines += _filled(text)
                case Heading(text):
                    self.subsection(text)
                case Terms(rows):
                    for term, text in rows:
                        self._lines += [".TP", _term(term), *_filled(text)]
                case Lines(text):
                    self._begin(".PP")
                    self._lines += [".RS 4", ".nf", *map(_verbatim, text.splitlines()), ".fi", ".RE"]
                case Page(text):
                    self._page(text)

    def _begin(self, macro: str) -> None:
        """Begin a paragraph; after a heading it has begun already."""
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(macro)

    def _page(self, text: str) -> None:
        open_ = False
        for line in text.strip("\n").splitlines():
            heading = _HEADING.match(line)
            if heading and open_:
                self._lines.append(".fi")
            if heading:
                self.section(line)
                open_ = False
                continue
            if not open_:
                if not line:
                    continue
                self._lines.append(".nf")
                open_ = True
            self._lines.append(_verbatim(line))
        if open_:
            self._lines.append(".fi")


def escape(text: str) -> str:
    """Text as roff that prints the same, wherever it stands in a line."""
    return _NOT_ASCII.sub(lambda found: f"\\[u{ord(found.group()):04X}]", text.translate(_SIGNS))


def _filled(text: str) -> list[str]:
    """A paragraph. A line that begins as a request is kept from being one."""
    return [f"\\&{line}" if line.startswith(".") else line for line in [escape(" ".join(text.split()))]]


def _verbatim(line: str) -> str:
    return f"\\&{escape(line)}" if line.startswith((".", "'")) else escape(line)


def _argument(text: str) -> str:
    return f'"{escape(text)}"'


def _term(term: str) -> str:
    """Options and names in bold, values in italics: `-o, --output text|json`."""
    parts: list[str] = []
    for word in term.split(" "):
        bare = word.rstrip(",.")
        style = "I" if _VALUE.match(bare) and parts else "B"
        parts.append(f"\\f{style}{escape(bare)}\\fR{escape(word[len(bare) :])}")
    return " ".join(parts)


def _values(words: str) -> str:
    """A synopsis: what stands for something in italics."""
    return re.sub(r"[A-Z][A-Z_]+", lambda found: f"\\fI{found.group()}\\fR", escape(words))
