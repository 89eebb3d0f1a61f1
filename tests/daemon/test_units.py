"""Units: what systemd and launchd read is what was meant, whatever stands in a path."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from xmppctl.daemon.units import LASTING, Unit, launchd, systemd
from xmppctl.errors import (
    AuthError,
    CertificateError,
    ConfigError,
    ExitCode,
    SecretError,
    StreamError,
)

PLAIN = Unit("work", "romeo@montague.example", ("/usr/bin/xmppctl", "daemon", "start", "--foreground"), {})
STRANGE = Unit(
    "work",
    "100%@montague.example",
    ("/opt/my programs/$HOME/xmppctl", "daemon", "start", 'a"b\\c', "it's", "%h", ";"),
    {"XMPPCTL_CONFIG": '/home/me/a "b" %c $d.toml'},
)


def parsed(text: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_the_service_runs_the_command_and_tells_when_it_serves() -> None:
    service = parsed(systemd(PLAIN))["Service"]
    assert service["ExecStart"] == "/usr/bin/xmppctl daemon start --foreground"
    assert service["Type"] == "notify" and service["NotifyAccess"] == "main"
    assert parsed(systemd(PLAIN))["Install"]["WantedBy"] == "default.target"


def test_a_failure_that_will_not_pass_is_not_tried_again_but_a_crash_is() -> None:
    service = parsed(systemd(PLAIN))["Service"]
    assert service["Restart"] == "on-failure"
    lasting = {int(code) for code in service["RestartPreventExitStatus"].split()}
    for error in (AuthError, ConfigError, SecretError, CertificateError, StreamError):
        assert int(error.code) in lasting
    assert not lasting & {0, ExitCode.BUG, ExitCode.OUTPUT}
    assert lasting == set(LASTING)


def test_what_is_special_to_systemd_is_quoted() -> None:
    text = systemd(STRANGE)
    service = parsed(text)["Service"]
    assert service["ExecStart"] == (
        '"/opt/my programs/$$HOME/xmppctl" daemon start "a\\"b\\\\c" "it\'s" "%%h" ";"'
    )
    assert service["Environment"] == '"XMPPCTL_CONFIG=/home/me/a \\"b\\" %%c $d.toml"'
    assert "100%%@montague.example" in parsed(text)["Unit"]["Description"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    for name, unit in (("plain", PLAIN), ("strange", STRANGE)):
        runnable = unit._replace(command=("/bin/true", *unit.command[1:]))
        path = tmp_path / f"xmppctl-{name}.service"
        path.write_text(systemd(runnable))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(path)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert f"xmppctl-{name}" not in done.stderr, done.stderr


def test_the_agent_is_a_property_list_with_the_same() -> None:
    for unit in (PLAIN, STRANGE):
        values = plistlib.loads(launchd(unit).encode())
        assert values["Label"] == "org.xmppctl.daemon.work"
        assert values["ProgramArguments"] == list(unit.command)
        assert values["EnvironmentVariables"] == dict(unit.environment)
        assert values["RunAtLoad"] is True
        assert values["KeepAlive"] == {"Crashed": True}
