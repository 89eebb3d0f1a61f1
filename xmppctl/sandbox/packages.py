"""Which command installs a missing program on the system at hand.

`python -m xmppctl.sandbox.packages PROGRAM` prints that command without `sudo`, or exits with 1 where it is not
known; the `dev` script uses it. Imports nothing outside the standard library but errors.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from xmppctl.errors import MissingProgram

OS_RELEASE: Final = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
SYSTEM_DIRECTORIES: Final = "/usr/sbin:/usr/local/sbin:/sbin:/opt/homebrew/bin"

# The package manager and the words before the package's name.
_MANAGERS: Final = {
    "apt-get": ("install", "-y"),
    "dnf": ("install", "-y"),
    "pacman": ("-S", "--noconfirm"),
    "zypper": ("--non-interactive", "install"),
    "apk": ("add",),
    "emerge": (),
    "pkg": ("install", "-y"),
    "brew": ("install",),
}
_SYSTEMS: Final = {
    "debian": "apt-get",
    "ubuntu": "apt-get",
    "fedora": "dnf",
    "rhel": "dnf",
    "arch": "pacman",
    "suse": "zypper",
    "opensuse": "zypper",
    "alpine": "apk",
    "gentoo": "emerge",
    "freebsd": "pkg",
}
# Programs whose package is named otherwise somewhere; elsewhere it is named as the program.
_PACKAGES: Final = {
    ("brew", "prosody"): "prosody/prosody/prosody",
    ("emerge", "prosody"): "net-im/prosody",
    ("emerge", "openssl"): "dev-libs/openssl",
    ("emerge", "ejabberd"): "net-im/ejabberd",
}


def find_program(program: str, *, purpose: str) -> str:
    """The absolute path of `program` on PATH. Raises MissingProgram with the command that installs it."""
    found = shutil.which(program) or _in_system_directories(program)
    if found:
        return str(Path(found).absolute())
    command = install_command(program)
    if command is None:
        hint = f"install the package {program} with this system's package manager"
    else:
        sudo = "" if os.geteuid() == 0 or command[0] == "brew" else "sudo "
        hint = f"install it with: {sudo}{' '.join(command)}"
    raise MissingProgram(f"{program} is not installed; {purpose} needs it", hint=hint)


def install_command(program: str) -> list[str] | None:
    """The words that install `program` here, without sudo; None where no known package manager is found."""
    manager = _manager()
    if manager is None:
        return None
    return [manager, *_MANAGERS[manager], _PACKAGES.get((manager, program), program)]


def _in_system_directories(program: str) -> str | None:
    # An ordinary user's PATH often lacks the directories in which some systems install servers.
    return shutil.which(program, path=SYSTEM_DIRECTORIES)


def _manager() -> str | None:
    """The system's own manager where os-release names it, else the first known one on PATH."""
    for name in _system_names():
        manager = _SYSTEMS.get(name)
        if manager and shutil.which(manager):
            return manager
    return next((manager for manager in _MANAGERS if shutil.which(manager)), None)


def _system_names() -> list[str]:
    """ID and then ID_LIKE of os-release(5)."""
    for path in OS_RELEASE:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        words = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}"
        return [word.strip("\"'").partition("-")[0] for word in words.split()]
    return []


def _main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m xmppctl.sandbox.packages PROGRAM\n")
        return 2
    command = install_command(arguments[0])
    if command is None:
        return 1
    sys.stdout.write(" ".join(command) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
