"""Roff: what is written comes out as it was meant, in groff and in mandoc."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from xmppctl.cli.blocks import Lines, Page, Terms, Text
from xmppctl.cli.roff import Document, escape

NASTY = [
    ".TH starts a request",
    "'br starts one, too",
    "back\\slash \\fBbold?\\fR \\n(.l",
    "--option and -o",
    'it\'s "quoted" `code` ^ ~',
    "naïve → 日本",
    "%s $HOME {a,b} #1 <x y='z'/>",
]


def rendered(document: Document, formatter: str) -> str:
    """What a terminal 200 columns wide would show."""
    if shutil.which(formatter) is None:
        pytest.skip(f"{formatter} is not installed")
    words = {
        "groff": ["groff", "-k", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-u", "-P-o", "-rLL=190n"],
        "mandoc": ["mandoc", "-Tutf8", "-O", "width=190"],
    }[formatter]
    done = subprocess.run(words, input=str(document).encode(), capture_output=True, check=True)
    assert done.stderr == b""
    text = done.stdout.decode()
    while "\b" in text:  # overstriking: a letter, a backspace, the letter again
        at = text.index("\b")
        text = text[: at - 1] + text[at + 1 :]
    return text


@pytest.fixture
def document() -> Document:
    made = Document("NASTY-TITLE", 1, "2026-01-31", "xmppctl 0")
    made.name("nasty", "text that roff could take for itself")
    made.section("DESCRIPTION")
    return made


@pytest.mark.parametrize("formatter", ["groff", "mandoc"])
@pytest.mark.parametrize("text", NASTY)
def test_a_paragraph_says_what_it_says(document: Document, formatter: str, text: str) -> None:
    document.blocks([Text(text)])
    assert text in rendered(document, formatter)


@pytest.mark.parametrize("formatter", ["groff", "mandoc"])
@pytest.mark.parametrize("text", NASTY)
def test_so_do_terms_and_lines(document: Document, formatter: str, text: str) -> None:
    document.blocks([Terms(((text, f"means {text}"),)), Lines(f"first\n  {text}\n{text}")])
    shown = rendered(document, formatter)
    assert f"means {text}" in shown
    assert shown.count(text) == 4


@pytest.mark.parametrize("formatter", ["groff", "mandoc"])
def test_a_page_keeps_its_layout_below_headings(document: Document, formatter: str) -> None:
    document.blocks([Page("HEADING ONE\n\n  a    b\n    c   d\n\nHEADING TWO\n\nend\n")])
    lines = rendered(document, formatter).splitlines()
    assert "HEADING ONE" in lines
    assert "HEADING TWO" in lines
    first = next(line for line in lines if line.endswith("a    b"))
    second = next(line for line in lines if line.endswith("c   d"))
    assert len(second) - len(second.lstrip()) == len(first) - len(first.lstrip()) + 2


def test_nothing_is_left_for_roff_to_interpret() -> None:
    assert escape("a-b\\c") == "a\\-b\\ec"
    assert escape("→") == "\\[u2192]"
    assert escape("\x1b[1m") == "\\[u001B][1m"
