"""`xmppctl daemon`. What its subcommands show is in `cli.daemon_text`, its log in `cli.daemon_logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from xmppctl.cli.options import positive_duration
from xmppctl.cli.tree import Group

if TYPE_CHECKING:
    from xmppctl.cli.app import App

_ALL: Final = "Every daemon of yours, whatever its account."


class _Group(Group):
    """Has `spool` as well, whose module is imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its own, then spool."""
        return [*super().list_commands(ctx), "spool"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of its own, or spool."""
        if cmd_name != "spool":
            return super().get_command(ctx, cmd_name)
        from xmppctl.cli.commands.daemon_spool import command as spool

        return spool


@click.group(cls=_Group)
def command() -> None:
    """Hold an account's connection in the background, for all commands that follow.

    Commands find the daemon of their account by themselves and go through it: they need no login of their own, the
    presence that `status` sets lasts, `watch` sees everything that crosses the wire, and messages survive a lost
    network. With `persist = "10m"` in the account, the first command that needs it starts it.
    """


@command.command(short_help="Start the daemon of an account")
@click.option(
    "--foreground",
    is_flag=True,
    help="Stay in the foreground and log to standard error, for service managers.",
)
@click.option(
    "--until-idle", metavar="DURATION", help="End after so long without anything to do (90s, 10m, 1h30m)."
)
@click.pass_obj
def start(app: App, foreground: bool, until_idle: str | None) -> None:
    """Start the daemon of the account, unless it runs already.

    Returns when it is online. Where it cannot connect for a reason that may pass, it says so and leaves the daemon
    trying; where the server refuses for good, the daemon ends, and this with its error and exit code. It stays until it
    is ended, whatever the account's persist says, unless with --until-idle.

    In the foreground SIGTERM, SIGINT and `daemon stop` end it with exit code 0, a failure that will not pass with its
    own; a second signal ends it at once.
    """
    from xmppctl.cli import daemon_start

    seconds = None if until_idle is None else positive_duration("--until-idle", until_idle)
    if foreground:
        daemon_start.in_foreground(app, seconds)
    else:
        daemon_start.in_background(app, seconds)


@command.command(short_help="End the daemon of an account")
@click.option("--all", "every", is_flag=True, help=_ALL)
@click.pass_obj
def stop(app: App, every: bool) -> None:
    """End the daemon of the account, after the server has what was sent, and return when it has ended.

    One that does not answer is ended by SIGTERM, then by SIGKILL. What waits in the spool is kept.
    """
    from xmppctl.cli import daemon_stop

    if every:
        daemon_stop.stop_all(app)
    else:
        daemon_stop.stop(app)


@command.command(short_help="Show what the daemon of an account does")
@click.option("--all", "every", is_flag=True, help=f"{_ALL} A line each.")
@click.pass_obj
def status(app: App, every: bool) -> None:
    """Show what the daemon of the account does; exit 9 where none runs.

    Connection and its history, TLS and SASL, stream management, counts both ways, the presence that is shown, contacts,
    the spool, memory, and who is attached.
    """
    from xmppctl.cli import daemon_status

    if every:
        daemon_status.show_all(app)
    else:
        daemon_status.show(app)


@command.command(short_help="Show the log of the daemon of an account")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.option(
    "--lines",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    metavar="N",
    help="Begin with the last N lines.",
)
@click.pass_obj
def logs(app: App, follow: bool, lines: int) -> None:
    """Show the log of the account's daemon, also when it has ended. Times are in UTC."""
    from xmppctl.cli import daemon_logs

    daemon_logs.show(app, lines, follow=follow)


@command.command(short_help="Print a unit of systemd or launchd that keeps a daemon running")
@click.argument("manager", type=click.Choice(["systemd", "launchd"]))
@click.pass_obj
def unit(app: App, manager: str) -> None:
    """Print a unit with which the user's service manager keeps the account's daemon running.

    It has the paths of this installation, and the options given here; it never holds a password, so the account must
    have a password_command, a password_file or the keyring.

    \b
    xmppctl daemon unit systemd -a work > ~/.config/systemd/user/xmppctl-work.service
    systemctl --user daemon-reload
    systemctl --user enable --now xmppctl-work

    \b
    xmppctl daemon unit launchd -a work > ~/Library/LaunchAgents/org.xmppctl.daemon.work.plist
    launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/org.xmppctl.daemon.work.plist

    `loginctl enable-linger` keeps it running while you are not logged in.
    """
    from xmppctl.cli import daemon_unit

    app.renderer().record(*daemon_unit.make(app, manager))
