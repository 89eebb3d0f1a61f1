"""The `dev` script on machines that lack things, with programs that only write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "env", "dirname", "cat", "cksum", "rm", "touch", "chmod", "true")


class Machine:
    """A clone with a space in its path, and a PATH on which only a few tools are."""

    def __init__(self, root: Path) -> None:
        self.clone = root / "a clone"
        self.bin = root / "bin"
        self.log = root / "calls"
        self.log.touch()
        self.bin.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found, name
            (self.bin / name).symlink_to(found)
        (self.bin / "python3").symlink_to(sys.executable)
        self.program("id", "echo 0")
        package = self.clone / "xmppctl/sandbox"
        package.mkdir(parents=True)
        for name in ("dev", "pyproject.toml"):
            shutil.copy2(ROOT / name, self.clone / name)
        for name in ("__init__.py", "errors.py", "sandbox/__init__.py", "sandbox/packages.py"):
            shutil.copy2(ROOT / "xmppctl" / name, self.clone / "xmppctl" / name)

    def program(self, name: str, script: str, where: Path | None = None) -> Path:
        """Put a shell script on PATH that first writes down its call."""
        path = (where or self.bin) / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\n{script}\n')
        path.chmod(0o755)
        return path

    def installed(self, stamp: str = "use") -> None:
        """As after the first run: an environment with xmppctl in it."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.clone / ".venv"], check=True)
        text = (self.clone / "pyproject.toml").read_bytes()
        sums = subprocess.run(["cksum"], input=text, capture_output=True, check=True).stdout.decode().strip()
        (self.clone / f".venv/.installed-{stamp}").write_text(f"{sums} {self.clone}\n")
        self.program("xmppctl", "exit 0", self.clone / ".venv/bin")

    def calls(self) -> list[str]:
        """Programs that were called, in order, but `id`."""
        return [line.strip() for line in self.log.read_text().splitlines() if not line.startswith("id ")]

    def dev(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.clone / "dev", *words],
            env={"PATH": str(self.bin), "HOME": str(self.clone.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=cwd or self.clone.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_help_and_a_wrong_word(machine: Machine) -> None:
    helped = machine.dev()
    assert helped.returncode == 0
    for command in ("demo", "test", "setup", "format", "docs", "bench"):
        assert f"\n  {command} " in helped.stdout
    wrong = machine.dev("tset")
    assert wrong.returncode == 2
    assert "usage" in wrong.stderr


def test_demo_installs_nothing_when_everything_is_there(machine: Machine) -> None:
    machine.installed()
    for name in ("prosody", "openssl"):
        machine.program(name, "exit 0")
    result = machine.dev("demo", "--keep", "a b", cwd=Path("/"))
    assert result.returncode == 0, result.stderr
    assert machine.calls() == ["xmppctl demo --keep a b"]


def test_demo_brings_prosody_and_updates_the_lists_only_when_it_must(machine: Machine) -> None:
    machine.installed()
    machine.program("openssl", "exit 0")
    made = machine.bin / "prosody"
    machine.program("apt-get", f'case $1 in install) touch "{made}"; chmod +x "{made}";; esac')
    result = machine.dev("demo")
    assert result.returncode == 0, result.stderr
    assert machine.calls() == ["apt-get install -y prosody", "xmppctl demo"]
    assert "installing prosody" in result.stderr


def test_empty_package_lists_are_fetched(machine: Machine) -> None:
    machine.installed()
    machine.program("openssl", "exit 0")
    lists, made = machine.bin.parent / "lists", machine.bin / "prosody"
    machine.program(
        "apt-get",
        f'case $1 in update) touch "{lists}";; *) [ -e "{lists}" ] && touch "{made}" && chmod +x "{made}";; esac',
    )
    result = machine.dev("demo")
    assert result.returncode == 0, result.stderr
    assert [call.split()[1] for call in machine.calls()] == ["install", "update", "install", "demo"]


def test_an_ordinary_user_without_sudo_is_told_what_to_type(machine: Machine) -> None:
    machine.installed()
    machine.program("id", "echo 1000")
    machine.program("openssl", "exit 0")
    machine.program("apt-get", "exit 0")
    result = machine.dev("demo")
    assert result.returncode == 3
    assert "type: sudo apt-get install -y prosody" in result.stderr
    assert "sudo apt-get update" in result.stderr
    assert machine.calls() == []


def test_who_cannot_install_is_told_everything_at_once(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    lacks = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv.pop(1))"
    machine.program(
        "python3",
        f'[ "$1" != -c ] || {{ shift; exec "{sys.executable}" -c "{lacks}" "$@"; }}\nexec "{sys.executable}" "$@"',
    )
    machine.program("id", "echo 1000")
    machine.program("apt-get", "exit 0")
    result = machine.dev("demo")
    assert result.returncode == 1
    venv = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"type: sudo apt-get install -y {venv} openssl prosody" in result.stderr


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.installed()
    machine.program("id", "echo 1000")
    machine.program("openssl", "exit 0")
    made = machine.bin / "prosody"
    machine.program("apt-get", f'touch "{made}"; chmod +x "{made}"')
    machine.program("sudo", '[ "$1" = -n ] && shift; exec "$@"')
    result = machine.dev("demo")
    assert result.returncode == 0, result.stderr
    assert "apt-get install -y prosody" in machine.calls()


def test_an_old_python_is_named(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    machine.program("python3", "exit 1")
    result = machine.dev("setup")
    assert result.returncode == 1
    assert "Python 3.11 or newer" in result.stderr


@pytest.mark.parametrize("damage", ["gone", "changed", "moved"])
def test_an_environment_that_fits_no_more_is_not_used(machine: Machine, damage: str) -> None:
    # Environments here have no pip, so that the attempt to mend one is seen, and fails, without the network.
    (machine.bin / "python3").unlink()
    no_pip = f'[ "$1 $2" != "-m venv" ] || exec "{sys.executable}" -m venv --without-pip "$3"'
    machine.program("python3", f'{no_pip}\nexec "{sys.executable}" "$@"')
    machine.installed()
    if damage == "gone":
        python = machine.clone / ".venv/bin/python"
        python.unlink()
        python.symlink_to("/nowhere/python3")
    elif damage == "changed":
        with (machine.clone / "pyproject.toml").open("a") as file:
            file.write("# more\n")
    else:
        machine.clone = machine.clone.rename(machine.clone.with_name("moved"))
    result = machine.dev("demo")
    assert result.returncode == 1
    assert ("making it anew" in result.stderr) == (damage == "gone")
    assert "installing xmppctl into .venv" in result.stderr
    assert "pip failed" in result.stderr
    assert not any(call.startswith("xmppctl") for call in machine.calls())


def test_a_source_archive_holds_the_script_and_all_that_its_commands_use() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert held >= {"/dev", "/.ci", "/xmppctl", "/tests", "/benchmarks", "/man", "/completions", "/README.md"}
    assert [name for name in held if not (ROOT / name[1:]).exists()] == []


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean_for_shellcheck() -> None:
    subprocess.run(["shellcheck", ROOT / "dev", ROOT / ".ci/run"], check=True, env=dict(os.environ))
