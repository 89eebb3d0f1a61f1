"""The commands of xmppctl inside a shell: the same click commands, on the stream that the shell has open."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar, cast

from xmppctl.cli.app import App
from xmppctl.cli.registry import COMMANDS
from xmppctl.errors import Interrupted, UsageError, XmppctlError
from xmppctl.shell.slash import NOT_INSIDE

if TYPE_CHECKING:
    from xmppctl.config.settings import Settings
    from xmppctl.session.base import Session
    from xmppctl.session.run import Observer
    from xmppctl.shell.jobs import OpenSession

T = TypeVar("T")

#: Options of the shell that its commands have, too, unless they say otherwise.
_INHERITED: Final = ("output", "quiet", "verbose")
#: Options that ask for another stream than the shell's.
_OWN: Final = frozenset(
    {
        *("account", "jid", "password_file", "password_command", "host", "port", "tls", "ca", "pin"),
        *("insecure", "resource", "daemon", "trace"),
    }
)


class Slashes:
    """Runs command lines in the environment of a shell's `app`, whose account is `settings`.

    `colored` says whether what they print is to be coloured; `to_person` whether one that has done its work and has
    nothing to say says so.
    """

    def __init__(self, app: App, settings: Settings, *, colored: bool, to_person: bool = False) -> None:
        self._app = app
        self._settings = settings
        self._colored = colored
        self._to_person = to_person

    def names(self) -> dict[str, str]:
        """Name -> what it does."""
        return {name: told for name, (_, told) in COMMANDS.items() if name not in NOT_INSIDE}

    def check(self, name: str, rest: str) -> None:
        """Raise UsageError for words that cannot be read."""
        _words(name, rest)

    def run(self, name: str, rest: str, open_session: OpenSession) -> int:
        """Run one to its end, in this thread; return its exit code. Errors are told as ever."""
        from xmppctl.cli.entry import run_inside

        with Path(os.devnull).open(encoding="utf-8") as nothing:
            inside = _Inside(self._app, self._settings, open_session, nothing, colored=self._colored)
            code = run_inside(_words(name, rest), inside)
        if self._to_person and code == 0 and not inside.has_spoken:
            from xmppctl.shell.scrub import scrub

            self._app.note((scrub(f"/{name} {rest}".rstrip()) or f"/{name}") + ": done")
        return code

    def complete(self, line: str) -> list[tuple[str, str]]:
        """What the last word of `line` may become, with its help."""
        from xmppctl.cli.tab import candidates

        found = candidates(line, self._app.environ)
        return found if " " in line else [each for each in found if each[0] not in NOT_INSIDE]


def _words(name: str, rest: str) -> list[str]:
    try:
        return [name, *shlex.split(rest)]
    except ValueError as error:
        raise UsageError(
            f"/{name}: {str(error).lower()}", hint="a quote is closed with the sign that opened it"
        ) from None


class _Heard:
    """A text stream that tells whether anything was written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.used = False

    def write(self, text: str) -> int:
        """As the stream does."""
        self.used = True
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Inside(App):
    """The environment of one command inside a shell."""

    def __init__(
        self, outer: App, settings: Settings, open_session: OpenSession, nothing: TextIO, *, colored: bool
    ) -> None:
        # A terminal that can only be written to, line by line: there is a prompt below.
        environ: Mapping[str, str] = {**outer.environ, "TERM": "dumb"}
        #: What a person sees; other streams stay as they are, whose failures depend on that.
        self._heard: list[_Heard] = []
        super().__init__(
            stdin=nothing,
            stdout=self._hear(outer.stdout),
            stderr=self._hear(outer.stderr),
            environ=dict(environ),
            runner=self._run,
        )
        self.options = {name: value for name, value in outer.options.items() if name in _INHERITED}
        self.options["no_input"] = True
        if colored:
            self.options["color"] = "always"
        self._outer = outer
        self._shell_settings = settings
        self._open = open_session

    @property
    def has_spoken(self) -> bool:
        """Whether anything was written to a terminal."""
        return any(stream.used for stream in self._heard)

    def _hear(self, stream: TextIO) -> TextIO:
        if not stream.isatty():
            return stream
        self._heard.append(_Heard(stream))
        return cast("TextIO", self._heard[-1])

    def settings(self, *, component: bool = False) -> Settings:
        """The shell's account, unless the command line asks for another one."""
        return super().settings(component=component) if self._asks_for_its_own() else self._shell_settings

    def given_options(self) -> dict[str, str | None]:
        """Those of the command line; where that names no account, also what names the shell's."""
        given = super().given_options()
        if given.get("account") is None and given.get("jid") is None:
            outer = self._outer.given_options()
            return {name: outer.get(name) for name in _OWN} | {
                name: value for name, value in given.items() if value is not None
            }
        return given

    def tell(self, error: XmppctlError) -> None:
        """An error, but for that of being stopped: the shell tells of that."""
        if not isinstance(error, Interrupted):
            super().tell(error)

    def pause(self, seconds: float) -> None:
        """Let time pass, until the shell ends the command."""
        self._open.pause(seconds)

    def _asks_for_its_own(self) -> bool:
        return any(self.options.get(name) is not None for name in _OWN)

    def _run(
        self,
        settings: Settings,
        main: Callable[[Session], Coroutine[Any, Any, T]],
        *,
        timeout: float | None,
        observe: Observer | None = None,
        **others: Any,
    ) -> T:
        """On the shell's stream, which lasts: so what needs a daemon for that needs none here."""
        if settings is self._shell_settings:
            return self._open(main, timeout, observe)
        # In a loop of its own, so that the shell can end it.
        more: dict[str, Any] = {"timeout": timeout, "observe": observe, **others, "plugins": True}
        main = self._open.ending(main, follows=timeout is None)
        if self.choice("daemon", "auto", ("auto", "only", "off")) == "only":
            from xmppctl.cli.reach import run

            return run(settings, main, mode="only", environ=self.environ, warn=self.note, **more)
        from xmppctl.session.run import run_direct

        return run_direct(settings, main, **more)
