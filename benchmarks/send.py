"""A cold `send`, the whole process, against go-sendxmpp on the same sandbox: direct TLS, certificate checked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Process, Row, Target, medians
from startup import compile_package, program

if TYPE_CHECKING:
    from xmppctl.sandbox.lifecycle import Sandbox

TITLE = "a cold send over direct TLS, against go-sendxmpp"
TARGET = Target(most=1.0)
PEAK_KIB = 48 * 1024

OURS = "xmppctl send"
THEIRS = "go-sendxmpp"


def run(rounds: int) -> list[Row] | str:
    """Measure both; a line that says why where one cannot be measured."""
    if shutil.which(THEIRS) is None:
        return "go-sendxmpp is not installed: apt-get install go-sendxmpp"
    if shutil.which("prosody") is None:
        return "prosody is not installed: apt-get install prosody"
    compile_package()
    with tempfile.TemporaryDirectory() as home, sandbox_in(Path(home)) as sandbox:
        theirs = go_sendxmpp(sandbox, Path(home))
        ours = xmppctl(sandbox)
        taken = medians({THEIRS: theirs, OURS: ours}, rounds)
        peaks = {THEIRS: theirs.peak(), OURS: ours.peak()}
    return [
        Row(THEIRS, f"{taken[THEIRS] * 1000:.1f} ms", 1.0),
        Row(OURS, f"{taken[OURS] * 1000:.1f} ms", taken[OURS] / taken[THEIRS], TARGET),
        Row(f"peak, {THEIRS}", f"{peaks[THEIRS] / 1024:.1f} MiB", peaks[THEIRS] / PEAK_KIB),
        Row(f"peak, {OURS} (of 48 MiB)", f"{peaks[OURS] / 1024:.1f} MiB", peaks[OURS] / PEAK_KIB, TARGET),
    ]


@contextmanager
def sandbox_in(home: Path) -> Iterator[Sandbox]:
    """A sandbox of the benchmark's own, whatever the user's does."""
    os.environ["XDG_STATE_HOME"] = str(home)
    from xmppctl.sandbox import lifecycle

    with lifecycle.in_use() as sandbox:
        yield sandbox


def xmppctl(sandbox: Sandbox) -> Process:
    """Our own, as a user of `sandbox run` has it."""
    from xmppctl.sandbox.run import environment

    words = [*program(), "-a", "alice", "send", "bob@localhost", "hi"]
    return Process(words, environment(sandbox, os.environ))


def go_sendxmpp(sandbox: Sandbox, home: Path) -> Process:
    """Theirs; the password in its configuration file, the sandbox's CA where Go looks for it."""
    from xmppctl.config.accounts import load

    account = load(sandbox.accounts_file).accounts["alice"]
    password = (sandbox.accounts_file.parent / str(account.values["password_file"])).read_text().strip()
    file = home / "go-sendxmpp"
    file.touch(mode=0o600)
    file.write_text(
        f"username: alice@localhost\npassword: {password}\njserver: localhost\nport: {sandbox.ports.direct}\n"
    )
    words = [THEIRS, "-t", "-f", str(file), "bob@localhost"]
    return Process(words, os.environ | {"SSL_CERT_FILE": str(sandbox.ca)}, stdin=b"hi\n")
