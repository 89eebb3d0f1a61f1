"""The command line: the only room that knows click. `main` is the program's entry point."""

from __future__ import annotations

from typing import NoReturn


def _leave(code: int, *_: object) -> NoReturn:
    import os

    os._exit(code)


def main() -> NoReturn:
    """Run `xmppctl` with the process's own arguments and exit."""
    import gc
    import os
    import signal
    import sys
    from functools import partial

    # Nothing that starting up makes is garbage, and looking for some costs a twelfth of an attached `send`. A command
    # has it on again when it runs (see `tree`).
    gc.disable()

    # While the rest is being imported there is nothing to close: our exit codes, and no traceback of Python's.
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, partial(_leave, code))
    from contextlib import suppress

    from xmppctl.cli.entry import run

    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # `run` has told of it, where that was possible
            stream.flush()
    # Everything is closed and flushed. Taking the interpreter apart would cost a `send` an eighth of its time, and
    # wait for a resolver's thread that does not answer.
    os._exit(code)
