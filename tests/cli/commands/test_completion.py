"""`xmppctl completion`: scripts that their shells accept."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from xmppctl.cli.app import App
from xmppctl.cli.entry import run


def printed(*arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = run(["completion", *arguments], App(stdout=stdout, stderr=stderr, environ={}))
    return code, stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_valid_in_its_shell(shell: str) -> None:
    code, script, notes = printed(shell)
    assert (code, notes) == (0, "")
    assert f"_XMPPCTL_COMPLETE={shell}_complete" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its syntax was not checked")
    subprocess.run([shell, "-n"], input=script, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("arguments", [(), ("tcsh",), ("bash", "zsh")])
def test_another_shell_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    code, script, notes = printed(*arguments)
    assert (code, script) == (2, "")
    assert notes.startswith("xmppctl: ")
