"""`xmppctl daemon start`: being the daemon, or starting it and waiting until it serves."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xmppctl.errors import DaemonError, DeadlineExceeded, Interrupted, Terminated, UsageError
from xmppctl.session.attach import chosen

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.config.secrets import Secret
    from xmppctl.config.settings import Settings


def in_foreground(app: App, until_idle: float | None) -> None:
    """Be the daemon until it ends. Raises what ends it."""
    from xmppctl.daemon.readiness import FD_VARIABLE, Readiness

    _refuse_trace(app)
    if FD_VARIABLE not in app.environ:
        _hide_password(app.settings())
    readiness = Readiness(app.environ)
    with readiness.telling():
        settings = app.settings()
        from xmppctl.daemon import process

        ran = process.run(
            settings,
            readiness,
            environ=app.environ,
            stderr=app.stderr,
            until_idle=until_idle,
            nameserver=app.environ.get("XMPPCTL_NAMESERVER") or None,
        )
    if not ran:
        app.note(f"the daemon of {settings.name} runs already")


def in_background(app: App, until_idle: float | None) -> None:
    """Start the daemon, unless it runs already, and tell what became of it. Raises what keeps it from serving."""
    from xmppctl.daemon import control, launch
    from xmppctl.session.deadline import Deadline

    _refuse_trace(app)
    settings = app.settings()
    place = control.place(settings, app.environ)
    deadline = Deadline(app.timeout())
    started = False
    if not place.serves(deadline):
        password = launch.hand_over(settings, deadline.left())
        try:
            started = launch.start(
                settings,
                app.environ,
                Deadline(app.timeout()),  # a person who types a password takes the time that it takes
                serves=lambda: place.serves(deadline),
                password=password,
                until_idle=until_idle,
            )
        except (DeadlineExceeded, Interrupted, Terminated):
            if place.is_running:
                app.note(
                    f"the daemon of {settings.name} goes on in the background; "
                    f"end it: xmppctl daemon stop {chosen(settings)}"
                )
            raise
    told = place.info(Deadline(control.ANSWER_SECONDS))
    if told is None:
        raise DaemonError(
            f"the daemon of {settings.name} has ended again",
            hint="see why: xmppctl daemon logs " + chosen(settings),
        )
    _tell(app, started, told)


def _tell(app: App, started: bool, told: Mapping[str, Any]) -> None:
    name, connection = told["name"], told["connection"]
    state = connection["state"]
    record = {"daemon": name, "started": started, "jid": told["jid"], "pid": told["pid"], "state": state}
    app.renderer().record(record, f"the daemon of {name} runs: {told['jid']}, process {told['pid']}")
    if not started:
        app.note("it ran already")
    if state != "online":
        why = f": {connection['failure']}" if connection["failure"] else ""
        app.note(f"it is not online yet{why}; it goes on trying")


def _refuse_trace(app: App) -> None:
    if app.options.get("trace") is not None:
        raise UsageError(
            "a daemon writes no trace",
            hint="see what crosses its wire: xmppctl watch -o jsonl; a login: xmppctl account test --trace FILE",
        )


def _hide_password(settings: Settings) -> None:
    """Become a process whose environment never had the password.

    The kernel shows to all processes of this user the environment that a process was started with, whatever it takes
    out of it; a daemon lives too long for that. What is in the pipe is read by the same program, once.
    """
    if settings.origins.get("password") != "environment XMPPCTL_PASSWORD":
        return
    secret = settings.password.get()
    reading, writing = os.pipe()
    _write(writing, secret)
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    sys.stdout.flush()
    sys.stderr.flush()
    again = os.environ | {"XMPPCTL_PASSWORD_FILE": "-"}
    os.execve(sys.executable, sys.orig_argv, again)  # noqa: S606 (no shell is meant)


def _write(pipe: int, secret: Secret) -> None:
    # It fits: a pipe holds four times as much as a password may have, or more.
    os.write(pipe, (secret.reveal() + "\n").encode("utf-8", "surrogateescape"))
