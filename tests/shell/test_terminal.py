"""A person at a terminal: keys in a pipe, the screen in a string, and a scripted session under the shell."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.shell.play import PATIENCE, Commands, Stage, answering, perform
from xmppctl.errors import ConnectionLost, DeadlineExceeded, UsageError
from xmppctl.shell import terminal
from xmppctl.shell.above import Above
from xmppctl.shell.core import Manner
from xmppctl.shell.terminal import Look, Terminal

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
PONG = "<iq type='result' id='p1' from='montague.example'/>"
ENTER, CTRL_C, CTRL_D = "\r", "\x03", "\x04"


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def sent(stage: Stage) -> list[str]:
    """What was typed and went out."""
    return [text for text in stage.typed if f"to='{stage.session.jid.domain}'><ping" not in text]


class Person:
    """Types at a terminal, and looks at it."""

    def __init__(
        self, stage: Stage, terminal: Terminal, pipe: PipeInput, running: asyncio.Task[None]
    ) -> None:
        self.stage = stage
        self.terminal = terminal
        self.running = running
        self._pipe = pipe

    def type(self, *keys: str) -> None:
        """Press keys."""
        for each in keys:
            self._pipe.send_text(each)

    @property
    def line(self) -> str:
        """What stands on the line."""
        return self.terminal._prompt.default_buffer.text

    @property
    def error(self) -> str:
        """What is told under it."""
        error = self.terminal._prompt.default_buffer.validation_error
        return error.message if error is not None else ""

    @property
    def prompt(self) -> str:
        """What stands before it."""
        return "".join(part[1] for part in self.terminal._message())

    @property
    def toolbar(self) -> str:
        """What stands at the bottom."""
        return "".join(part[1] for part in self.terminal._toolbar())

    async def until(self, holds: Callable[[], object]) -> None:
        await self.stage.until(holds)

    async def leaves(self) -> None:
        """Ctrl-D, and the end."""
        self.type(CTRL_D)
        await asyncio.wait_for(asyncio.shield(self.running), PATIENCE / 2)


def at_terminal(
    tmp_path: Path,
    main: Callable[[Person], Awaitable[None]],
    responder: Any = None,
    *,
    editor: str = "",
    **how: Any,
) -> Stage:
    """Run a test with a person at a terminal; the stage, afterwards."""
    stages: list[Stage] = []
    environ = {"HOME": str(tmp_path), "EDITOR": editor}

    async def body(stage: Stage) -> None:
        stages.append(stage)
        stage.shell.house.templates = how.get("templates") or stage.house.templates
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            look = Look(None, False, tmp_path / "state" / "history", True, environ)
            at = Terminal(stage.shell, Above(io.StringIO()), look)
            running = asyncio.ensure_future(at.run())
            try:
                await main(Person(stage, at, pipe, running))
            finally:
                running.cancel()
                await asyncio.wait([running])

    perform(body, responder, **how)
    return stages[0]


def test_what_is_whole_is_sent_and_ctrl_d_leaves(tmp_path):
    async def main(person: Person) -> None:
        person.type(PING, ENTER)
        await person.until(lambda: person.stage.house.shown)
        assert person.prompt == "[2] romeo@montague.example> "
        await person.until(lambda: not person.line)
        await person.leaves()

    stage = at_terminal(tmp_path, main, answering(p1=PONG))
    assert stage.typed[0] == PING
    assert stage.house.notes[0].startswith("you are romeo@montague.example/orchard;")
    (frame, note) = stage.house.shown[0]
    assert frame.id == "p1" and "after" in note.text
    assert (tmp_path / "state/history").read_text() == f'"{PING}"\n'


def test_a_document_is_done_in_order(tmp_path):
    async def main(person: Person) -> None:
        person.type(paste(f"# a comment\n<presence/>\n/quiet\n<!-- c -->{PING}\n"), ENTER)
        await person.until(lambda: len(person.stage.typed) == 2)
        assert person.stage.shell.display.level == "quiet"
        assert person.toolbar.startswith("quiet")

    assert at_terminal(tmp_path, main).typed[:2] == ["<presence/>", PING]


def test_what_fails_ends_what_was_typed_with_it(tmp_path):
    def fail(rest: str, open_session: Any) -> int:
        raise UsageError("no")

    async def main(person: Person) -> None:
        person.type(paste("<presence/>\n/stop\n<presence/>\n<message/>"), ENTER)
        await person.until(lambda: person.stage.house.told)
        await person.until(lambda: "2 more of what was typed was not done" in person.stage.house.notes)

    assert at_terminal(tmp_path, main, commands=Commands(fail=fail)).typed == ["<presence/>"]


@pytest.mark.parametrize(
    ("text", "error", "cursor"),
    [
        ("<a>x & y</a>", "line 1, column 6: not well-formed at '&' (a plain & is written &amp;)", 5),
        ("<a>\n</b>", "line 2, column 1: </b> does not close <a>, which was opened in line 1", 4),
        ("/nothing", "there is no command /nothing", 8),
        ("/hepl", "did you mean /help", 5),
        ("/filter nonsense:x", "nonsense", 18),
        ("hello", "line 1, column 1", 0),
        ("/jobs 'x", "no closing quotation", 8),
    ],
)
def test_what_is_wrong_is_told_and_stays(tmp_path, text, error, cursor):
    async def main(person: Person) -> None:
        person.type(paste(text), ENTER)
        await person.until(lambda: person.error)
        assert error in person.error and "\n" not in person.error
        assert person.line == text
        assert person.terminal._prompt.default_buffer.cursor_position == cursor
        person.type(CTRL_C)
        await person.until(lambda: not person.line and not person.error)
        await person.leaves()

    assert sent(at_terminal(tmp_path, main)) == []


def test_while_there_is_no_connection_the_line_stays(tmp_path):
    again = asyncio.Event()

    def reopen(ear: Any) -> Any:
        async def open_again() -> Any:
            await again.wait()
            raise ConnectionLost("still not")

        return open_again

    async def main(person: Person) -> None:
        person.stage.session.lose(ConnectionLost("gone"))
        await person.until(lambda: "offline" in person.prompt)
        person.type("<presence/>", ENTER)
        await person.until(lambda: person.error.startswith("there is no connection"))
        assert person.line == "<presence/>"
        assert "offline" in person.prompt and person.prompt.startswith("[1] romeo@mont")

    assert sent(at_terminal(tmp_path, main, reopen=reopen)) == []


def test_ctrl_c_stops_what_is_waited_for(tmp_path):
    async def main(person: Person) -> None:
        person.type("/wait kind:message", ENTER)
        await person.until(lambda: "Ctrl-C stops" in person.toolbar)
        await person.until(lambda: not person.line and person.terminal._prompt.app.is_running)
        person.type("<presence/>", ENTER)  # one after the other
        await person.until(lambda: not person.line)
        assert person.stage.typed == []
        person.type(CTRL_C)
        await person.until(lambda: "stopped waiting" in person.stage.house.notes)
        await person.until(lambda: person.stage.typed == ["<presence/>"])
        person.type(CTRL_C)
        await person.until(lambda: person.stage.house.notes[-1] == "Ctrl-D leaves")
        await person.leaves()

    at_terminal(tmp_path, main)


def test_ctrl_d_leaves_while_something_is_waited_for(tmp_path):
    async def main(person: Person) -> None:
        person.type("/wait kind:message", ENTER)
        await person.until(lambda: "Ctrl-C stops" in person.toolbar)
        await person.until(lambda: not person.line and person.terminal._prompt.app.is_running)
        person.type(paste("<presence/>\n<message/>"), ENTER)
        await person.until(lambda: not person.terminal._work.empty() and not person.line)
        await person.until(lambda: person.terminal._prompt.app.is_running)
        person.type(CTRL_D)
        async with asyncio.timeout(PATIENCE / 2):
            await asyncio.wait([person.running])
        assert person.stage.house.notes[-1] == "2 more of what was typed was not done"

    assert sent(at_terminal(tmp_path, main)) == []


@pytest.mark.parametrize("names", [terminal._PRIVATE, ("_gone",)])
def test_what_is_said_stands_above_the_line(tmp_path, monkeypatch, names):
    """Also with a prompt_toolkit that has not what that needs best."""
    monkeypatch.setattr(terminal, "_PRIVATE", names)

    async def main(person: Person) -> None:
        person.type("<pres")
        await person.until(lambda: person.line)
        above = person.terminal._above
        above.write("hark\n")
        await person.until(lambda: "hark\n" in above.terminal.getvalue())
        assert person.line == "<pres"
        person.type("ence/>", ENTER)
        await person.until(lambda: person.stage.typed)
        await person.leaves()

    at_terminal(tmp_path, main)


def test_a_template_comes_on_the_line(tmp_path):
    async def main(person: Person) -> None:
        person.type("/t message", ENTER)
        await person.until(lambda: person.line.startswith("<message"))
        assert person.toolbar.endswith("Tab: next gap")
        person.type("juliet@capulet.example\t", "hark\t", "what light")
        await person.until(lambda: "what light" in person.line)
        person.type(ENTER)
        await person.until(lambda: person.stage.typed)
        await person.leaves()

    (text,) = [each for each in at_terminal(tmp_path, main).typed if each.startswith("<message")]
    assert "to='juliet@capulet.example'" in text
    assert "<subject>hark</subject><body>what light</body>" in text


def test_quit_leaves(tmp_path):
    async def main(person: Person) -> None:
        person.type("/quit", ENTER)
        async with asyncio.timeout(PATIENCE):
            await person.running

    at_terminal(tmp_path, main)


@pytest.mark.parametrize("turns", range(5))
def test_it_ends_though_something_was_done_just_then(tmp_path, turns):
    """As by a signal: so many turns of the event loop after what was typed is done."""

    async def main(person: Person) -> None:
        work, loop = person.terminal._work, asyncio.get_running_loop()
        done = work.task_done

        def end(left: int) -> None:
            if left:
                loop.call_soon(end, left - 1)
            else:
                person.running.cancel()

        def task_done() -> None:
            done()
            end(turns)

        work.task_done = task_done  # type: ignore[method-assign]
        person.type("<presence/>", ENTER)
        async with asyncio.timeout(PATIENCE / 2):
            await asyncio.wait([person.running])

    assert at_terminal(tmp_path, main).typed == ["<presence/>"]


def test_leaving_waits_for_the_server(tmp_path):
    async def main(person: Person) -> None:
        person.type("<presence/>", ENTER)
        await person.until(lambda: person.stage.typed)
        with pytest.raises(DeadlineExceeded):
            await person.leaves()

    at_terminal(tmp_path, main, lambda _: [])


def test_sent_as_typed_nothing_is_checked_or_put_in(tmp_path):
    async def main(person: Person) -> None:
        for number, line in enumerate(("<a>", "  <b></b>", "</a>"), 1):
            person.type(line, ENTER)
            await person.until(lambda number=number: person.stage.shell.sent == number)
        assert "sent as typed" in person.toolbar
        person.type("# a comment", ENTER)
        person.type("/jobs", ENTER)
        await person.until(lambda: "nothing runs" in person.stage.house.notes)
        assert person.stage.shell.sent == 3
        await person.leaves()

    stage = at_terminal(tmp_path, main, manner=Manner(checks=False))
    assert list(stage.shell.lines)[:3] == ["<a>", "  <b></b>", "</a>"]


def test_a_mistake_of_ours_ends_it_and_is_told(tmp_path, monkeypatch):
    async def main(person: Person) -> None:
        monkeypatch.setattr(person.stage.shell, "send", None)
        person.type("<presence/>", ENTER)
        with pytest.raises(TypeError):
            async with asyncio.timeout(PATIENCE):
                await person.running

    at_terminal(tmp_path, main)


def test_an_incomplete_text_from_an_editor_is_not_taken(tmp_path):
    async def main(person: Person) -> None:
        person.type(paste("<message>"))
        await person.until(lambda: person.line)
        buffer = person.terminal._prompt.default_buffer
        buffer.validate_and_handle()  # as an editor does that has ended
        assert person.error == "the end is missing"
        assert person.line == "<message>"
        assert not person.running.done()

    assert sent(at_terminal(tmp_path, main)) == []


@pytest.mark.parametrize(
    ("columns", "state", "prompt"),
    [
        (80, "", "[1] romeo@montague.example> "),
        (40, "", "[1] romeo@montagu…> "),
        (20, "", "[1]> "),
        (80, "offline", "[1] romeo@montague.example (offline)> "),
        (40, "offline", "[1] (offline)> "),
    ],
)
def test_half_of_the_window_is_for_what_is_typed(tmp_path, monkeypatch, columns, state, prompt):
    async def main(person: Person) -> None:
        monkeypatch.setattr(Terminal, "_columns", lambda _: columns)
        monkeypatch.setattr(type(person.stage.wire), "state", state)
        assert person.prompt == prompt

    at_terminal(tmp_path, main)


def test_frames_and_notes_say_how_it_is(tmp_path):
    async def main(person: Person) -> None:
        assert person.toolbar.startswith("/help")
        await person.stage.type("/loud")
        await person.stage.type("/filter kind:message from:juliet@*")
        assert person.toolbar == "loud  ·  filter kind:message from:juliet@*"

    at_terminal(tmp_path, main)


def test_trouble_with_the_history_is_told(tmp_path):
    (tmp_path / "state" / "history").mkdir(parents=True)
    (tmp_path / "state").chmod(0o700)

    async def main(person: Person) -> None:
        person.type("<presence/>", ENTER)
        await person.until(lambda: person.stage.typed)
        await person.until(lambda: any("history is not kept" in note for note in person.stage.house.notes))
        await person.leaves()

    at_terminal(tmp_path, main)
