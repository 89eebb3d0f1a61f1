"""`send --spool`: messages go to the disk, and the daemon is told.

The command writes the spool itself, so that it needs neither a daemon nor a network. That the daemon is told only
makes it quicker: one that runs looks at the spool by itself as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from xmppctl.cli.batch import Batch, bad_line
from xmppctl.errors import DeadlineExceeded, Interrupted, MalformedInput, Terminated, XmppctlError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.cli.stdin import Lines
    from xmppctl.protocols.messages import Outgoing
    from xmppctl.session.attach import Local

#: Messages, and characters of them, that become one transaction at most.
GROUP: Final = 2000
GROUP_SIZE: Final = 4 * 1024 * 1024
#: What the daemon may take to hear of it, and how often it is told while more is put in, in seconds.
TELL_SECONDS: Final = 2.0
TELL_PAUSE: Final = 0.5

_NO_DAEMON: Final = "no daemon runs: what is in the spool goes out as soon as there is one"


def put(app: App, batch: Batch, messages: Sequence[Outgoing], *, ttl: float | None, given_id: bool) -> None:
    """Put messages into the spool, all or none, and tell the daemon. `ttl` is in seconds; `given_id` as in `Spool.add`.

    Raises UsageError, ConfigError, OutputFailed, DeadlineExceeded: then nothing was put in.
    """
    with _Group(app, batch, ttl, app.timeout()) as group:
        group.take(messages)
        group.commit(given_id=given_id)


def put_lines(
    app: App,
    batch: Batch,
    messages: Callable[[str, int], Sequence[Outgoing]],
    lines: Lines,
    *,
    ttl: float | None,
) -> None:
    """Put what `messages(text, number)` makes of each line into the spool.

    Lines that are there together become one transaction; each is told of when that is on the disk. Raises as `put`,
    and MalformedInput for a line that cannot be sent, when those before it are in.
    """
    from xmppctl.session.deadline import Deadline

    timeout = app.timeout(follow=True)
    limit = Deadline(timeout)
    with _Group(app, batch, ttl, timeout) as group:
        while True:
            line = lines.take()
            if line is not None:
                _take_line(group, batch, messages, line, lines.number)
            elif lines.ended:
                break
            else:
                if not lines.ready():
                    group.commit()
                lines.fill(limit)
        group.commit()


def _take_line(
    group: _Group,
    batch: Batch,
    messages: Callable[[str, int], Sequence[Outgoing]],
    line: bytes,
    number: int,
) -> None:
    from xmppctl.cli.stdin import decode

    if not line.strip():
        return
    try:
        made = messages(decode(line, number), number)
    except MalformedInput as error:
        group.commit()
        before = f"what stands before it is in the spool ({batch.total} messages)" if batch.total else ""
        raise bad_line(error, number, before or "nothing was spooled") from None
    group.take(made)
    if group.full:
        group.commit()


class _Group:
    """Messages that become one transaction. A context manager: what is not committed when it is left is not put in."""

    def __init__(self, app: App, batch: Batch, ttl: float | None, patience: float | None) -> None:
        from xmppctl.config import paths
        from xmppctl.daemon.spool import PATIENCE, Spool

        settings = app.settings()
        self._batch = batch
        self._ttl = ttl
        self._account = settings.jid.bare
        self._messages: list[Outgoing] = []
        self._size = 0
        self._daemon = Daemon(app)
        self._store = Spool(paths.spool_file(settings.name, app.environ), patience=patience or PATIENCE)

    def __enter__(self) -> Self:
        self._daemon.demand()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()
        if not isinstance(error, Interrupted | Terminated):
            self._daemon.finish()

    @property
    def full(self) -> bool:
        """Whether it should be committed before more is taken."""
        return len(self._messages) >= GROUP or self._size >= GROUP_SIZE

    def take(self, messages: Sequence[Outgoing]) -> None:
        """Add messages."""
        self._messages += messages
        self._size += sum(len(message.xml) for message in messages)

    def commit(self, *, given_id: bool = False) -> None:
        """Have it on the disk, then tell so."""
        from xmppctl.daemon.spool_rows import New

        if not self._messages:
            return
        done, self._messages, self._size = self._messages, [], 0
        new = [New(message.to, message.id, message.xml) for message in done]
        self._store.add(self._account, new, ttl=self._ttl, given_id=given_id)
        self._batch.total += len(done)
        for message in done:
            self._batch.report(message, "spooled", None)
        self._daemon.tell(more=True)


class Daemon:
    """The daemon of the account, as far as the spool needs it: it is told that there is something in it.

    It is started where the account has it started when it is needed. Nothing is waited for long, and only `demand` and
    signals raise anything: what is in the spool is safe.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._mode = app.choice("daemon", "auto", ("auto", "only", "off"))
        self._told = float("-inf")
        self._due = False
        self._noted = False

    def demand(self) -> None:
        """Raise DaemonError where there is none and --daemon only wants one. Called before anything is put in."""
        if self._mode == "only":
            from xmppctl.cli.app import DEFAULT_TIMEOUT

            stream = self._reach(self._app.timeout(follow=True) or DEFAULT_TIMEOUT)
            if stream is not None:
                stream.close()

    def tell(self, *, more: bool) -> None:
        """There is something new. Where `more` is to come, it is told so now and then."""
        self._due = True
        if not more or monotonic() - self._told >= TELL_PAUSE:
            self.finish()

    def finish(self) -> None:
        """Tell it what it was not told of yet."""
        if self._mode == "off" or not self._due:
            return
        self._due = False
        try:
            self._ask()
        except XmppctlError as error:
            if isinstance(error, Interrupted | Terminated):
                raise
            self._note(f"the daemon could not be told of it: {error.message}")
        self._told = monotonic()

    def _ask(self) -> None:
        from xmppctl.session import local
        from xmppctl.session.deadline import Deadline

        # A stream of its own each time: while one is open, a signal would not end a wait for more lines.
        stream = self._reach(TELL_SECONDS)
        if stream is None:
            self._note(_NO_DAEMON)
            return
        with closing(stream):
            stream.ask("set", local.payload("spool"), Deadline(TELL_SECONDS))

    def _reach(self, seconds: float) -> Local | None:
        from xmppctl.cli import reach

        app, settings = self._app, self._app.settings()
        if settings.persist is not None and settings.password.kind == "prompt":
            settings = settings._replace(
                persist=None
            )  # a message that is safe is no reason to ask for a password
        try:
            return reach.stream(
                settings,
                mode="only" if self._mode == "only" else "auto",
                environ=app.environ,
                timeout=seconds,
                note=app.detail,
            )
        except DeadlineExceeded:
            if self._mode == "only":
                raise
            self._note("the daemon is starting; it will look at the spool by itself")
            return None

    def _note(self, text: str) -> None:
        if not self._noted:
            self._noted = True
            self._app.note(text)
