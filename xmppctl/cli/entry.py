"""main(): the one place where an error becomes an exit code and a message."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from xmppctl.errors import (
    ExitCode,
    Interrupted,
    OutputClosed,
    OutputFailed,
    Terminated,
    UsageError,
    XmppctlError,
)

if TYPE_CHECKING:
    from xmppctl.cli.app import App

_SIGNALS = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated, signal.SIGHUP: Terminated}


def run(arguments: Sequence[str], app: App | None = None) -> int:
    """Run a command line and return its exit code. `app` replaces streams, environment and sessions in tests."""
    _listen_for_signals()
    if app is None:
        from xmppctl.cli.app import App

        _guard_streams()
        app = App()
    return run_inside(arguments, app)


def run_inside(arguments: Sequence[str], app: App) -> int:
    """As `run`, for a command line inside of another command, in any thread: signals are not its own to hear."""
    app.arguments = list(arguments)
    try:
        return _run_and_close(arguments, app)
    except XmppctlError as error:
        return _report(error, app)
    except KeyboardInterrupt:
        return _report(Interrupted("interrupted"), app)
    except BrokenPipeError:
        return _report(OutputClosed(""), app)
    except OSError as error:
        return _report(_os_error(error), app)
    except Exception as error:  # noqa: BLE001 (this is where bugs end)
        from xmppctl.config.crash import bug

        return _report(bug(error), app)


def _run_and_close(arguments: Sequence[str], app: App) -> int:
    try:
        code = _invoke(arguments, app)
        app.stdout.flush()
    except BaseException:
        with suppress(XmppctlError, OSError):  # what went wrong first is what is told
            app.close()
        raise
    app.close()
    return code


def _invoke(arguments: Sequence[str], app: App) -> int:
    import click

    from xmppctl.cli.tree import root

    if app.environ.get("_XMPPCTL_COMPLETE"):
        from xmppctl.cli.tab import answer

        return answer(root(), app)
    try:
        result = root().main(list(arguments), prog_name="xmppctl", standalone_mode=False, obj=app)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        app.stderr.write(error.format_message() + "\n")
        return int(ExitCode.USAGE)
    except click.UsageError as error:
        hint = f"see {error.ctx.command_path} --help" if error.ctx else "see xmppctl --help"
        raise UsageError(error.format_message(), hint=hint) from None
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        raise Interrupted("interrupted") from None
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None
    except SystemExit:
        # What click makes of EPIPE, and of nothing else.
        raise OutputClosed("the reader of the output closed it") from None


def _guard_streams() -> None:
    """Where a standard stream is closed, put something there that fails, or reads as empty.

    Else the first socket or file to be opened would be taken for it.
    """
    names = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
    for descriptor, (name, mode, flags) in enumerate(names):
        if getattr(sys, name) is None:
            if os.open(os.devnull, flags) != descriptor:
                continue  # it is open, but Python could not use it
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _listen_for_signals() -> None:
    """The first signal ends the command properly, by an exception out of whatever waits; the second at once."""
    from xmppctl.interrupts import MAIN

    def stop(number: int, _: FrameType | None) -> None:
        again = 128 + number

        def at_once(*_: object) -> None:
            os._exit(again)

        for each in _SIGNALS:
            signal.signal(each, at_once)
        kind = _SIGNALS[signal.Signals(number)]
        MAIN.deliver(kind("interrupted" if kind is Interrupted else "terminated"))

    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup, and shells that start us in the background
            signal.signal(number, stop)


def _os_error(error: OSError) -> XmppctlError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return OutputFailed(f"cannot write: {error.strerror}", hint="make room and repeat")
    if error.errno == errno.EBADF:
        return OutputFailed("standard output is closed", hint="open it, or send it to /dev/null")
    from xmppctl.config.crash import bug

    return bug(error)


def _report(error: XmppctlError, app: App) -> int:
    code = int(error.code)
    if isinstance(error, OutputClosed | OutputFailed):
        _give_up_stdout()
    if isinstance(error, OutputClosed):
        return code
    if not (isinstance(error, Interrupted | Terminated) and app.quiet):
        app.tell(error)
    return code


def _give_up_stdout() -> None:
    """Nothing more can be written there: have the interpreter's last flush go nowhere instead of complaining."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
