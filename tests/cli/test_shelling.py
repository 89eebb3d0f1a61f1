"""A shell from its options to its exit code, on a stream in which time passes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal
from tests.servers.scripted import ScriptedServer
from tests.servers.timeless import Side
from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.cli.shelling import Wishes, _Interactive, _Played
from xmppctl.config.secrets import PromptPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.errors import ExitCode, Interrupted, SecretError, Terminated
from xmppctl.interrupts import MAIN
from xmppctl.session.run import run_direct
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

FULL = Jid.parse("romeo@montague.example/orchard")
NS = "http://jabber.org/protocol/pubsub"


class Service:
    """A PubSub service to which one can subscribe, and a server. `asked` is what was asked of it, or else its name."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard: Callable[[str], object] = lambda _: None

    def __call__(self, frame: Frame) -> list[str] | None:
        pubsub = f"{NS} pubsub" in frame.payloads
        name = frame.element()[0][0].tag.rpartition("}")[2] if pubsub else frame.name
        self.asked.append(name)
        self.heard(name)
        if not pubsub:
            return None
        payload = f"<pubsub xmlns='{NS}'><subscriptions/></pubsub>" if name == "subscriptions" else ""
        return [f"<iq type='result' id='{frame.id}' from='{frame.to}'>{payload}</iq>"]


class Ran:
    """How a shell ended."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Ran]]:
    """Play a script, which comes through a pipe that stays open where `stalls`."""
    sides: list[Side] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def played(script: str, *words: str, responder: Any = None, stalls: bool = False) -> Ran:
        side = Side()
        sides.append(side)
        server = ScriptedServer(side, responder, FULL)
        monkeypatch.setattr(
            "xmppctl.session.login.login", lambda *_, on_frame, **__: server.established((), on_frame)
        )
        reading, writing = os.pipe()
        os.write(writing, script.encode())
        if not stalls:
            os.close(writing)
        stdout, stderr = Terminal(False), Terminal(False)
        with os.fdopen(reading) as stdin:
            app = App(
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                environ={"XMPPCTL_PASSWORD": "wherefore", "HOME": str(tmp_path), "TERM": "xterm"},
                runner=run_direct,
            )
            code = run(["shell", *words, "--jid", FULL.bare], app)
            if stalls:
                os.close(writing)
        return Ran(code, stdout.text, stderr.text)

    yield played
    for side in sides:
        side.close()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", ExitCode.OK),
        ("/stop\n", ExitCode.OK),
        ("/quit\n", ExitCode.OK),
        ("/wait 0 kind:message from:nobody@x\n", ExitCode.TIMEOUT),
        ("<oops></x>", ExitCode.MALFORMED),
    ],
)
@pytest.mark.parametrize("background", ["", " &"])
def test_a_subscription_is_undone_however_the_script_ends(
    play: Callable[..., Ran], end: str, code: int, background: str
) -> None:
    service = Service()
    ran = play(
        f"/pubsub subscribe pubsub.example a{background}\n<message to='a@b'/>\n{end}", responder=service
    )
    assert ran.code == code, ran.stderr
    asked = [name for name in service.asked if name not in ("presence", "iq")]
    assert asked == ["subscriptions", "subscribe", "message", "unsubscribe"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(Terminated("terminated"), ExitCode.TERMINATED), (Interrupted("interrupted"), ExitCode.INTERRUPTED)],
)
def test_a_signal_ends_it_and_what_it_has_set_up_is_undone(
    play: Callable[..., Ran], error: Exception, code: int
) -> None:
    """The script would wait for ever."""
    service = Service()
    service.heard = lambda name: name == "message" and MAIN.listener is not None and MAIN.listener(error)
    ran = play("/pubsub subscribe pubsub.example a\n<message to='a@b'/>\n", responder=service, stalls=True)
    assert ran.code == code, ran.stderr
    assert [name for name in service.asked if name.endswith("subscribe")] == ["subscribe", "unsubscribe"]


def test_a_signal_ends_it_after_the_stream_is_lost(play: Callable[..., Ran]) -> None:
    gone = "<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"

    def respond(frame: Frame) -> list[str] | None:
        if frame.name != "presence":
            return None
        listener = MAIN.listener
        assert listener is not None
        timer = threading.Timer(0.1, listener, [Terminated("terminated")])
        timer.daemon = True
        timer.start()
        return [gone]

    ran = play("<presence/>\n", responder=respond, stalls=True)
    assert ran.code == ExitCode.TERMINATED, ran.stderr


def test_a_command_in_the_background_does_not_hold_the_script_up(play: Callable[..., Ran]) -> None:
    service = Service()
    ran = play("/watch kind:message &\n<presence/>\n/jobs\n/ping\n<message to='a@b'/>\n", responder=service)
    assert ran.code == ExitCode.OK, ran.stderr
    assert "[job 1] 0 s  /watch kind:message" in ran.stdout
    assert service.asked[0] == "presence"


@pytest.mark.parametrize("option", [("--stop-at", "features"), ("--component",)])
def test_what_never_goes_through_a_daemon_says_so(play: Callable[..., Ran], option: tuple[str, ...]) -> None:
    ran = play("<presence/>\n", *option, "--daemon", "only")
    assert ran.code == ExitCode.DAEMON
    assert option[0] in ran.stderr


def test_what_excludes_each_other(play: Callable[..., Ran]) -> None:
    assert play("", "--stop-at", "tls", "--component").code == ExitCode.USAGE


def test_unchecked_it_says_that_a_daemon_is_out_of_the_question(play: Callable[..., Ran]) -> None:
    assert play("<presence/>\n", "--no-validate", "--daemon", "only").code == ExitCode.DAEMON


def test_unchecked_lines_go_as_they_are(play: Callable[..., Ran]) -> None:
    sent: list[str] = []

    def respond(frame: Frame) -> list[str]:
        sent.append(frame.text)
        return []

    ran = play("<message\n to='a@b'/>\n<presence/>", "--no-validate", responder=respond)
    assert ran.code == ExitCode.OK, ran.stderr
    assert sent == ["<message to='a@b'/>", "<presence/>"]


@pytest.mark.parametrize("form", ["xml", "jsonl", "text"])
def test_what_tells_of_the_shell_is_there_with_every_output(play: Callable[..., Ran], form: str) -> None:
    ran = play("/explain <presence/>\n", "-o", form)
    assert ran.code == ExitCode.OK, ran.stderr
    assert "RFC 6121" in (ran.stderr if form == "xml" else ran.stdout)


def test_a_password_is_not_asked_for_while_the_line_editor_has_the_terminal() -> None:
    asked: list[str] = []

    def ask(question: str, _: float | None) -> Secret:
        asked.append(question)
        return Secret("wherefore")

    settings = Settings(FULL, PromptPassword("romeo", ask=ask))
    wishes = Wishes("pretty", False, False, None, True, True, True, "features", False)
    app = App(environ={})
    with pytest.raises(SecretError, match="line editor"):
        _Interactive(app, wishes, settings)._mechanism("plain")
    assert asked == []
    assert _Played(app, wishes, settings)._mechanism("plain").name == "PLAIN"
    assert _Interactive(app, wishes, settings)._mechanism("plain").name == "PLAIN"
    assert len(asked) == 1
