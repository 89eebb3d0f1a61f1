"""The sandbox's life, with a program that only sleeps in Prosody's place: what is there, who stops it, what is left."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmppctl.config import accounts
from xmppctl.errors import MissingProgram, SandboxError
from xmppctl.sandbox import lifecycle, process
from xmppctl.sandbox.certificates import Certificates
from xmppctl.sandbox.prosody import Ports, ProsodyFiles

PORTS = Ports(1001, 1002, 1003, 1004, 1005)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the sandbox will be; nothing lives there after the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def make_certificates(where: Path, *_: object) -> Certificates:
        (where / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
        return Certificates(where / "ca.pem", where / "server.pem", where / "server.key")

    def bring_up(program: str, files: ProsodyFiles, *_: object) -> tuple[int, Ports]:
        process.spawn(["sleep", "60"], files.directory, files.log)
        end = time.monotonic() + 5
        while (pid := process.server_pid(files.directory)) is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        return pid, PORTS

    monkeypatch.setattr(lifecycle, "find_program", lambda name, **_: name)
    monkeypatch.setattr(lifecycle, "make_certificates", make_certificates)
    monkeypatch.setattr(lifecycle, "bring_up", bring_up)
    yield tmp_path / "xmppctl/sandbox"
    lifecycle.stop()


def kill(sandbox: lifecycle.Sandbox) -> None:
    """Have the server crash."""
    os.kill(sandbox.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while process.alive(sandbox.directory):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_starts_once_is_found_and_stops(directory: Path) -> None:
    assert lifecycle.find() is None and lifecycle.state() == "stopped"
    sandbox, fresh = lifecycle.start()
    assert fresh and not sandbox.temporary and sandbox.ports == PORTS
    assert lifecycle.start() == (sandbox, False)
    assert lifecycle.find() == sandbox and lifecycle.state() == "running"
    assert lifecycle.stop() and not lifecycle.stop()
    assert not directory.exists() and lifecycle.find() is None


def test_its_accounts_can_be_used_and_nobody_else_can_read_their_passwords(directory: Path) -> None:
    sandbox, _ = lifecycle.start()
    found = accounts.load(sandbox.accounts_file)
    assert found.default == "alice" and set(found.accounts) == {"alice", "bob"}
    for account in found.accounts.values():
        secret = Path(str(account.values["password_file"]))
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600 and len(secret.read_text().strip()) >= 20
        assert account.values["ca"] == str(sandbox.ca) and account.values["port"] == PORTS.direct
    assert stat.S_IMODE(sandbox.component_secret_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_what_a_crash_leaves_the_next_start_removes(directory: Path) -> None:
    sandbox, _ = lifecycle.start()
    (directory / "left").touch()
    kill(sandbox)
    assert lifecycle.find() is None and lifecycle.state() == "crashed"
    again, fresh = lifecycle.start()
    assert fresh and again.pid != sandbox.pid and not (directory / "left").exists()


def test_what_was_started_for_a_use_goes_with_its_last_user(directory: Path) -> None:
    with lifecycle.in_use() as first:
        assert first.temporary
        with lifecycle.in_use() as second:
            assert second.pid == first.pid
        assert lifecycle.find() == first
    assert not directory.exists()


def test_what_was_started_to_stay_stays() -> None:
    sandbox, _ = lifecycle.start()
    with lifecycle.in_use() as used:
        assert used == sandbox
    assert lifecycle.find() == sandbox


def test_a_start_during_a_use_makes_it_stay() -> None:
    with lifecycle.in_use() as used:
        kept, fresh = lifecycle.start()
        assert not fresh and not kept.temporary and kept.pid == used.pid
    assert lifecycle.find() == kept


@pytest.mark.parametrize("error", [SandboxError("it is silent"), KeyboardInterrupt(), OSError(28, "full")])
def test_a_start_that_fails_leaves_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    real = lifecycle.bring_up

    def fail(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise error

    monkeypatch.setattr(lifecycle, "bring_up", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else SandboxError):
        lifecycle.start()
    assert not directory.exists()


def test_a_missing_program_is_told_before_anything_is_made(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, **_: object) -> str:
        raise MissingProgram(f"{name} is not installed")

    monkeypatch.setattr(lifecycle, "find_program", missing)
    with pytest.raises(MissingProgram, match="prosody"):
        lifecycle.start()
    assert not directory.exists()


def test_a_symbolic_link_in_its_place_is_not_followed(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").touch()
    directory.parent.mkdir(mode=0o700, exist_ok=True)
    directory.symlink_to(tmp_path / "elsewhere")
    for change in (lifecycle.start, lifecycle.stop):
        with pytest.raises(Exception, match="symbolic link"):
            change()
    assert (tmp_path / "elsewhere/precious").exists()
    directory.unlink()


def test_the_record_holds_no_secret() -> None:
    sandbox, _ = lifecycle.start()
    told = str(sandbox.record())
    for file in sandbox.directory.glob("*.password"):
        assert file.read_text().strip() not in told
    assert sandbox.component_secret_file.read_text().strip() not in told
