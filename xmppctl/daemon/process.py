"""The daemon's process: exactly one of an account, told when it serves, ended by signals, never in silence.

The order: the lock, the socket, the first attempt to connect, then whoever has started it is told (see `readiness`).
It stays while the network is down. It ends with 0 when it is asked to (`daemon stop`, SIGTERM, SIGINT, idling), and
with the exit code of a failure that will not pass, after its clients have been told. A second signal ends it at once.
In the background it has no terminal, no standard streams, and SIGHUP does nothing to it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

from xmppctl.config import crash, paths
from xmppctl.daemon import control, instance
from xmppctl.daemon.core import Daemon
from xmppctl.daemon.log import Log
from xmppctl.daemon.readiness import Readiness
from xmppctl.errors import ConfigError, DaemonError, DeadlineExceeded, XmppctlError
from xmppctl.session.deadline import Deadline

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings

#: What gives the password of each login gets so long, in seconds: a program that asks nobody, or a file.
PASSWORD_SECONDS: Final = 60.0
#: Files that may be open at once, where the system lets us: each client is one, and a burst of them comes in one turn.
DESCRIPTORS: Final = 4096
#: Tracebacks that one process writes.
_MAX_TRACEBACKS: Final = 20
#: What accept(2) says where there is no room for one more: not our mistake.
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def run(
    settings: Settings,
    readiness: Readiness,
    *,
    environ: Mapping[str, str] = os.environ,
    stderr: TextIO | None = None,
    until_idle: float | None = None,
    nameserver: str | None = None,
) -> bool:
    """Be the daemon of an account until it ends; False, at once, where another one runs already.

    The log goes to `stderr` as well, unless a command has started this process to stay in the background.
    `until_idle` is in seconds. Raises what has ended it: a failure that will not pass, ConfigError, DaemonError; the
    caller tells `readiness` of it.
    """
    return _Process(settings, environ, readiness, stderr, until_idle, nameserver).run()


class _Process:
    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        readiness: Readiness,
        stderr: TextIO | None,
        until_idle: float | None,
        nameserver: str | None,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._until_idle = until_idle
        self._nameserver = nameserver
        self._place = control.place(settings, environ)
        self._log = Log(paths.daemon_log(settings.name, environ), None if readiness.in_background else stderr)
        self._spool = paths.spool_file(settings.name, environ)
        self._password = _password(settings)
        self._tracebacks = 0

    def run(self) -> bool:
        settings = self._settings
        with instance.only_one(
            self._place.lock, self._other_serves, name=settings.name, jid=settings.jid.bare
        ) as first:
            if not first:
                self._readiness.ready()
                return False
            if self._readiness.in_background:
                detach()
            raise_limit()
            who = f"{settings.name} ({settings.jid.bare})"
            self._log.info(f"started for {who}, process {os.getpid()}")
            try:
                run_loop(self._serve)
            except XmppctlError as error:
                self._log.error(f"ended: {error.message}" + (f"; try: {error.hint}" if error.hint else ""))
                raise
            except Exception as error:  # noqa: BLE001 (logged and raised)
                told = crash.bug(error)
                self._log.error(f"ended: {told.message}; {told.hint}")
                raise told from None
            self._log.info("ended")
            return True

    def _other_serves(self) -> bool:
        with suppress(DaemonError, DeadlineExceeded):
            return self._place.info(Deadline(control.ANSWER_SECONDS)) is not None
        return False

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._tell_bug)
        daemon = Daemon(
            self._settings,
            self._password,
            socket=self._place.socket,
            spool=self._spool,
            log=self._log,
            until_idle=self._until_idle,
            nameserver=self._nameserver,
            on_outcome=self._first_outcome,
        )
        self._listen_for_signals(daemon)
        await daemon.run()

    def _first_outcome(self, error: XmppctlError | None) -> None:
        self._readiness.ready()
        self._readiness.status("online" if error is None else f"not online yet: {error.message}")

    def _listen_for_signals(self, daemon: Daemon) -> None:
        loop = asyncio.get_running_loop()
        told = False

        def stop(number: signal.Signals) -> None:
            nonlocal told
            if told:
                os._exit(128 + number)
            told = True
            self._readiness.stopping()
            daemon.stop(f"signal {number.name}")

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, stop, number)

    def _tell_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a callback raised and nobody else hears of. The daemon goes on: what it holds is worth more."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            self._log.warning(f"nobody can be let in for a moment: {error.strerror}")
        elif isinstance(error, Exception) and self._tracebacks < _MAX_TRACEBACKS:
            self._tracebacks += 1
            told = crash.bug(error)
            self._log.error(f"{told.message}; {told.hint}")
        elif isinstance(error, Exception):  # what fails once fails often
            self._log.warning(f"a bug in xmppctl: {type(error).__name__}, no more tracebacks are written")
        else:
            self._log.warning(str(context.get("message", "the event loop complains")))


def _password(settings: Settings) -> Callable[[], Secret | None]:
    """What gives the password of each login: anew each time, where it comes from a file, a program or the keyring."""
    source = settings.password
    if not source.available:
        return lambda: None
    if source.kind in ("prompt", "value"):
        # Asked for now, in the main thread and before there is a log: a login's thread has no terminal.
        secret = source.get(None)
        return lambda: secret
    return lambda: source.get(PASSWORD_SECONDS)


def raise_limit() -> None:
    """Have as many files open as the daemon may need, if the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def detach() -> None:
    """Let go of the standard streams, and outlive the terminal; `launch` has seen to the rest."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
    except OSError as error:
        raise ConfigError(f"cannot let go of the terminal: {error.strerror}") from None
    finally:
        os.close(null)


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """As asyncio.run, but a login's thread that waits for a resolver does not keep the process from ending."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=1))
        loop.close()
