"""The commands of xmppctl inside a shell: what they take over from it, and what they have of their own."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from xmppctl.cli import reach
from xmppctl.cli.app import App
from xmppctl.cli.registry import COMMANDS
from xmppctl.cli.slashes import Slashes
from xmppctl.config.settings import Settings
from xmppctl.errors import ConnectionLost, ExitCode, Interrupted, UsageError
from xmppctl.output.recorder import Recorder
from xmppctl.session import run as run_module
from xmppctl.session.memory import MemorySession
from xmppctl.stanza.frame import Frame

JID = "romeo@montague.example"


class Terminal(io.StringIO):
    """A terminal to write to."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Shell:
    """An app in whose shell commands are run; `opened` are the time limits of those that came to the stream."""

    def __init__(
        self, directory: Path, *, colored: bool = False, to_person: bool = False, **options: Any
    ) -> None:
        config = directory / "config"
        (config / "xmppctl").mkdir(parents=True, exist_ok=True)
        (config / "xmppctl" / "config.toml").write_text(
            f'[accounts.work]\njid = "{JID}"\n[accounts.other]\njid = "juliet@capulet.example"\n'
        )
        self.stdout, self.stderr = Terminal(), Terminal()
        self.app = App(
            stdin=Terminal("typed by a person\n"),
            stdout=self.stdout,
            stderr=self.stderr,
            environ={
                "XDG_CONFIG_HOME": str(config),
                "XDG_STATE_HOME": str(directory / "state"),
                "XDG_RUNTIME_DIR": str(directory),
                "HOME": str(directory),
                "TERM": "xterm",
            },
        )
        self.app.options = {"account": "work", **options}
        self.settings = self.app.settings()
        self.opened: list[float | None] = []
        self.sent: list[str] = []
        self.commands = Slashes(self.app, self.settings, colored=colored, to_person=to_person)

    def run(self, line: str, responder: Any = None) -> int:
        name, _, rest = line.partition(" ")

        return self.commands.run(name, rest, Opener(self, responder))

    @property
    def errors(self) -> str:
        return self.stderr.getvalue()


class Opener:
    """Runs commands on a session in memory, in place of the shell's stream."""

    def __init__(self, shell: Shell, responder: Any) -> None:
        self._shell = shell
        self._responder = responder

    def __call__(self, main: Callable[[Any], Coroutine[Any, Any, Any]], timeout: float | None, _: Any) -> Any:
        self._shell.opened.append(timeout)

        async def body() -> Any:
            session = MemorySession(self._responder)
            try:
                return await main(session)
            finally:
                self._shell.sent += [frame.text for frame in session.sent]

        return asyncio.run(body())

    def ending(self, main: Any, *, follows: bool) -> Any:
        return main

    def pause(self, seconds: float) -> None:
        raise Interrupted("stopped")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


class Direct:
    """In place of `run_direct`, also in `reach`, which takes it over when it is loaded."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []

    def __call__(self, settings: Settings, *_: Any, **__: Any) -> None:
        self.settings.append(settings)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Direct:
    made = Direct()
    monkeypatch.setattr(reach, "run_direct", made)
    monkeypatch.setattr(run_module, "run_direct", made)
    return made


def test_what_makes_no_sense_inside_is_no_command(shell: Shell) -> None:
    assert set(COMMANDS) - set(shell.commands.names()) == {"shell", "demo", "completion"}
    offered = [word for word, _ in shell.commands.complete("s")]
    assert "send" in offered and "shell" not in offered
    ((word, told),) = shell.commands.complete("roster l")
    assert word == "list" and told


@pytest.mark.parametrize("rest", ["'open", 'a "b', "a\\"])
def test_words_that_cannot_be_read(shell: Shell, rest: str) -> None:
    with pytest.raises(UsageError, match="/send: no "):
        shell.commands.check("send", rest)
    shell.commands.check("send", "a 'b c' \"d\"")


def test_it_runs_on_the_streams_session(shell: Shell, direct: Direct) -> None:
    assert shell.run("send juliet@capulet.example 'a  b'") == 0
    assert "<body>a  b</body>" in shell.sent[0]
    assert shell.opened == [30.0] and direct.settings == []


@pytest.mark.parametrize(
    ("options", "line", "timeout"),
    [
        ({}, "ping", 30.0),
        ({"timeout": "0"}, "ping", 30.0),
        ({}, "ping --timeout 5", 5.0),
        ({}, "watch", None),
        ({}, "watch --timeout 7", 7.0),
    ],
)
def test_the_time_is_its_own(tmp_path: Path, options: Any, line: str, timeout: float | None) -> None:
    shell = Shell(tmp_path, **options)
    shell.run(line)
    assert shell.opened == [timeout]


def pinged(frame: Any) -> list[str]:
    return [f"<iq type='result' id='{frame.id}' from='{frame.to}'/>"]


@pytest.mark.parametrize(
    ("options", "line", "json"),
    [
        ({}, "ping", False),
        ({"output": "jsonl"}, "ping", True),
        ({"output": "jsonl"}, "ping -o text", False),
        ({}, "ping -o jsonl", True),
    ],
)
def test_the_form_of_the_output_is_the_shells_unless_it_says_otherwise(
    tmp_path: Path, options: Any, line: str, json: bool
) -> None:
    shell = Shell(tmp_path, **options)
    assert shell.run(line, pinged) == 0
    assert shell.stdout.getvalue().startswith("{") is json
    assert shell.app.options == {"account": "work", **options}, "the shell's own stay as they are"


@pytest.mark.parametrize(
    ("line", "jid"),
    [
        ("-a other", "juliet@capulet.example"),
        ("--account other", "juliet@capulet.example"),
        ("--jid nurse@capulet.example", "nurse@capulet.example"),
        ("--resource x", JID),
        ("--trace {directory}/trace", JID),
        ("--daemon off", JID),
    ],
)
def test_what_asks_for_another_stream_gets_one(
    shell: Shell, direct: Direct, tmp_path: Path, line: str, jid: str
) -> None:
    """Of the shell's account, where it names no other."""
    shell.run(f"ping {line.format(directory=tmp_path)}")
    assert [settings.jid.bare for settings in direct.settings] == [jid], shell.errors
    assert shell.opened == []


def test_a_daemon_that_is_asked_for_is_looked_for(
    shell: Shell, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("ping -a other --daemon only") == ExitCode.DAEMON
    assert "no daemon" in shell.errors and direct.settings == [] and shell.opened == []


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("ping --no-such-option", ExitCode.USAGE, "--no-such-option"),
        ("roster no-such-command", ExitCode.USAGE, "no-such-command"),
        ("ping -a nobody", ExitCode.CONFIG, "nobody"),
        ("ping juliet@capulet.example", ExitCode.REFUSED, "juliet"),
    ],
)
def test_its_errors_are_told_and_have_their_codes(shell: Shell, line: str, code: int, says: str) -> None:
    def refuse(frame: Any) -> list[str]:
        error = "<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        return [f"<iq type='error' id='{frame.id}' from='{frame.to}'>{error}</iq>"]

    assert shell.run(line, refuse) == code
    assert shell.errors.startswith("xmppctl: ") and says in shell.errors


def test_the_streams_end_is_told(shell: Shell) -> None:
    def lost(*_: Any) -> Any:
        raise ConnectionLost("gone \x1b[31m")

    assert shell.commands.run("ping", "", lost) == ExitCode.CONNECT
    assert "gone \\x1b[31m" in shell.errors


@pytest.mark.parametrize("colored", [False, True])
def test_its_terminal_is_one_for_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, colored: bool
) -> None:
    """It cannot ask, read or move about there: somebody types at the same time."""
    seen: list[App] = []
    monkeypatch.setattr(
        "xmppctl.cli.entry.run_inside", lambda words, app: seen.append(app) or app.stdin.read()
    )
    shell = Shell(tmp_path, colored=colored, quiet=True, verbose=2)
    assert shell.commands.run("ping", "", None) == ""  # type: ignore[arg-type, comparison-overlap]
    (inside,) = seen
    assert inside.environ["TERM"] == "dumb" and shell.app.environ["TERM"] == "xterm"
    assert not inside.stdin_is_terminal
    assert inside.flag("no_input") and inside.quiet and inside.verbose == 2
    assert inside.option("color") == ("always" if colored else None)


def test_nothing_is_read_from_whoever_types(shell: Shell) -> None:
    for line in ("send --stdin", "send juliet@capulet.example --stdin", "raw -", "raw"):
        shell.run(line)
    assert shell.app.stdin.read() == "typed by a person\n"


def test_nobody_is_asked_for_a_password(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: asked.append(1) or "x")
    assert shell.run("ping -a other") != 0
    assert "--no-input" in shell.errors and asked == []


def test_what_is_shown_is_never_rewritten(shell: Shell) -> None:
    shell.run("ping -vv", pinged)
    assert not set("\x1b\r\b") & set(shell.stdout.getvalue() + shell.errors)
    assert os.linesep in shell.stdout.getvalue()


def test_that_it_was_stopped_is_the_shells_to_tell(shell: Shell) -> None:
    def stopped(*_: Any) -> Any:
        raise Interrupted("stopped")

    assert shell.commands.run("watch", "", stopped) == ExitCode.INTERRUPTED
    assert shell.errors == ""


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("send juliet@capulet.example hi", 0, "/send juliet@capulet.example hi: done"),
        ("send juliet@capulet.example password=pl4nted", 0, "done"),
        ("send nobody@", 2, "nobody@"),
        ("ping", 0, ""),
    ],
)
def test_a_person_is_told_that_it_is_done_where_it_says_nothing_itself(
    tmp_path: Path, line: str, code: int, says: str
) -> None:
    for to_person in (True, False):
        shell = Shell(tmp_path, to_person=to_person)
        assert shell.run(line, pinged) == code
        assert (": done" in shell.errors) == (to_person and says.endswith("done"))
        assert says in shell.errors or not to_person
        assert "pl4nted" not in shell.errors


def test_what_needs_no_session_is_ended_where_it_lets_time_pass(shell: Shell, tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    with closing(Recorder(str(recording))) as recorder:
        for time in (1.0, 1000.0):
            recorder.write(
                Frame(b"<presence/>", names=("jabber:client presence",), direction="in", time=time)
            )
    for line in ("daemon logs --follow", f"replay {recording} --speed 1"):
        assert shell.run(line) == ExitCode.INTERRUPTED
