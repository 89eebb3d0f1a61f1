"""The commands that a shell has besides those of xmppctl: `/filter`, `/wait`, `/save` and the others."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.errors import ExpectationFailed, UsageError
from xmppctl.session.deadline import Deadline
from xmppctl.shell import keeping
from xmppctl.stanza.filters import compile_filter

if TYPE_CHECKING:
    from xmppctl.shell.core import Shell
    from xmppctl.shell.display import Level
    from xmppctl.shell.reader import Slash
    from xmppctl.stanza.filters import Filter
    from xmppctl.stanza.frame import Frame

#: Commands of xmppctl that make no sense inside a shell.
NOT_INSIDE: Final = frozenset({"shell", "demo", "completion"})
_WAIT_SECONDS: Final = 30.0
_HEX: Final = "--hex"
_NAME_WIDTH: Final = 28


class Ended(Exception):
    """A script ends here, with an exit code; why was told already."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Leave(Exception):
    """The shell is to be left."""


class Own(NamedTuple):
    """A command of the shell's own.

    `usage` is its words, `run` gets them split, `check` raises where they are wrong.
    """

    usage: str
    help: str
    run: Callable[[Shell, Sequence[str], Slash], Awaitable[None]]
    check: Callable[[Sequence[str]], object] = lambda _: None


async def run(shell: Shell, item: Slash) -> None:
    """Run a slash command. Raises UsageError for one that there is not, and what it raises."""
    own = OWN.get(item.name)
    if own is None:
        if item.name not in shell.house.commands.names():
            raise _unknown(shell, item.name)
        shell.lines.append(item.text)
        await shell.command(item.name, item.rest)
        return
    words = split(item)
    own.check(words)
    if item.name not in keeping.NOT_KEPT:
        shell.lines.append(item.text)
    await own.run(shell, words, item)


def check(shell: Shell, item: Slash) -> None:
    """Raise UsageError and BadFilter for what can be seen to be wrong with a command before it runs."""
    own = OWN.get(item.name)
    if own is not None:
        own.check(split(item))
    elif item.name in shell.house.commands.names():
        shell.house.commands.check(item.name, item.rest)
    else:
        raise _unknown(shell, item.name)


def split(item: Slash) -> list[str]:
    """The words of a command; those that hold XML or raw text stay one. Raises UsageError for an open quote."""
    if item.name in _WHOLE:
        return [item.rest] if item.rest else []
    try:
        return shlex.split(item.rest)
    except ValueError as error:
        raise UsageError(
            f"/{item.name}: {str(error).lower()}", hint="a quote is closed with the sign that opened it"
        ) from None


def _unknown(shell: Shell, name: str) -> UsageError:
    from difflib import get_close_matches

    if name in NOT_INSIDE:
        return UsageError(
            f"/{name} does not run inside the shell", hint=f"xmppctl {name} in another terminal"
        )

    known = [*OWN, *shell.house.commands.names()]
    close = " or ".join(f"/{each}" for each in get_close_matches(name, known, 3))
    return UsageError(
        f"there is no command /{name}", hint=f"did you mean {close}?" if close else "/help lists them"
    )


# -- what is shown --


async def _help(shell: Shell, words: Sequence[str], item: Slash) -> None:
    if words and words[0].removeprefix("/") in OWN:
        name = words[0].removeprefix("/")
        own = OWN[name]
        shell.house.say(f"/{name} {own.usage}".rstrip() + f"\n  {own.help}")
        return
    if words:
        await shell.command("help", item.rest)
        return
    rows = [(f"/{name} {own.usage}".rstrip(), own.help) for name, own in OWN.items()]
    lines = ["Type a stanza; it is sent when it is whole. Besides:"]
    lines += [_row(*row) for row in rows]
    lines += ["And every command of xmppctl, on this stream (a & at the end: in the background):"]
    lines += [
        _row(f"/{name}", told) for name, told in shell.house.commands.names().items() if name not in OWN
    ]
    shell.house.say("\n".join(lines))


def _row(name: str, told: str) -> str:
    return (
        f"  {name:{_NAME_WIDTH}} {told}"
        if len(name) <= _NAME_WIDTH
        else f"  {name}\n{'':{_NAME_WIDTH + 3}}{told}"
    )


def _level(level: Level) -> Callable[[Shell, Sequence[str], Slash], Awaitable[None]]:
    async def run(shell: Shell, _: Sequence[str], __: Slash) -> None:
        shell.display.level = level
        shell.changed()

    return run


async def _filter(shell: Shell, words: Sequence[str], _: Slash) -> None:
    shell.display.wanted = None if list(words) in ([], ["off"]) else compile_filter(words)
    shell.changed()
    if shell.display.wanted is None:
        shell.house.note("everything that comes is shown")


def _check_filter(words: Sequence[str]) -> None:
    if list(words) != ["off"]:
        compile_filter(words)


# -- what is waited for --


def _timed(words: Sequence[str]) -> tuple[float, Filter]:
    """Seconds and terms. Raises UsageError, BadFilter."""
    seconds = _WAIT_SECONDS
    if words and words[0].replace(".", "", 1).isdigit() and words[0].isascii():
        seconds, words = float(words[0]), words[1:]
    if not words:
        raise UsageError("a TERM is missing", hint="as in kind:message from:juliet@*; see /help filters")
    return seconds, compile_filter(words)


async def _wait(shell: Shell, words: Sequence[str], _: Slash) -> None:
    seconds, wanted = _timed(words)
    shell.forgive(await shell.traffic.arrivals.take(wanted, Deadline(seconds), shell.check))


async def _expect(shell: Shell, words: Sequence[str], _: Slash) -> None:
    seconds, wanted = _timed(words)
    last = shell.last
    if last is not None and last.asks:
        await shell.answered(last, seconds)
        came = last.answer
        assert came is not None
    else:
        came = await shell.traffic.arrivals.next(shell.since, Deadline(seconds), shell.check)
    if not wanted(came):
        raise ExpectationFailed(
            f"expected {' '.join(wanted.terms)}, but what came is {_told(came)}",
            hint="see /help filters for what the terms mean",
        )
    shell.forgive(came)
    if not shell.manner.in_order:
        shell.house.note(f"as expected: {_told(came)}")


def _told(frame: Frame) -> str:
    """A frame in a few words."""
    from xmppctl.output.heading import label

    sender = f" from {frame.sender}" if frame.sender else ""
    condition = frame.condition()
    return label(frame) + sender + (f" ({condition.condition})" if condition else "")


# -- the stream, and commands that run --


async def _send_raw(shell: Shell, words: Sequence[str], _: Slash) -> None:
    (text,) = words
    if text.startswith(_HEX):
        shell.send_raw(_hex(text.removeprefix(_HEX)))
    else:
        shell.send_raw(text.encode("utf-8", "surrogateescape"))


def _check_raw(words: Sequence[str]) -> None:
    raw = words[0] if words else ""
    if not (_hex(raw.removeprefix(_HEX)) if raw.startswith(_HEX) else raw):
        raise UsageError("there is nothing to send", hint="/send-raw <oops, or /send-raw --hex 3c ff")


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError("what follows --hex is no hex", hint="two digits a byte, as in 3c 2f 3e") from None


async def _connect(shell: Shell, _: Sequence[str], __: Slash) -> None:
    shell.line.connect_now()


async def _tls(shell: Shell, _: Sequence[str], __: Slash) -> None:
    await shell.line.start_tls()


async def _sasl(shell: Shell, words: Sequence[str], _: Slash) -> None:
    await shell.line.authenticate(words[0] if words else "SCRAM-SHA-256")


def _check_sasl(words: Sequence[str]) -> None:
    if len(words) > 1:
        raise UsageError(
            "only the mechanism can be said", hint="the password is the account's, and is never typed here"
        )


async def _jobs(shell: Shell, _: Sequence[str], __: Slash) -> None:
    running = list(shell.jobs.running.values())
    if not running:
        shell.house.note("nothing runs")
        return
    shell.house.say("\n".join(f"[job {job.number}] {job.seconds:.0f} s  {job.text}" for job in running))


async def _stop(shell: Shell, words: Sequence[str], _: Slash) -> None:
    running = shell.jobs.running
    numbers = [int(word) for word in words] if words else sorted(running)[-1:]
    if not numbers:
        raise UsageError("nothing runs")
    for number in numbers:
        if number not in running:
            raise UsageError(f"there is no job {number}", hint="/jobs lists them")
        if not running[number].stop():
            shell.house.note(f"[job {number}] is not on the stream yet; it ends when it comes to that")


def _check_numbers(words: Sequence[str]) -> None:
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            raise UsageError(f"{word!r} is no number", hint="/jobs lists what runs, with its numbers")


async def _quit(_: Shell, __: Sequence[str], ___: Slash) -> None:
    raise Leave


#: Those whose words are not split.
_WHOLE: Final = frozenset({"send-raw", "explain"})

OWN: Final[Mapping[str, Own]] = {
    "help": Own("[COMMAND|TOPIC]", "What can be typed; what a command does.", _help),
    "t": Own(
        "[NAME [ARG...]]",
        "Begin with a template: its stanza comes on the line, Tab goes from gap to gap. Alone: list them.",
        keeping.template,
    ),
    "last": Own(
        "[N]", "Show again what was typed as [N] (the last), and its answer.", keeping.last, keeping.one
    ),
    "edit": Own("[N]", "Put what was typed as [N] (the last) on the line again.", keeping.edit, keeping.one),
    "resend": Own("[N]", "Send what was typed as [N] (the last) again.", keeping.resend, keeping.one),
    "reply": Own(
        "[ID]", "Begin an answer to the message or request that came last, or has this id.", keeping.reply
    ),
    "explain": Own(
        "[N|XML]", "Say what each part of a stanza means, of XML or of what came last.", keeping.explain
    ),
    "filter": Own("[TERM...|off]", "Show only what fits of what comes by itself.", _filter, _check_filter),
    "quiet": Own("", "Show only answers to what is typed.", _level("quiet")),
    "normal": Own("", "Show what comes.", _level("normal")),
    "loud": Own("", "Show everything that crosses the wire, both ways.", _level("loud")),
    "wait": Own(
        "[SECONDS] TERM...",
        "Wait until a stanza that fits has come (6 if it does not); each counts once.",
        _wait,
        _timed,
    ),
    "expect": Own(
        "[SECONDS] TERM...",
        "The answer to the last iq, or else the next stanza that came, must fit (7 if it does not).",
        _expect,
        _timed,
    ),
    "send-raw": Own(
        "TEXT|--hex BYTES", "Send bytes exactly as they are, malformed ones too.", _send_raw, _check_raw
    ),
    "record": Own(
        "[FILE [TERM...]]", "Keep the stream for xmppctl replay from now on; alone: end it.", keeping.record
    ),
    "save": Own(
        "[--expect] FILE", "Write what was typed as a script, which xmppctl shell < FILE plays.", keeping.save
    ),
    "tls": Own("", "By hand: begin TLS, whether or not the server has agreed to it.", _tls),
    "sasl": Own(
        "[MECHANISM]",
        "By hand: authenticate with the account's password (SCRAM-SHA-256, PLAIN ...).",
        _sasl,
        _check_sasl,
    ),
    "jobs": Own("", "List the commands that run.", _jobs),
    "stop": Own("[N...]", "End a command that runs (the newest).", _stop, _check_numbers),
    "connect": Own("", "Connect again now.", _connect),
    "quit": Own("", "Leave, as Ctrl-D does.", _quit),
}
