"""Which session a command gets: one through the daemon that holds the account's connection, or one of its own.

`--daemon auto` never makes a command fail that would work without a daemon: what is wrong with one is told in a line,
and the command logs in by itself. `--daemon only` fails with exit code 9 instead.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from xmppctl.config import paths
from xmppctl.errors import ConfigError, ConnectionLost, DaemonError, SecretError, StreamError, XmppctlError
from xmppctl.session import attach
from xmppctl.session.deadline import Deadline
from xmppctl.session.run import CONNECT_SECONDS, run_attached, run_direct
from xmppctl.stanza.splitter import MAX_STANZA_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from xmppctl.config.settings import Settings
    from xmppctl.session.base import Session
    from xmppctl.session.connection import OnFrame
    from xmppctl.session.established import Established
    from xmppctl.session.login import Step
    from xmppctl.session.run import Observer

T = TypeVar("T")

Mode = Literal["auto", "only", "off"]
#: What is there of a daemon: nothing; a socket that nobody listens at; one that is not to be used; one that is.
Found = Literal["nothing", "stale", "unfit", "fits"]
Way = Literal["direct", "attach", "start", "refuse"]
#: `attach.reach`, but for what it does with frames.
Reacher = Callable[["Path", "Settings", Deadline], "attach.Local | None"]

#: What only one stream of the command's own, or a daemon started for it alone, could honour.
_OWN: Final = ("host", "port", "tls", "ca", "pin", "insecure", "resource")


def choose(mode: Mode, found: Found, *, persist: bool) -> Way:
    """The way to a session. `persist`: the account has its daemon started when it is first needed. Pure."""
    if mode == "off":
        return "direct"
    if found == "fits":
        return "attach"
    if found != "unfit" and persist:
        return "start"
    return "refuse" if mode == "only" else "direct"


class Look(NamedTuple):
    """What was found of a daemon; `problem` where it is unfit, `stream` where it fits."""

    found: Found
    problem: XmppctlError | None = None
    stream: attach.Local | None = None


def run(
    settings: Settings,
    main: Callable[[Session], Coroutine[Any, Any, T]],
    *,
    mode: Mode,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
    plugins: bool,
    timeout: float | None,
    on_frame: OnFrame | None,
    observe: Observer | None,
    needs_daemon: DaemonError | None,
    progress: Callable[[Step], None] | None,
    note: Callable[[str], None],
    nameserver: str | None,
) -> T:
    """As `session.run.run_direct`, through a daemon where `mode`, the account and what is there say so.

    `warn` hears of a daemon that is not to be used, `note` of the way that was taken. Raises DaemonError as well.
    """
    direct = partial(
        run_direct,
        settings,
        main,
        plugins=plugins,
        on_frame=on_frame,
        observe=observe,
        needs_daemon=needs_daemon,
        progress=progress,
        note=note,
        nameserver=nameserver,
    )
    if mode == "off":
        return direct(timeout=timeout)
    max_bytes = MAX_STANZA_BYTES
    if observe is not None:
        from xmppctl.session.relayed import MAX_RELAYED_BYTES

        max_bytes = MAX_RELAYED_BYTES
    reach = _Reach(settings, mode, environ, warn, note, timeout, needs_daemon)
    established = reach.session(partial(attach.reach, on_frame=on_frame, max_bytes=max_bytes))
    if established is None:
        return direct(timeout=reach.deadline.left())
    return run_attached(
        established, main, plugins=plugins, deadline=reach.deadline, observe=observe, note=warn
    )


def opener(
    settings: Settings,
    *,
    mode: Mode,
    environ: Mapping[str, str],
    note: Callable[[str], None],
    on_frame: OnFrame | None,
    nameserver: str | None,
) -> Callable[[], Established]:
    """What opens a bound stream again, as `run` would. Blocking, within the time that connecting gets.

    The password is the one that the first login had, where a person was asked for it; nobody is asked now: somebody
    may be typing something else. Raises SecretError for that.
    """
    from xmppctl.session.login import login
    from xmppctl.session.run import get_password

    def open() -> Established:
        if mode != "off":
            reach = _Reach(settings, mode, environ, note, note, CONNECT_SECONDS, None)
            established = reach.session(partial(attach.reach, on_frame=on_frame))
            if established is not None:
                return established
        if settings.password.asks:
            raise SecretError(
                "the daemon has ended, and nobody has typed the password here",
                hint="start it again (xmppctl daemon start), then /connect",
            )
        password = get_password(settings, CONNECT_SECONDS)
        return login(
            settings, password, Deadline(CONNECT_SECONDS), on_frame=on_frame, note=note, nameserver=nameserver
        )

    return open


def stream(
    settings: Settings,
    *,
    mode: Mode,
    environ: Mapping[str, str],
    timeout: float,
    note: Callable[[str], None],
) -> attach.Local | None:
    """A stream to the daemon for requests to the daemon itself; None where there is none and none is to be started.

    Raises DaemonError for one that is not to be used, and where `mode` is only; what keeps one that is started from
    serving; DeadlineExceeded after `timeout` seconds.
    """
    if mode == "off":
        return None
    return _Reach(settings, mode, environ, note, note, timeout, None).stream()


class _Reach:
    """Looks for the daemon of an account, starts it where it is to be started, and attaches to it.

    `deadline` is the command's; a person who types a password does so before its clock starts. `needs_daemon` is raised
    where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        mode: Mode,
        environ: Mapping[str, str],
        warn: Callable[[str], None],
        note: Callable[[str], None],
        timeout: float | None,
        needs_daemon: DaemonError | None,
    ) -> None:
        self.deadline = Deadline(timeout)
        self._settings = settings
        self._mode: Mode = mode if needs_daemon is None else "only"
        self._needs_daemon = needs_daemon if mode != "only" else None
        self._environ = environ
        self._warn = warn
        self._note = note
        self._timeout = timeout

    def session(self, reach: Reacher) -> Established | None:
        """The stream to the daemon; None where the command is to log in by itself."""
        look = self._look(reach)
        way = choose(self._mode, look.found, persist=self._persists())
        if way == "start":
            look = self._start(reach)
            way = choose(self._mode, look.found, persist=False)
        if way == "attach":
            assert look.stream is not None
            return self._attach(look.stream)
        self._go_without(look)
        return None

    def stream(self) -> attach.Local | None:
        """A stream to the daemon, not bound."""
        look = self._look(attach.reach)
        if choose(self._mode, look.found, persist=self._persists()) == "start":
            look = self._start(attach.reach)
        if look.problem is not None:
            raise look.problem
        if look.stream is None:
            self._go_without(look)
        return look.stream

    def _persists(self) -> bool:
        """Whether a daemon is to be started. Not with what this one command wants: the next would not fit."""
        origins = self._settings.origins
        own = any(origins.get(name, "").startswith("option") for name in _OWN)
        return self._settings.persist is not None and not own

    def _look(self, reach: Reacher) -> Look:
        try:
            path = paths.find_daemon_socket(self._settings.name, self._environ)
            stream = None if path is None else reach(path, self._settings, self._limit())
        except (ConfigError, DaemonError) as error:
            return Look("unfit", error)
        if stream is None:
            return Look("stale" if path is not None and path.is_socket() else "nothing")
        problem = attach.misfit(stream.hello, self._settings)
        if problem is not None:
            stream.close()
            return Look("unfit", problem)
        return Look("fits", None, stream)

    def _limit(self) -> Deadline:
        """What looking may take: where the command can go on without a daemon it needs time for that."""
        left = self.deadline.left()
        return self.deadline if left is None or self._mode == "only" else self.deadline.within(left / 2)

    def _start(self, reach: Reacher) -> Look:
        from xmppctl.daemon import launch

        found: list[Look] = []

        def serves() -> bool:
            for look in found:
                if look.stream is not None:
                    look.stream.close()
            found[:] = [self._look(reach)]
            return found[0].found in ("fits", "unfit")

        settings = self._settings
        patience = CONNECT_SECONDS if self._timeout is None else self._timeout
        try:
            password = launch.hand_over(settings, patience)
            self.deadline = Deadline(self._timeout)
            started = launch.start(
                settings,
                self._environ,
                self.deadline,
                serves=serves,
                password=password,
                until_idle=settings.persist,
            )
        except SecretError:
            raise
        except (ConfigError, DaemonError) as error:
            return Look("unfit", error)
        if started:
            self._note(f"started a daemon of {settings.name}; it ends after {settings.persist:g} s of idling")
            look = self._look(reach)
            if look.found in ("fits", "unfit"):
                return look
            hint = f"see why: xmppctl daemon logs {attach.chosen(settings)}"
            return Look("unfit", DaemonError(f"the daemon of {settings.name} has ended again", hint=hint))
        return found[0]

    def _attach(self, stream: attach.Local) -> Established | None:
        settings = self._settings
        problem: XmppctlError | None
        try:
            established = stream.bind(self.deadline.within(CONNECT_SECONDS))
            problem = attach.other_resource(settings, established.jid)
        except BaseException as error:
            stream.close()
            # It ends, or was killed, and nothing was sent yet.
            if self._mode == "only" or not isinstance(error, ConnectionLost | StreamError):
                raise
            problem = error
        if problem is not None:
            stream.close()
            self._go_without(Look("unfit", problem))
            return None
        self._note(f"attached to the daemon of {settings.name} (pid {stream.pid or 'unknown'})")
        return established

    def _go_without(self, look: Look) -> None:
        """Go on without a daemon, or raise DaemonError where only one will do."""
        if look.found == "nothing" and self._needs_daemon is not None:
            raise self._needs_daemon
        name, which = self._settings.name, attach.chosen(self._settings)
        start = f"start it: xmppctl daemon start {which}"
        if look.found == "stale":
            message, hint = f"the daemon of {name} has died: nobody listens at its socket", start
        elif look.problem is not None:
            message, hint = look.problem.message, look.problem.hint
        else:
            message, hint = f"no daemon of {name} is running", f"{start}; or leave out --daemon only"
        if self._mode == "only":
            raise DaemonError(message, hint=hint)
        if look.found != "nothing":
            self._warn(f"{message}; going on without it" + (f" ({hint})" if hint else ""))
