"""Where the error of what is typed stands on the screen."""

from __future__ import annotations

import asyncio
import io

import pyte
import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import has_validation_error
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.layout import ConditionalContainer
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.validation import Validator

from xmppctl.shell.under import put_error_under

COLUMNS, ROWS = 40, 12


def screen_after(text: str, message: str) -> list[str]:
    """The rows that are not empty at the end, when `text` was refused."""

    async def main() -> str:
        written = io.StringIO()
        output = Vt100_Output(written, lambda: Size(ROWS, COLUMNS), term="xterm", enable_cpr=False)
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
            prompt: PromptSession[str] = PromptSession(
                "> ",
                multiline=True,
                validator=Validator.from_callable(lambda _: False, message),
                validate_while_typing=False,
                bottom_toolbar="the bottom",
            )
            put_error_under(prompt)
            buffer = prompt.default_buffer
            typing = asyncio.ensure_future(prompt.prompt_async(default=text))
            async with asyncio.timeout(10):
                while text not in buffer.text or not prompt.app.is_running:
                    await asyncio.sleep(0)
                prompt.app.renderer.report_absolute_cursor_row(1)
                buffer.validate_and_handle()
                for _ in range(3):  # drawn, and drawn again where the first time said how much room there is
                    prompt.app.invalidate()
                    await asyncio.sleep(0.02)
            shown = written.getvalue()
            typing.cancel()
            await asyncio.wait([typing])
            return shown

    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(asyncio.run(main()))
    return [row.rstrip() for row in screen.display]


@pytest.mark.parametrize(
    ("text", "row"),
    [("one", 1), ("one\ntwo", 2), ("x" * 50, 2), ("1\n2\n3\n4\n5", 5)],
)
def test_it_stands_under_the_last_line(text, row):
    rows = screen_after(text, "wrong")
    assert rows[row] == "wrong"
    assert rows[0].startswith("> ")
    assert rows.count("wrong") == 1


def test_a_long_one_goes_on_in_the_next_row():
    rows = screen_after("one", "w" * (COLUMNS + 5))
    assert rows[1:3] == ["w" * COLUMNS, "w" * 5]


def test_where_the_text_fills_the_screen_it_stands_at_the_bottom():
    rows = screen_after("\n".join(str(n) for n in range(30)), "wrong")
    assert rows[-2:] == ["wrong", "the bottom"]


def test_where_the_editor_is_laid_out_in_another_way_it_stays_at_the_bottom(monkeypatch):
    with create_app_session(output=DummyOutput()):
        prompt: PromptSession[str] = PromptSession("> ")
        monkeypatch.setattr(prompt.layout, "walk", lambda: iter(()))
        put_error_under(prompt)
        monkeypatch.undo()
        filters = [each.filter for each in prompt.layout.walk() if isinstance(each, ConditionalContainer)]
    assert has_validation_error in filters
