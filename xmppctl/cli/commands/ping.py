"""`xmppctl ping`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Command
from xmppctl.errors import DeadlineExceeded, Interrupted, PartialFailure, Terminated

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.session.base import Session

#: What one of several pings gets.
_WAIT = 10.0


class _Seconds(click.FloatRange):
    """A range of seconds. Not a number is in every range for click."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if seconds != seconds:
            self.fail(f"{value!r} is not a valid number of seconds.", param, ctx)
        return seconds


@click.command(cls=Command)
@click.argument("to", required=False, metavar="[JID]", shell_complete=complete.jids)
@click.option(
    "--count", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Ping so often."
)
@click.option(
    "--interval",
    type=_Seconds(0, 86400),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="From one ping to the next.",
)
@click.option(
    "--wait",
    type=_Seconds(0, 86400, min_open=True),
    metavar="SECONDS",
    help="What each ping gets; one that takes longer is lost.  [default: 10 where there are several]",
)
@click.pass_obj
def command(app: App, to: str | None, count: int, interval: float, wait: float | None) -> None:
    """Measure the way to JID (default: the own server) and back (XEP-0199).

    Exit 6 if no answer came, 10 if some of several were lost.
    """
    from xmppctl.stanza.jid import Jid

    app.renderer()
    target = None if to is None else str(Jid.parse(to))
    if wait is None and count > 1:
        wait = _WAIT

    async def main(session: Session) -> None:
        series = _Series(app, session, target or session.jid.domain, wait)
        try:
            for number in range(1, count + 1):
                if number > 1:
                    await session.sleep(interval - min(interval, series.took))
                await series.ping(number)
        except (Interrupted, Terminated):
            series.summary()
            raise
        series.summary()
        series.judge()

    app.run(main, follow=count > 1)
    complete.remember(app, [target] if target else [])


class _Series:
    """Pings to one entity."""

    def __init__(self, app: App, session: Session, to: str, wait: float | None) -> None:
        self._app = app
        self._session = session
        self._to = to
        self._wait = wait
        self._sent = 0
        self._times: list[float] = []  # milliseconds
        self._lost: DeadlineExceeded | None = None
        self.took = 0.0  # seconds that the last one took

    async def ping(self, number: int) -> None:
        """Ping once and tell. An answer that does not come in time is lost; the session's own deadline is raised."""
        from time import monotonic

        from xmppctl.protocols.ping import ping

        self._sent += 1
        began = monotonic()
        record: dict[str, Any] = {"to": self._to, "sequence": number}
        try:
            seconds, known = await ping(self._session, self._to, self._wait)
        except DeadlineExceeded as error:
            if self._session.deadline.passed:
                raise
            self._lost = error
            self._app.renderer().record(record | {"lost": True}, f"{self._to}: no answer in time")
        else:
            milliseconds = round(seconds * 1000, 3)
            self._times.append(milliseconds)
            told = "" if known else " (it does not know pings, but answers)"
            self._app.renderer().record(
                record | {"ms": milliseconds, "supported": known}, f"{self._to}: {milliseconds:.1f} ms{told}"
            )
        self.took = monotonic() - began

    def summary(self) -> None:
        """Tell of all of several."""
        if self._sent < 2:
            return
        times = self._times
        record: dict[str, Any] = {"to": self._to, "sent": self._sent, "received": len(times)}
        told = f"{self._to}: {self._sent} sent, {len(times)} answered"
        if times:
            low, mean, high = min(times), round(sum(times) / len(times), 3), max(times)
            record |= {"min_ms": low, "avg_ms": mean, "max_ms": high}
            told += f", min/avg/max {low:.1f}/{mean:.1f}/{high:.1f} ms"
        self._app.renderer().record(record, told)

    def judge(self) -> None:
        """Raise what lost pings amount to."""
        if self._lost is None:
            return
        if self._sent > 1 and self._times:
            raise PartialFailure(
                f"{self._sent - len(self._times)} of {self._sent} pings to {self._to} were lost"
            )
        raise self._lost
