"""The error of what is typed right under it, where the eyes are: prompt_toolkit has it at the bottom of the screen."""

from __future__ import annotations

from typing import Any

from prompt_toolkit.filters import Condition, has_validation_error, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, Float, FloatContainer, FormattedTextControl, Window
from prompt_toolkit.shortcuts import PromptSession


class _Below(Float):
    """A line below the last one of `over` that is seen."""

    def __init__(self, over: Window, content: ConditionalContainer) -> None:
        super().__init__(content=content, left=0, right=0)
        self._over = over

    @property
    def top(self) -> int:
        """Lines above it. By then the text of this drawing has its place."""
        info = self._over.render_info
        return len(info.displayed_lines) if info is not None else 0

    @top.setter
    def top(self, _: Any) -> None:
        """Only there is its place."""


def put_error_under(prompt: PromptSession[str]) -> None:
    """Show what the validator has to say under the text; at the bottom only where the text fills the screen."""
    layout = prompt.layout
    over = layout.current_window
    box = next((each for each in layout.walk() if isinstance(each, FloatContainer)), None)
    toolbar = next(
        (
            each
            for each in layout.walk()
            if isinstance(each, ConditionalContainer) and each.filter is has_validation_error
        ),
        None,
    )
    if box is None or toolbar is None:
        return  # prompt_toolkit lays it out in another way than is known here: the error stays at the bottom

    @Condition
    def fits() -> bool:
        info = over.render_info
        return info is not None and len(info.displayed_lines) < info.window_height

    def told() -> StyleAndTextTuples:
        error = prompt.default_buffer.validation_error
        return [("class:validation-toolbar", error.message)] if error is not None else []

    toolbar.filter = has_validation_error & ~fits
    shown = ConditionalContainer(
        Window(FormattedTextControl(told), wrap_lines=True),
        filter=has_validation_error & fits & ~is_done,
    )
    box.floats.insert(0, _Below(over, shown))
