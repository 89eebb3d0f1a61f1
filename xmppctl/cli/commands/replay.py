"""`xmppctl replay`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.viewing import TermsCommand, Viewing, Wishes, view_options
from xmppctl.errors import UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.frame import Frame


@click.command(cls=TermsCommand)
@click.argument("file", metavar="FILE", shell_complete=complete.files)
@view_options
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="FACTOR",
    help="Take the time that it took: 1 as it was, 10 ten times as fast. Without it, as fast as can be.",
)
@click.option("--to", "to", type=click.Choice(["pcapng"]), help="Write a capture for Wireshark and tshark.")
@click.pass_obj
def command(app: App, /, file: str, speed: float | None, to: str | None, **wishes: Any) -> None:
    """Show what `xmppctl watch --record FILE` has kept, with all that watch can do.

    The bytes are those of the wire, the times those at which they came. FILE stands for all its parts (FILE.1, FILE.2
    ...). --count takes so many at most; --until-idle ends it where nothing was shown for so long in the recording.

    --to pcapng writes to standard output: xmppctl replay FILE --to pcapng > FILE.pcapng
    """
    from xmppctl.protocols.replay import recorded

    view = Wishes(**wishes)
    if to is not None:
        _refuse_with_capture(app, view, speed)
        _capture(app, file, view)
        return
    _show(app, _in_time(app, recorded(file), speed), view)


def _show(app: App, items: Iterator[Frame | Event], wishes: Wishes) -> None:
    from xmppctl.protocols.watch import judge_end, read_through

    with Viewing(app, wishes, live=False) as viewing:
        why = read_through(items, viewing.view, idle=wishes.idle, redraw=viewing.redraw)
    judge_end(viewing.view, why)


def _in_time(app: App, items: Iterator[Frame | Event], speed: float | None) -> Iterator[Frame | Event]:
    if speed is None:
        return items
    from xmppctl.protocols.replay import paced

    return paced(items, speed, app.pause)


def _refuse_with_capture(app: App, wishes: Wishes, speed: float | None) -> None:
    given = {
        "-o": app.output != "text",
        "--stats": wishes.stats,
        "--pair": wishes.pair,
        "--expect": bool(wishes.expected),
        "--record": wishes.record is not None,
        "--speed": speed is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"{option} does not go with --to pcapng")
    if app.stdout.isatty():
        raise UsageError(
            "a capture is no text for a terminal",
            hint="send it to a file or a program: xmppctl replay FILE --to pcapng > FILE.pcapng",
        )


def _capture(app: App, file: str, wishes: Wishes) -> None:
    """Write the frames that are wanted as a capture. Stream headers come along: dissectors want to see them."""
    from xmppctl import __version__
    from xmppctl.output.sink import Sink
    from xmppctl.protocols.replay import recorded
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.pcapng import capture
    from xmppctl.stanza.resplit import is_header

    wish = wishes.wish()

    def wanted() -> Iterator[Frame | Event]:
        taken = 0
        for item in recorded(file):
            if isinstance(item, Event) or is_header(item):
                yield item if isinstance(item, Event) or wish.hide is None else wish.hide(item)
            elif wish.wanted(item):
                yield item if wish.hide is None else wish.hide(item)
                taken += 1
                if taken == wish.limit:
                    return

    sink = Sink(app.stdout)
    for piece in capture(wanted(), f"xmppctl {__version__}"):
        sink.write_bytes(piece)
