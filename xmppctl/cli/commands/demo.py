"""`xmppctl demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xmppctl.cli.tree import Command

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.sandbox.stage import Stage

_BODY = "Art thou not Romeo?"
_STATUS = "dreaming"
_TITLE = "It works"
_PUBSUB = "http://jabber.org/protocol/pubsub"
_ATOM = "http://www.w3.org/2005/Atom"


@click.command(cls=Command)
@click.option("--keep", is_flag=True, help="Leave the sandbox up, to go on by hand.")
@click.pass_obj
def command(app: App, keep: bool) -> None:
    """See the main job done on a local sandbox, each step with the command to type and its real output.

    A sandbox that runs already is used, and left as it was.
    """
    import shlex
    from shutil import which
    from time import monotonic

    from xmppctl.cli.commands.sandbox import note_hidden_accounts, showing_log
    from xmppctl.errors import UsageError
    from xmppctl.output.palette import COLORS, PLAIN
    from xmppctl.output.renderers import wants_color
    from xmppctl.output.sink import Sink
    from xmppctl.sandbox import lifecycle
    from xmppctl.sandbox.run import environment
    from xmppctl.sandbox.stage import Stage, program

    if app.output != "text":
        raise UsageError("demo is for people", hint="leave out -o; xmppctl sandbox run is for programs")
    sink = Sink(app.stdout)
    color = wants_color(app.choice("color", "auto", ("auto", "always", "never")), sink, app.environ)
    # A person who runs a clone's `./dev demo` has no xmppctl on PATH.
    name = "xmppctl" if which("xmppctl") else shlex.join(program())
    began = monotonic()
    own = {key: value for key, value in app.environ.items() if not key.startswith("XMPPCTL_")}
    with showing_log(app), lifecycle.in_use() as sandbox:
        # What the commands remember of whom they met belongs to the sandbox, and goes with it.
        world = environment(sandbox, own) | {"XDG_STATE_HOME": str(sandbox.directory)}
        with Stage(sink, COLORS if color else PLAIN, world) as stage:
            _play(stage, borrowed=not sandbox.temporary)
            took = monotonic() - began
            if keep or not sandbox.temporary:
                lifecycle.start()
                stage.title(f"Done in {took:.1f} s. The sandbox stays up; go on with:")
                for words in (
                    "-a bob watch",
                    "-a alice send bob@localhost Hello",
                    "sandbox status",
                    "sandbox stop",
                ):
                    stage.text(f"  {name} {words}")
            else:
                stage.title(f"Done in {took:.1f} s. The sandbox goes, with all its files.")
                stage.text(f"  {name} sandbox start makes one that stays, as does {name} demo --keep")
    if keep:
        note_hidden_accounts(app)


def _play(stage: Stage, *, borrowed: bool) -> None:
    from secrets import token_hex

    # In a sandbox that is not ours the node may exist already.
    node = f"news-{token_hex(2)}" if borrowed else "news"
    stage.title("A server of your own runs now, with two accounts. Does it answer?")
    stage.run("-a", "alice", "ping")

    stage.title("Bob watches his stream. All that follows shows up there, as it is on the wire.")
    watch = stage.follow("bob", "-a", "bob", "watch", "kind:message,presence")
    watch.wait_for("← presence")

    stage.title("Alice sends a message.")
    stage.run("-a", "alice", "send", "bob@localhost", _BODY)
    watch.wait_for(_BODY)

    stage.title("Bob puts Alice on his roster, which asks to see her presence. She agrees.")
    stage.run("-a", "bob", "roster", "add", "alice@localhost", "--name", "Alice", "--group", "Friends")
    stage.run("-a", "alice", "raw", '<presence type="subscribed" to="bob@localhost"/>')
    stage.run("-a", "bob", "roster", "list")

    stage.title("So Bob sees when she sets her status.")
    stage.run("-a", "alice", "status", "away", _STATUS, "--hold", "1s")
    watch.wait_for(_STATUS)

    stage.title("Alice makes a PubSub node, Bob subscribes, she publishes, he gets the event.")
    create = f'<pubsub xmlns="{_PUBSUB}"><create node="{node}"/></pubsub>'
    stage.run("-a", "alice", "raw", f'<iq type="set" to="pubsub.localhost" id="create">{create}</iq>')
    subscriber = stage.follow(
        "sub", "-a", "bob", "pubsub", "subscribe", "pubsub.localhost", node, "--count", "1"
    )
    subscriber.wait_for("subscribed")
    entry = f'<entry xmlns="{_ATOM}"><title>{_TITLE}</title></entry>'
    publish = (
        f'<pubsub xmlns="{_PUBSUB}"><publish node="{node}"><item id="1">{entry}</item></publish></pubsub>'
    )
    stage.run("-a", "alice", "raw", f'<iq type="set" to="pubsub.localhost" id="publish">{publish}</iq>')
    subscriber.wait_for(_TITLE)
    subscriber.finish(5)
    watch.wait_for(_TITLE)
    watch.end()

    if borrowed:
        stage.title("This sandbox was there before: tidying up.")
        stage.run("-a", "bob", "roster", "remove", "alice@localhost")
        owner = f'<pubsub xmlns="{_PUBSUB}#owner"><delete node="{node}"/></pubsub>'
        stage.run("-a", "alice", "raw", f'<iq type="set" to="pubsub.localhost" id="delete">{owner}</iq>')
