"""What a shell is made of: streams, the account's session, the commands; and who types."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from xmppctl.cli import stdin
from xmppctl.cli.slashes import Slashes
from xmppctl.errors import DaemonError, SecretError, XmppctlError
from xmppctl.shell.core import Manner, Shell
from xmppctl.shell.run import Ear, live
from xmppctl.shell.wire import Wire

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.config.settings import Settings
    from xmppctl.output.backlog import Backlog
    from xmppctl.output.renderers import Renderer
    from xmppctl.session.base import Session
    from xmppctl.session.deadline import Deadline
    from xmppctl.session.established import Established
    from xmppctl.session.run import Ends
    from xmppctl.session.sasl import Mechanism
    from xmppctl.session.stages import Opened, Stage
    from xmppctl.shell.templates import Templates
    from xmppctl.shell.wire import Line


class Wishes(NamedTuple):
    """What the options of `xmppctl shell` say."""

    form: Literal["pretty", "line", "raw"]
    full: bool
    loud: bool
    keys: Literal["emacs", "vi"] | None
    checks: bool
    acks: bool
    lookups: bool
    stop_at: Stage | None
    component: bool


class House:
    """What a shell lives in (see `shell.core`): the streams of `app`."""

    def __init__(self, app: App, screen: Renderer | Backlog, renderer: Renderer, commands: Slashes) -> None:
        self._app = app
        self._renderer = renderer
        self.screen = screen
        self.commands = commands
        self.templates = _templates(app)

    def say(self, text: str) -> None:
        """A result; it has no form in XML."""
        if self._app.output == "xml":
            self._app.note(text)
        else:
            self._renderer.record({"text": text}, text)

    def note(self, text: str) -> None:
        """Something to know."""
        self._app.note(text)

    def tell(self, error: XmppctlError) -> None:
        """An error."""
        self._app.tell(error)


def _templates(app: App) -> Templates:
    from xmppctl.config import paths
    from xmppctl.shell.templates import Templates

    return Templates(paths.config_file(app.environ).parent / "templates")


def start(app: App, wishes: Wishes) -> int:
    """Run a shell: on a terminal for a person, else for the script on standard input. Returns the exit code."""
    from xmppctl.shell.slash import Ended

    settings = app.settings(component=wishes.component)
    # A line editor needs a terminal that can move its cursor.
    able = app.environ.get("TERM", "") not in ("", "dumb")
    interactive = able and app.stdin_is_terminal and app.stdout.isatty()
    shell = (_Interactive if interactive else _Played)(app, wishes, settings)
    try:
        shell.run()
    except Ended as ended:
        return ended.code
    return 0


class _Start:
    """A shell from its options to its end."""

    def __init__(self, app: App, wishes: Wishes, settings: Settings) -> None:
        self._app = app
        self._wishes = wishes
        self._settings = settings
        self._ear = Ear()
        #: What opens the stream again, where that is not what `App.run` opens.
        self._log_in: Callable[[], Established] | None = None

    def manner(self) -> Manner:
        """How it behaves."""
        raise NotImplementedError

    def front(self, shell: Shell) -> Coroutine[Any, Any, None]:
        """Who types."""
        raise NotImplementedError

    def house(self) -> House:
        """What it lives in."""
        raise NotImplementedError

    #: Whether a connection that is lost is made again.
    lasts = False

    def run(self) -> None:
        """Open the stream, live on it, close it."""
        if self._wishes.stop_at is not None:
            self._by_hand(self._wishes.stop_at)
        elif self._wishes.component:
            self._component()
        else:
            own = self._settings if not self._wishes.checks else None
            self._app.run(self._on_session, plugins=True, follow=True, on_frame=self._ear, settings=own)

    async def _on_session(self, session: Session) -> None:
        shell = self._shell()
        reopen = self._reopen if self.lasts else None
        wire = Wire(session, reopen, event=shell.event, lost=shell.traffic.lost, acks=self._wishes.acks)
        try:
            await self._live(shell, wire)
        finally:
            if wire.session is not None and wire.session is not session:
                await wire.session.close()

    def _shell(self) -> Shell:
        shell = Shell(self.house(), self.manner(), self._settings.jid)
        if self._wishes.loud:
            shell.display.level = "loud"
        return shell

    async def _live(self, shell: Shell, line: Line) -> None:
        shell.traffic.hear_login(self._ear.give(shell.traffic.hear), by_hand=line.by_hand)
        shell.attach(line)
        await live(shell, self.front(shell))

    async def _reopen(self) -> Session:
        from xmppctl.session.run import open_again

        return await open_again(self._log_in or self._app.opener(self._ear, own=not self._wishes.checks))

    # -- other streams than a session's --

    def _component(self) -> None:
        from xmppctl.session.component import login_component
        from xmppctl.session.deadline import Deadline
        from xmppctl.session.run import CONNECT_SECONDS, get_password, run_on

        app, settings = self._app, self._settings
        self._refuse_daemon("--component")
        timeout = app.timeout(follow=True)
        secret = get_password(settings, timeout)
        if secret is None:
            raise SecretError("a component needs its secret", hint="give it as the password is given")
        deadline = Deadline(timeout)

        def log_in() -> Established:
            return login_component(
                settings,
                secret,
                deadline.within(CONNECT_SECONDS),
                on_frame=app.tapped(self._ear),
                progress=app.progress(),
                note=app.detail,
                nameserver=app.nameserver,
            )

        self._log_in = log_in
        run_on(log_in(), deadline, self._on_session, plugins=True)

    def _by_hand(self, stage: Stage) -> None:
        from xmppctl.session.deadline import Deadline
        from xmppctl.session.run import in_thread, run_loop
        from xmppctl.shell.byhand import ByHand

        self._refuse_daemon("--stop-at")
        deadline = Deadline(self._app.timeout(follow=True))
        open = partial(self._open_until, stage, deadline)
        opened = open()

        async def body(ends: Ends) -> None:
            shell = self._shell()
            line = ByHand(
                opened,
                partial(in_thread, open, lambda late: late.connection.close()) if self.lasts else None,
                event=shell.event,
                lost=shell.traffic.lost,
                note=shell.house.note,
                mechanism=self._mechanism,
                deadline=deadline,
            )
            ends.with_(line.fail)
            try:
                await self._live(shell, line)
            finally:
                await line.close()

        run_loop(body)

    def _open_until(self, stage: Stage, deadline: Deadline) -> Opened:
        from xmppctl.session.run import CONNECT_SECONDS, get_password
        from xmppctl.session.stages import open_until

        app, settings = self._app, self._settings
        return open_until(
            settings,
            get_password(settings, CONNECT_SECONDS) if stage == "auth" else None,
            deadline.within(CONNECT_SECONDS),
            stage,
            on_frame=app.tapped(self._ear),
            progress=app.progress(),
            note=app.detail,
            nameserver=app.nameserver,
        )

    def _mechanism(self, name: str) -> Mechanism:
        """A SASL mechanism with the account's password. Raises AuthError, SecretError."""
        from xmppctl.session import sasl
        from xmppctl.session.run import CONNECT_SECONDS, get_password

        if self.lasts and self._settings.password.asks:
            raise SecretError(
                "nobody has typed the password, and the line editor has the terminal now",
                hint="start the shell with --password-command or --password-file, or type <auth/> yourself",
            )
        return sasl.of_name(
            name.upper(), self._settings.jid.local, get_password(self._settings, CONNECT_SECONDS)
        )

    def _refuse_daemon(self, option: str) -> None:
        if self._app.choice("daemon", "auto", ("auto", "only", "off")) == "only":
            raise DaemonError(f"{option} never goes through a daemon", hint="leave out --daemon only")


class _Played(_Start):
    """A script."""

    def run(self) -> None:
        from xmppctl.shell.script import check_all, whole

        app = self._app
        self._descriptor = stdin.descriptor(app)
        self._renderer = app.renderer(has_xml=True, form=self._wishes.form, full=self._wishes.full)
        self._renderer.begin_list()
        self._text: str | None = None
        if whole(self._descriptor):
            self._text = stdin.read_text(app).removeprefix("\ufeff")
            if self._wishes.checks:
                check_all(self._text, by_hand=self._wishes.stop_at is not None)
        elif app.stdin_is_terminal:
            app.note("reading from the terminal; Ctrl-D ends it")
        super().run()

    def manner(self) -> Manner:
        return Manner(
            in_order=True, echo=True, checks=self._wishes.checks, by_hand=self._wishes.stop_at is not None
        )

    def house(self) -> House:
        commands = Slashes(self._app, self._settings, colored=self._renderer.colored)
        return House(self._app, self._renderer, self._renderer, commands)

    async def front(self, shell: Shell) -> None:
        from xmppctl.shell.script import Script

        await Script(shell, self._descriptor, self._text).run()


class _Interactive(_Start):
    """A person at a terminal."""

    lasts = True

    def run(self) -> None:
        from xmppctl.output.backlog import Backlog
        from xmppctl.shell.above import Above

        app = self._app
        _warm()
        self._above = Above(app.stdout)
        app.stdout = self._above
        if app.stderr.isatty():
            app.stderr = self._above
        self._renderer = app.renderer(has_xml=True, form=self._wishes.form, full=self._wishes.full)
        self._renderer.begin_list()
        self._backlog = Backlog(self._renderer)
        try:
            super().run()
        finally:
            with suppress(XmppctlError):  # what ended it is what is told
                self._backlog.finish(hurry=True)

    def manner(self) -> Manner:
        return Manner(checks=self._wishes.checks, by_hand=self._wishes.stop_at is not None)

    def house(self) -> House:
        commands = Slashes(self._app, self._settings, colored=self._renderer.colored, to_person=True)
        return House(self._app, self._backlog, self._renderer, commands)

    async def front(self, shell: Shell) -> None:
        from xmppctl.config import paths
        from xmppctl.shell.terminal import Look, Terminal

        look = Look(
            keys=self._wishes.keys,
            colored=self._renderer.colored,
            history=paths.state_dir(self._app.environ) / "shell_history",
            lookups=self._wishes.lookups,
            environ=self._app.environ,
        )
        await Terminal(shell, self._above, look).run()


def _warm() -> None:
    """Load what draws the line while the connection is being made: it takes as long as that."""
    import threading

    def load() -> None:
        import xmppctl.shell.terminal  # noqa: F401

    threading.Thread(target=load, daemon=True, name="loading").start()
