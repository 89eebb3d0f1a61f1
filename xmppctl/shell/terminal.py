"""A shell for a person at a terminal: the line editor, and what comes shown above the line."""

from __future__ import annotations

import asyncio
import io
import select
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.defaults import create_output

from xmppctl.errors import XmppctlError
from xmppctl.output.safe import safe
from xmppctl.shell import keys, slash
from xmppctl.shell.checking import Check
from xmppctl.shell.completion import Lookup, Sources
from xmppctl.shell.editing import Editing
from xmppctl.shell.history import SafeHistory
from xmppctl.shell.inputrc import prefers_vi
from xmppctl.shell.lexing import MAX_COLOURED, STYLE, Lines, XmlLexer, continuation
from xmppctl.shell.lookups import Lookups
from xmppctl.shell.menu import Menu
from xmppctl.shell.reader import Item, Raw, read
from xmppctl.shell.stops import Stops
from xmppctl.shell.under import put_error_under

if TYPE_CHECKING:
    from xmppctl.shell.above import Above
    from xmppctl.shell.core import Shell

#: Lines that the menu of completions gets under the prompt.
_MENU_LINES: Final = 8
#: How long the next prompt waits for what was typed to have its first effect.
_EFFECT_SECONDS: Final = 0.05
#: What leaving waits for the server to have everything.
_LEAVE_SECONDS: Final = 5.0
_TOOLBAR_LIMIT: Final = 200
#: A name with less room than that says nothing: it is left out.
_NAME_CELLS: Final = 8
#: What printing above the line needs of prompt_toolkit's Application, which does not promise to keep it.
_PRIVATE: Final = ("_running_in_terminal", "_request_absolute_cursor_position", "_redraw")


class Look(NamedTuple):
    """How the terminal is used: `keys` (None: as other programs have them), whether in colour, the history's file."""

    keys: Literal["emacs", "vi"] | None
    colored: bool
    history: Path
    lookups: bool
    environ: Mapping[str, str]


class Terminal:
    """Types on `shell`, prints through `above`."""

    def __init__(self, shell: Shell, above: Above, look: Look) -> None:
        self.stops: Stops | None = None
        self._shell = shell
        self._above = above
        self._look = look
        self._lines = Lines()
        self._work: asyncio.Queue[list[Item]] = asyncio.Queue()
        self._doing: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()
        self._history = SafeHistory(look.history)
        self._told = False
        #: What stood on the line when something was asked for it.
        self._wanted = ""
        self._lookups = Lookups(
            shell.line.session_for_commands, shell.traffic.learner.learned, self._answered
        )
        self._prompt = self._make_prompt()

    def _make_prompt(self) -> PromptSession[str]:
        shell, look = self._shell, self._look
        sources = Sources(shell.traffic.knowledge, shell.house.templates.all, shell.house.commands, slash.OWN)
        vi = look.keys == "vi" or (look.keys is None and prefers_vi(look.environ))
        prompt: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            lexer=XmlLexer(self._lines, plain=not shell.manner.checks),
            style=STYLE,
            color_depth=None if look.colored else ColorDepth.DEPTH_1_BIT,
            completer=Menu(sources, self._want if look.lookups else None),
            complete_while_typing=True,
            reserve_space_for_menu=_MENU_LINES,
            validator=Check(shell, self.read),
            validate_while_typing=False,
            history=self._history,
            key_bindings=keys.bindings(self),
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            enable_open_in_editor=True,
            enable_suspend=True,
            prompt_continuation=self._continuation,
            bottom_toolbar=self._toolbar,
            output=create_output(self._above.terminal),
        )
        prompt.default_buffer.on_text_changed += self._edited
        buffer = prompt.default_buffer
        self._editing = Editing(buffer, look.environ, self.hint)
        buffer.open_in_editor = self._editing.open  # type: ignore[method-assign]
        put_error_under(prompt)
        return prompt

    # -- how it looks --

    def _message(self) -> StyleAndTextTuples:
        shell = self._shell
        number = f"[{shell.traffic.ledger.count + 1}]"
        state = f" ({shell.line.state})" if shell.line.state else ""
        # Offline it is the account still. Half of the window is for what is typed.
        name = f" {safe((shell.line.jid or shell.own).bare)}"
        room = self._columns() // 2 - len(f"{number}{state}> ")
        if len(name) > room:
            name = f"{name[: room - 1]}…" if room >= _NAME_CELLS else ""
        style = "class:prompt" if shell.line.by_hand else "class:prompt.offline"
        return [("class:prompt", number + name), (style, state), ("class:prompt", "> ")]

    def _columns(self) -> int:
        return self._prompt.output.get_size().columns

    def _continuation(self, width: int, line: int, wraps: int) -> StyleAndTextTuples:
        text = self._prompt.default_buffer.text
        if wraps or len(text) > MAX_COLOURED or not self._shell.manner.checks:
            return [("class:prompt", " " * width)]
        begins = self._lines.of(text)
        state = begins[min(line, len(begins) - 1)]
        return [("class:prompt", continuation(state, width))]

    def _toolbar(self) -> StyleAndTextTuples:
        shell = self._shell
        parts: list[str] = []
        if shell.display.level != "normal":
            parts.append(shell.display.level)
        if shell.display.wanted is not None:
            parts.append("filter " + " ".join(shell.display.wanted.terms))
        if not shell.manner.checks:
            parts.append("sent as typed")
        if shell.traffic.recorder is not None:
            parts.append("recording")
        jobs = len(shell.jobs.running)
        if jobs:
            parts.append(f"{jobs} job{'s' if jobs > 1 else ''}")
        if self._doing is not None:
            parts.append("waiting; Ctrl-C stops that")
        if self.stops:
            parts.append("Tab: next gap")
        return [
            (
                "",
                safe(
                    "  ·  ".join(parts) or "/help  ·  Tab completes  ·  Ctrl-D leaves", limit=_TOOLBAR_LIMIT
                ),
            )
        ]

    # -- what is typed --

    def read(self, text: str) -> list[Item]:
        """The items of what was typed. Raises IncompleteInput, MalformedInput."""
        manner = self._shell.manner
        if manner.checks or text.startswith(("/", "#")):
            return read(text, by_hand=manner.by_hand)
        return [Raw(text, 1)] if text else []

    def _edited(self, _: Any) -> None:
        if self.stops is not None:
            self.stops.edited(self._prompt.default_buffer.text)

    @property
    def plain(self) -> bool:
        """Whether what is typed is no XML to the shell, and sent as it is."""
        return not self._shell.manner.checks

    def interrupt(self) -> bool:
        """Stop what is waited for."""
        if self._doing is None:
            return False
        self._doing.cancel()
        return True

    def hint(self, text: str) -> None:
        """Say something about the keys."""
        self._shell.house.note(text)

    # -- from the first prompt to the last --

    async def run(self) -> None:
        """Until Ctrl-D. The terminal is as it was then, whatever ends it."""
        shell = self._shell
        printing = asyncio.ensure_future(self._above.run(self._show_above, self._keys_wait))
        working = asyncio.ensure_future(self._do_all())
        for task in (working, printing):
            task.add_done_callback(lambda _: self._end())
        shell.changed = self._redraw
        self._greet()
        try:
            # Also between two prompts: keys are for the next one then, and Ctrl-C is no signal.
            with self._prompt.input.raw_mode(), suppress(EOFError):
                while not self._leaving.is_set():
                    await self._one_prompt()
            for task in (working, printing):
                if task.done():
                    task.result()  # a mistake of ours
            await self._leave()
        finally:
            shell.changed = lambda: None
            self._lookups.stop()
            for task in (working, printing):
                task.cancel()
            await asyncio.wait((working, printing))

    async def _show_above(self, write: Callable[[], None]) -> None:
        """Have `write` print while the line is out of the way.

        Not with `run_in_terminal`, but while an editor has the terminal: it leaves that in a state in which what is
        typed meanwhile is echoed, and Ctrl-C a signal. That is still better than nothing with a prompt_toolkit that
        has changed.
        """
        app = self._prompt.app
        if not all(hasattr(app, name) for name in _PRIVATE) or app._running_in_terminal:
            await run_in_terminal(write)
            return
        if app.is_running and app.output.responds_to_cpr:
            await app.renderer.wait_for_cpr_responses()
        if not app.is_running or app._running_in_terminal:
            write()
            return
        app.renderer.erase()
        write()
        app._request_absolute_cursor_position()
        app._redraw()

    def _keys_wait(self) -> bool:
        """Whether something was typed that was not read yet."""
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            polled = select.poll()
            polled.register(self._prompt.input.fileno(), select.POLLIN)
            return bool(polled.poll(0))
        return False

    def _greet(self) -> None:
        shell = self._shell
        who = (
            f"you are {shell.line.jid}" if shell.line.jid is not None else "nothing is sent but what you type"
        )
        shell.house.note(f"{who}; /help tells what can be typed, Ctrl-D leaves")
        self._history.get_strings()
        self._tell_of_history()

    def _tell_of_history(self) -> None:
        """Say once where there is trouble with its file."""
        problem = self._history.problem
        if problem and not self._told:
            self._told = True
            self._shell.house.note(f"the history is not kept: {problem}")

    async def _one_prompt(self) -> None:
        expanded, self._shell.prefill = self._shell.prefill, None

        def begin() -> None:
            if expanded is not None:
                self._place(expanded)
            if self._leaving.is_set():  # it was time to before there was a prompt to end
                self._end()

        default = expanded.text if expanded is not None else ""
        prompt = asyncio.ensure_future(
            self._prompt.prompt_async(default=default, pre_run=begin, handle_sigint=False)
        )
        try:
            text = await asyncio.shield(prompt)
        except asyncio.CancelledError:
            self._editing.stop()
            prompt.cancel()
            await asyncio.wait((prompt,))
            raise
        self._tell_of_history()
        items = self.read(text)
        if not items:
            return
        self._work.put_nowait(items)
        # So that what follows at once stands above the next prompt.
        with suppress(TimeoutError):
            async with asyncio.timeout(_EFFECT_SECONDS):
                await self._work.join()

    def _place(self, expanded: Any) -> None:
        """Put the cursor where an editable stanza begins to be one's own."""
        buffer = self._prompt.default_buffer
        self.stops = Stops(expanded.text, [(stop.start, stop.end) for stop in expanded.stops])
        if not keys.next_stop(self, buffer):
            buffer.cursor_position = expanded.cursor

    def _prefill(self) -> None:
        """Put on the line what came after the prompt, if nothing was typed meanwhile."""
        buffer = self._prompt.default_buffer
        expanded = self._shell.prefill
        if expanded is not None and self._prompt.app.is_running and not buffer.text:
            self._shell.prefill = None
            buffer.document = Document(expanded.text, expanded.cursor)
            self._place(expanded)

    async def _do_all(self) -> None:
        """Do what was typed, in order, while more is typed."""
        while True:
            items = await self._work.get()
            self._doing = asyncio.ensure_future(self._do(items))
            try:
                await self._doing
            except asyncio.CancelledError:
                own = asyncio.current_task()
                if own is None or own.cancelling():  # it is the end of the shell, not Ctrl-C
                    raise
                self._shell.house.note("stopped waiting")
            finally:
                self._doing = None
                self._work.task_done()
                self._redraw()

    async def _do(self, items: Iterable[Item]) -> None:
        left = list(items)
        while left:
            item = left.pop(0)
            try:
                await self._shell.do(item)
            except slash.Leave:
                self._end()
                return
            except XmppctlError as error:
                self._shell.house.tell(error)
                if left:
                    self._shell.house.note(f"{len(left)} more of what was typed was not done")
                return
            self._prefill()

    def _end(self) -> None:
        """No prompt any more."""
        self._leaving.set()
        if self._prompt.app.is_running:
            self._prompt.app.exit(exception=EOFError)

    async def _leave(self) -> None:
        """What was typed is with the server; if not, that is told."""
        left = 0
        while not self._work.empty():
            left += len(self._work.get_nowait())
        if left:
            self._shell.house.note(f"{left} more of what was typed was not done")
        session = self._shell.line.session
        if session is None or not self._shell.manner.checks:
            return
        await session.barrier(_LEAVE_SECONDS)

    def _redraw(self) -> None:
        if self._prompt.app.is_running:
            self._prompt.app.invalidate()

    def _want(self, wish: Lookup) -> None:
        """Ask the network for what could be offered here."""
        self._wanted = self._prompt.default_buffer.text
        self._lookups.want(wish)

    def _answered(self) -> None:
        """An answer has come: offer what is known now, when what is being offered stands there."""
        asyncio.get_running_loop().call_later(_EFFECT_SECONDS, self._offer_again)

    def _offer_again(self) -> None:
        buffer = self._prompt.default_buffer
        if not self._prompt.app.is_running or buffer.text != self._wanted:
            return
        state = buffer.complete_state
        if state is None or state.current_completion is None:
            buffer.complete_state = None
            buffer.start_completion()
