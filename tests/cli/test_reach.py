"""Which session a command gets. The table first; then each way, with a daemon that plays a script."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.servers import local as scripted
from tests.servers.hostile import Script, Server
from xmppctl.cli import reach
from xmppctl.cli.reach import Found, Mode, Way, choose
from xmppctl.config import paths
from xmppctl.config.secrets import NoPassword, PromptPassword, Secret
from xmppctl.config.settings import Settings
from xmppctl.daemon import launch
from xmppctl.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    DaemonError,
    DeadlineExceeded,
    SecretError,
    StreamError,
    XmppctlError,
)
from xmppctl.session import attach, local
from xmppctl.session.base import Session
from xmppctl.stanza.jid import Jid

SETTINGS = Settings(Jid.parse(scripted.JID), NoPassword("test"), account="work")
PERSISTENT = SETTINGS._replace(persist=600.0)
DIGEST = SETTINGS.digest()


@pytest.mark.parametrize(
    ("mode", "found", "persist", "way"),
    [
        ("off", "nothing", False, "direct"),
        ("off", "nothing", True, "direct"),
        ("off", "stale", True, "direct"),
        ("off", "unfit", True, "direct"),
        ("off", "fits", True, "direct"),
        ("auto", "nothing", False, "direct"),
        ("auto", "nothing", True, "start"),
        ("auto", "stale", False, "direct"),
        ("auto", "stale", True, "start"),
        ("auto", "unfit", False, "direct"),
        ("auto", "unfit", True, "direct"),
        ("auto", "fits", False, "attach"),
        ("auto", "fits", True, "attach"),
        ("only", "nothing", False, "refuse"),
        ("only", "nothing", True, "start"),
        ("only", "stale", False, "refuse"),
        ("only", "stale", True, "start"),
        ("only", "unfit", False, "refuse"),
        ("only", "unfit", True, "refuse"),
        ("only", "fits", False, "attach"),
        ("only", "fits", True, "attach"),
    ],
)
def test_the_way(mode: Mode, found: Found, persist: bool, way: Way) -> None:
    assert choose(mode, found, persist=persist) == way


class Went(NamedTuple):
    """The way that a command went: `jid` of the session, None for one of its own."""

    jid: str | None
    warnings: list[str]
    notes: list[str]


class Place:
    """Where daemons are looked for; `start` plays one."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.environ = {"XDG_RUNTIME_DIR": str(root), "XDG_STATE_HOME": str(root / "state")}
        self.socket = paths.daemon_socket("work", self.environ)
        self._stack = stack

    def start(self, *scripts: Script) -> Server:
        """Play a daemon."""
        return self._stack.enter_context(Server(*scripts, path=self.socket))

    def leave_stale(self) -> None:
        """Leave the socket of one that was killed."""
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(self.socket))
        self.socket.chmod(0o600)

    def go(
        self, mode: Mode = "auto", settings: Settings = SETTINGS, timeout: float | None = 5.0, **more: Any
    ) -> Went:
        """Run a command that tells its JID."""
        warnings: list[str] = []
        notes: list[str] = []

        async def main(session: Session) -> str:
            return str(session.jid)

        jid = reach.run(
            settings,
            main,
            mode=mode,
            environ=self.environ,
            warn=warnings.append,
            note=notes.append,
            timeout=timeout,
            **{
                "plugins": False,
                "on_frame": None,
                "observe": None,
                "needs_daemon": None,
                "progress": None,
                "nameserver": None,
                **more,
            },
        )
        return Went(jid, warnings, notes)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """No daemon, and a stream of one's own comes to nothing but that."""
    monkeypatch.setattr(reach, "run_direct", lambda *_, **__: None)
    with ExitStack() as stack:
        yield Place(tmp_path, stack)


class Launcher:
    """Instead of `launch.start`: plays `script`, or raises `error`."""

    def __init__(self, place: Place, script: Script | None, error: XmppctlError | None = None) -> None:
        self.starts: list[dict[str, Any]] = []
        self._place = place
        self._script = script
        self._error = error

    def __call__(
        self, settings: Settings, environ: Any, deadline: Any, *, serves: Any, **wanted: Any
    ) -> bool:
        del settings, environ, deadline
        if serves():
            return False
        self.starts.append(wanted)
        if self._error is not None:
            raise self._error
        if self._script is not None:
            self._place.socket.unlink(missing_ok=True)
            self._place.start(self._script)
        return True


# -- without starting one -----------------------------------------------------------------------------------------


def test_a_daemon_that_fits_is_attached_to(place: Place) -> None:
    place.start(scripted.serving(settings=DIGEST))
    for mode in ("auto", "only"):
        went = place.go(mode)
        assert went.jid == scripted.FULL_JID
        assert not went.warnings
        assert [note.startswith("attached to the daemon of work (pid ") for note in went.notes] == [True]


def test_plugins_run_on_it_as_well(place: Place) -> None:
    place.start(scripted.serving(settings=DIGEST))
    assert place.go(plugins=True).jid == scripted.FULL_JID


def test_off_does_not_even_look(place: Place) -> None:
    server = place.start(scripted.serving(settings=DIGEST))
    assert place.go("off") == (None, [], [])
    assert server.connections == 0


def test_without_a_daemon_nothing_is_told(place: Place) -> None:
    assert place.go() == (None, [], [])


def test_only_says_how_to_start_one(place: Place) -> None:
    with pytest.raises(DaemonError, match="no daemon of work is running") as caught:
        place.go("only")
    assert "daemon start -a work" in caught.value.hint
    assert int(caught.value.code) == 9


def test_a_daemon_that_died_is_told(place: Place) -> None:
    place.leave_stale()
    went = place.go()
    assert went.jid is None
    assert len(went.warnings) == 1 and "has died" in went.warnings[0]
    assert "daemon start -a work" in went.warnings[0]
    with pytest.raises(DaemonError, match="has died"):
        place.go("only")


def test_a_command_that_makes_no_sense_without_a_daemon_says_why(place: Place) -> None:
    needs = DaemonError("it would not last")
    with pytest.raises(DaemonError, match="it would not last"):
        place.go(needs_daemon=needs)
    with pytest.raises(DaemonError, match="no daemon of work is running"):
        place.go("only", needs_daemon=needs)
    place.leave_stale()
    with pytest.raises(DaemonError, match="has died"):
        place.go(needs_daemon=needs)
    place.socket.unlink()
    place.start(scripted.serving(settings=DIGEST))
    assert place.go(needs_daemon=needs).jid == scripted.FULL_JID


def misfits(place: Place) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "symbolic link", lambda: place.socket.symlink_to(place.socket.with_name("other"))
    yield "not a socket", place.socket.touch
    yield "other settings", lambda: place.start(scripted.serving(settings="ffffffff"))
    yield "another release", lambda: place.start(scripted.serving(settings=DIGEST, program="9.9"))
    yield (
        "says no hello",
        lambda: place.start(
            lambda peer: (peer.send(scripted.HEADER, "<stream:features/>"), peer.until_end())
        ),
    )


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("number", range(5))
def test_what_is_not_to_be_used_is_told_and_gone_without(
    place: Place, number: int, persist: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, prepare = list(misfits(place))[number]
    prepare()
    launcher = Launcher(place, None)
    monkeypatch.setattr(launch, "start", launcher)
    settings = PERSISTENT if persist else SETTINGS
    went = place.go(settings=settings)
    assert went.jid is None
    assert len(went.warnings) == 1 and told in went.warnings[0] and "going on without it" in went.warnings[0]
    with pytest.raises(DaemonError, match=told):
        place.go("only", settings)
    assert launcher.starts == []


def test_a_runtime_directory_that_others_can_enter_is_told(place: Place) -> None:
    place.socket.parent.chmod(0o755)
    went = place.go()
    assert went.jid is None
    assert len(went.warnings) == 1 and "open to other users" in went.warnings[0]
    with pytest.raises(DaemonError, match="open to other users"):
        place.go("only")


def test_a_daemon_that_says_nothing_does_not_hold_the_command_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start(lambda peer: peer.until_end())
    monkeypatch.setattr(attach, "HELLO_SECONDS", 0.1)
    went = place.go()
    assert went.jid is None
    assert "does not answer" in went.warnings[0]
    with pytest.raises(DaemonError, match="does not answer"):
        place.go("only")


def test_looking_leaves_a_command_time_to_log_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float] = []
    monkeypatch.setattr(reach, "run_direct", lambda *_, timeout, **__: left.append(timeout))
    place.start(lambda peer: peer.until_end())
    place.go(timeout=2.0)
    assert 0.2 < left[0] < 1.8


@pytest.mark.parametrize(
    ("origin", "jid"), [("option --resource", None), ("account work", scripted.FULL_JID)]
)
def test_a_resource_of_the_commands_own(place: Place, origin: str, jid: str | None) -> None:
    place.start(scripted.serving(settings=DIGEST))
    settings = SETTINGS._replace(resource="other", origins={"resource": origin})
    went = place.go(settings=settings)
    assert went.jid == jid
    if jid is None:
        assert len(went.warnings) == 1 and "resource" in went.warnings[0]
        with pytest.raises(DaemonError, match="resource"):
            place.go("only", settings)


@pytest.mark.parametrize("mode", ["auto", "only"])
def test_a_login_that_was_refused_is_not_tried_once_more(place: Place, mode: Mode) -> None:
    failure = local.failure(AuthError("the password is wrong"))
    place.start(
        lambda peer: (
            scripted.greet(peer, settings=DIGEST),
            scripted.answer_bind(peer, failure),
            peer.until_end(),
        )
    )
    with pytest.raises(AuthError, match="the password is wrong"):
        place.go(mode)


def test_waiting_for_a_daemon_to_come_online_ends_with_the_commands_time(place: Place) -> None:
    place.start(lambda peer: (scripted.greet(peer, settings=DIGEST, state="waiting"), peer.until_end()))
    with pytest.raises(DeadlineExceeded, match="did not come online"):
        place.go(timeout=0.5)


@pytest.mark.parametrize(
    ("last", "error"), [("", ConnectionLost), (scripted.SHUTDOWN, StreamError)], ids=["dies", "ends"]
)
def test_a_daemon_that_ends_before_anything_was_sent_is_gone_without(
    place: Place, last: str, error: type[XmppctlError]
) -> None:
    place.start(
        lambda peer: (scripted.greet(peer, settings=DIGEST), peer.expect("</iq>"), last and peer.send(last))
    )
    went = place.go()
    assert went.jid is None
    assert len(went.warnings) == 1 and went.warnings[0].startswith("the daemon of work ")
    with pytest.raises(error, match="the daemon of work"):
        place.go("only")


# -- starting one -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "only"])
@pytest.mark.parametrize("stale", [False, True])
def test_an_account_that_persists_has_its_daemon_started(
    place: Place, monkeypatch: pytest.MonkeyPatch, mode: Mode, stale: bool
) -> None:
    launcher = Launcher(place, scripted.serving(settings=DIGEST))
    monkeypatch.setattr(launch, "start", launcher)
    if stale:
        place.leave_stale()
    went = place.go(mode, PERSISTENT)
    assert went.jid == scripted.FULL_JID
    assert not went.warnings
    assert launcher.starts == [{"password": None, "until_idle": 600.0}]
    assert place.go(mode, PERSISTENT).jid == scripted.FULL_JID
    assert len(launcher.starts) == 1


def test_one_that_another_command_has_started_meanwhile_is_used(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: Any, serves: Callable[[], bool], **__: Any) -> bool:
        assert not serves()
        place.start(scripted.serving(settings=DIGEST))
        assert serves()
        assert serves()
        return False

    monkeypatch.setattr(launch, "start", start)
    assert place.go(settings=PERSISTENT).jid == scripted.FULL_JID


@pytest.mark.parametrize("name", ["host", "port", "tls", "ca", "pin", "insecure", "resource"])
def test_no_daemon_is_started_with_what_one_command_wants(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    launcher = Launcher(place, None)
    monkeypatch.setattr(launch, "start", launcher)
    settings = PERSISTENT._replace(origins={name: f"option --{name}"})
    assert place.go(settings=settings) == (None, [], [])
    assert launcher.starts == []


@pytest.mark.parametrize("error", [DaemonError("it did not come up"), ConfigError("no room for a log")])
def test_a_daemon_that_cannot_be_started_is_gone_without(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: XmppctlError
) -> None:
    monkeypatch.setattr(launch, "start", Launcher(place, None, error))
    went = place.go(settings=PERSISTENT)
    assert went.jid is None
    assert len(went.warnings) == 1 and error.message in went.warnings[0]
    with pytest.raises(DaemonError, match=error.message):
        place.go("only", PERSISTENT)


@pytest.mark.parametrize(
    "error", [AuthError("refused"), SecretError("no password"), DeadlineExceeded("late")]
)
def test_what_would_keep_the_command_from_logging_in_as_well_ends_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: XmppctlError
) -> None:
    monkeypatch.setattr(launch, "start", Launcher(place, None, error))
    with pytest.raises(type(error), match=error.message):
        place.go(settings=PERSISTENT)


def test_one_that_ends_again_at_once_is_not_started_for_ever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = Launcher(place, None)
    monkeypatch.setattr(launch, "start", launcher)
    went = place.go(settings=PERSISTENT)
    assert went.jid is None and len(launcher.starts) == 1
    assert len(went.warnings) == 1 and "has ended again" in went.warnings[0]
    with pytest.raises(DaemonError, match="has ended again"):
        place.go("only", PERSISTENT)


def test_a_person_types_the_password_before_the_clock_starts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []
    left: list[float | None] = []

    def ask(_: str, seconds: float | None) -> Secret:
        from time import sleep

        asked.append(seconds)
        sleep(0.1)
        return Secret("typed")

    def start(settings: Settings, environ: Any, deadline: Any, *, password: Secret, **_: Any) -> bool:
        del settings, environ
        left.append(deadline.left())
        assert password.reveal() == "typed"
        place.start(scripted.serving(settings=DIGEST))
        return True

    monkeypatch.setattr(launch, "start", start)
    settings = PERSISTENT._replace(password=PromptPassword(scripted.JID, ask=ask))
    assert place.go(settings=settings, timeout=5.0).jid == scripted.FULL_JID
    assert asked == [5.0]
    assert left[0] is not None and left[0] > 4.95


# -- a stream that is opened again --


class LoggedIn(NamedTuple):
    """What a login was asked for."""

    password: Any
    nameserver: str | None


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[LoggedIn]:
    """The logins of a stream of one's own."""
    made: list[LoggedIn] = []

    def login(_: Settings, password: Any, __: Any, *, nameserver: str | None, **___: Any) -> LoggedIn:
        made.append(LoggedIn(password, nameserver))
        return made[-1]

    monkeypatch.setattr("xmppctl.session.login.login", login)
    return made


def open_again(place: Place, mode: Mode, **settings: Any) -> tuple[Any, list[Any]]:
    """Open a stream twice."""
    frames: list[Any] = []
    open = reach.opener(
        SETTINGS._replace(**settings),
        mode=mode,
        environ=place.environ,
        note=lambda _: None,
        on_frame=frames.append,
        nameserver="127.0.0.1:5353",
    )
    return open, frames


def test_it_is_opened_through_the_daemon_that_is_there_then(place: Place, logins: list[LoggedIn]) -> None:
    open, frames = open_again(place, "auto")
    assert open() is logins[0]
    place.start(scripted.serving(settings=DIGEST))
    established = open()
    assert (established.local, str(established.jid)) == (True, scripted.FULL_JID)
    assert frames, "what crosses that stream is seen, too"
    established.connection.close()
    assert len(logins) == 1


def test_it_is_opened_without_the_daemon_where_that_is_off(place: Place, logins: list[LoggedIn]) -> None:
    server = place.start(scripted.serving(settings=DIGEST))
    open, _ = open_again(place, "off")
    open()
    assert server.connections == 0
    assert logins == [LoggedIn(None, "127.0.0.1:5353")]


def test_it_is_not_opened_where_only_a_daemon_would_do(place: Place, logins: list[LoggedIn]) -> None:
    open, _ = open_again(place, "only")
    with pytest.raises(DaemonError, match="no daemon of work is running"):
        open()
    assert logins == []


def test_nobody_is_asked_for_a_password_then(place: Place, logins: list[LoggedIn]) -> None:
    """Somebody may be typing; what was typed at the first login is known."""
    asked: list[str] = []

    def ask(question: str, _: float | None) -> Secret:
        asked.append(question)
        return Secret("wherefore")

    password = PromptPassword("romeo", ask=ask)
    open, _ = open_again(place, "auto", password=password)
    with pytest.raises(SecretError, match="nobody has typed the password"):
        open()
    assert asked == [] and logins == []
    password.get()
    open()
    open()
    assert len(asked) == 1 and [login.password.reveal() for login in logins] == ["wherefore"] * 2
