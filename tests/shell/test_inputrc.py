"""The keys that readline's configuration asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmppctl.shell.inputrc import prefers_vi


@pytest.mark.parametrize(
    ("text", "vi"),
    [
        ("set editing-mode vi\n", True),
        ("  Set  Editing-Mode  VI", True),
        ("\xff\nset editing-mode vi\n", True),
        ("# set editing-mode vi\n", False),
        ("set editing-mode emacs\n", False),
        ("set editing-mode visual", False),
        (None, False),
    ],
)
def test_the_keys_are_those_of_other_line_editors(tmp_path: Path, text: str | None, vi: bool) -> None:
    if text is not None:
        (tmp_path / ".inputrc").write_text(text, encoding="latin-1")
    assert prefers_vi({"HOME": str(tmp_path)}) is vi
    assert prefers_vi({"INPUTRC": str(tmp_path / ".inputrc")}) is vi
