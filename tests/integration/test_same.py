"""Commands with and without the daemon: the same on standard output, the same exit code, whatever is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from tests.integration.program import Cli, Result

NS_PUBSUB = "http://jabber.org/protocol/pubsub"
IQ = "<iq type='{type}' id='{id}' to='{to}'>{inside}</iq>"
PING = "<ping xmlns='urn:xmpp:ping'/>"

#: What differs between any two runs: times, ids that were made up, our own resource, and sizes since that has any.
MADE_UP = ("time", "ms", "min_ms", "avg_ms", "max_ms", "id")
CHANGES = re.compile(r"\d\d:\d\d:\d\d\.\d+|\d+(\.\d+)? ms|\b\d+B\b|\b[0-9a-f]{24}\b|(?<=@localhost/)[-\w]+")
#: The same, in what `watch` shows.
WIRE = re.compile(r"[-\dT:.]{12,}Z?|\b\d+B\b|(?<=@localhost/)[-\w]+")

#: In place of seconds that a command is given: more of them where a busy machine needs those to connect.
SECONDS = "SECONDS"

Words = Callable[[Cli], tuple[str, ...]]

#: By name: the words of a command, and what it reads.
CASES: dict[str, tuple[Words, str]] = {
    "send": (lambda cli: ("send", cli.jid("bob"), "hi"), ""),
    "send json": (lambda cli: ("send", cli.jid("bob"), "-", "-o", "jsonl"), "two\nlines\n"),
    "send lines": (lambda cli: ("send", cli.jid("bob"), "--lines", "-o", "jsonl"), "one\n\ntwo\nthree\n"),
    "send to nobody": (lambda _: ("send", "nobody-at-all@localhost", "hi", "-o", "jsonl"), ""),
    "send in part": (
        lambda cli: ("send", cli.jid("bob"), "--to", "nobody-at-all@localhost", "hi", "-o", "json"),
        "",
    ),
    "send not waiting": (
        lambda cli: ("send", cli.jid("bob"), "hi", "--wait", "none", "-o", "jsonl"),
        "",
    ),
    "send wrong": (lambda _: ("send", "not a jid", "hi"), ""),
    "send malformed": (lambda cli: ("send", cli.jid("bob"), "\x07"), ""),
    "ping": (lambda _: ("ping",), ""),
    "ping json": (lambda _: ("ping", "--count", "3", "--interval", "0", "-o", "jsonl"), ""),
    "ping nobody": (lambda cli: ("ping", f"{cli.jid('bob')}/nowhere"), ""),
    "raw": (
        lambda _: (
            "raw",
            IQ.format(type="get", id="a&amp;b", to="localhost", inside=PING),
            "-o",
            "jsonl",
        ),
        "",
    ),
    "raw with one id": (
        lambda _: ("raw", 3 * IQ.format(type="get", id="same", to="localhost", inside=PING), "-o", "jsonl"),
        "",
    ),
    "raw refused": (
        lambda _: (
            "raw",
            IQ.format(type="get", id="1", to="localhost", inside="<x xmlns='urn:nothing'/>"),
            "-o",
            "jsonl",
        ),
        "",
    ),
    "raw read": (lambda cli: ("raw", "-"), "<message to='bob@localhost'><body>x</body></message>\n" * 3),
    "raw malformed": (lambda _: ("raw", "<iq></message>"), ""),
    "roster": (lambda _: ("roster", "list", "-o", "json"), ""),
    "roster remove": (lambda cli: ("roster", "remove", cli.jid("bob")), ""),
    "roster set": (lambda cli: ("roster", "set", cli.jid("bob"), "--name", "B"), ""),
    "disco info": (lambda _: ("disco", "info", "-o", "jsonl"), ""),
    "disco items": (lambda _: ("disco", "items", "-o", "jsonl"), ""),
    "disco of the account": (lambda cli: ("disco", "info", cli.jid("alice"), "-o", "jsonl"), ""),
    "disco nowhere": (lambda _: ("disco", "info", "nowhere.localhost"), ""),
    "version": (lambda _: ("version", "-o", "jsonl"), ""),
    "version of nobody": (lambda cli: ("version", f"{cli.jid('bob')}/nowhere"), ""),
    "status held": (lambda _: ("status", "away", "--hold", "0.1"), ""),
    "status wrong": (lambda _: ("status", "dancing"), ""),
    "watch nothing": (lambda _: ("watch", "kind:message", "--timeout", SECONDS, "-o", "json"), ""),
    "watch in vain": (lambda _: ("watch", "kind:message", "--timeout", SECONDS, "--count", "1"), ""),
    "watch wrong": (lambda _: ("watch", "kind:letter"), ""),
    "pubsub no node": (lambda cli: ("pubsub", "subscribe", cli.server.pubsub, "no-such-node"), ""),
    "no command": (lambda _: ("sned",), ""),
}


def told(ran: Result) -> Any:
    """What a run printed on standard output, but for what differs between any two."""
    for read in (json.loads, lambda text: [json.loads(line) for line in text.splitlines()]):
        with suppress(ValueError):
            return _plain(read(ran.stdout))
    return CHANGES.sub("*", ran.stdout)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        made_up = {name: "*" for name in MADE_UP if name in value and _is_made_up(name, value[name])}
        return {name: _plain(inner) for name, inner in value.items()} | made_up
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return CHANGES.sub("*", value.replace('"', "'")) if isinstance(value, str) else value


def _is_made_up(name: str, value: Any) -> bool:
    return name != "id" or (isinstance(value, str) and CHANGES.fullmatch(value) is not None)


def played(cli: Cli, name: str, mode: str, seconds: str = "0.5") -> tuple[int, Any, str]:
    """How a case ends, but for what differs between any two runs."""
    words, stdin = CASES[name]
    ran = cli.run(
        *(seconds if word == SECONDS else word for word in words(cli)), "--daemon", mode, stdin=stdin
    )
    return ran.code, told(ran), CHANGES.sub("*", ran.stderr)


def test_the_daemon_changes_nothing(cli: Cli) -> None:
    """Every case without a daemon, then every case through one."""
    found = {name: [played(cli, name, "off")] for name in CASES}
    cli.start_daemon()
    for name, runs in found.items():
        runs.append(played(cli, name, "only"))
        if runs[0] != runs[1] and SECONDS in CASES[name][0](cli):
            runs[:] = [played(cli, name, mode, "10") for mode in ("off", "only")]
    different = {name: runs for name, runs in found.items() if runs[0] != runs[1]}
    assert not different, json.dumps(different, indent=1)
    assert {runs[0][0] for runs in found.values()} >= {0, 1, 2, 6, 8, 10}  # good ones and bad ones


def test_what_is_no_stanza_is_sent_on_a_stream_of_its_own(cli: Cli) -> None:
    cli.start_daemon()
    active = "<active xmlns='urn:xmpp:csi:0'/>"
    assert cli.run("raw", active) == (0, "", "")
    assert cli.run("raw", active, "--daemon", "only").code == 9
    assert cli.run("ping", "--daemon", "only").code == 0


def test_watch_shows_the_same_message(cli: Cli) -> None:
    """What one message looks like, byte for byte, to a session of its own and through a daemon."""
    message = (
        f"<message to='{cli.jid('bob')}' id='m' type='headline'><body>a &lt; b ]]&gt; é</body></message>"
    )
    words = ("watch", "kind:message", "--count", "1", "-v")
    shown: list[list[str]] = []
    for mode in ("off", "only"):
        if mode == "only":
            cli.start_daemon("bob")
        with ExitStack() as stack:
            watching = [
                stack.enter_context(cli.follow(*words, "-o", output, "--daemon", mode, account="bob"))
                for output in ("text", "jsonl", "xml")
            ]
            for each in watching:
                each.wait_note("watching as")
            assert cli.run("raw", message, "--daemon", "off").code == 0
            ran = [each.finish() for each in watching]
        assert [each.code for each in ran] == [0, 0, 0], ran
        shown.append([WIRE.sub("*", each.stdout) for each in ran])
    assert shown[0] == shown[1]
