"""Programs that run on the sandbox: their environment, their exit codes, their signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from xmppctl.config.keys import KEYS
from xmppctl.errors import MissingProgram
from xmppctl.sandbox.lifecycle import Sandbox
from xmppctl.sandbox.prosody import Ports
from xmppctl.sandbox.run import check_program, environment, run_program


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(1, tmp_path, Ports(1001, 1002, 1003, 1004, 1005), temporary=True)


def test_only_the_sandboxs_accounts_exist_for_the_program(sandbox: Sandbox) -> None:
    outside = {key.variable: "outside" for key in KEYS.values() if key.variable}
    inside = environment(
        sandbox, {**outside, "XMPPCTL_ACCOUNT": "work", "XMPPCTL_OUTPUT": "jsonl", "EDITOR": "vi"}
    )
    assert "outside" not in inside.values()
    assert inside["XMPPCTL_CONFIG"] == str(sandbox.directory / "accounts.toml")
    assert inside["XMPPCTL_ACCOUNT"] == "alice"
    assert (inside["XMPPCTL_OUTPUT"], inside["EDITOR"]) == ("jsonl", "vi")
    assert (inside["XMPPCTL_SANDBOX_PORT"], inside["XMPPCTL_SANDBOX_TLS_PORT"]) == ("1001", "1002")


def test_the_account_can_be_chosen(sandbox: Sandbox) -> None:
    assert environment(sandbox, {}, account="bob")["XMPPCTL_ACCOUNT"] == "bob"


def test_xmppctl_is_found_where_path_lacks_it(sandbox: Sandbox) -> None:
    ours = str(Path(sys.executable).parent)
    assert environment(sandbox, {"PATH": "/nowhere"})["PATH"] == f"/nowhere:{ours}"
    assert environment(sandbox, {"PATH": f"{ours}:/usr/bin"})["PATH"] == f"{ours}:/usr/bin"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
)
def test_the_exit_code_is_the_programs(script: str, code: int) -> None:
    assert run_program(["sh", "-c", script], os.environ) == code


def test_a_program_that_is_not_there_is_an_error_before_anything_starts() -> None:
    with pytest.raises(MissingProgram, match="no-such-program"):
        check_program(["no-such-program"], os.environ)
    with pytest.raises(MissingProgram, match="no-such-program"):
        run_program(["no-such-program"], os.environ)


def test_a_signal_goes_to_the_program_and_our_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    code = run_program(["sh", "-c", "trap 'exit 42' TERM; while :; do sleep 0.05; done"], os.environ)
    assert code == 42
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_from_no_terminal_reaches_the_program(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom xmppctl.sandbox.run import run_program\n"
        "sys.exit(run_program(['sh', '-c', 'trap \"exit 43\" INT; echo up; while :; do sleep 0.05; done'], os.environ))"
    )
    ours = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert ours.stdout is not None
    with ours:
        assert ours.stdout.readline() == b"up\n"
        time.sleep(0.1)
        ours.send_signal(signal.SIGINT)
        assert ours.wait(10) == 43
