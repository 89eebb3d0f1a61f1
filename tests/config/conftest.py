"""A home of its own for each test, and a way to write accounts into it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import pytest

import xmppctl


class Home:
    """`environ` finds everything under one temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"HOME": str(root)}
        self.file = root / ".config/xmppctl/config.toml"

    def write(self, text: str, mode: int = 0o600, *, file: Path | None = None) -> Path:
        path = file or self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def sandbox(self, text: str) -> Path:
        return self.write(text, file=self.root / ".local/state/xmppctl/sandbox/accounts.toml")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in [name for name in os.environ if name.startswith(("XMPPCTL_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path)


class Planted(Protocol):
    """Raises AssertionError where a secret shows in anything that an error can show."""

    def __call__(self, error: BaseException) -> None: ...


SECRET = "hunter2-planted"
PACKAGE = Path(xmppctl.__file__).parent


@pytest.fixture
def shows_no_secret() -> Planted:
    """Looks for SECRET in an error's texts and in its traceback with the variables of all frames of the project."""
    import traceback

    def check(error: BaseException) -> None:
        seen: list[str] = []
        current: BaseException | None = error
        while current is not None:
            seen += [str(current), repr(current), repr(getattr(current, "hint", ""))]
            frames = traceback.StackSummary.extract(
                traceback.walk_tb(current.__traceback__), capture_locals=True
            )
            seen += [repr(frame.locals) for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
            current = current.__context__
        assert SECRET not in "\n".join(seen)

    return check
