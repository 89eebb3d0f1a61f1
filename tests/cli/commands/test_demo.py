"""`demo` where it cannot run says so at once, and leaves nothing behind. That it runs is in the integration tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def demo(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it in a world without any program, and with a home of its own."""
    environment = {"HOME": str(home), "PATH": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, "-m", "xmppctl", "demo", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_prosody_it_names_what_is_missing_and_leaves_nothing(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 3
    assert "prosody" in done.stderr.lower() and "try:" in done.stderr
    assert done.stdout == ""
    assert not [path for path in tmp_path.rglob("*") if path.is_socket() or path.name == "prosody.cfg.lua"]


def test_a_wrong_word_is_a_usage_error(tmp_path: Path) -> None:
    done = demo(tmp_path, "--keeep")
    assert done.returncode == 2 and "--keep" in done.stderr
