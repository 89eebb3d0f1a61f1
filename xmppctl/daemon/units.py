"""Units that keep a daemon running: for systemd of the user (systemd.service(5)) and for launchd (launchd.plist(5)).

They hold the paths of this installation and what was said on the command line, and never a secret. Sans-IO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from xmppctl.errors import ExitCode

#: How a daemon ends where trying again would end the same, or lock the account: not started again.
LASTING: Final = (
    ExitCode.REFUSED,
    ExitCode.USAGE,
    ExitCode.CONFIG,
    ExitCode.CONNECT,  # a daemon goes on trying; what ends it is the server: a conflict, no such host
    ExitCode.AUTH,
    ExitCode.DAEMON,
)
_STOP_SECONDS: Final = 30


class Unit(NamedTuple):
    """What is to be run: `command` in the foreground, with `environment` on top; `name` is the daemon's."""

    name: str
    jid: str
    command: Sequence[str]
    environment: Mapping[str, str]


def systemd(unit: Unit) -> str:
    """A service of the user's own service manager."""
    lasting = " ".join(str(int(code)) for code in LASTING)
    told = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in unit.environment.items())
    return f"""\
[Unit]
Description=XMPP connection of {_plain(unit.name)} ({_plain(unit.jid)})
Documentation=man:xmppctl-daemon(1)

[Service]
Type=notify
NotifyAccess=main
ExecStart={" ".join(_quoted(word, command=True) for word in unit.command)}
{told}Restart=on-failure
RestartSec=5
RestartPreventExitStatus={lasting}
TimeoutStartSec=90
TimeoutStopSec={_STOP_SECONDS}
UMask=0077

[Install]
WantedBy=default.target
"""


def launchd(unit: Unit) -> str:
    """An agent of the user's own session."""
    import plistlib

    values = {
        "Label": f"org.xmppctl.daemon.{unit.name}",
        "ProgramArguments": list(unit.command),
        "EnvironmentVariables": dict(unit.environment),
        "RunAtLoad": True,
        # After a signal nobody sent on purpose; launchd cannot tell exit codes apart, and a refused password that is
        # tried every ten seconds locks an account.
        "KeepAlive": {"Crashed": True},
        "ProcessType": "Background",
        "ExitTimeOut": _STOP_SECONDS,
        "Umask": 0o077,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/dev/null",
    }
    return plistlib.dumps(values).decode()


def _plain(text: str) -> str:
    """Text of a value that is no list of words."""
    return text.replace("%", "%%").replace("\\", "\\\\")


def _quoted(word: str, *, command: bool = False) -> str:
    """A word of a unit (systemd.syntax(7)); in a command line `$` is special as well (systemd.service(5))."""
    made = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    if command:
        made = made.replace("$", "$$")
    return made if made == word and made and not set(made) & set(" \t';") else f'"{made}"'
