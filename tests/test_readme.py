"""The README: its commands work as they stand, its facts are the code's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xmppctl.cli.registry import COMMANDS
from xmppctl.config.accounts import load
from xmppctl.errors import ExitCode

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REQUIRED = os.environ.get("XMPPCTL_REQUIRE_SERVERS") == "1"
PATIENCE = 90


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.integration
def test_every_command_works_as_it_stands(private_home: Path, tmp_path: Path) -> None:
    """The blocks one after another, each a script of its own, on the sandbox that the README starts."""
    if shutil.which("prosody") is None and not REQUIRED:
        pytest.skip("prosody is not installed: the README's commands did not run")
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = []
    try:
        for block in blocks("sh"):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout)
    finally:
        subprocess.run(
            ["xmppctl", "sandbox", "stop"], env=environ, capture_output=True, timeout=PATIENCE, check=False
        )
    everything = "\n".join(said)
    for expected in ("backup done", "It works", "carol@localhost", "alice@localhost can log in"):
        assert expected in everything
    assert (tmp_path / "roster.jsonl").read_text().count("@localhost") >= 3
    assert "[redacted" in (tmp_path / "login.jsonl").read_text()
    assert not (private_home / ".local" / "state" / "xmppctl" / "sandbox").exists()


def test_the_exit_codes_are_the_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", README, re.MULTILINE)
    assert rows == [(str(int(code)), code.meaning) for code in ExitCode]


def test_the_first_screen_is_what_it_should_be() -> None:
    first = README[: README.index("## Install")]
    assert "![" in first
    assert "$ ./dev demo\n$ ./dev test\n" in first
    assert len(first.splitlines()) < 20


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_every_command_that_is_named_exists() -> None:
    named = re.findall(r"xmppctl (?:(?:-a|--trace) \S+ |--no-input )*([a-z]+)\b", README)
    assert len(named) > 20
    assert set(named) <= set(COMMANDS)


def test_the_account_file_is_valid(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text(example)
    assert load(file).default == "work"


def test_the_picture_is_a_watch_that_fetches_nothing() -> None:
    picture = (ROOT / "man" / "watch.svg").read_text(encoding="utf-8")
    assert "xmppctl&#160;-a&#160;bob&#160;watch" in picture
    assert "Montague" in picture
    assert not re.search(r"@import|url\((?!#)|href=|src=|<script", picture)
