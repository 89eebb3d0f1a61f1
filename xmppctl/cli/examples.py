"""Examples of every command: for its --help and its man page. They are for the sandbox, where all of them work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Example(NamedTuple):
    """`command` is typed as it stands; `what` says what it does, as a beginning of a sentence."""

    what: str
    command: str


#: Command ("" is xmppctl itself) -> its examples.
EXAMPLES: Final[Mapping[str, tuple[Example, ...]]] = {
    "": (
        Example("See what it can do, on a server of its own", "xmppctl demo"),
        Example("Start a sandbox, and send from one of its accounts to the other",
                "xmppctl sandbox start\nxmppctl -a alice send bob@localhost hello"),
        Example("Make an account of yours, its password from a password manager",
                'xmppctl account add work --jid romeo@montague.example --password-command "pass show xmpp/work"'),
    ),
    "send": (
        Example("Send a message", "xmppctl -a alice send bob@localhost hello"),
        Example("Send the output of a program", "df -h / | xmppctl -a alice send bob@localhost -"),
        Example(
            "Send each line as it comes, a message of its own",
            "ls / | xmppctl -a alice send bob@localhost --lines",
        ),
        Example("Have it sent whatever becomes of the network, within a day or not at all",
                'xmppctl -a alice send bob@localhost "the job is done" --spool --ttl 1d'),
    ),
    "status": (
        Example("Be away for two seconds", 'xmppctl -a alice status away "back soon" --hold 2s'),
    ),
    "roster": (
        Example("List the contacts", "xmppctl -a alice roster list"),
        Example("Add a contact to a group", "xmppctl -a alice roster add bob@localhost --name Bob --group Friends"),
    ),
    "pubsub": (
        Example("Follow a node for a second", "xmppctl -a bob pubsub subscribe pubsub.localhost news --timeout 1"),
    ),
    "watch": (
        Example("Watch everything", "xmppctl -a bob watch"),
        Example("Watch messages of one sender until nothing came for two seconds",
                "xmppctl -a bob watch kind:message from:alice@localhost --until-idle 2s"),
        Example("Print the bodies of the next three messages",
                "xmppctl -a bob watch dir:in kind:message --count 3 -o jsonl | jq -r .body"),
        Example("Wait for a message of one sender, and fail where it does not come within a minute",
                "xmppctl -a bob watch --expect kind:message from:alice@localhost --timeout 60"),
        Example("See each request with its reply, and keep all of it",
                "xmppctl -a bob watch --pair --record bob.rec"),
        Example("Read another program's log", "xmppctl watch --stdin type:error < prosody.log"),
    ),
    "replay": (
        Example("See the requests of a recording, and how long each took", "xmppctl replay bob.rec kind:iq --pair"),
        Example("Count what is in it", "xmppctl replay bob.rec --stats"),
        Example("Open it in Wireshark", "xmppctl replay bob.rec --to pcapng > bob.pcapng"),
        Example("Make a copy without names and texts for a bug report",
                "xmppctl replay bob.rec --redact -o xml > report.xml"),
    ),
    "shell": (
        Example("Type stanzas", "xmppctl -a alice shell"),
        Example("Play a script of stanzas and commands", "xmppctl -a alice shell < check.xml"),
        Example("Be a test: fail where what is expected does not come",
                r"printf '<presence/>\n/wait 5 kind:presence from:alice@*\n' | xmppctl -a alice shell"),
        Example("Log in by hand from the features on", "xmppctl -a alice shell --stop-at features"),
    ),
    "raw": (
        Example("Send a stanza of your own and see the reply",
                """xmppctl -a alice raw '<iq type="get" id="1"><query xmlns="jabber:iq:version"/></iq>'"""),
    ),
    "disco": (
        Example(
            "See what a server has",
            "xmppctl -a alice disco info localhost\nxmppctl -a alice disco items localhost",
        ),
    ),
    "ping": (
        Example("Ping the own server three times", "xmppctl -a alice ping --count 3"),
    ),
    "version": (
        Example("Ask the own server what it runs", "xmppctl -a alice version"),
    ),
    "daemon": (
        Example("Start a daemon, see it, and go through it",
                "xmppctl -a alice daemon start\nxmppctl -a alice daemon status\n"
                "xmppctl -a alice send bob@localhost hello"),
        Example("See what all your daemons do", "xmppctl daemon status --all"),
        Example("Read its log", "xmppctl -a alice daemon logs --lines 20"),
        Example("Have systemd keep it running",
                "xmppctl -a alice daemon unit systemd"),
        Example("End it", "xmppctl -a alice daemon stop"),
    ),
    "account": (
        Example("See each step of a login, and where it breaks", "xmppctl account test alice"),
        Example("See where each setting comes from", "xmppctl account show alice --origin"),
    ),
    "sandbox": (
        Example("Run a script on a sandbox that exists only for it",
                "xmppctl sandbox run -- xmppctl send bob@localhost hello"),
    ),
    "demo": (Example("See the main job done, and keep the server", "xmppctl demo --keep"),),
    "completion": (Example("Complete in this bash", 'eval "$(xmppctl completion bash)"'),),
    "help": (Example("Read about exit codes", "xmppctl help exit-codes"),),
}  # fmt: skip
