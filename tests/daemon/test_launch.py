"""Starting a daemon: once, with the right variables, no secret among them, and told what came of it."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from xmppctl.config import paths
from xmppctl.config.secrets import (
    CommandPassword,
    FilePassword,
    GivenPassword,
    KeyringPassword,
    NoPassword,
    PasswordSource,
    PromptPassword,
    Secret,
)
from xmppctl.config.settings import Settings, resolve
from xmppctl.daemon import launch
from xmppctl.errors import AuthError, DaemonError, DeadlineExceeded
from xmppctl.session.deadline import Deadline
from xmppctl.stanza.jid import Jid

SETTINGS = Settings(Jid.parse("romeo@montague.example"), NoPassword("test"), account="work")
SECRET = "wherefore art thou"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Where the locks are."""
    return {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "s"), "HOME": str(tmp_path)}


class Child:
    """A program in the place of the daemon; `code` tells its readiness on the descriptor `told`."""

    def __init__(self, directory: Path, code: str) -> None:
        self.seen = directory / "seen"
        self.program = directory / "program"
        script = directory / "program.py"
        script.write_text(
            "import os, sys, time, json\n"
            "told = int(os.environ['XMPPCTL_READY_FD'])\n"
            "inherited = [int(n) for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)]\n"
            f"with open({str(self.seen)!r}, 'a') as seen:\n"
            "    mask = os.umask(0)\n"
            "    json.dump({'words': sys.argv[1:], 'environ': dict(os.environ), 'cwd': os.getcwd(), 'umask': mask,\n"
            "        'pid': os.getpid(), 'leader': os.getsid(0) == os.getpid(), 'input': sys.stdin.read(),\n"
            "        'open': inherited}, seen)\n"
            "    seen.write(chr(10))\n"
            f"{code}\n"
        )
        # Through a shell: the first line of a script cannot name an interpreter whose path has a space in it.
        self.program.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} {quote(str(script))} "$@"\n')
        self.program.chmod(0o700)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What each run has seen."""
        import json

        return [json.loads(line) for line in self.seen.read_text().splitlines()] if self.seen.exists() else []


READY = "os.write(told, b'ready\\n')"


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program in the place of Python."""

    def make(code: str = READY) -> Child:
        made = Child(tmp_path, code)
        monkeypatch.setattr(sys, "executable", str(made.program))
        return made

    return make


def start(environ: dict[str, str], settings: Settings = SETTINGS, seconds: float = 10.0, **more: Any) -> bool:
    wanted: dict[str, Any] = {"serves": lambda: False, **more}
    return launch.start(settings, environ, Deadline(seconds), **wanted)


# -- the child ----------------------------------------------------------------------------------------------------


def test_a_child_that_says_ready_has_started(environ: dict[str, str], child: Any) -> None:
    made = child()
    assert start(environ) is True
    (run,) = made.runs
    assert run["words"] == ["-m", "xmppctl", "daemon", "start", "--foreground"]
    assert run["environ"]["XMPPCTL_ACCOUNT"] == "work"
    assert run["leader"], "it must not get the terminal's signals"
    assert run["cwd"] == "/"
    assert run["umask"] == 0o077
    assert run["input"] == ""


def test_it_inherits_nothing_but_the_pipe(environ: dict[str, str], child: Any) -> None:
    made = child()
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        start(environ)
    finally:
        os.close(reading)
        os.close(writing)
    (run,) = made.runs
    told = int(run["environ"]["XMPPCTL_READY_FD"])
    assert set(run["open"]) == {0, 1, 2, told}


def test_it_is_told_when_to_end(environ: dict[str, str], child: Any) -> None:
    made = child()
    start(environ, until_idle=90.0)
    assert made.runs[0]["words"][-2:] == ["--until-idle", "90.000"]


def test_no_descriptor_and_no_lock_stays_behind(environ: dict[str, str], child: Any) -> None:
    child()
    before = len(list(Path("/proc/self/fd").iterdir()))
    start(environ)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert start(environ, seconds=0.2 + 5), "the lock is free again"
    assert stat.S_IMODE(paths.daemon_start_lock("work", environ).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (
            """os.write(told, b'{"error": "auth", "exit": 5, "message": "refused", "hint": "try"}')""",
            AuthError,
            "refused",
        ),
        ("""os.write(told, b'{"error": "nonsense", "message": "m"}')""", DaemonError, "m"),
        ("os.write(told, b'[]')", DaemonError, "did not come up"),
        ("os.write(told, b'nonsense')", DaemonError, "did not come up"),
        ("sys.exit(1)", DaemonError, "did not come up"),
    ],
)
def test_what_keeps_it_from_serving_is_the_error(
    environ: dict[str, str], child: Any, code: str, kind: type[Exception], told: str
) -> None:
    child(code)
    with pytest.raises(kind, match=told):
        start(environ)


def test_a_child_that_says_nothing_is_not_waited_for_for_ever(environ: dict[str, str], child: Any) -> None:
    made = child("time.sleep(60)")
    with pytest.raises(DeadlineExceeded, match="the daemon of work to start"):
        start(environ, seconds=0.15)
    for run in made.runs:
        os.kill(run["pid"], signal.SIGKILL)


def test_a_program_that_is_missing_is_told(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DaemonError, match="cannot start /nowhere/python"):
        start(environ)


# -- exactly one --------------------------------------------------------------------------------------------------


def test_one_that_serves_already_is_enough(environ: dict[str, str], child: Any) -> None:
    made = child()
    assert start(environ, serves=lambda: True) is False
    assert made.runs == []


def test_of_many_that_want_one_a_single_one_starts_it(environ: dict[str, str], child: Any) -> None:
    made = child(READY + f"\nopen({str(Path(environ['HOME']) / 'serves')!r}, 'w')")
    # The child tells first and serves later here; so whoever waits must look again when it has the lock.
    serving = Path(environ["HOME"]) / "seen"
    outcomes: list[bool] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(start(environ, serves=serving.exists)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == [False] * 11 + [True]
    assert len(made.runs) == 1


def test_who_waits_for_another_starter_does_so_as_long_as_it_may(environ: dict[str, str], child: Any) -> None:
    from xmppctl.config import locks

    made = child()
    descriptor = locks.open_file(paths.daemon_start_lock("work", environ), os.O_RDWR | os.O_CREAT)
    try:
        assert locks.take(descriptor)
        with pytest.raises(DeadlineExceeded, match="another command that starts the daemon of work"):
            start(environ, seconds=0.1)
        assert start(environ, serves=lambda: True) is False, "it serves before its starter has gone"
    finally:
        os.close(descriptor)
    assert made.runs == []


# -- the password -------------------------------------------------------------------------------------------------


def asked(prompt: str, seconds: float | None) -> Secret:
    del prompt, seconds
    return Secret(SECRET)


@pytest.mark.parametrize(
    ("source", "handed"),
    [
        (NoPassword("none needed"), False),
        (GivenPassword(Secret(SECRET), "environment XMPPCTL_PASSWORD"), True),
        (GivenPassword(Secret(SECRET), "option --password-file"), True),
        (GivenPassword(Secret(SECRET), "account work (/c.toml)"), False),
        (PromptPassword("romeo", ask=asked), True),
        (CommandPassword(f"echo '{SECRET}'", "option --password-command", interactive=False), True),
        (CommandPassword("false", "account work (/c.toml)", interactive=False), False),
        (FilePassword(Path("/nowhere"), "option --password-file"), False),
        (FilePassword(Path("/nowhere"), "account work (/c.toml)"), False),
        (KeyringPassword("romeo", "account work (/c.toml)"), False),
    ],
    ids=lambda value: repr(value) if isinstance(value, PasswordSource) else str(value),
)
def test_only_what_the_child_cannot_get_itself_is_handed_over(source: PasswordSource, handed: bool) -> None:
    secret = launch.hand_over(SETTINGS._replace(password=source), 5.0)
    assert (secret.reveal() if secret else None) == (SECRET if handed else None)


def test_a_password_out_of_a_pipe_is_handed_over(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    os.write(writer, SECRET.encode() + b"\n")
    secret = launch.hand_over(SETTINGS._replace(password=FilePassword(fifo, "option --password-file")), 5.0)
    os.close(writer)
    assert secret is not None and secret.reveal() == SECRET


def test_the_password_goes_through_standard_input_and_nowhere_else(
    environ: dict[str, str], child: Any
) -> None:
    made = child()
    start(environ | {"XMPPCTL_PASSWORD": SECRET}, password=Secret(SECRET))
    (run,) = made.runs
    assert run["input"] == SECRET + "\n"
    assert run["environ"]["XMPPCTL_PASSWORD_FILE"] == "-"
    assert SECRET not in str(run["environ"]) + str(run["words"])


# -- the variables ------------------------------------------------------------------------------------------------


def made(
    settings: Settings, environ: dict[str, str] | None = None, *, password: bool = False
) -> dict[str, str]:
    """The child's variables that are ours."""
    found = launch.environment(settings, environ or {"HOME": "/home/romeo"}, password=password)
    return {name: value for name, value in found.items() if name.startswith("XMPPCTL_")}


def test_what_was_meant_for_this_command_alone_goes_no_further() -> None:
    given = {
        "HOME": "/home/romeo",
        "LANG": "C",
        "XMPPCTL_NAMESERVER": "127.0.0.1",
        **{
            f"XMPPCTL_{name}": "x"
            for name in (
                "TRACE",
                "OUTPUT",
                "TIMEOUT",
                "DAEMON",
                "VERBOSE",
                "PASSWORD",
                "PASSWORD_COMMAND",
                "HOST",
            )
        },
    }
    assert made(SETTINGS, given) == {
        "XMPPCTL_ACCOUNT": "work",
        "XMPPCTL_CONFIG": "/home/romeo/.config/xmppctl/config.toml",
        "XMPPCTL_NAMESERVER": "127.0.0.1",
        "XMPPCTL_NO_INPUT": "true",
    }
    assert launch.environment(SETTINGS, given, password=False)["LANG"] == "C"


def test_an_account_that_is_none_is_told_by_its_jid() -> None:
    variables = made(SETTINGS._replace(account=None), {"HOME": "/h", "XMPPCTL_ACCOUNT": "other"})
    assert variables["XMPPCTL_JID"] == "romeo@montague.example"
    assert "XMPPCTL_ACCOUNT" not in variables


def test_the_child_finds_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths and options included, from another directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "cert.pem"):
        (tmp_path / name).write_text(
            "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"  # pragma: allowlist secret
        )
        (tmp_path / name).chmod(0o600)
    (tmp_path / "config.toml").write_text(
        '[accounts.work]\njid = "romeo@montague.example"\nhost = "h"\nport = 1\n'
    )
    (tmp_path / "config.toml").chmod(0o600)
    environ = {
        "HOME": str(tmp_path),
        "XMPPCTL_CONFIG": "config.toml",
        "XMPPCTL_CA": "ca.pem",
        "XMPPCTL_PLAIN": "true",
        "XMPPCTL_CERTIFICATE": "cert.pem",
    }
    options = {"account": "work", "port": "5299", "tls": "direct", "insecure": "true", "resource": "balcony"}
    ours = resolve(options, dict(environ))
    variables = launch.environment(ours, environ, password=False)
    monkeypatch.chdir("/")
    theirs = resolve({}, variables)
    assert theirs.digest() == ours.digest()
    assert theirs[:1] + theirs[2:-1] == ours[:1] + ours[2:-1]
    assert theirs.name == ours.name == "work"


def test_a_password_file_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text(SECRET)
    ours = resolve({"jid": "romeo@montague.example", "password_file": "password"}, {"HOME": "/h"})
    assert made(ours)["XMPPCTL_PASSWORD_FILE"] == str(tmp_path / "password")


def test_a_work_tree_is_found_by_the_child() -> None:
    import xmppctl

    root = str(Path(xmppctl.__file__).parent.parent)
    found = launch.environment(SETTINGS, {"HOME": "/h", "PYTHONPATH": "/other"}, password=False)
    assert found["PYTHONPATH"] == f"{root}{os.pathsep}/other"
