"""What a command gets to work with: streams, options, settings, renderer, session, each made when first asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from xmppctl.errors import DaemonError, UsageError, XmppctlError

if TYPE_CHECKING:
    from xmppctl.config.settings import Settings
    from xmppctl.output.renderers import Renderer
    from xmppctl.output.trace import Trace
    from xmppctl.session.base import Session
    from xmppctl.session.connection import OnFrame
    from xmppctl.session.established import Established
    from xmppctl.session.login import Login, Step
    from xmppctl.session.run import Observer, Runner

T = TypeVar("T")
Main = Callable[["Session"], Coroutine[Any, Any, T]]

DEFAULT_TIMEOUT = 30.0


class App:
    """The environment of one run. Tests give their own streams, environment and `runner`."""

    def __init__(
        self,
        *,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: dict[str, str] | None = None,
        runner: Runner | None = None,
    ) -> None:
        self.stdin = stdin or sys.stdin
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.environ = os.environ if environ is None else environ
        #: The shared options that were given as options: name -> value.
        self.options: dict[str, Any] = {}
        self.arguments: list[str] = []
        self._runner = runner
        self._settings: Settings | None = None
        self._renderer: Renderer | None = None
        self._trace: Trace | None = None

    # -- options --

    def option(self, name: str, default: str | None = None) -> str | None:
        """A shared option's value: the option, else the environment variable, else `default`."""
        value = self.options.get(name)
        if value is None:
            value = self.environ.get(f"XMPPCTL_{name.upper()}") or None
        return default if value is None else str(value)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """As `option`, of a few words. Raises UsageError for a word from the environment that is none of them."""
        value = self.option(name, default) or default
        if value not in choices:
            raise UsageError(f"XMPPCTL_{name.upper()} is {value!r}", hint="it can be " + ", ".join(choices))
        return value

    def flag(self, name: str) -> bool:
        """Whether a flag is set. In the environment, empty, 0, no and false mean that it is not."""
        return (self.option(name) or "").lower() not in ("", "0", "no", "false")

    @property
    def output(self) -> str:
        """text, json, jsonl or xml."""
        return self.choice("output", "text", ("text", "json", "jsonl", "xml"))

    @property
    def wants_json(self) -> bool:
        """Whether errors are to be JSON. Never raises, and knows it even where parsing did not come that far."""
        value = self.option("output")
        if value is None:
            words = self.arguments
            follows = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-o", "--output")]
            joined = [w.partition("=")[2] for w in words if w.startswith("--output=")]
            glued = [w[2:] for w in words if w.startswith("-o") and len(w) > 2]
            value = next(iter(follows + joined + glued), "")
        return value in ("json", "jsonl")

    @property
    def quiet(self) -> bool:
        """No notes."""
        return self.flag("quiet")

    @property
    def verbose(self) -> int:
        """How much more to tell: 0, 1, 2."""
        value = self.option("verbose", "0") or "0"
        return int(value) if value.isascii() and value.isdigit() else 1

    def timeout(self, *, follow: bool = False) -> float | None:
        """Seconds for the whole command; None for no limit. `follow`: the command goes on until it is ended."""
        text = self.option("timeout")
        if text is None:
            return None if follow else DEFAULT_TIMEOUT
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < 1e9:
            place = "XMPPCTL_TIMEOUT" if self.options.get("timeout") is None else "--timeout"
            raise UsageError(f"{place} is {text!r}", hint="give seconds, such as 10 or 0.5")
        if seconds == 0 and not follow:
            raise UsageError(
                "--timeout 0 (no limit) is for commands that follow", hint="give seconds, such as 60"
            )
        return seconds or None

    # -- streams --

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether a person would have to type what is read."""
        try:
            return self.stdin is not None and self.stdin.isatty()
        except ValueError:  # closed
            return False

    @property
    def output_pipe(self) -> int | None:
        """The descriptor of standard output where it is a pipe, whose reader can go away unnoticed."""
        import stat

        try:
            descriptor = self.stdout.fileno()
            return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
        except (AttributeError, OSError, ValueError):
            return None

    # -- results and notes --

    def renderer(self, **kinds: Any) -> Renderer:
        """Where results go, chosen once by -o, --color and the terminal."""
        if self._renderer is None:
            from xmppctl.output.renderers import make_renderer

            self._renderer = make_renderer(
                self.output,
                stream=self.stdout,
                color=self.choice("color", "auto", ("auto", "always", "never")),
                environ=self.environ,
                **kinds,
            )
        return self._renderer

    def note(self, text: str) -> None:
        """Tell something on standard error, unless --quiet. `text` may hold text from the network."""
        if not self.quiet:
            self.warn(text)

    def detail(self, text: str) -> None:
        """As `note`, only with --verbose."""
        if self.verbose:
            self.note(text)

    def warn(self, text: str) -> None:
        """Tell something on standard error, whatever the options say."""
        from xmppctl.output.safe import safe

        try:
            self.stderr.write(f"xmppctl: {safe(text)}\n")
            self.stderr.flush()
        except (OSError, ValueError):
            pass  # a note that nobody can read is no reason to stop

    def tell(self, error: XmppctlError) -> None:
        """Tell an error on standard error, as JSON where the results are."""
        from xmppctl.cli.report import tell

        with suppress(OSError, ValueError):  # nobody is left to be told; the exit code still says it
            tell(error, self.stderr, as_json=self.wants_json)

    # -- sessions --

    def settings(self, *, component: bool = False) -> Settings:
        """The account to use. Raises ConfigError, UsageError. Tells loudly of --insecure.

        `component`: it is a component (XEP-0114); whoever asks first has to know.
        """
        if self._settings is None:
            self._settings = self.resolve(self.given_options(), self.environ, component=component)
        return self._settings

    def given_options(self) -> dict[str, str | None]:
        """The shared options that were given as options, flags as "true"."""
        return {
            name: value if isinstance(value, str) else ("true" if value else None)
            for name, value in self.options.items()
        }

    def resolve(
        self, options: Mapping[str, str | None], environ: Mapping[str, str], *, component: bool = False
    ) -> Settings:
        """Settings of another account than `settings` gives. See `config.settings.resolve`; --insecure is told."""
        from xmppctl.config.settings import resolve

        made = resolve(options, environ, no_input=self.flag("no_input"), component=component)
        if made.insecure:
            self.warn(
                "WARNING: the server's certificate is not checked (--insecure): anyone can read and change this"
            )
        return made

    def run(
        self,
        main: Main[T],
        *,
        plugins: bool = False,
        follow: bool = False,
        on_frame: OnFrame | None = None,
        observe: Observer | None = None,
        progress: Callable[[Step], None] | None = None,
        settings: Settings | None = None,
        needs_daemon: DaemonError | None = None,
    ) -> T:
        """Open a session, run `main` on it, close it, and return what `main` returned.

        `plugins`: `main` uses slixmpp's plugins (`session.client()`), which needs an event loop. `follow`: it goes on
        until it is ended, so that only --timeout limits it. `on_frame` sees every frame of the process's own stream,
        from the first byte on; `observe` is shown what crosses the account's wire, wherever that is. `settings` opens
        another account than `settings()`, always on a stream of its own. `needs_daemon`: what is done makes no sense on
        a stream of its own; raised where no daemon can be attached to.
        """
        timeout = self.timeout(follow=follow)
        return self._way_to_a_session(own=settings is not None)(
            settings or self.settings(),
            main,
            plugins=plugins,
            timeout=timeout,
            on_frame=self.tapped(on_frame),
            observe=observe,
            needs_daemon=needs_daemon,
            progress=progress or self.progress(),
            note=self.detail,
            nameserver=self.nameserver,
        )

    def opener(self, on_frame: OnFrame, *, own: bool) -> Callable[[], Established]:
        """What opens another session like that of `run`, blocking; `own`: on a stream of its own."""
        from xmppctl.cli.reach import opener

        mode = self.choice("daemon", "auto", ("auto", "only", "off"))
        return opener(
            self.settings(),
            mode="off" if own or mode == "off" else "only" if mode == "only" else "auto",
            environ=self.environ,
            note=self.detail,
            on_frame=self.tapped(on_frame),
            nameserver=self.nameserver,
        )

    @property
    def nameserver(self) -> str | None:
        """Whom to ask instead of the system's name servers."""
        return self.environ.get("XMPPCTL_NAMESERVER") or None

    def progress(self) -> Callable[[Step], None] | None:
        """What tells of the steps of a login, with --verbose."""
        return self._tell_step if self.verbose else None

    def _way_to_a_session(self, *, own: bool) -> Runner:
        """What opens one; `own`: on a stream of its own. Raises DaemonError where --daemon only forbids that."""
        mode = self.choice("daemon", "auto", ("auto", "only", "off"))
        if own and mode == "only":
            raise DaemonError(
                "this logs in by itself, never through a daemon", hint="leave out --daemon only"
            )
        if self._runner is not None:
            return self._runner
        if own or mode == "off":
            from xmppctl.session.run import run_direct

            return run_direct
        from functools import partial

        from xmppctl.cli.reach import run

        return partial(run, mode="only" if mode == "only" else "auto", environ=self.environ, warn=self.note)

    def _tell_step(self, step: Step) -> None:
        from xmppctl.cli import steps

        told = steps.lines(step.name, step.seconds, steps.told(step))
        for line in told if self.verbose > 1 else told[:1]:
            self.note(line)

    def stream(self, main: Callable[[Login], T], settings: Settings) -> T:
        """Connect as far as a login goes before it authenticates, call `main` with that stream, and close it."""
        from xmppctl.session.deadline import Deadline
        from xmppctl.session.login import Login

        login = Login(
            settings,
            Deadline(self.timeout()),
            on_frame=self.tapped(None),
            note=self.detail,
            nameserver=self.nameserver,
        )
        try:
            login.open()
            return main(login)
        finally:
            login.abandon()

    def tapped(self, on_frame: OnFrame | None) -> OnFrame | None:
        """What sees every frame of a stream of this command: --trace, and `on_frame`."""
        path = self.option("trace")
        if path is None:
            return on_frame
        from xmppctl.output.trace import Trace

        trace = self._trace = self._trace or Trace(path)
        if on_frame is None:
            return trace.write

        def both(frame: Any) -> None:
            trace.write(frame)
            on_frame(frame)

        return both

    def pause(self, seconds: float) -> None:
        """Let time pass, for a command that has no session. Raises what ends the command."""
        from time import sleep

        sleep(seconds)

    def close(self) -> None:
        """Finish what is open. Raises OutputClosed, OutputFailed."""
        if self._renderer is not None:
            self._renderer.close()
        if self._trace is not None:
            self._trace.close()
