"""How long the program takes to say anything: against the bare interpreter, the same one."""

from __future__ import annotations

import compileall
import os
import sys
import tempfile
from pathlib import Path

from measure import NO_TARGET, Process, Row, Target, medians

TITLE = "start-up, against python -c pass"
TARGET = Target(most=6)
ACCOUNTS = "".join(
    f'[accounts.work{number}]\njid = "romeo@montague{number}.example"\n' for number in range(10)
)


def program() -> list[str]:
    """The installed program, as a shell runs it."""
    installed = Path(sys.executable).with_name("xmppctl")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "xmppctl"]


def compile_package() -> None:
    """Have bytecode, as an installed package has."""
    import xmppctl

    compileall.compile_dir(str(Path(str(xmppctl.__file__)).parent), quiet=1)


def run(rounds: int) -> list[Row]:
    """Measure --help, --version and one completion."""
    compile_package()
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config.toml"
        config.write_text(ACCOUNTS)
        return measured(config, rounds)


def measured(config: Path, rounds: int) -> list[Row]:
    """As `run`, with a file of accounts to complete from."""
    asked = os.environ | {"_XMPPCTL_COMPLETE": "bash_complete", "XMPPCTL_CONFIG": str(config)}
    cases = {
        "python -c pass": Process([sys.executable, "-c", "pass"]),
        "xmppctl --version": Process([*program(), "--version"]),
        "xmppctl --help": Process([*program(), "--help"]),
        "complete a command": Process(program(), asked | {"COMP_WORDS": "xmppctl pi"}),
        "complete an account": Process(program(), asked | {"COMP_WORDS": "xmppctl -a "}),
        "complete a JID": Process(program(), asked | {"COMP_WORDS": "xmppctl send "}),
    }
    taken = medians(cases, rounds)
    bare = taken["python -c pass"]
    return [
        Row(name, f"{seconds * 1000:.1f} ms", seconds / bare, TARGET if seconds is not bare else NO_TARGET)
        for name, seconds in taken.items()
    ]
