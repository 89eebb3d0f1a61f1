"""The shell's own keys, pressed one by one in a line editor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
from prompt_toolkit.output import DummyOutput

from xmppctl.shell.keys import bindings
from xmppctl.shell.reader import read
from xmppctl.shell.stops import Stops

TAB, ENTER, ALT_ENTER, LEFT, END, DELETE = "\t", "\r", "\x1b\r", "\x1b[D", "\x1b[F", "\x1b[3~"
CTRL_C, ESCAPE, LOOK = "\x03", "\x1b", "\x1bOQ"
PATIENCE = 10.0


class Editor:
    """Notes what the keys ask of it."""

    def __init__(self, stops: Stops | None = None, *, plain: bool = False, busy: bool = False) -> None:
        self.stops = stops
        self.plain = plain
        self.busy = busy
        self.hints: list[str] = []

    def read(self, text: str) -> object:
        return text if self.plain else read(text)

    def interrupt(self) -> bool:
        was, self.busy = self.busy, False
        return was

    def hint(self, text: str) -> None:
        self.hints.append(text)


def press(
    keys: str,
    editor: Editor | None = None,
    *,
    text: str = "",
    vi: bool = False,
    words: str = "",
    menu: bool = False,
) -> str:
    """Press keys, and return the text with a `|` for the cursor; or, without one, the text that was accepted.

    At `~~` whatever follows from the keys before it happens. `words` are completed, while typing if `menu`.
    """
    editor = editor or Editor()
    looking = KeyBindings()

    @looking.add("f2")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        event.app.exit(f"{buffer.document.text_before_cursor}|{buffer.document.text_after_cursor}")

    async def main() -> str:
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            prompt: PromptSession[str] = PromptSession(
                multiline=True,
                key_bindings=merge_key_bindings([bindings(editor), looking]),
                editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
                completer=WordCompleter(words.split(), sentence=True) if words else None,
                complete_while_typing=menu,
            )
            prompt.default_buffer.on_text_changed += lambda buffer: (
                editor.stops.edited(buffer.text) if editor.stops is not None else None
            )

            async def type_all() -> None:
                for key in keys.split("~~"):
                    pipe.send_text(key)
                    for _ in range(20):  # turns of the loop, not time: a busy machine has few in any time
                        await asyncio.sleep(0.001)
                pipe.send_text(LOOK)

            typing = asyncio.ensure_future(type_all())
            async with asyncio.timeout(PATIENCE):
                result = await prompt.prompt_async(default=Document(text, 0) if text else "")
            typing.cancel()
            return result

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("<a>", "<a>|</a>"),
        ("<a/>", "<a/>|"),
        ("<a b='c'>", "<a b='c'>|</a>"),
        ("<a><b>", "<a><b>|</b></a>"),
        ("<a></", "<a></a>|"),
        ("<a></a", "<a></a>|"),
        ("<a></a>", "<a></a>|"),
        ("<a><b>x</</", "<a><b>x</b></a>|"),
        ("<a><b>x</b></a>", "<a><b>x</b></a>|"),
        ("<a><b/></a>", "<a><b/></a>|"),
        ("<a><b>x</b> y</a>", "<a><b>x</b> y</a>|"),
        ("<a b='1>2'>", "<a b='1>2'>|</a>"),
        ("<a b='x/y'/>", "<a b='x/y'/>|"),
        ("/roster list", "/roster list|"),
        ("<a>1/2", "<a>1/2|</a>"),
        ("<!-- a > b -->", "<!-- a > b -->|"),
        (f"<a>{END}<b>", "<a></a><b>|</b>"),
        ("<a>" + "x" * 3 + LEFT * 3 + "<b>", "<a><b>|xxx</a>"),  # before text no end tag
    ],
)
def test_end_tags_come_by_themselves_or_are_typed(keys, text):
    assert press(keys) == text


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (f"<a>{ENTER}", "<a>\n  |\n</a>"),
        (f"<a>{ENTER}<b/>{ENTER}", "<a>\n  <b/>\n  |\n</a>"),
        (f"<a>{ENTER}<b/>{ENTER}</", "<a>\n  <b/>\n</a>|"),
        (f"<a>{ENTER}<b/>{ENTER}</a>", "<a>\n  <b/>\n</a>|"),
        (f"<a>{ENTER}<b>{ENTER}<c/>{ENTER}</b>{ENTER}</a>", "<a>\n  <b>\n    <c/>\n  </b>\n</a>|"),
        (f"<a>{ENTER}<b>x</b>{ENTER}</", "<a>\n  <b>x</b>\n</a>|"),
        (f"<a{ENTER}b='c'", "<a\n  b='c'|"),
        (f"<a>{DELETE * 4}{ENTER}<b/>{ENTER}x", "<a>\n  <b/>\n  x|"),
        (f"<a><b>x{ALT_ENTER}y", "<a><b>x\ny|</b></a>"),
        (f"<a>{ALT_ENTER}", "<a>\n  |\n</a>"),
    ],
)
def test_lines_begin_where_their_elements_are(keys, text):
    assert press(keys) == text


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        (f"<a/>{ENTER}", "<a/>"),
        (f"<a><b/>{ENTER}", "<a><b/></a>"),
        (f"<a>x{ENTER}", "<a>x</a>"),
        (f"<a>{END}{ENTER}", "<a></a>"),
        (f"<a>{ENTER}<b/>{ENTER}{ENTER}", "<a>\n  <b/>\n  \n</a>"),  # on an empty line
        (f"<a>{ENTER}<b/>{ENTER}</a>{ENTER}", "<a>\n  <b/>\n</a>"),
        (f"/help{ENTER}", "/help"),
        (f"{ENTER}", ""),
    ],
)
def test_enter_sends_what_is_whole(keys, sent):
    assert press(keys) == sent


def test_enter_keeps_what_is_malformed():
    assert press(f"<a>&</a>{ENTER}").replace("|", "") == "<a>&</a>"


def test_enter_sends_a_template_from_any_gap():
    editor = Editor(Stops("<a><b></b></a>", [(6, 6)]))
    assert press(TAB + ENTER, editor, text="<a><b></b></a>") == "<a><b></b></a>"
    assert editor.stops is None


@pytest.mark.parametrize(("keys", "text"), [("<a></", "<a></|"), ("<a>", "<a>|"), ("<a b/>", "<a b/>|")])
def test_nothing_is_put_in_where_text_is_sent_as_it_is(keys, text):
    assert press(keys, Editor(plain=True)) == text


# -- templates and completion ------------------------------------------------------------------------------------

GAPS = "<a b='' c='x'/>"


def gaps() -> Editor:
    return Editor(Stops(GAPS, [(6, 6), (11, 12)]))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (TAB, "<a b='|' c='x'/>"),
        (f"{TAB}one{TAB}", "<a b='one' c='x|'/>"),
        (f"{TAB}one{TAB}two", "<a b='one' c='two|'/>"),
        (f"{TAB}{TAB}/", "<a b='' c='/|'/>"),
        (f"{TAB}{TAB}>", "<a b='' c='>|'/>"),
        (f"{TAB}{TAB}{LEFT}{LEFT}", "<a b='' c=|'x'/>"),
    ],
)
def test_tab_goes_from_gap_to_gap_and_its_text_is_replaced(keys, text):
    assert press(keys, gaps(), text=GAPS) == text


def test_behind_the_last_gap_tab_completes_again():
    editor = gaps()
    press(TAB * 3, editor, text=GAPS)
    assert editor.stops is None


def test_with_keys_of_vi_a_gap_keeps_its_text():
    assert press(f"{TAB}{TAB}y", gaps(), text=GAPS, vi=True) == "<a b='' c='xy|'/>"


def test_tab_completes():
    assert press("ro~~" + TAB, words="romeo") == "romeo|"
    assert press("ro~~" + TAB, words="romeo rosaline") == "ro|"


@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_only_thing_that_is_offered_is_taken_once(times):
    assert press("ro" + f"~~{TAB}" * times, words="romeo", menu=True) == "romeo|"


def test_enter_takes_what_is_chosen_and_does_not_send_it():
    assert press(f"ro~~{TAB}~~{TAB}~~{ENTER}", Editor(plain=True), words="romeo rosaline") == "romeo|"
    assert press(f"ro~~{TAB}~~{ENTER}", Editor(plain=True), words="romeo rosaline") == "ro"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (f"{TAB}ro~~{TAB}~~{TAB}", "romeo -|"),  # the menu, its first, the next gap
        (f"{TAB}romeo~~{TAB}", "romeo -|"),  # typed already
        (f"{TAB}ro~~{TAB}", "romeo| -"),
    ],
)
def test_in_a_template_what_is_chosen_stays_and_tab_goes_on(keys, text):
    editor = Editor(Stops("- -", [(0, 1), (2, 3)]))
    assert press(keys, editor, text="- -", words="romeo romeo1", menu=True) == text


# -- Ctrl-C ------------------------------------------------------------------------------------------------------


def test_ctrl_c_clears_and_keeps_the_line_in_the_history():
    assert press(f"<a>{CTRL_C}") == "|"
    assert press(f"<a/>{CTRL_C}~~\x1b[A") == "<a/>|"


@pytest.mark.parametrize(("busy", "hints"), [(True, []), (False, ["Ctrl-D leaves"])])
def test_ctrl_c_on_an_empty_line(busy, hints):
    editor = Editor(busy=busy)
    press(CTRL_C, editor)
    assert (editor.hints, editor.busy) == (hints, False)


def test_ctrl_c_ends_a_template():
    editor = gaps()
    press(CTRL_C, editor, text=GAPS)
    assert editor.stops is None


# -- vi ------------------------------------------------------------------------------------------------------------


def test_keys_of_vi_put_nothing_in_while_moving():
    assert press(f"<a>x{ESCAPE}~~0r/", vi=True) == "|/a>x</a>"


def test_escape_and_enter_send_with_keys_of_vi():
    assert press(f"<a/>{ESCAPE}{ENTER}", vi=True) == "<a/>"
