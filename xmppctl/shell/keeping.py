"""Commands of a shell about stanzas that were typed or have come: templates, again, answers, scripts, recordings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xmppctl.errors import OutputFailed, UsageError
from xmppctl.output.base import Note
from xmppctl.shell.reader import Stanza, read
from xmppctl.stanza import build
from xmppctl.stanza.check import split_input
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.redact import redact

if TYPE_CHECKING:
    from xmppctl.protocols.ledger import Sent
    from xmppctl.shell.core import Shell
    from xmppctl.shell.reader import Slash
    from xmppctl.shell.templates import Expanded
    from xmppctl.stanza.frame import Frame

#: What is no part of a script: it shows what was, or depends on it.
NOT_KEPT: Final = frozenset(
    {"help", "last", "edit", "resend", "reply", "explain", "save", "jobs", "stop", "quit", "connect", "t"}
)
_FRESH_SCRIPT: Final = "# A session of xmppctl shell. Play it again: xmppctl shell < FILE\n"


def one(words: Sequence[str]) -> None:
    """Raise UsageError unless there is at most one number."""
    if len(words) > 1 or (words and not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 10)):
        raise UsageError(f"{' '.join(words)!r} is no number of a stanza", hint="as in [3], which is /last 3")


def _entry(shell: Shell, words: Sequence[str]) -> Sent:
    entry = shell.traffic.ledger.get(int(words[0]) if words else 0)
    if entry is None:
        raise UsageError(
            f"nothing was sent as [{words[0]}]" if words else "nothing was sent yet",
            hint="type a stanza, as <presence/>" if not words else "",
        )
    return entry


async def _begin(shell: Shell, text: str, expanded: Expanded | None = None) -> None:
    """Put text on the line; in a script, which has none, do what it says."""
    from xmppctl.shell.templates import Expanded

    if not shell.manner.in_order:
        shell.prefill = expanded or Expanded(text, (), len(text))
        return
    if expanded is not None and any(expanded.text[stop.start : stop.end] == "" for stop in expanded.stops):
        names = ", ".join(stop.name for stop in expanded.stops if expanded.text[stop.start : stop.end] == "")
        raise UsageError(f"a script has to say all of a template: {names}", hint="as in /t NAME VALUE...")
    for item in read(text, by_hand=shell.manner.by_hand):
        await shell.do(item)


# -- templates --


async def template(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/t`."""
    templates = shell.house.templates
    if not words:
        rows = [f"  {each.name:20} {each.description}" for each in templates.all()]
        shell.house.say("\n".join([*rows, "Your own: /t save NAME [N]"]))
        for problem in templates.problems:
            shell.house.note(problem)
        return
    if words[0] == "save":
        await _save_template(shell, words[1:])
        return
    jid = shell.line.jid or shell.own
    values = {"me": str(jid), "bare": jid.bare, "domain": jid.domain}
    expanded = templates.get(words[0]).expand(words[1:], values)
    await _begin(shell, expanded.text, expanded)


async def _save_template(shell: Shell, words: Sequence[str]) -> None:
    if not words:
        raise UsageError("a name is missing", hint="/t save NAME, for the stanza that was typed last")
    one(words[1:])
    entry = _entry(shell, words[1:])
    path = shell.house.templates.save(words[0], entry.frame.text)
    shell.house.note(f"/t {words[0]} begins with it from now on ({path})")


# -- what was typed, again --


async def last(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/last`."""
    entry = _entry(shell, words)
    shell.house.screen.frame(redact(entry.frame), Note(f"[{entry.number}]", {"typed": entry.number}))
    if entry.answer is not None:
        shell.display.answer(entry.answer, entry)
    elif entry.asks:
        shell.house.note("there is no answer to it yet")


async def edit(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/edit`."""
    await _begin(shell, _entry(shell, words).frame.text)


async def resend(shell: Shell, words: Sequence[str], item: Slash) -> None:
    """`/resend`. A request gets an id of its own: two replies with one id could not be told apart."""
    entry = _entry(shell, words)
    frame = entry.frame
    if not frame.names:
        shell.send_raw(frame.raw)
        return
    if entry.asks:
        from xmppctl.stanza.rewrite import with_attribute

        (frame,) = split_input(with_attribute(frame.raw, "id", build.new_id()))
    await shell.do(Stanza(frame, frame.text, item.line))


# -- answers --


async def reply(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/reply`."""
    wanted = words[0] if words else None
    for frame in reversed(shell.traffic.answerable):
        if wanted is None or frame.id == wanted:
            expanded = answer_to(
                frame, from_whom=shell.line.session is not None and shell.line.session.component
            )
            await _begin(shell, expanded.text, expanded)
            return
    raise UsageError(
        f"nothing that can be answered has the id {wanted}"
        if wanted
        else "nothing that can be answered has come"
    )


def answer_to(frame: Frame, *, from_whom: bool = False) -> Expanded:
    """The beginning of an answer to a message, a request, or a request to subscribe.

    `from_whom`: it has to say whom it is from, as a component's must.
    """
    from xmppctl.shell.templates import Expanded

    to = frame.sender
    ends = {"from": frame.to if from_whom else None, "to": to}
    if frame.kind == "iq":
        head = build.attributes({"type": "result", "id": frame.id, **ends})
        return _with_gap(f"<iq{head}>", "</iq>")
    if frame.kind == "presence":
        text = f"<presence{build.attributes({'type': 'subscribed', **ends})}/>"
        return Expanded(text, (), len(text))
    if frame.type == "groupchat" and to is not None:
        ends["to"] = to.partition("/")[0]
    kept = frame.type if frame.type in ("chat", "groupchat") else None
    return _with_gap(f"<message{build.attributes({'type': kept, **ends})}><body>", "</body></message>")


def _with_gap(before: str, after: str) -> Expanded:
    from xmppctl.shell.templates import Expanded

    return Expanded(before + after, (), len(before))


async def explain(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/explain`."""
    from xmppctl.shell.explaining import explained

    if words and words[0].startswith("<"):
        frames = split_input(words[0])
    elif words:
        one(words)
        entry = _entry(shell, words)
        frames = [entry.frame] if entry.answer is None else [entry.frame, entry.answer]
    elif shell.traffic.newest is not None:
        frames = [shell.traffic.newest]
    else:
        raise UsageError("nothing has come yet", hint="/explain <presence/>, or /explain N")
    shell.house.say("\n".join(line for frame in frames for line in explained(redact(frame))))


# -- files --


async def record(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/record`."""
    from xmppctl.output.recorder import Recorder

    if shell.traffic.stop_recording():
        shell.house.note("the recording has ended")
        if not words:
            return
    if not words:
        raise UsageError("a file is missing", hint="/record FILE; see it again with xmppctl replay FILE")
    wanted = compile_filter(words[1:]) if words[1:] else None
    shell.traffic.recorder, shell.traffic.recorded = Recorder(str(_file(words[0])), waits=False), wanted
    shell.house.note(f"recording to {words[0]}; /record ends it")


async def save(shell: Shell, words: Sequence[str], _: Slash) -> None:
    """`/save`. What holds a secret is not written as it is: a script is made to be shown around."""
    from xmppctl.shell.scrub import scrub

    expects = "--expect" in words
    names = [word for word in words if word != "--expect"]
    if len(names) != 1:
        raise UsageError("one file is needed", hint="/save FILE")
    entries = _entries_of(shell) if expects else [None] * len(shell.lines)
    lines = []
    for line, entry in zip(shell.lines, entries, strict=True):
        kept = scrub(line)
        lines.append("# (a line that holds a secret was here)" if kept is None else kept)
        lines += _expectation(entry)
    path = _file(names[0])
    _write_new(path, _FRESH_SCRIPT + "".join(f"{line}\n" for line in lines))
    shell.house.note(f"{len(shell.lines)} lines are in {path}; play them: xmppctl shell < {path}")


def _entries_of(shell: Shell) -> list[Sent | None]:
    """For each line that was typed the stanza that it sent. From the end, as the oldest of either may be forgotten."""
    sent: dict[str, list[Sent]] = {}
    for entry in shell.traffic.ledger:
        if entry.text:
            sent.setdefault(entry.text, []).append(entry)
    return [sent[line].pop() if sent.get(line) else None for line in reversed(shell.lines)][::-1]


def _expectation(entry: Sent | None) -> list[str]:
    """What an iq that is played again is to be answered with: what it was answered with."""
    if entry is None or entry.answer is None or not entry.asks:
        return []
    condition = entry.answer.condition()
    named = f" ns:urn:ietf:params:xml:ns:xmpp-stanzas xpath://err:{condition.condition}" if condition else ""
    return [f"/expect kind:iq type:{entry.answer.type}{named}"]


def _file(word: str) -> Path:
    """The path that somebody typed. Raises UsageError where it can be none."""
    try:
        path = Path(word).expanduser()
        os.fsencode(path)
    except (RuntimeError, ValueError) as error:  # ~NOBODY; what the system cannot encode
        raise UsageError(f"{word!r} is no file: {error}", hint="name another file") from None
    if not word or "\0" in word:
        raise UsageError(f"{word!r} is no file", hint="name another file")
    return path


def _write_new(path: Path, text: str) -> None:
    """Write a private file that must not be there yet. Raises UsageError, OutputFailed."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already", hint="name another file, or remove it first") from None
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {error.strerror}", hint="name another file") from None
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {error.strerror}", hint="make room") from None
