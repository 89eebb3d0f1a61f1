"""What every test gets: a home of its own, so that no test reads or writes the developer's accounts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from xmppctl.interrupts import MAIN

# A busy machine is no fault of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A run that a script started in the background ignores Ctrl-C, one under nohup hangups, and so would each program
# that a test starts. A handler is not inherited: we go on, and they have the default.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point HOME and the XDG directories at an empty directory; drop what else would change what programs do."""
    home = tmp_path_factory.mktemp("home", numbered=True)
    for name in [name for name in os.environ if name.startswith("XMPPCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for variable, place in (
        ("CONFIG", ".config"),
        ("STATE", ".local/state"),
        ("CACHE", ".cache"),
        ("DATA", ".data"),
    ):
        monkeypatch.setenv(f"XDG_{variable}_HOME", str(home / place))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    # Nor does it matter what terminal the tests are started in, or that there is none.
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "EDITOR", "VISUAL", "INPUTRC"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(autouse=True)
def no_stream_left() -> Iterator[None]:
    """Fail a test that leaves a stream open: signals would wait for it in all tests after it."""
    before = MAIN.streams
    yield
    left, MAIN.streams = MAIN.streams - before, before
    assert left == 0, f"{left} streams are not closed"
