"""The command that installs a missing program, per system."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmppctl.errors import ExitCode, MissingProgram
from xmppctl.sandbox import packages


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a system with an os-release text and programs on PATH; nothing else is found."""

    def make(os_release: str, *programs: str) -> None:
        release, binaries = tmp_path / "os-release", tmp_path / "bin"
        release.write_text(os_release)
        binaries.mkdir()
        for name in programs:
            (binaries / name).write_text("#!/bin/sh\n")
            (binaries / name).chmod(0o755)
        monkeypatch.setattr(packages, "OS_RELEASE", (tmp_path / "missing", release))
        monkeypatch.setattr(packages, "SYSTEM_DIRECTORIES", str(tmp_path / "nothing"))
        monkeypatch.setenv("PATH", str(binaries))

    return make


@pytest.mark.parametrize(
    ("release", "programs", "command"),
    [
        ("ID=debian\n", ["apt-get"], "apt-get install -y prosody"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', ["apt-get"], "apt-get install -y prosody"),
        ("ID=fedora\n", ["dnf"], "dnf install -y prosody"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["dnf"], "dnf install -y prosody"),
        ("ID=arch\n", ["pacman"], "pacman -S --noconfirm prosody"),
        ("ID=alpine\n", ["apk"], "apk add prosody"),
        (
            'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
            ["zypper"],
            "zypper --non-interactive install prosody",
        ),
        ("", ["brew"], "brew install prosody/prosody/prosody"),
        ("ID=gentoo\n", ["emerge"], "emerge net-im/prosody"),
    ],
)
def test_names_the_command_of_the_system(system, release: str, programs: list[str], command: str) -> None:
    system(release, *programs)
    assert packages.install_command("prosody") == command.split()


def test_the_systems_own_manager_comes_before_one_that_is_merely_installed(system) -> None:
    system("ID=fedora\n", "apt-get", "dnf")
    assert packages.install_command("openssl") == ["dnf", "install", "-y", "openssl"]


def test_a_manager_that_os_release_does_not_know_is_found_on_the_path(system) -> None:
    system("ID=surprise\n", "apk")
    assert packages.install_command("openssl") == ["apk", "add", "openssl"]


def test_a_missing_program_is_an_error_with_the_command_to_type(system, monkeypatch) -> None:
    system("ID=debian\n", "apt-get")
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    with pytest.raises(MissingProgram) as caught:
        packages.find_program("prosody", purpose="the sandbox")
    assert caught.value.code == ExitCode.CONFIG
    assert "prosody is not installed" in caught.value.message
    assert caught.value.hint == "install it with: sudo apt-get install -y prosody"


def test_root_and_homebrew_need_no_sudo(system, monkeypatch) -> None:
    system("", "brew")
    monkeypatch.setattr(packages.os, "geteuid", lambda: 501)
    with pytest.raises(MissingProgram) as caught:
        packages.find_program("prosody", purpose="the sandbox")
    assert "sudo" not in caught.value.hint


def test_an_unknown_system_still_gets_the_package_name(system) -> None:
    system("ID=surprise\n")
    with pytest.raises(MissingProgram) as caught:
        packages.find_program("openssl", purpose="the sandbox")
    assert "package openssl" in caught.value.hint


def test_finds_a_program_on_the_path(system) -> None:
    system("", "prosody")
    assert Path(packages.find_program("prosody", purpose="the sandbox")).name == "prosody"
