"""Every command: its module and its one-line help, so that --help and completion import no command."""

from __future__ import annotations

from typing import Final

#: name -> (module in xmppctl.cli.commands, help). The module's `command` is the click command.
COMMANDS: Final = {
    "send": ("send", "Send messages; exit 0 means that the server has them"),
    "status": ("status", "Set your presence"),
    "roster": ("roster", "List and edit contacts"),
    "pubsub": ("pubsub", "Follow PubSub nodes"),
    "watch": ("watch", "Watch the live stanza stream, both directions"),
    "replay": ("replay", "Show what watch --record has kept"),
    "shell": ("shell", "Type stanzas and see what comes back; play scripts of them"),
    "raw": ("raw", "Send stanzas as typed; print the replies"),
    "disco": ("disco", "Ask what an entity is and has"),
    "ping": ("ping", "Measure the way to an entity and back"),
    "version": ("version", "Ask an entity for its software's version"),
    "daemon": ("daemon", "Hold a connection in the background for all commands"),
    "account": ("account", "Configure, test and register accounts"),
    "sandbox": ("sandbox", "Run a local server with two accounts to try things on"),
    "demo": ("demo", "See the main job done on a local sandbox"),
    "completion": ("completion", "Print the completion script of a shell"),
    "help": ("help", "Read about a topic: exit-codes, filters, options, ..."),
}
