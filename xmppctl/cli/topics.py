"""What `xmppctl help TOPIC` tells, and the man pages with it. Facts come from where they are decided: codes from
`errors`, options from `options`, keys of accounts from `config.keys`, filters from `stanza.filter_help`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from xmppctl.cli.blocks import Block, Heading, Lines, Page, Terms, Text
from xmppctl.cli.options import SHARED, Shared

#: Every topic and its title; in this order they are listed.
TITLES: Final[Mapping[str, str]] = {
    "options": "The options that every command has, and their environment variables",
    "filters": "The terms that select stanzas, for watch and others",
    "output": "What is printed: text, JSON lines, JSON, XML",
    "daemon": "How commands go through a daemon, and what it does for them",
    "shell": "What can be typed at the raw XML shell, and in its scripts",
    "exit-codes": "What the exit code of a command means",
    "files": "The account file, and what else is kept where",
    "environment": "The environment variables that are read",
}


def topic(name: str) -> list[Block]:
    """The blocks of a topic. Raises KeyError where there is none of that name."""
    return _TOPICS[name]()


def exit_codes() -> Terms:
    """Every exit code."""
    from xmppctl.errors import ExitCode

    return Terms(tuple((str(int(code)), _sentence(code.meaning)) for code in ExitCode))


def shared_options() -> Terms:
    """Every shared option, with its variable."""
    return Terms(tuple((option_words(shared), f"{shared.help} [{shared.variable}]") for shared in SHARED))


def option_words(shared: Shared) -> str:
    """`-o, --output text|json|jsonl|xml`."""
    value = shared.metavar or "|".join(shared.choices)
    return ", ".join(shared.flags) + (f" {value}" if value else "")


def environment() -> Terms:
    """Every environment variable."""
    return Terms((*_option_variables(), *_account_variables(), *_OTHER_VARIABLES))


def files() -> Terms:
    """Every file."""
    return Terms(
        (
            ("$XDG_CONFIG_HOME/xmppctl/config.toml", "Accounts (~/.config/xmppctl/config.toml)."),
            ("$XDG_CONFIG_HOME/xmppctl/templates/", "Your own templates for xmppctl shell, NAME.xml each."),
            (
                "$XDG_STATE_HOME/xmppctl/",
                "What is kept between runs (~/.local/state/xmppctl/): the sandbox, tracebacks of bugs (crash-*.txt), "
                "known-jids, the bare JIDs that commands had to do with, which shells complete, and shell_history. "
                "All of it may be deleted, but for spool/ as long as messages wait in it. daemon/ has the logs of "
                "daemons.",
            ),
            (
                "$XDG_RUNTIME_DIR/xmppctl/",
                "The daemons' sockets and locks; without XDG_RUNTIME_DIR they are in the directory above, in run/.",
            ),
        )
    )


# -- the topics --


def _options() -> list[Block]:
    return [
        Text("Every command has these options, before or after its name."),
        shared_options(),
        Text(
            "Each can be given by the environment variable in brackets as well. What an option says goes before "
            "what the environment says, that before what the account says (xmppctl help files), and that before the "
            "default. A flag in the environment is set unless it is empty, 0, no or false. "
            "xmppctl account show --origin tells where each value came from."
        ),
        Text(
            "No option takes a password: other users of the machine can read command lines. Without an option, the "
            "environment or the account to say where it is, it is asked for on the terminal."
        ),
        Text(
            "--tls none is refused but for a loopback address or with --insecure. The password itself (SASL PLAIN) "
            "is sent only inside TLS, and only where the account allows it."
        ),
    ]


def _filters() -> list[Block]:
    from xmppctl.stanza.filter_help import filter_help

    return [Page(filter_help())]


def _output() -> list[Block]:
    return [
        Text(
            "Standard output holds results and nothing else; notes, progress and errors go to standard error. "
            "Each record is written at once, so that a pipe has it when it happens."
        ),
        Terms(
            (
                ("text", "For people: the default. Coloured on a terminal (--color, NO_COLOR, TERM=dumb)."),
                ("jsonl", "For programs: one JSON object a line."),
                ("json", "One JSON document: an object, or an array where the results are many."),
                ("xml", "Stanzas as one well-formed document, streamed."),
            )
        ),
        Text(
            "Text from the network is shown safely: control characters, those that turn the direction of writing, "
            "and those without width are made visible, and a line break in a message cannot look like a new record."
        ),
        Heading("JSON records"),
        Text(
            'Every record has "schema", which is 1, and "time" (RFC 3339, UTC, milliseconds). Values that do not '
            "apply are left out. Later versions may add names; a change of what is here would be schema 2."
        ),
        Text("A stanza:"),
        Lines(_STANZA),
        Text(
            '"kind" is message, presence, iq, nonza or stream, "direction" in or out, and "xml" what was on the wire, '
            'for watch and --trace with secrets taken out. With --pair, an iq has "pair" as well: request and reply, '
            'the reply with "rtt" in seconds; timeout or unanswered for a request that has none; orphan for a reply '
            "whose request was not seen."
        ),
        Text(
            "What happened to a stream that is watched, whatever the filter, so that no gap is passed over:"
        ),
        Lines(_HAPPENED),
        Text(
            '"event" is offline or online (a daemon lost its connection, or has it back), lost ("count" stanzas came '
            "faster than the output was read), or torn (a recording or a log is damaged there). "
            "With --stats there is one record with the numbers at the end:"
        ),
        Lines(_STATS),
        Text(
            "Times are seconds and sizes bytes; arrays have the largest first, and where one is full, (others) stands "
            "for the rest. A PubSub event:"
        ),
        Lines(_EVENT),
        Text(
            '"event" is item, retract, purge, delete, configure or subscription; "payload" is XML; "atom" is there '
            "where the payload is an Atom entry. An error, with -o json and -o jsonl, on standard error:"
        ),
        Lines(_ERROR),
        Text(
            '"exit" is the exit code; "hint" says what to try; "stanza" is the XML that says it, where there is one.'
        ),
    ]


def _daemon() -> list[Block]:
    return [
        Text(
            "A daemon is a process of yours that holds the connection of one account. Commands with that account find "
            "it by its socket and go through it: they log in no more, and what they do and print is the same. The "
            "presence that status sets lasts, watch sees what all commands send and receive, roster list knows who is "
            "online, and a lost network is not a failure: what was sent is sent again on the next connection."
        ),
        Heading("Starting"),
        Text(
            "xmppctl daemon start returns when the daemon is online; xmppctl daemon status shows what it does, "
            "xmppctl daemon logs what it did, xmppctl daemon stop ends it. An account with persist has its daemon "
            "started by the first command that needs it, and ended after so long without anything to do: nobody "
            "attached, no presence set, nothing in the spool."
        ),
        Lines('[accounts.work]\njid = "romeo@montague.example"\npersist = "10m"'),
        Text(
            "xmppctl daemon unit systemd (or launchd) prints a unit with which the service manager keeps it running. "
            "In the foreground (daemon start --foreground) it logs to standard error as well, tells systemd when it "
            "serves, and ends with exit code 0 when it is asked to."
        ),
        Heading("Which commands go through it"),
        Terms(
            (
                (
                    "--daemon auto",
                    "The default: through the daemon if one runs, else on a connection of the command's own.",
                ),
                ("--daemon only", "Through the daemon, or exit 9; with persist one is started."),
                ("--daemon off", "Never."),
            )
        ),
        Text(
            "A daemon that was started with other settings of how to connect, by another release, or with another "
            "resource than the command asks for is not used; nor is a socket that another user may have put there. "
            "account test, password and register always log in by themselves."
        ),
        Heading("Staying connected"),
        Text(
            "A connection that breaks is made again, after 1 to 300 seconds, the longer the more often it failed; a "
            "change of the network and a wake-up from sleep are noticed at once. The stream is resumed where the "
            "server can (XEP-0198); else presence, rooms and carbons are restored, and what the server had not "
            "acknowledged is sent again with its id. A refused password, a conflict and what else will not pass by "
            "itself end the daemon with that failure's exit code; its clients are told."
        ),
        Heading("Messages that wait"),
        Text(
            "send --spool writes messages to the disk and returns; the daemon sends them in order, when there is one "
            "and when it is online. xmppctl daemon spool list shows what waits and what could not be delivered."
        ),
        Text(
            "A program of yours can attach as well: the socket speaks XMPP, as xmppctl-daemon-protocol(7) tells."
        ),
    ]


def _shell() -> list[Block]:
    from xmppctl.cli.shell_topic import shell_topic

    return shell_topic()


def _exit_codes() -> list[Block]:
    return [
        exit_codes(),
        Text(
            "An error is one to three lines on standard error: what, why, what to try; with -o json and -o jsonl it "
            "is a JSON object. A batch goes on after a failure and ends with 10. After an interrupt the stream is "
            "closed properly; a second one ends the command at once."
        ),
    ]


def _files() -> list[Block]:
    from xmppctl.config.keys import KEYS

    return [
        files(),
        Heading("Accounts"),
        Text(
            "The account file is TOML. xmppctl account add NAME --jid JID writes it, and keeps what you wrote into it "
            "yourself. XMPPCTL_CONFIG names another file."
        ),
        Lines(_CONFIG),
        Text("default names the account that is used where none is named. An account can say:"),
        Terms(tuple((key.name, _sentence(key.help)) for key in KEYS.values())),
        Text(
            "One of password_command, password_file, keyring and password says where the password is. A file that "
            "holds a password and that others can read is refused. Relative paths start at the file's directory. "
            "A key that is not known is an error, so that a misspelt one cannot go unnoticed."
        ),
        Text(
            "The accounts of the sandbox (xmppctl sandbox start), alice and bob, are in a file of their own; accounts "
            "of yours with these names go first."
        ),
    ]


def _environment() -> list[Block]:
    return [environment()]


_TOPICS: Final[Mapping[str, Callable[[], list[Block]]]] = {
    "options": _options,
    "filters": _filters,
    "output": _output,
    "daemon": _daemon,
    "shell": _shell,
    "exit-codes": _exit_codes,
    "files": _files,
    "environment": _environment,
}


# -- their pieces --


def _option_variables() -> list[tuple[str, str]]:
    return [(shared.variable, f"As {shared.flags[-1]}.") for shared in SHARED]


def _account_variables() -> list[tuple[str, str]]:
    """Those of account keys that have no option."""
    from xmppctl.config.keys import KEYS

    known = {shared.variable for shared in SHARED}
    return [
        (key.variable, _IN_THE_OPEN if key.name == "password" else _sentence(key.help))
        for key in KEYS.values()
        if key.variable and key.variable not in known
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


_IN_THE_OPEN: Final = (
    "The password, for containers. It is taken out of the environment before anything else is started. Prefer "
    "XMPPCTL_PASSWORD_FILE: other processes of yours can read the environment."
)
_OTHER_VARIABLES: Final = (
    ("XMPPCTL_CONFIG", "The account file, instead of config.toml."),
    ("XMPPCTL_NAMESERVER", "Ask this DNS server (ADDRESS or ADDRESS:PORT) instead of the system's."),
    ("NO_COLOR, TERM", "No colours where NO_COLOR is set, or TERM is dumb."),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR", "Where files are."),
)
_STANZA: Final = """\
{"schema":1, "time":"2026-01-31T12:00:00.250Z", "direction":"in", "kind":"message",
 "type":"chat", "id":"m1", "from":"bob@localhost/desk", "to":"alice@localhost", "body":"hi",
 "payloads":[{"namespace":"urn:xmpp:receipts", "name":"request", "xep":"XEP-0184"}],
 "xml":"<message ...>...</message>"}"""
_HAPPENED: Final = """\
{"schema":1, "time":..., "event":"offline", "text":"the server hung up"}"""
_STATS: Final = """\
{"schema":1, "time":..., "event":"stats", "seconds":60.2, "stanzas":{"in":90,"out":31},
 "bytes":{"in":...,"out":...}, "rate":2.01, "lost":0,
 "sizes":{"min":...,"p50":...,"p90":...,"p99":...,"max":...},
 "kinds":[{"kind":"iq","stanzas":...,"bytes":...}],
 "namespaces":[{"namespace":...,"stanzas":...,"xep":...}],
 "peers":[{"peer":...,"in":...,"out":...,"bytes":...}],
 "errors":[{"condition":...,"stanzas":...}],
 "iq":{"min":...,"p50":...,"p90":...,"p99":...,"max":...,
       "answered":...,"timeouts":...,"unanswered":...,"orphans":...},
 "slowest":[{"seconds":...,"peer":...,"namespace":...,"name":...,"id":...,"fate":...}],
 "silent":[...]}"""
_EVENT: Final = """\
{"schema":1, "time":..., "event":"item", "service":"pubsub.localhost", "node":"news",
 "id":"1", "publisher":"bob@localhost", "payload":"<entry ...>...</entry>", "atom":{...}}"""
_ERROR: Final = """\
{"error":"stanza-error", "exit":1, "message":..., "hint":..., "stanza":"<iq type='error' ...>"}"""
_CONFIG: Final = """\
default = "work"

[accounts.work]
jid = "romeo@montague.example"
password_command = "pass show xmpp/work"

[accounts.bot]
jid = "bot@montague.example"
password_file = "bot.password"
host = "xmpp.montague.example"
tls = "direct"
"""
