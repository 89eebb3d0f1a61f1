"""The life of the sandbox: start, find, use, stop. Everything is in one directory, gone after the stop.

The directory counts as a running sandbox only when its server lives and `sandbox.json`, written last, is there;
whatever else is found is what a crash left, and the next start removes it. One lock, on the state directory itself,
keeps two commands from starting or stopping at the same time.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from xmppctl.config.paths import private_directory, sandbox_accounts_file, state_dir, write_private
from xmppctl.errors import SandboxError
from xmppctl.sandbox import process, prosody
from xmppctl.sandbox.certificates import make_certificates
from xmppctl.sandbox.packages import find_program
from xmppctl.sandbox.ports import LOOPBACK
from xmppctl.sandbox.server import bring_up

ACCOUNTS: Final = ("alice", "bob")
LOCK_SECONDS: Final = 60.0

_INFO: Final = "sandbox.json"
_USERS: Final = "users.lock"
_CA: Final = "ca.pem"
_COMPONENT_SECRET: Final = "component.secret"  # noqa: S105 (the name of a file)

State = Literal["running", "starting", "crashed", "stopped"]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox. `temporary` means that the last command that uses it stops it."""

    pid: int
    directory: Path
    ports: prosody.Ports
    temporary: bool

    @property
    def ca(self) -> Path:
        """The certificate to trust."""
        return self.directory / _CA

    @property
    def component_secret_file(self) -> Path:
        """Holds the secret of the external component; 0600."""
        return self.directory / _COMPONENT_SECRET

    @property
    def log(self) -> Path:
        """The server's log."""
        return prosody.ProsodyFiles(self.directory).log

    @property
    def accounts_file(self) -> Path:
        """The accounts, in the format of the user's own config.toml."""
        return self.directory / "accounts.toml"

    def record(self) -> dict[str, object]:
        """What `sandbox status` shows: plain values that JSON can hold."""
        return {
            "state": "running",
            "pid": self.pid,
            "host": LOOPBACK,
            "domain": prosody.DOMAIN,
            "accounts": {name: f"{name}@{prosody.DOMAIN}" for name in ACCOUNTS},
            "services": {
                "pubsub": prosody.PUBSUB,
                "rooms": prosody.MUC,
                "upload": prosody.UPLOAD,
                "component": prosody.COMPONENT,
            },
            "ports": asdict(self.ports),
            "ca": str(self.ca),
            "component_secret_file": str(self.component_secret_file),
            "directory": str(self.directory),
            "log": str(self.log),
        }


def start() -> tuple[Sandbox, bool]:
    """The running sandbox, started if there was none, and whether this call started it. It stays until `stop`.

    Raises MissingProgram, ConfigError, SandboxError.
    """
    with _changing():
        return _ensure(temporary=False)


def stop() -> bool:
    """End the server and remove everything; whether there was anything. Raises ConfigError, SandboxError."""
    with _changing():
        return _remove(_directory())


def find() -> Sandbox | None:
    """The running sandbox, None where there is none. Raises ConfigError, SandboxError."""
    return _read(_directory())


def state() -> State:
    """`crashed` means that files without a server were left; the next start or stop removes them."""
    directory = _directory()
    if not directory.is_dir():
        return "stopped"
    if not process.alive(directory):
        return "crashed"
    return "running" if _read(directory) else "starting"


@contextmanager
def in_use() -> Iterator[Sandbox]:
    """The running sandbox for a while. One that was started for this is stopped by the last that uses it.

    Raises MissingProgram, ConfigError, SandboxError.
    """
    with _changing():
        sandbox, _ = _ensure(temporary=True)
        share = ExitStack()
        share.enter_context(process.locked(sandbox.directory / _USERS, LOCK_SECONDS, shared=True))
    try:
        yield sandbox
    finally:
        with _changing():
            share.close()
            _stop_if_unused(sandbox.directory)


def _directory() -> Path:
    return sandbox_accounts_file().parent


@contextmanager
def _changing() -> Iterator[None]:
    # The lock is on the directory that holds the sandbox's: removing the sandbox leaves no lock file behind.
    with process.locked(state_dir(), LOCK_SECONDS):
        yield


def _read(directory: Path) -> Sandbox | None:
    pid = process.server_pid(directory)
    if pid is None:
        return None
    try:
        values = json.loads((directory / _INFO).read_text(encoding="utf-8"))
        return Sandbox(pid, directory, prosody.Ports(**values["ports"]), bool(values["temporary"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(sandbox: Sandbox) -> Sandbox:
    values = {"ports": asdict(sandbox.ports), "temporary": sandbox.temporary}
    write_private(sandbox.directory / _INFO, json.dumps(values).encode())
    return sandbox


def _ensure(*, temporary: bool) -> tuple[Sandbox, bool]:
    directory = _directory()
    found = _read(directory)
    if found is not None:
        if found.temporary and not temporary:
            found = _write(Sandbox(found.pid, directory, found.ports, temporary=False))
        return found, False
    program = find_program("prosody", purpose="the sandbox")
    find_program("openssl", purpose="the sandbox")
    _remove(directory)
    try:
        return _set_up(program, private_directory(directory), temporary), True
    except BaseException as error:
        _remove(directory)
        if isinstance(error, OSError):
            raise SandboxError(f"cannot set the sandbox up: {error.strerror or error}") from None
        raise


def _set_up(program: str, directory: Path, temporary: bool) -> Sandbox:
    files = prosody.ProsodyFiles(directory)
    certificates = make_certificates(directory, prosody.CERTIFICATE_NAMES, [LOOPBACK])
    component_secret = secrets.token_urlsafe(24)
    write_private(directory / _COMPONENT_SECRET, f"{component_secret}\n".encode())
    (directory / _USERS).touch(mode=0o600)
    for name in ACCOUNTS:
        password = secrets.token_urlsafe(18)
        write_private(directory / f"{name}.password", f"{password}\n".encode())
        prosody.add_account(files, name, password)
    pid, ports = bring_up(program, files, certificates, component_secret)
    write_private(directory / "accounts.toml", _accounts(directory, ports).encode())
    return _write(Sandbox(pid, directory, ports, temporary))


def _accounts(directory: Path, ports: prosody.Ports) -> str:
    lines = [
        "# Written by `xmppctl sandbox start`, removed by `xmppctl sandbox stop`.",
        f'default = "{ACCOUNTS[0]}"',
    ]
    for name in ACCOUNTS:
        lines += [
            "",
            f"[accounts.{name}]",
            f'jid = "{name}@{prosody.DOMAIN}"',
            f"password_file = {_toml(directory / f'{name}.password')}",
            f'host = "{LOOPBACK}"',
            f"port = {ports.direct}",
            'tls = "direct"',
            f"ca = {_toml(directory / _CA)}",
        ]
    return "\n".join([*lines, ""])


def _toml(path: Path) -> str:
    # A JSON string is a TOML basic string, but for DEL, which only TOML wants escaped.
    return json.dumps(str(path), ensure_ascii=False).replace("\x7f", "\\u007f")


def _remove(directory: Path) -> bool:
    """End what lives in the directory and remove it; whether it was there."""
    if directory.is_symlink():
        private_directory(directory)  # says what is wrong with it
    if not directory.exists():
        return False
    process.terminate(directory)
    try:
        shutil.rmtree(directory)
    except OSError as error:
        raise SandboxError(f"cannot remove {directory}: {error.strerror or error}") from None
    return True


def _stop_if_unused(directory: Path) -> None:
    found = _read(directory)
    if (found is None or found.temporary) and not process.is_locked(directory / _USERS):
        _remove(directory)
