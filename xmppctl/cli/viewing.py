"""What `watch` and `replay` have in common: their terms and options, and the view that these make.

Here a view gets its screen (a renderer, behind a backlog where output could hold up the stream), its recording, its
statistics, and its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

import click

from xmppctl.cli import complete
from xmppctl.cli.options import positive_duration, positive_size
from xmppctl.cli.tree import Command
from xmppctl.errors import Interrupted, OutputClosed, OutputFailed, Terminated, UsageError, XmppctlError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from xmppctl.cli.app import App
    from xmppctl.output.backlog import Backlog
    from xmppctl.output.recorder import Recorder
    from xmppctl.output.stats import Live
    from xmppctl.protocols.view import View, Wish
    from xmppctl.protocols.watch import Losses, Redraw
    from xmppctl.stanza.event import Event
    from xmppctl.stanza.frame import Frame
    from xmppctl.stanza.statistics import Statistics

F = TypeVar("F", bound=Callable[..., Any])

_NEGATED: Final = re.compile(r"-[a-z]+:.")
#: Stands before a negated term while click looks for options, and between the terms of one expectation.
_SHIELD: Final = "\0"
_EXPECT: Final = "--expect"
#: A recording takes so much at most, unless told otherwise: parts of a quarter of a GiB, four of them.
_RECORD_SIZE: Final = "256M"
_RECORD_FILES: Final = 4
#: How often the live statistics are brought up to date, in seconds.
_REDRAW_SECONDS: Final = 0.5


class TermsCommand(Command):
    """Takes `-type:error` for the term that it is, and the words behind `--expect` up to the next option as its
    terms."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hide terms from the option parser."""
        return super().parse_args(ctx, _shielded(args))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What begins with a minus can be an option or a negated term."""
        is_option = incomplete.startswith("--") or not incomplete.startswith("-")
        terms = [] if is_option else complete.filter_terms(ctx, self.params[0], incomplete)
        return super().shell_complete(ctx, incomplete) + terms


def _shielded(words: Sequence[str]) -> list[str]:
    """The words, negated terms with a shield before them, each expectation's terms in one word."""
    made: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*made, word, *left]
        if word == _EXPECT or word.startswith(f"{_EXPECT}="):
            terms = [word.partition("=")[2]] if "=" in word else []
            while left and (_NEGATED.match(left[0]) or not left[0].startswith("-")):
                terms.append(left.pop(0))
            made += [f"{_EXPECT}={_SHIELD.join(terms)}"]
        else:
            made.append(_SHIELD + word if _NEGATED.match(word) else word)
    return made


def _unshield(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.removeprefix(_SHIELD) for word in words)


def _apart(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(word.split(_SHIELD)) for word in words)


#: How frames are shown, as text: `--format` and `--full`.
format_option: Final = click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "line", "raw"]),
    default="pretty",
    show_default=True,
    help="Text laid out; or a line for each; or the bytes of the wire, nothing else.",
)
full_option: Final = click.option(
    "--full", is_flag=True, help="Show long texts whole, and every namespace declaration."
)


def view_options(function: F) -> F:
    """Give a command the terms and options of a view; it gets them as `**wishes`, for `Wishes`."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


_OPTIONS: Final = (
    click.argument(
        "terms", nargs=-1, metavar="[TERM...]", callback=_unshield, shell_complete=complete.filter_terms
    ),
    click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many."),
    click.option(
        "--until-idle",
        "idle",
        metavar="DURATION",
        help="End when nothing was shown for so long (30s, 5m).",
    ),
    click.option(
        _EXPECT,
        "expect",
        multiple=True,
        metavar="TERM...",
        callback=_apart,
        shell_complete=complete.filter_terms,
        help="End well when a stanza that fits these terms was seen: 6 if time ran out before, 7 at another end. "
        "Several: when all were seen.",
    ),
    format_option,
    full_option,
    click.option("--redact", is_flag=True, help="Replace texts and JIDs too, as for a bug report."),
    click.option("--pair", is_flag=True, help="Show each iq request with its reply and how long that took."),
    click.option("--stats", is_flag=True, help="Count instead of showing; tables at the end."),
    click.option(
        "--record",
        metavar="FILE",
        shell_complete=complete.files,
        help="Keep what is selected in a file for `xmppctl replay`; an older recording is added to.",
    ),
    click.option(
        "--record-size",
        default=_RECORD_SIZE,
        show_default=True,
        metavar="SIZE",
        help="Begin another file when one is so large; the older ones become FILE.1, FILE.2 ...",
    ),
    click.option(
        "--record-files",
        type=click.IntRange(1),
        default=_RECORD_FILES,
        show_default=True,
        metavar="N",
        help="Keep so many files; the oldest is removed.",
    ),
)


class Wishes:
    """What the options of a view say. Making it raises BadFilter and UsageError: nothing was opened then."""

    def __init__(
        self,
        *,
        terms: tuple[str, ...],
        count: int | None,
        idle: str | None,
        expect: tuple[tuple[str, ...], ...],
        form: Literal["pretty", "line", "raw"],
        full: bool,
        redact: bool,
        pair: bool,
        stats: bool,
        record: str | None,
        record_size: str,
        record_files: int,
    ) -> None:
        from xmppctl.stanza.filters import compile_filter

        self.terms = terms
        self.filter = compile_filter(terms)
        if any(not term for each in expect for term in each):
            raise UsageError(f"{_EXPECT} needs a TERM", hint="as in --expect kind:message from:juliet@*")
        self.expected = [compile_filter(each) for each in expect]
        self.count = count
        self.idle = None if idle is None else positive_duration("--until-idle", idle)
        self.form = form
        self.full = full
        self.redact = redact
        self.pair = pair
        self.stats = stats
        self.record = record
        self.record_bytes = positive_size("--record-size", record_size)
        self.record_files = record_files

    @property
    def observed(self) -> tuple[str, ...]:
        """The terms that are enough for a daemon to know. A reply may fit none of those that its request fits."""
        if self.pair or self.stats or (self.terms and self.expected) or len(self.expected) > 1:
            return ()
        return self.expected[0].terms if self.expected else self.terms

    def wish(self) -> Wish:
        """What the view is to do."""
        from xmppctl.protocols.expect import Expectations
        from xmppctl.protocols.view import Wish

        expectations = Expectations(self.expected)
        # Without terms of its own it shows what is expected, as grep does.
        wanted = expectations.fits if self.expected and not self.terms else self.filter
        hide = None
        if self.redact:
            from xmppctl.stanza.pseudonyms import Pseudonyms

            hide = Pseudonyms()
        return Wish(wanted, self.count, expectations, hide)


class Viewing:
    """A view with all that it writes to, from the first byte to the last. A context manager.

    `live`: the frames come from a stream that output must not hold up: what it cannot take in time is lost, and told.
    """

    view: View

    def __init__(self, app: App, wishes: Wishes, *, live: bool) -> None:
        self._app = app
        self._wishes = wishes
        self._live = live
        self._backlog: Backlog | None = None
        self._recorder: Recorder | None = None
        self._statistics: Statistics | None = None
        self._display: Live | None = None
        self.losses: Losses

    def __enter__(self) -> Self:
        from xmppctl.protocols.view import View
        from xmppctl.protocols.watch import Losses

        app, wishes = self._app, self._wishes
        renderer = app.renderer(has_xml=not wishes.stats, form=wishes.form, full=wishes.full)
        renderer.begin_list()
        self.losses = Losses(app.warn, shown=renderer.sink.is_terminal)
        if wishes.stats:
            self._begin_statistics()
        elif self._live:
            from xmppctl.output.backlog import Backlog, needs_backlog

            if needs_backlog(app.stdout):
                self._backlog = Backlog(renderer, self.losses.take)
        pairs = None
        if wishes.pair or wishes.stats:
            from xmppctl.stanza.pairs import Pairs

            pairs = Pairs()
        if wishes.record is not None:
            from xmppctl.output.recorder import Recorder

            self._recorder = Recorder(
                wishes.record, max_bytes=wishes.record_bytes, max_files=wishes.record_files
            )
        self.view = View(
            wishes.wish(),
            self._backlog or renderer,
            pairs=pairs,
            statistics=self._statistics,
            recorder=self._recorder,
        )
        return self

    def _begin_statistics(self) -> None:
        from xmppctl.stanza.statistics import Statistics

        self._statistics = Statistics()
        app = self._app
        if app.output == "text" and app.stdout.isatty() and app.environ.get("TERM", "") not in ("", "dumb"):
            from xmppctl.output.renderers import wants_color
            from xmppctl.output.sink import Sink
            from xmppctl.output.stats import Live

            color = wants_color(app.option("color", "auto") or "auto", Sink(app.stdout), app.environ)
            self._display = Live(app.stdout, colored=color)

    @property
    def redraw(self) -> Redraw | None:
        """What has to be done now and then."""
        if self._display is None:
            return None
        from xmppctl.protocols.watch import Redraw

        return Redraw(_REDRAW_SECONDS, self._draw)

    def _draw(self) -> None:
        if self._display is not None and self._statistics is not None:
            self._display.update(self._statistics)

    def take(self, frame: Frame) -> None:
        """A frame crossed the wire."""
        self.view.take(frame)

    def lost(self, count: int) -> None:
        """A daemon could not hand over so many."""
        from time import time

        from xmppctl.stanza.event import Event

        self.losses.take(count)
        self.view.event(Event("lost", time(), frames=count))

    def event(self, event: Event) -> None:
        """Something happened to the connection."""
        self.view.event(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._end()
            return
        # What went wrong first is what is told; what was seen until then is shown all the same.
        with suppress(XmppctlError):
            self._end(error)

    def _end(self, error: BaseException | None = None) -> None:
        try:
            if self._display is not None:
                self._display.close()
            if isinstance(error, OutputClosed | OutputFailed):
                return
            self.view.finish()
            if self._statistics is not None:
                self._app.renderer().statistics(self._statistics.snapshot())
            if self._backlog is not None:
                self._backlog.finish(hurry=isinstance(error, Interrupted | Terminated))
        finally:
            self.losses.end()
            if self._recorder is not None:
                self._recorder.close()
