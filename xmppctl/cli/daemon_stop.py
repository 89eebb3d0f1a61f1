"""`xmppctl daemon stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppctl.daemon import control
from xmppctl.errors import ConfigError, PartialFailure, XmppctlError
from xmppctl.session.deadline import Deadline

if TYPE_CHECKING:
    from xmppctl.cli.app import App


def stop(app: App) -> None:
    """End the account's daemon, if one runs. Raises ConfigError, DaemonError, DeadlineExceeded."""
    _stop(app, _place(app), Deadline(app.timeout()))


def stop_all(app: App) -> None:
    """End every daemon of this user. Raises PartialFailure where one is still there; the others are ended."""
    deadline = Deadline(app.timeout())
    places = control.everywhere(app.environ)
    failed = 0
    for place in places:
        try:
            _stop(app, place, deadline)
        except XmppctlError as error:
            app.tell(error)
            failed += 1
    if not places:
        app.note("no daemon runs")
    if failed:
        raise PartialFailure(f"{failed} of {len(places)} daemons could not be stopped")


def _place(app: App) -> control.Place:
    """Where the account's daemon is: a daemon knows its own name, also where its account is not there any more."""
    try:
        return control.place(app.settings(), app.environ)
    except ConfigError:
        name = app.options.get("account") or app.environ.get("XMPPCTL_ACCOUNT")
        for place in control.everywhere(app.environ):
            if name and place.name == name:
                return place
        raise


def _stop(app: App, place: control.Place, deadline: Deadline) -> None:
    stopped = control.stop(place, deadline, app.note)
    told = f"the daemon of {place.name} is stopped" if stopped else f"no daemon of {place.name} runs"
    app.renderer().record({"daemon": place.name, "stopped": stopped}, told)
