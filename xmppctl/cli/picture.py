"""The README's picture: a real `watch` on a sandbox, recorded and drawn. `python -m xmppctl.cli.docs --picture`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Final

WIDTH: Final = 100
COMMAND: Final = "xmppctl -a bob watch kind:message,presence -from:bob@localhost -type:unavailable"

_SECONDS: Final = 20
_RECEIPT: Final = (
    "<message to='bob@localhost' type='chat' id='night-2'><body>Art thou not Romeo, and a Montague?</body>"
    "<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>"
)
_REFUSED: Final = (
    "<message to='bob@localhost/desk' type='error' id='night-3'><error type='cancel'>"
    "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
)


def draw() -> str:
    """The picture as SVG. Raises MissingProgram, SandboxError, CalledProcessError."""
    from xmppctl.output.picture import draw as as_svg
    from xmppctl.output.picture import read_frames

    frames = read_frames(_record())
    return as_svg(frames, width=WIDTH, title="xmppctl", command=COMMAND)


def _record() -> list[str]:
    """The lines of `-o jsonl` that show a message, an error and a presence reaching bob."""
    from xmppctl.sandbox import lifecycle
    from xmppctl.sandbox.run import environment

    with lifecycle.in_use() as sandbox:
        environ = environment(
            sandbox, {name: value for name, value in os.environ.items() if name != "XMPPCTL_TRACE"}
        )
        _alice(environ, "raw", "<presence type='subscribed' to='bob@localhost'/>")
        _run(environ, "-a", "bob", "raw", "<presence type='subscribe' to='alice@localhost'/>")
        _alice(environ, "raw", "<presence type='subscribed' to='bob@localhost'/>")
        with _watching(environ) as lines:
            seen = [lines.readline()]
            for words in (
                ("raw", _RECEIPT),
                ("raw", _REFUSED),
                ("status", "away", "leaning on my hand", "--hold", "0.2s"),
            ):
                _alice(environ, *words)
            seen += lines.readlines()
    if len(seen) < 4:
        raise RuntimeError("the watch did not see what it should have")
    return seen


@contextmanager
def _watching(environ: Mapping[str, str]) -> Iterator[IO[str]]:
    words = [
        *COMMAND.split()[1:],
        "--resource",
        "desk",
        "-o",
        "jsonl",
        "--until-idle",
        "2s",
        "--timeout",
        str(_SECONDS),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "xmppctl", *words], env=dict(environ), stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        try:
            yield watch.stdout
        finally:
            watch.terminate()


def _alice(environ: Mapping[str, str], *words: str) -> None:
    _run(environ, "-a", "alice", "--resource", "balcony", *words)


def _run(environ: Mapping[str, str], *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "xmppctl", *words],
        env=dict(environ),
        check=True,
        timeout=_SECONDS,
        stdout=sys.stderr,
    )
