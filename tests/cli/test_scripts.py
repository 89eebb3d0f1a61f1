"""The completion scripts name our program and its variable; the shells themselves run them in test_complete."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from xmppctl.cli.scripts import SCRIPTS


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_a_script_hands_the_line_to_the_program(shell: str) -> None:
    script = SCRIPTS[shell]
    assert "_XMPPCTL_COMPLETE" in script
    code = [line for line in script.splitlines() if not line.lstrip().startswith("#")]
    assert not [
        line for line in code if "eval" in line.replace("$zsh_eval_context", "")
    ]  # candidates come from files and the network


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_script_parses(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run(
        [program, "-n"], input=SCRIPTS[shell], text=True, capture_output=True, timeout=30
    )
    assert (checked.returncode, checked.stderr) == (0, "")
